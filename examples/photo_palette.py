"""The colours of a photograph: how they are spread, and the few that show it best.

    python examples/photo_palette.py
    mpiexec -n 4 python examples/photo_palette.py --colours 32 --input holiday.jpg --output holiday

Both do the same, with the same result: what is computed does not say on how many processes. Each of them reads some
rows of the picture, and holds and computes on these only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import click
import h5py
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

import dndarray as dnd

# --- the method -----------------------------------------------------------------------------------------------


def principal_axes(pixels: dnd.DNDarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions in which the colours vary, as columns, and the variance along each; the largest first."""
    centred = pixels - pixels.mean(axis=0)
    covariance = dnd.resplit(centred.T @ centred, None) / len(pixels)
    # Of shape (3, 3), and the same on every process: each may as well solve it by itself.
    variances, axes = torch.linalg.eigh(covariance.larray)
    # An axis has two directions: take that in which its largest component is positive.
    signs = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    return (axes * signs).flip(1), variances.flip(0)


def distances(pixels: dnd.DNDarray, palette: dnd.DNDarray) -> dnd.DNDarray:
    """Squared distance of each of n pixels from each of k colours, shape (n, k)."""
    # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, which needs no array of shape (n, k, 3).
    return (pixels**2).sum(axis=1)[:, None] - pixels @ (2 * palette.T) + (palette**2).sum(axis=1)


def first_palette(pixels: dnd.DNDarray, colours: int, seed: int) -> dnd.DNDarray:
    """Pixels to start from, each drawn by its squared distance from those before it (k-means++)."""

    def pixel(i: int) -> dnd.DNDarray:
        return dnd.resplit(pixels[i : i + 1], None)

    first, *draws = dnd.random.Generator(seed).random(colours, dtype="float64").tolist()
    palette = pixel(int(first * len(pixels)))
    nearest = distances(pixels, palette)[:, 0]
    for draw in draws:
        reached = nearest.cumsum() <= draw * nearest.sum()
        new = pixel(min(int(reached.sum()), len(pixels) - 1))
        nearest = dnd.minimum(nearest, distances(pixels, new)[:, 0])
        palette = dnd.concatenate([palette, new])
    return palette


def better_palettes(pixels: dnd.DNDarray, palette: dnd.DNDarray) -> Iterator[dnd.DNDarray]:
    """Palettes that come ever closer to the pixels (k-means), until the best is found.

    Every colour becomes the mean of the pixels to which it is the nearest; one to which none is stays as it is.
    """
    numbers = dnd.arange(len(palette))
    while True:
        nearest = distances(pixels, palette).argmin(axis=1)
        belongs = (nearest[:, None] == numbers).astype("float64")  # 1 or 0, shape (n, k)
        sizes = belongs.sum(axis=0)[:, None]
        sums = dnd.resplit(belongs.T @ pixels, None)
        better = dnd.where(sizes > 0, sums / dnd.maximum(sizes, 1), palette)
        if bool((better == palette).all()):
            return
        yield better
        palette = better


# --- what is around it ----------------------------------------------------------------------------------------


