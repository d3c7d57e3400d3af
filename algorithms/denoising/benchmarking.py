"""How well and how fast methods denoise a cube, at which cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dndarray as dnd
from dndarray import DNDarray
from dndarray.optional import require
from dndarray.testing import peak_memory

from ...energy import Monitor, region
from ..progress import counted
from .denoiser import as_cube
from .metrics import psnr, sam, snr
from .noise import gaussian

__all__ = ["benchmark"]

Method = Callable[[DNDarray], DNDarray]

NOISY = "noisy"
"""The name of the rows about the cubes that methods are given."""


def benchmark(
    cube: Any,
    methods: Mapping[str, Method] | Sequence[Method],
    snrs: Sequence[float] = (20, 30, 40),
    *,
    draws: int = 15,
    noise: Callable[..., DNDarray] = gaussian,
    seed: int = 0,
    mean: bool = True,
) -> Any:
    """Add noise to a clean cube, let methods remove it, and say how near they come to the clean one and what it costs.

    Every method is given the same noisy cubes. `with progress():` shows how far it is.

    Parameters
    ----------
    cube : array_like
        The clean cube, as a `Denoiser` takes it, split in any way or not: a cube that is not split is denoised by every
        process, as a whole.
    methods : sequence or mapping of callable
        Denoisers, or any functions from a noisy cube to a clean one of its shape. Those that bear no name in a mapping
        are called by that of their class or function.
    snrs : sequence of float
        How much noise there is, in dB.
    draws : int
        How often noise of each level is drawn. (The first time some methods import what they need.)
    noise : callable
        `noise(cube, snr, seed=seed)`, as `noise.gaussian` and `noise.poisson`.
    seed : int
        Draw d of the noise has the seed `seed` + d.
    mean : bool
        Whether a row is the mean over all draws, or one draw.

    Returns
    -------
    pandas.DataFrame
        The same on every process, with the columns

        - method; noise, the dB of `snrs`; draw, but for means;
        - psnr, snr (dB) and sam (radians), as in `metrics`. The first rows, of the method "noisy", tell them of what
          is given to the methods;
        - seconds, those of the host where it took longest;
        - joules, those of all hosts, whatever else runs there, and label, which says where they are from: see
          `dnd.energy`;
        - memory, the most bytes that a process took beyond what it had before, its part of the result included (Linux;
          NaN elsewhere).

    Communication: that of the methods, of `noise` and of three metrics for each run; that of a `dnd.energy.Monitor`.

    Examples
    --------
    >>> import dndarray as dnd
    >>> clean = dnd.ones((20, 20, 4), split=0)
    >>> table = benchmark(clean, {"mean": lambda x: x * 0 + x.mean()}, snrs=[10, 20], draws=2)
    >>> table.method.tolist(), table.noise.tolist()
    (['noisy', 'noisy', 'mean', 'mean'], [10, 20, 10, 20])
    """
    pandas = require("pandas", "denoising")
    clean = as_cube(cube)
    named = _named(methods)
    if draws < 1 or not snrs:
        raise ValueError(f"there must be noise to remove: `draws` (={draws}) of 1 or more, `snrs` (={tuple(snrs)})")
    runs = [(name, level, draw) for name in named for level in snrs for draw in range(draws)]
    rows = []
    with Monitor(clean.comm) as monitor, counted(len(runs), "run") as count:
        for number, (name, level, draw) in enumerate(runs):
            noisy = noise(clean, level, seed=seed + draw)
            with region(f"run {number}"), peak_memory() as peak:
                result = named[name](noisy)
            quality = [float(metric(clean, result)) for metric in (psnr, snr, sam)]
            rows.append((name, level, draw, *quality, peak.bytes))
            count(1)
    table = pandas.DataFrame(rows, columns=["method", "noise", "draw", "psnr", "snr", "sam", "memory"])
    costs = {row["region"]: row for row in monitor.report().rows()}
    for column in ("seconds", "joules", "label"):
        table[column] = [costs[f"run {number}"][column] for number in range(len(runs))]
    bytes_taken = dnd.array(table.pop("memory").to_numpy(float)[None], is_split=0, comm=clean.comm)
    table["memory"] = bytes_taken.max(axis=0).numpy()
    table.loc[table.method == NOISY, ["seconds", "joules", "memory"]] = 0.0
    if mean:
        keys = ["method", "noise", "label"]
        means = table.groupby(keys, sort=False, as_index=False).mean()
        table = means[[name for name in table.columns if name != "draw"]]
    return table


def _named(methods: Mapping[str, Method] | Sequence[Method]) -> dict[str, Method]:
    """All of them by name, with one that does nothing."""
    given = methods.items() if isinstance(methods, Mapping) else [(_name(method), method) for method in methods]
    names = [NOISY, *(name for name, _ in given)]
    if len(set(names)) < len(names):
        raise ValueError(f"methods need different names, not {names[1:]}, and none of them {NOISY!r}: give a dict")
    return {NOISY: lambda cube: cube, **dict(given)}


def _name(method: Method) -> str:
    return getattr(method, "__name__", type(method).__name__)
