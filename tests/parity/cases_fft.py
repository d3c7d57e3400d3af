"""Fourier transforms: every name of numpy.fft, and the Hermitian forms of several axes that SciPy adds."""

from __future__ import annotations

from typing import Any

import scipy.fft

from parity.case import Case

SHAPES = ((), (0,), (1,), (2,), (13,), (16,), (0, 3), (3, 0), (1, 5), (7, 4), (2, 3, 4), (5, 1, 2), (3, 2, 2, 3))
NORMS = ("backward", "ortho", "forward", None)
FULL = tuple(shape for shape in SHAPES if 0 not in shape)
UNSET = "NumPy's real output from no input is memory that nobody has set"
SPREADS = "NaN and infinities spread over the whole transform, and how is not the same in two libraries"


def _limits(name: str) -> dict[str, Any]:
    real = name.startswith(("irfft", "hfft"))
    if name in ("hfft2", "hfftn"):
        thick = tuple(shape for shape in FULL if 1 not in shape)
        why = f"{SPREADS}; SciPy makes something of a half spectrum of one point, where NumPy's inverses raise"
        return {"shapes": thick, "special": False, "grad": True, "why": why}
    return {
        "shapes": FULL if real else SHAPES,
        "special": False,
        "grad": True,
        "why": f"{SPREADS}; {UNSET}" if real else SPREADS,
    }


def _one(name: str) -> Case:
    def call(xp: Any, x: Any) -> list[Any]:
        transform = getattr(xp.fft, name)
        results = [transform(x, norm=norm) for norm in NORMS]
        results += [transform(x, n, axis) for n in (3, 8) for axis in range(-1, x.ndim)]
        return results

    return Case(f"fft.{name}", call, **_limits(name))


def _two(name: str, oracle: Any = None) -> Case:
    def call(xp: Any, x: Any) -> list[Any]:
        transform = getattr(xp.fft, name)
        return [transform(x), transform(x, (3, 4), norm="ortho"), transform(x, axes=(0, -1)[-x.ndim :], norm="forward")]

    return Case(f"fft.{name}", call, oracle=oracle and (lambda x: call(oracle, x)), **_limits(name))


def _several(name: str, oracle: Any = None) -> Case:
    def call(xp: Any, x: Any) -> list[Any]:
        transform = getattr(xp.fft, name)
        results = [transform(x, norm=norm) for norm in NORMS]
        results += [transform(x, axes=axes) for axes in ((0,), (0, -1)[-x.ndim :], range(x.ndim))]
        results += [transform(x, (4,) * x.ndim, tuple(range(x.ndim)))]
        return results

    return Case(f"fft.{name}", call, oracle=oracle and (lambda x: call(oracle, x)), **_limits(name))


class _SciPy:
    fft = scipy.fft


CASES: list[Case] = [
    *map(_one, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")),
    *map(_two, ("fft2", "ifft2", "rfft2", "irfft2")),
    *map(_several, ("fftn", "ifftn", "rfftn", "irfftn")),
    *(_two(name, _SciPy) for name in ("hfft2", "ihfft2")),
    *(_several(name, _SciPy) for name in ("hfftn", "ihfftn")),
    Case(
        "fft.fftn",
        lambda xp, x: [
            xp.fft.fftn(x, axes=(0, 0)),
            xp.fft.ifftn(x, (3, 5, 4), (0, -1, 0)),
            xp.fft.fftn(x, (-1,), (0,)),
        ],
        shapes=SHAPES,
        special=False,
        grad=True,
        why=SPREADS,
    ),
    Case(
        "fft.fft",
        lambda xp, x: [xp.fft.fft(x, out=xp.empty_like(x, dtype="complex128")), xp.fft.fftn(x, axes=())],
        dtypes=("int32", "float64", "complex128"),
        special=False,
        why=f"`out` has one type; {SPREADS}",
    ),
    *(
        Case(f"fft.{name}", lambda xp, x, name=name: [getattr(xp.fft, name)(x), getattr(xp.fft, name)(x, 0)], grad=True)
        for name in ("fftshift", "ifftshift")
    ),
    *(
        Case(
            f"fft.{name}",
            lambda xp, x, name=name: [getattr(xp.fft, name)(n, d) for n in (1, 2, 7, 8) for d in (1.0, 0.1)],
            shapes=((3,),),
            dtypes=("float64",),
            special=False,
            rtol=1e-6,
            check_dtype=False,
            why="what has no type of its own takes torch's default dtype; the array has no part in it",
        )
        for name in ("fftfreq", "rfftfreq")
    ),
]