class Steps:
    """What the steps of a run cost: how long they take, and what they send. One process shows how far it is."""

    def __init__(self, total: int) -> None:
        self.names: list[str] = []
        self.costs: list[tuple[float, float]] = []
        self.bar = tqdm(total=total, leave=False, ncols=80, mininterval=0.5, disable=dnd.get_comm().rank > 0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.bar.set_description(f"{name:<20}")
        began = time.perf_counter()
        with dnd.testing.count_collectives() as sent:
            yield
        self.names.append(name)
        self.costs.append((time.perf_counter() - began, sent.bytes))
        self.bar.update()

    def table(self) -> list[str]:
        """Seconds on the slowest process and bytes sent by all of them, for each step and together."""
        self.bar.close()
        costs = dnd.array(np.array([self.costs]), is_split=0)  # shape (processes, steps, 2)
        seconds, sent = costs[..., 0].max(axis=0).tolist(), costs[..., 1].sum(axis=0).tolist()
        rows = [*zip(self.names, seconds, sent, strict=True), ("together", sum(seconds), sum(sent))]
        return [f"  {name:<22}{t:8.3f} s {size(n):>12} sent" for name, t, n in rows]


def size(nbytes: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}" if nbytes else "nothing"
        nbytes /= 1000
    return f"{nbytes:.3g} GB"


def photograph(path: Path | None) -> np.ndarray:
    """The picture in a file, or the flower that comes with scikit-learn; shape (rows, columns, 3), uint8."""
    if path is not None:
        return np.asarray(Image.open(path).convert("RGB"))
    from sklearn.datasets import load_sample_image

    return load_sample_image("flower.jpg")


def hexadecimal(colour: np.ndarray) -> str:
    """As in a style sheet."""
    return "#" + "".join(f"{round(c):02x}" for c in colour.tolist())


def swatch(colour: np.ndarray, width: int = 2) -> str:
    """A piece of the colour itself, where the terminal says it can. A rank does not see whether there is one."""
    if os.environ.get("COLORTERM") not in ("truecolor", "24bit") or os.environ.get("NO_COLOR"):
        return ""
    red, green, blue = (round(c) for c in colour.tolist())
    return f"\x1b[48;2;{red};{green};{blue}m{' ' * width}\x1b[0m "


def describe(pixels: dnd.DNDarray, mean: np.ndarray, std: np.ndarray, axes: np.ndarray, variances: np.ndarray) -> str:
    """The statistics as a table, a column for each of red, green and blue."""

    def line(name: str, row: np.ndarray, digits: int) -> str:
        return f"  {name:<8}" + "".join(f"{value:9.{digits}f}" for value in row)

    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    lines = [f"{len(pixels):,} pixels, {swatch(mean)}{hexadecimal(mean)} on average", ""]
    lines += ["               red    green     blue", line("mean", mean, 1), line("spread", std, 1)]
    for number, (axis, share) in enumerate(zip(axes.T, shares, strict=True), start=1):
        lines.append(line(f"axis {number}", axis, 3) + f"   with {share:5.1%} of the variance")
    return "\n".join(lines)


def describe_palette(palette: np.ndarray, shares: np.ndarray) -> str:
    """Each colour with its share of the pixels."""
    bars = (shares / shares.max() * 40).round().astype(int)
    rows = zip(palette, shares, bars, strict=True)
    return "\n".join(f"  {swatch(c, 4)}{hexadecimal(c)}  {share:6.1%}  {'█' * bar}" for c, share, bar in rows)


FILE, FOLDER = click.Path(exists=True, dir_okay=False, path_type=Path), click.Path(file_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option(
    "--input", "source", type=FILE, help="A picture, or an HDF5 file that holds one of shape (rows, columns, 3)."
)
@click.option("--dataset", help="Which of the arrays in an HDF5 file, if it has several.")
@click.option("--output", type=FOLDER, default="build/photo_palette", help="The folder to write into.")
@click.option("--colours", type=click.IntRange(1), default=16, help="How many to find.")
@click.option("--iterations", type=click.IntRange(1), default=100, help="At most so many of k-means.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Decides on the colours to start from.")
def main(
    source: Path | None, dataset: str | None, output: Path, colours: int, iterations: int, seed: int
) -> np.ndarray:
    """Find the few colours that show a photograph best, and paint it with them."""
    rank, processes = dnd.get_comm().rank, dnd.get_comm().size
    steps = Steps(total=6 + iterations)
    output.mkdir(parents=True, exist_ok=True)

    with steps.step("store the photograph"):
        stored = source if source and source.suffix in (".h5", ".hdf5") else output / "photograph.h5"
        if stored is not source:
            dnd.io.save(dnd.array(photograph(source)), stored, dataset)

    with steps.step("load it by rows"):
        picture = dnd.io.load(stored, dataset, split=0)
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise click.BadParameter(f"a picture has shape (rows, columns, 3), this one has {picture.shape}")
        pixels = picture.astype("float64").reshape(-1, 3)

    with steps.step("statistics"):
        mean, std = pixels.mean(axis=0).numpy(), pixels.std(axis=0).numpy()
        axes, variances = principal_axes(pixels)

    with steps.step("choose first colours"):
        palette = first_palette(pixels, colours, seed)

    with steps.step("improve them"):
        taken = 0
        for better in islice(better_palettes(pixels, palette), iterations):
            palette, taken = better, taken + 1
            steps.bar.update()
        steps.bar.total -= iterations - taken

    with steps.step("paint with them"):
        to_palette = distances(pixels, palette)
        nearest = to_palette.argmin(axis=1)
        error = max(0.0, float(to_palette.min(axis=1).mean())) ** 0.5  # not below 0, as rounding may make it
        painted = dnd.round(palette[nearest]).astype("uint8").reshape(picture.shape)
        shares = (nearest[:, None] == dnd.arange(colours)).mean(axis=0, dtype="float64").numpy()
        dnd.io.save(painted, output / "painted.h5")
        if rank == 0:  # from the file, so that nobody sends a picture
            with h5py.File(output / "painted.h5") as file:
                Image.fromarray(file["data"][...]).save(output / "painted.png")

    order = np.argsort(-shares, kind="stable")
    found, table = palette.numpy()[order], steps.table()
    if rank == 0:
        click.echo(describe(pixels, mean, std, axes.numpy(), variances.numpy()) + "\n")
        click.echo(f"{colours} colours after {taken} iterations; they miss a pixel by {error:.1f} of 255\n")
        click.echo(describe_palette(found, shares[order]) + "\n")
        click.echo(f"on {processes} process{'es' * (processes > 1)}\n\n" + "\n".join(table) + "\n")
        click.echo(f"written: {output / 'painted.png'} and {output / 'painted.h5'}")
    return found


if __name__ == "__main__":
    main()
