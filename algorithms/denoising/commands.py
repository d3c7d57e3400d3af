"""The command `python -m dndarray denoise`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from dndarray import DNDarray
from dndarray.communication import get_comm
from dndarray.console import echo, said
from dndarray.errors import agreed
from dndarray.replacement import check_folder

from ... import io
from ...energy import Monitor
from ...nn import denoisers, load_weights
from ..progress import progress
from . import noise, plots
from .denoiser import Denoiser, as_cube
from .fasthyde import FastHyDe
from .fasthyin import FastHyIn
from .forpdn import FORPDN
from .hyminor import HyMiNoR
from .hyres import HyRes
from .inference import NetworkDenoiser
from .l1hymixde import L1HyMixDe
from .metrics import psnr, sam, snr
from .otvca import OTVCA
from .streaming import denoise_file
from .wsrrr import WSRRR

__all__ = ["main"]

METHODS: dict[str, type[Denoiser]] = {
    method.__name__.lower(): method for method in (FORPDN, FastHyDe, FastHyIn, HyMiNoR, HyRes, L1HyMixDe, OTVCA, WSRRR)
}
NETWORKS: dict[str, Any] = {name.lower(): getattr(denoisers, name) for name in denoisers.__all__ if name[0].isupper()}
SPLITS = {"rows": 0, "columns": 1}
FORMATS = (".h5", ".hdf5", ".mat", ".nc", ".nc4", ".npy", ".zarr")


class Assignment(click.ParamType):
    """NAME=VALUE, the value as Python writes it, or a word."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        name, given, text = value.partition("=")
        if not (name and given):
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        try:
            return name, ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return name, text


