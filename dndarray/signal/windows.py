"""Windows: the weights of the samples of a frame. Each process computes its own; nothing is communicated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from inspect import signature
from operator import index
from typing import Any

import torch
from torch import Tensor

from ..array import DNDarray
from ..communication import as_comm
from ..creation import make_layout, positions
from ..layout import Split
from ..types import as_dtype

__all__ = ["get_window"]

# Each takes the places, from -1 to 1, and their number.


def _general_cosine(x: Tensor, m: int, a: Sequence[float]) -> Tensor:
    return sum((weight * torch.cos(math.pi * k * x) for k, weight in enumerate(a)), torch.zeros_like(x))


def _general_hamming(x: Tensor, m: int, alpha: float) -> Tensor:
    return _general_cosine(x, m, (alpha, 1 - alpha))


def _triang(x: Tensor, m: int) -> Tensor:
    return 1 - x.abs() * (m - 1) / (m + m % 2)


def _parzen(x: Tensor, m: int) -> Tensor:
    r = x.abs() * ((m - 1) / m)
    return torch.where(x.abs() <= 0.5, 1 - 6 * r**2 + 6 * r**3, 2 * (1 - r) ** 3)


def _bohman(x: Tensor, m: int) -> Tensor:
    r = x.abs()
    values = (1 - r) * torch.cos(math.pi * r) + torch.sin(math.pi * r) / math.pi
    return torch.where(r == 1, 0, values)


def _barthann(x: Tensor, m: int) -> Tensor:
    return 0.62 - 0.24 * x.abs() + 0.38 * torch.cos(math.pi * x)


def _cosine(x: Tensor, m: int) -> Tensor:
    return torch.cos(0.5 * math.pi * x * (m - 1) / m)


def _kaiser(x: Tensor, m: int, beta: float) -> Tensor:
    beta = torch.tensor(float(beta), dtype=x.dtype, device=x.device)  # type: ignore[assignment]
    return torch.i0(beta * (1 - x**2).clamp(min=0).sqrt()) / torch.i0(beta)  # type: ignore[arg-type]


def _gaussian(x: Tensor, m: int, std: float) -> Tensor:
    return _general_gaussian(x, m, 1, std)


def _general_gaussian(x: Tensor, m: int, p: float, sig: float) -> Tensor:
    return torch.exp(-0.5 * (x * (m - 1) / 2 / sig).abs() ** (2 * p))


def _exponential(x: Tensor, m: int, center: float | None = None, tau: float = 1.0) -> Tensor:
    n = (x + 1) * (m - 1) / 2
    return torch.exp(-(n - ((m - 1) / 2 if center is None else center)).abs() / tau)


def _tukey(x: Tensor, m: int, alpha: float = 0.5) -> Tensor:
    if alpha <= 0:
        return torch.ones_like(x)
    beyond = (x.abs() - (1 - alpha)) / alpha  # how far into the slope, from 0 to 1
    return 0.5 * (1 + torch.cos(math.pi * beyond.clamp(min=0)))


_WINDOWS: dict[str, Callable[..., Tensor]] = {
    "barthann": _barthann,
    "bartlett": lambda x, m: 1 - x.abs(),
    "blackman": lambda x, m: _general_cosine(x, m, (0.42, 0.5, 0.08)),
    "blackmanharris": lambda x, m: _general_cosine(x, m, (0.35875, 0.48829, 0.14128, 0.01168)),
    "bohman": _bohman,
    "boxcar": lambda x, m: torch.ones_like(x),
    "cosine": _cosine,
    "exponential": _exponential,
    "flattop": lambda x, m: _general_cosine(x, m, (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368)),
    "gaussian": _gaussian,
    "general_cosine": _general_cosine,
    "general_gaussian": _general_gaussian,
    "general_hamming": _general_hamming,
    "hamming": lambda x, m: _general_hamming(x, m, 0.54),
    "hann": lambda x, m: _general_hamming(x, m, 0.5),
    "kaiser": _kaiser,
    "lanczos": lambda x, m: torch.sinc(x),
    "nuttall": lambda x, m: _general_cosine(x, m, (0.3635819, 0.4891775, 0.1365995, 0.0106411)),
    "parzen": _parzen,
    "triang": _triang,
    "tukey": _tukey,
}


def get_window(
    window: Any,
    Nx: int,
    fftbins: bool = True,
    *,
    dtype: Any = None,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Any = None,
) -> DNDarray:
    """A window of `Nx` samples. Local.

    Parameters
    ----------
    window : str, float or tuple
        A name of SciPy's, such as 'hann', or a tuple of the name and its parameters; a number is the `beta` of
        'kaiser'. A name may end in '_periodic' or '_symmetric', whatever `fftbins` says.
    Nx : int
    fftbins : bool
        For frames that are transformed: one period of a window of `Nx` + 1 samples; otherwise symmetric.
    dtype, split, device, comm, grid
        As in `zeros`.

    >>> import dndarray as dnd
    >>> dnd.signal.get_window("hann", 4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    name, parameters = (window[0], window[1:]) if isinstance(window, (tuple, list)) else (window, ())
    if isinstance(name, (int, float)):
        name, parameters = "kaiser", (name,)
    for ending, periodic in (("_periodic", True), ("_symmetric", False)):
        if isinstance(name, str) and name.endswith(ending):
            name, fftbins = name.removesuffix(ending), periodic
    if name not in _WINDOWS:
        raise ValueError(f"`window` (={window!r}) must be a number or one of {', '.join(_WINDOWS)}, with parameters")
    fn, m = _WINDOWS[name], index(Nx) + bool(fftbins)
    try:
        signature(fn).bind(None, m, *parameters)
    except TypeError:
        raise ValueError(f"window {name!r} does not take the parameters {parameters}") from None
    comm = as_comm(comm)
    layout = make_layout(Nx, split, grid, comm)
    place = positions(layout, comm, device).to(torch.float64)
    place = fn((2 * place - (m - 1)) / (m - 1), m, *parameters) if Nx > 1 else torch.ones_like(place)
    return DNDarray(place.to(as_dtype(dtype or float)), layout, comm)
