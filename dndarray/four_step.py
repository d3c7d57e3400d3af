"""Fourier transforms along one axis that stays dealt out: what `fft` does where there is no other axis to deal.

A signal of n = r * c numbers is a matrix of r rows, each process holding some (Bailey, 1990). The columns are
transformed, the elements multiplied by powers of exp(2 pi i / n) ("twiddles"), the rows transformed; the transposed
result is the spectrum in its natural order. That is three all-to-alls, and one more at either end where the given parts
do not end at ends of rows; two copies of the signal are held at a time. A length without two factors as large as the
number of processes, a prime say, is transformed by way of a convolution with a chirp (Bluestein, 1970), that is by
three transforms of at least twice the length: some 15 all-to-alls, and four times the memory.

A real signal of even length is transformed as a complex one of half the length, whose numbers are pairs of its own;
telling the two spectra apart takes two all-to-alls more, of half the size.

Functions take and give arrays whose last axis is split on a grid of one axis.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from .array import DNDarray, wrap
from .assembly import part_layout
from .elementwise import FUNCTIONS
from .indexing import getitem
from .layout import Layout, balanced_counts
from .local_fft import transform
from .manipulation import concatenate, flip
from .redistribution import move

__all__ = ["LINES", "fast_length"]


def _line(like: Layout, n: int, unit: int = 1) -> Layout:
    """A last axis of `n`, dealt out in multiples of `unit` as evenly as can be."""
    counts = [unit * k for k in balanced_counts(n // unit, like.grid.size)]
    return Layout((*like.shape[:-1], n), like.grid, like.ndim - 1, [counts])


def _fitted(x: DNDarray, n: int, unit: int = 1) -> DNDarray:
    """Cropped or padded with zeros to length `n`, dealt out in multiples of `unit`. Communication: one all-to-all."""
    layout, kept = _line(x.layout, n, unit), min(n, x.shape[-1])
    x = getitem(x, (..., slice(0, kept)))
    tensor = move(x.larray, x.layout, part_layout(layout, (*((0, m) for m in x.shape[:-1]), (0, kept))), x.comm)
    missing = layout.lshape(x.comm.rank)[-1] - tensor.shape[-1]
    return wrap(torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor, layout, x.comm)


def _roots(n: int, powers: Tensor, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
    """scale * exp(2 pi i k / n) for some integers k, rounded once."""
    angle = (powers % n).to(torch.float64) * (2 * math.pi / n)
    return torch.polar(torch.full_like(angle, scale), angle).to(dtype)


def _positions(x: DNDarray) -> Tensor:
    """The global indices along the last axis that this process holds."""
    return torch.arange(*x.layout.box(x.comm.rank)[-1], device=x.device)


# --- complex ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _factors(n: int, least: int) -> tuple[int, int] | None:
    """Two factors of `n`, as near to each other as can be, none below `least`."""
    return next(((r, n // r) for r in range(math.isqrt(n), max(least, 1) - 1, -1) if n % r == 0), None)


@lru_cache(maxsize=256)
def fast_length(n: int) -> int:
    """The least length from `n` on that has no prime factors but 2, 3 and 5.

    >>> fast_length(13), fast_length(2**20 + 1)
    (15, 1049760)
    """
    best = 1 << max(n - 1, 0).bit_length()
    odd5 = 1
    while odd5 < best:
        odd = odd5
        while odd < best:
            best = min(best, odd << max(-(-n // odd) - 1, 0).bit_length())
            odd *= 3
        odd5 *= 5
    return best


def _complex(x: DNDarray, n: int, inverse: bool, norm: str) -> DNDarray:
    """fft or ifft."""
    comm = x.comm
    factors = _factors(n, comm.size)
    if factors is None:
        return _chirped(x, n, inverse, norm)
    rows, columns = factors
    x = _fitted(x, n, columns)
    batch = x.shape[:-1]
    kind = "ifft" if inverse else "fft"
    # The matrix lies transposed, so that what is transformed lies in one piece: [column, row], then [row, column].
    dealt_rows, dealt_columns = (Layout((*batch, columns, rows), comm.grid, a) for a in (x.ndim, x.ndim - 1))
    tensor = x.larray.unflatten(-1, (-1, columns)).mT
    tensor = transform(kind, move(tensor, dealt_rows, dealt_columns, comm), [rows], [-1], norm, mine=True)
    tensor = _twiddled(tensor, dealt_columns.box(comm.rank)[-2], n, inverse)
    dealt_rows, dealt_columns = (Layout((*batch, rows, columns), comm.grid, a) for a in (x.ndim - 1, x.ndim))
    tensor = transform(kind, move(tensor.mT, dealt_columns, dealt_rows, comm), [columns], [-1], norm, mine=True)
    dealt_rows, dealt_columns = (Layout((*batch, columns, rows), comm.grid, a) for a in (x.ndim, x.ndim - 1))
    tensor = move(tensor.mT, dealt_rows, dealt_columns, comm)
    return wrap(tensor.flatten(-2), _line(x.layout, n, rows), comm)


def _twiddled(tensor: Tensor, box: tuple[int, int], n: int, inverse: bool) -> Tensor:
    """Element [c, r] multiplied by exp(-+ 2 pi i c r / n), in place; `box` says which c.

    The powers come from two short tables: r = coarse + fine.
    """
    rows = tensor.shape[-1]
    step = next(d for d in range(math.isqrt(rows), 0, -1) if rows % d == 0)
    c = torch.arange(*box, device=tensor.device)[:, None] * (1 if inverse else -1)
    coarse = _roots(n, c * torch.arange(0, rows, step, device=tensor.device), tensor.dtype)
    fine = _roots(n, c * torch.arange(step, device=tensor.device), tensor.dtype)
    blocks = tensor.unflatten(-1, (-1, step))
    return blocks.mul_(coarse[:, :, None]).mul_(fine[:, None, :]).flatten(-2)


def _chirped(x: DNDarray, n: int, inverse: bool, norm: str) -> DNDarray:
    """fft or ifft of any length: jk = (j^2 + k^2 - (k - j)^2) / 2 makes of the sum a convolution."""
    if n > 2**31:
        raise ValueError(
            f"a distributed transform of {n} points, a length without two factors of at least {x.comm.size}, is "
            f"possible up to 2**31 points; pad to {fast_length(n)}"
        )
    sign, dtype = 1 if inverse else -1, torch.promote_types(x.dtype, torch.complex64)
    wide = fast_length(2 * n - 1)
    while _factors(wide, x.comm.size) is None:
        wide = fast_length(wide + 1)
    x = _fitted(x, n)
    square = sign * _positions(x).square()
    signal = DNDarray(x.larray * _roots(2 * n, square, dtype), x.layout, x.comm)
    layout = _line(x.layout, wide)
    distance = torch.arange(*layout.box(x.comm.rank)[-1], device=x.device)
    distance = torch.minimum(distance, wide - distance)
    chirp = _roots(2 * n, -sign * distance.square(), dtype).where(distance < n, 0)
    chirp = chirp.expand(layout.lshape(x.comm.rank))
    spectrum = _complex(signal, wide, False, "backward")
    other = _complex(DNDarray(chirp, layout, x.comm), wide, False, "backward")
    product = DNDarray(spectrum.larray * other.larray, spectrum.layout, x.comm)
    result = _fitted(_complex(product, wide, True, "backward"), n)
    return DNDarray(result.larray * _roots(2 * n, square, dtype, _scale(n, norm, inverse)), result.layout, x.comm)


def _scale(n: int, norm: str, inverse: bool) -> float:
    if norm == "ortho":
        return n**-0.5
    return 1.0 / n if (norm == "backward") == inverse else 1.0


# --- real -------------------------------------------------------------------------------------------------------------


def _rfft(x: DNDarray, n: int, norm: str) -> DNDarray:
    if n % 2:
        return getitem(_complex(x, n, False, norm), (..., slice(0, n // 2 + 1)))
    x = _fitted(x, n, 2)
    pairs = torch.view_as_complex(x.larray.unflatten(-1, (-1, 2)).contiguous())
    z = _complex(DNDarray(pairs, _line(x.layout, n // 2), x.comm), n // 2, False, "backward")
    z = concatenate([z, getitem(z, (..., slice(0, 1)))], -1)
    even, odd = _halves(z, _scale(n, norm, False) / 2)
    turned = odd.mul_(_roots(n, -_positions(z), odd.dtype) * -1j)
    return wrap(even.add_(turned), z.layout, z.comm)


def _halves(z: DNDarray, scale: float) -> tuple[Tensor, Tensor]:
    """The sum and the difference of a spectrum and its conjugated mirror image, scaled."""
    mirrored = flip(z, -1).larray.conj()
    return (z.larray + mirrored).mul_(scale), (z.larray - mirrored).mul_(scale)


def _irfft(x: DNDarray, n: int, norm: str) -> DNDarray:
    x = _fitted(x, n // 2 + 1)
    ends = _positions(x) % max(n // 2 if n % 2 == 0 else n, 1) == 0  # of these only the real parts count
    x = DNDarray(torch.where(ends, x.larray.real + 0j, x.larray), x.layout, x.comm)
    if n % 2:
        negative = FUNCTIONS["conj"](flip(getitem(x, (..., slice(1, None))), -1))
        return FUNCTIONS["real"](_complex(concatenate([x, negative], -1), n, True, norm))
    even, odd = _halves(x, _scale(n, norm, True))
    turned = odd.mul_(_roots(n, _positions(x), odd.dtype) * 1j)
    z = getitem(wrap(even.add_(turned), x.layout, x.comm), (..., slice(0, n // 2)))
    z = _complex(z, n // 2, True, "forward")
    pairs = torch.view_as_real(z.larray.resolve_conj()).flatten(-2)
    counts = [2 * k for k in z.layout.counts[0]]  # type: ignore[union-attr]
    return wrap(pairs, Layout((*z.shape[:-1], n), z.layout.grid, z.ndim - 1, [counts]), z.comm)


LINES = {
    "fft": lambda x, n, norm: _complex(x, n, False, norm),
    "ifft": lambda x, n, norm: _complex(x, n, True, norm),
    "rfft": _rfft,
    "irfft": _irfft,
}
"""Transforms of length `n` of arrays split along their last axis on a grid of one axis, by kind."""
