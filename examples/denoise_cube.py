"""Which method denoises a hyperspectral cube best, and what that costs.

    python examples/denoise_cube.py
    mpiexec -n 2 python examples/denoise_cube.py --cube samson.mat --dataset Y --picture before_after.png

Without a file it is a synthetic cube. It is taken for clean: noise is added, and taken away again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from dndarray.algorithms import denoising

import dndarray as dnd


def synthetic(size: int = 96, bands: int = 60) -> dnd.DNDarray:
    """Three materials in fields and along a river, each with a smooth spectrum."""
    row, column = dnd.arange(size, dtype="float32", split=0)[:, None], dnd.arange(size, dtype="float32")
    river = abs(column - size / 2 - size / 6 * dnd.sin(row / 12)) < size / 20
    fields = (row // 16 + column // 24) % 3 / 2 * (1 + 0.2 * dnd.sin(row / 5 + column / 7))
    shares = dnd.stack([dnd.where(river, 0, fields), dnd.where(river, 0, 1.2 - fields), 0.7 * river], axis=-1)
    band, places = dnd.linspace(0, 1, bands), dnd.array([0.3, 0.7, 0.05])[:, None]
    return shares.astype("float32") @ (0.1 + dnd.exp(-(((band - places) / 0.2) ** 2))).astype("float32")


@click.command(context_settings={"show_default": True})
@click.option("--cube", type=click.Path(exists=True, path_type=Path), help="A cube (rows, columns, bands).")
@click.option("--dataset", help="Name of the array in the file.")
@click.option("--snr", default=20.0, help="Noise that is added, in dB.")
@click.option("--draws", default=1, help="How often.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw what the best method did.")
def main(cube: Path | None, dataset: str | None, snr: float, draws: int, picture: Path | None) -> Any:
    """Denoise a cube by several methods."""
    clean = synthetic() if cube is None else dnd.io.load(cube, dataset, dtype="float32", split=0)
    rank = min(6, clean.shape[2])
    methods = {
        "HyRes": denoising.HyRes(),
        "WSRRR": denoising.WSRRR(rank=rank),
        "FORPDN": denoising.FORPDN(),
        "OTVCA": denoising.OTVCA(rank=rank),
        "FastHyDe": denoising.FastHyDe(rank=rank, denoiser="nlm"),
    }
    with denoising.progress():
        table = denoising.benchmark(clean, methods, [snr], draws=draws)
    dnd.print(table.round({"psnr": 2, "snr": 2, "sam": 4, "seconds": 2, "joules": 1}).to_string(index=False))
    best = table.loc[table.psnr.idxmax(), "method"]
    dnd.print(f"{best} comes nearest to the clean cube")
    if picture is not None:
        noisy = denoising.noise.gaussian(clean, snr, seed=0)
        figure = denoising.plots.before_after(noisy, methods[best](noisy), reference=clean)
        if figure is not None:
            figure.savefig(picture)
    return table


if __name__ == "__main__":
    main()
