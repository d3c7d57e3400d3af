"""What people see: `repr` and HTML, local and free; and `dnd.print`, the collective that shows the whole array."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import torch
from numpy import get_printoptions, printoptions, set_printoptions

from .array import DNDarray
from .layout import Layout

__all__ = [
    "array2string",
    "array_repr",
    "array_str",
    "get_printoptions",
    "print",
    "printoptions",
    "set_printoptions",
]


def _values(x: DNDarray) -> np.ndarray:
    """This process's part as NumPy prints it."""
    local = x.larray.detach().cpu().resolve_conj().resolve_neg()
    return (local.float() if local.dtype is torch.bfloat16 else local).numpy()


def local_repr(x: DNDarray) -> str:
    """Metadata and this process's part; no communication."""
    place = f"rank={x.comm.rank}/{x.comm.size}"
    if x.is_distributed():
        rows = ", ".join(f"{start}:{stop}" for start, stop in x.layout.box(x.comm.rank))
        place += f", indices=[{rows}]"
    grid = f", grid={x.layout.grid.shape}" if x.layout.grid.ndim > 1 else ""
    dtype = str(x.dtype).removeprefix("torch.")
    grad = ", requires_grad=True" if x.requires_grad else ""
    head = f"dndarray(shape={x.shape}, dtype={dtype}, split={x.split}{grid}, device={x.device}{grad}, {place},"
    text = np.array2string(_values(x), separator=", ", prefix=" " * 9, max_line_width=100)
    return f"{head}\n         {text})"


def html_repr(x: DNDarray) -> str:
    """A table of metadata beside a drawing of who holds what; no communication."""
    mine = x.larray.numel() * x.itemsize
    rows = {
        "shape": x.shape,
        "dtype": str(x.dtype).removeprefix("torch."),
        "split": x.split if x.layout.grid.ndim == 1 else f"{x.split} on grid {x.layout.grid.shape}",
        "bytes": f"{_human(x.nbytes)} ({_human(mine)} here)",
        "process": f"{x.comm.rank} of {x.comm.size}, part {x.lshape} on {x.device}",
    }
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><tr><td><table>{cells}</table></td><td>{_drawing(x.layout, x.comm.rank)}</td></tr></table>"


def _human(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if nbytes < 1024 or unit == "TiB":
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    raise AssertionError


def _drawing(layout: Layout, rank: int, length: int = 120, most: int = 64) -> str:
    """The parts as an SVG of the last two axes that matter (split ones first), this process's part filled."""
    shown = sorted({a for a in layout.axes if a is not None})[:2]
    shown = sorted({*shown, *[a for a in range(layout.ndim) if a not in shown][: 2 - len(shown)]})
    if not shown or layout.size == 0:
        return ""
    longest = max(layout.shape[a] for a in shown)
    scale = [max(12.0, length * layout.shape[a] / longest) / layout.shape[a] for a in shown]

    def rectangle(r: int, fill: str) -> str:
        spans = [(layout.box(r)[a][0] * s, layout.box(r)[a][1] * s) for a, s in zip(shown, scale, strict=True)]
        (top, bottom), (left, right) = spans if len(spans) == 2 else [(0.0, 24.0), spans[0]]
        return (
            f"<rect x='{left + 1:.1f}' y='{top + 1:.1f}' width='{right - left:.1f}' height='{bottom - top:.1f}' "
            f"fill='{fill}' stroke='#555'><title>rank {r}: {layout.lshape(r)}</title></rect>"
        )

    ranks = range(min(layout.grid.size, most))
    parts = "".join(rectangle(r, "#e8eef7") for r in ranks) + rectangle(rank, "#5b8def")
    width = layout.shape[shown[-1]] * scale[-1] + 2
    height = layout.shape[shown[0]] * scale[0] + 2 if len(shown) == 2 else 26
    return f"<svg width='{width:.0f}' height='{height:.0f}' xmlns='http://www.w3.org/2000/svg'>{parts}</svg>"


def _summary(x: DNDarray, edge: int) -> DNDarray:
    """The corners that an abbreviation shows, on every process: bounded, whatever the size of `x`."""
    from .manipulation import concatenate

    for axis, n in enumerate(x.shape):
        if n > 2 * edge + 1:
            before: Any = (slice(None),) * axis
            # One more than is shown, so that NumPy writes the dots.
            x = concatenate([x[(*before, slice(0, edge + 1))], x[(*before, slice(n - edge, n))]], axis)
    return x


def array2string(
    a: Any,
    max_line_width: int | None = None,
    precision: int | None = None,
    suppress_small: bool | None = None,
    separator: str = " ",
    prefix: str = "",
    *,
    threshold: int | None = None,
    edgeitems: int | None = None,
    **options: Any,
) -> str:
    """The values of a whole array as text, on every process; long ones abbreviated, as NumPy does.

    Collective. Arguments are NumPy's. Communication: what is shown is made whole on every process, by one collective
    and, if the array is abbreviated, one more for each long axis.
    """
    from .elementwise import as_operand
    from .manipulation import resplit

    x = as_operand(a).detach()
    limits = np.get_printoptions()
    threshold = limits["threshold"] if threshold is None else threshold
    edgeitems = limits["edgeitems"] if edgeitems is None else edgeitems
    long = x.size > threshold
    values = _values(resplit(_summary(x, edgeitems) if long else x, None))
    return np.array2string(
        values, max_line_width, precision, suppress_small, separator, prefix,
        threshold=0 if long else threshold, edgeitems=edgeitems, **options,
    )  # fmt: skip


def array_str(
    a: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: bool | None = None
) -> str:
    """The values of a whole array as text, on every process. Collective; as `array2string`."""
    if isinstance(a, DNDarray) and not a.ndim and a.dtype is not torch.bfloat16:
        return str(a.numpy()[()])  # as a number, in full
    return array2string(a, max_line_width, precision, suppress_small)


def array_repr(arr: DNDarray) -> str:
    """What `repr` gives: metadata and this process's part. Local."""
    return repr(arr)


def print(x: Any, *args: Any, **options: Any) -> None:
    """Print the values of a whole array once, on rank 0; long ones abbreviated, as NumPy does.

    Other arguments are passed on to Python's print. Collective: every process calls it. Only what is shown travels.
    """
    import builtins

    items = (x, *args)
    arrays = [item for item in items if isinstance(item, DNDarray)]
    texts = []
    for item in items:
        if isinstance(item, DNDarray):
            text = array2string(item, separator=", ")
            dtype = str(item.dtype).removeprefix("torch.")
            texts.append(f"{text}\n(shape {item.shape}, {dtype}, split={item.split})" if item.ndim else text)
        else:
            texts.append(str(item))
    rank = arrays[0].comm.rank if arrays else _rank()
    if rank == 0:
        builtins.print(*texts, **options)  # noqa: T201 - the purpose


def _rank() -> int:
    from .communication import get_comm

    return get_comm().rank