class Numbers(click.ParamType):
    """Whole numbers with commas between them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.name = ",".join(["n"] * count)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            numbers = tuple(map(int, value.split(",")))
        except ValueError:
            numbers = ()
        if len(numbers) != self.count:
            self.fail(f"{value!r} is not {self.count} whole numbers with commas between them", param, ctx)
        return numbers


OUT, IN = (click.Path(exists=exists, path_type=Path) for exists in (False, True))


@click.command()
@click.argument("cube", type=IN)
@click.option("--dataset", help="Name of the array in the file, where there are several.")
@click.option(
    "--method", type=click.Choice([*METHODS, *NETWORKS]), default="fasthyde", show_default=True, help="What denoises."
)
@click.option("--set", "options", type=Assignment(), multiple=True, help="A parameter of the method: rank=10. Repeat.")
@click.option("--weights", type=IN, help="Of a network: .safetensors, or one of HyDe's .pth files.")
@click.option("--out", type=OUT, help=f"Write the clean cube: {', '.join(FORMATS)}.")
@click.option("--quicklook", type=OUT, help="Draw false colours before and after, what is taken away, and spectra.")
@click.option("--bands", type=Numbers(3), help="Those of the quicklook: red, green and blue.")
@click.option("--pixel", "pixels", type=Numbers(2), multiple=True, help="Row and column of a spectrum. Repeat.")
@click.option("--snr", "level", type=float, help="For trials: add white noise of so many dB first.")
@click.option("--seed", default=0, show_default=True, help="Of that noise.")
@click.option("--reference", type=IN, help="The clean cube, to say how near the result is; with --snr CUBE itself.")
@click.option("--reference-dataset", help="Name of the array in that file.")
@click.option("--split", type=click.Choice(list(SPLITS)), default="rows", show_default=True, help="What is dealt out.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Hold so many rows at a time only: fasthyde or networks, to .h5, .nc or .zarr.",
)
@click.option("--progress", "bar", is_flag=True, help="Show a bar over iterations or windows.")
def main(
    cube: Path,
    dataset: str | None,
    method: str,
    options: tuple[tuple[str, Any], ...],
    weights: Path | None,
    out: Path | None,
    quicklook: Path | None,
    bands: tuple[int, int, int] | None,
    pixels: tuple[tuple[int, int], ...],
    level: float | None,
    seed: int,
    reference: Path | None,
    reference_dataset: str | None,
    split: str,
    rows: int | None,
    bar: bool,
) -> None:
    """Denoise the hyperspectral cube (rows, columns, bands) in a file.

    Under mpirun its rows (or columns) are dealt out, every process reads and writes its own, and rank 0 prints. What is
    NaN is missing, which fasthyin fills in. A cube that is larger than memory takes --rows.
    """
    with said(ImportError, KeyError, OSError, TypeError, ValueError):
        denoiser = _denoiser(method, dict(options), weights)
        _check(out, quicklook)
        if rows is not None:
            if out is None or not (quicklook is level is reference is None):
                raise ValueError("with --rows there must be --out, and no --quicklook, --snr or --reference")
            _run(denoiser, lambda: denoise_file(cube, out, denoiser, dataset=dataset, rows=rows), bar)
            echo(f"written: {out}")
            return
        before = as_cube(io.load(cube, dataset, split=SPLITS[split]), finite=False)
        clean = None if reference is None else io.load(reference, reference_dataset, split=SPLITS[split])
        if level is not None:
            clean = before if clean is None else clean
            before = noise.gaussian(before, level, seed=seed)
        if clean is not None and clean.shape != before.shape:
            raise ValueError(f"CUBE of shape {before.shape} and --reference of shape {clean.shape} must be alike")
        echo(f"{cube}: {' x '.join(map(str, before.shape))}, {str(before.dtype).removeprefix('torch.')}")
        after = _run(denoiser, lambda: denoiser(before), bar)
        if clean is not None:
            echo(_quality(clean, before, after))
        if out is not None:
            io.save(after, out)
            echo(f"written: {out}")
        if quicklook is not None:
            figure = plots.before_after(before, after, reference=clean, bands=bands, pixels=pixels or None)
            with agreed(get_comm()):
                if figure is not None:
                    figure.savefig(quicklook)
            echo(f"written: {quicklook}")


def _run(denoiser: Denoiser, work: Callable[[], Any], bar: bool) -> Any:
    """Do it, and say what it cost."""
    with Monitor() as monitor, progress() if bar else nullcontext():
        result = work()
    report = monitor.report()
    method = " ".join(repr(denoiser).split())
    echo(f"{method}: {report.seconds:.3g} s, {report.joules:.3g} J ({report.label})")
    return result


def _denoiser(method: str, options: dict[str, Any], weights: Path | None) -> Denoiser:
    if (method in NETWORKS) != (weights is not None):
        raise ValueError(f"--weights must be given for networks, and for these only, not for --method {method}")
    if weights is None:
        return METHODS[method]().set_params(**options)
    load = denoisers.load_hyde_weights if weights.suffix == ".pth" else load_weights
    return NetworkDenoiser(load(NETWORKS[method](), weights)).set_params(**options)


def _quality(reference: Any, before: DNDarray, after: DNDarray) -> str:
    measures: dict[str, Callable[[Any], Any]] = {
        "PSNR (dB)": lambda cube: psnr(reference, cube),
        "SNR (dB)": lambda cube: snr(reference, cube),
        "SAM (degrees)": lambda cube: sam(reference, cube, degrees=True),
    }
    lines = [f"{'':15}{'before':>10}{'after':>10}"]
    for name, measure in measures.items():
        lines.append(f"{name:15}{float(measure(before)):10.3f}{float(measure(after)):10.3f}")
    return "\n".join(lines)


def _check(out: Path | None, quicklook: Path | None) -> None:
    """Whether the results can be written, before hours of work."""
    with agreed(get_comm()):
        for path in (out, quicklook):
            if path is not None:
                check_folder(path.resolve())
    if out is not None and out.suffix.lower() not in FORMATS:
        raise ValueError(f"--out (={out}) must end in one of {', '.join(FORMATS)}")
