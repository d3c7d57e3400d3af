"""Denoising of a cube of 512 x 512 x 200: each method on all ranks beside one rank, and beside others' code.

What one process computes alone it computes while the others sleep. Others' code is what one would write of the same
algorithm with PyWavelets, scikit-image and NumPy. The cube is made of mirror images of a small one, with 20 dB of
noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pywt
import torch
from cubes import add_options, enlarged, seed_cube
from dndarray.algorithms import denoising
from dndarray.algorithms.denoising import metrics, noise
from mpi4py import MPI
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from table import Row, options, ratio, report

import dndarray as dnd
from dndarray.array import own
from dndarray.testing import peak_memory

OF_ONE_RANK = 1.7
OF_OTHERS = 1.0
AS_GOOD = 0.3
"""By how many dB the others' result may be better."""
TV_WEIGHT = 0.1

RANK = 10
SIZE = 512
BANDS = 200

COMM = MPI.COMM_WORLD


# --- others' code -----------------------------------------------------------------------------------------------------


def noise_and_gram(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Gram matrix of the bands, that of the signal, and the mean squares of the noise: by multiple regression."""
    wide = pixels.astype(np.float64)
    gram = wide.T @ wide
    inverse = np.linalg.inv(gram + 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    regression = inverse / np.diag(inverse)
    explained = np.eye(len(gram)) - regression
    variances = np.einsum("ij,ij->j", regression, gram @ regression) / len(pixels)
    return gram, explained.T @ gram @ explained, variances


def hyres_by_pywavelets(cube: np.ndarray) -> np.ndarray:
    rows, columns, bands = cube.shape
    pixels = cube.reshape(-1, bands)
    gram, _, variances = noise_and_gram(pixels)
    sigma = np.sqrt(variances)
    vectors = np.linalg.eigh(gram / sigma / sigma[:, None])[1][:, ::-1]
    forward, back = (vectors / sigma[:, None]).astype(cube.dtype), (vectors * sigma[:, None]).T.astype(cube.dtype)
    n = rows * columns
    step = np.sqrt(np.log(n)) / 14
    grid = step * np.arange(15)
    result, first = [], 0
    while first < bands:
        components = np.ascontiguousarray((pixels @ forward[:, first : first + 32]).T).reshape(-1, rows, columns)
        for image in components:
            coefficients = pywt.wavedec2(image, "db5", "periodization", level=5)
            parts = [coefficients[0], *(part for level in coefficients[1:] for part in level)]
            flat = np.abs(np.concatenate([part.reshape(-1) for part in parts]))
            place = np.minimum(np.ceil(flat / step), 15).astype(np.int64)
            counts = np.cumsum(np.bincount(place, minlength=16)[:15])
            squares = np.cumsum(np.bincount(place, flat.astype(np.float64) ** 2, 16)[:15])
            risk = n - 2 * counts + squares + (n - counts) * grid**2
            if risk.min() > np.square(flat, dtype=np.float64).sum() - n:
                return (np.stack(result, -1).reshape(n, -1) @ back[: len(result)]).reshape(cube.shape)
            threshold = grid[risk.argmin()]
            shrunk = [pywt.threshold(coefficients[0], threshold)]
            shrunk += [tuple(pywt.threshold(part, threshold) for part in level) for level in coefficients[1:]]
            result.append(pywt.waverec2(shrunk, "db5", "periodization"))
        first += 32
    return (np.stack(result, -1).reshape(n, -1) @ back).reshape(cube.shape)


def nlm_by_skimage(images: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    planes = [
        denoise_nl_means(np.ascontiguousarray(images[..., k]), patch_size=5, patch_distance=6, h=0.8 * s, sigma=s)
        for k, s in enumerate(sigma)
    ]
    return np.stack(planes, -1)


def fasthyde_by_skimage(cube: np.ndarray) -> np.ndarray:
    pixels = cube.reshape(-1, cube.shape[2])
    gram, signal, variances = noise_and_gram(pixels)
    vectors = np.linalg.eigh(signal)[1]
    power = variances @ vectors**2
    cost = 2 * power - np.einsum("ij,ij->j", vectors, gram @ vectors) / len(pixels)
    chosen = np.argsort(cost)[:RANK]
    basis = vectors[:, chosen].astype(cube.dtype)
    images = (pixels @ basis).reshape(*cube.shape[:2], RANK)
    return nlm_by_skimage(images, np.sqrt(power[chosen])) @ basis.T


def tv_by_skimage(images: np.ndarray) -> np.ndarray:
    return denoise_tv_chambolle(images, weight=TV_WEIGHT, channel_axis=-1)


# --- what is compared -------------------------------------------------------------------------------------------------

OURS: dict[str, Callable[[Any], Any]] = {
    "HyRes": denoising.HyRes(),
    "FastHyDe, NLM": denoising.FastHyDe(rank=RANK, denoiser="nlm"),
    "FastHyDe, BM3D": denoising.FastHyDe(rank=RANK),
    "WSRRR": denoising.WSRRR(rank=RANK),
    "FORPDN": denoising.FORPDN(),
    "OTVCA": denoising.OTVCA(),
    "HyMiNoR": denoising.HyMiNoR(),
    "L1HyMixDe, NLM, 5 iterations": denoising.L1HyMixDe(denoiser="nlm", iterations=5, tol=0),
    "NLM": lambda images: denoising.denoise_nlm(images, 0.05),
    "TV": lambda images: denoising.denoise_tv(images, TV_WEIGHT, iterations=_iterations, tol=None),
}
_iterations = 0
"""Of total-variation denoising: so many as come as near to the minimum as scikit-image does."""

OTHERS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "HyRes": ("PyWavelets + NumPy", hyres_by_pywavelets),
    "FastHyDe, NLM": ("scikit-image + NumPy", fasthyde_by_skimage),
    "NLM": ("scikit-image", lambda images: nlm_by_skimage(images, np.full(images.shape[2], 0.05))),
    "TV": ("scikit-image", tv_by_skimage),
}
IMAGES = ("NLM", "TV")
"""These are given some bands of the cube."""

RUNS = [(2, [])]


def alone(function: Callable[[], Any]) -> Callable[[], Any]:
    """What rank 0 computes while the others sleep."""

    def call() -> Any:
        result = function() if COMM.rank == 0 else None
        request = COMM.Ibarrier()
        while not request.Test():
            time.sleep(1e-3)
        return result

    return call


class Watched:
    """A function, and the most memory that a call of it took beyond what there was, on the rank where that is most."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.bytes = 0.0

    def __call__(self) -> Any:
        with peak_memory() as peak:
            result = self.function()
        self.bytes = max(self.bytes, peak.bytes)
        return result

    def most(self) -> float:
        return COMM.allreduce(self.bytes, MPI.MAX)


def compared(name: str, small: np.ndarray, size: int, bands: int, tiny: bool) -> Iterator[Row]:
    bands = RANK if name in IMAGES else bands
    mine = dnd.zeros(size, split=0).layout.box(COMM.rank)[0]
    clean = dnd.array(enlarged(small, range(*mine), size, bands), is_split=0)
    cube = noise.gaussian(clean, 20, seed=0)
    whole = cube.torch() if COMM.size > 1 else cube.larray
    method = OURS[name]
    watched = {"ours": Watched(lambda: method(cube)), "one rank": Watched(alone(lambda: method(own(whole))))}
    functions: dict[str, Callable[[], Any]] = dict(watched)
    if name in OTHERS:
        peer, function = OTHERS[name]
        functions[peer] = alone(lambda: function(whole.numpy()))
        check(name, clean, cube, watched["ours"], functions[peer]())
    if COMM.size == 1:
        del functions["one rank"]
    if len(functions) < 2:
        return
    found = dnd.energy.compare(
        *functions.values(), names=list(functions), rounds=2 if tiny else 3, min_seconds=0.0 if tiny else 0.3
    )
    seconds = {key: float(np.median(values)) for key, values in found.seconds.items()}
    joules = {key: float(values.mean()) for key, values in found.joules.items()}
    shape = " x ".join(map(str, cube.shape))
    what = f"{name}, {shape}, {COMM.size} ranks"
    if COMM.size > 1:
        yield ratio(what, "one rank", seconds["ours"], seconds["one rank"], OF_ONE_RANK, "s")
        yield ratio(f"{what}, {found.label}", "one rank", joules["ours"], joules["one rank"], None, "J")
        held, alone_held = watched["ours"].most(), watched["one rank"].most()
        if held > 0 and alone_held > 0:  # which small cubes, and other systems than Linux, do not show
            target = None if name in IMAGES else OF_ONE_RANK
            yield ratio(f"{what}, memory of a rank", "one rank", held, alone_held, target, "MiB")
    if name in OTHERS:
        one = "one rank" if COMM.size > 1 else "ours"
        yield ratio(f"{name}, {shape}, 1 rank", peer, seconds[one], seconds[peer], OF_OTHERS, "s")
        yield ratio(f"{name}, {shape}, 1 rank, {found.label}", peer, joules[one], joules[peer], None, "J")


def check(
    name: str, clean: dnd.DNDarray, noisy: dnd.DNDarray, ours: Callable[[], Any], theirs: np.ndarray | None
) -> None:
    """That ours is as good as the others' result."""
    global _iterations
    theirs = COMM.bcast(theirs)
    mine = tuple(slice(*interval) for interval in clean.layout.box(COMM.rank))
    other = dnd.array(torch.from_numpy(np.ascontiguousarray(theirs[mine])), is_split=0)
    if name == "TV":
        _iterations = 5
        while tv_objective(noisy, ours()) > tv_objective(noisy, other):
            _iterations += 5
    else:
        found = [float(metrics.psnr(clean, cube)) for cube in (ours(), other)]
        assert found[0] > found[1] - AS_GOOD, found


def tv_objective(noisy: dnd.DNDarray, images: dnd.DNDarray) -> float:
    slopes = [dnd.diff(images, axis=0, append=images[-1:]), dnd.diff(images, axis=1, append=images[:, -1:])]
    lengths = dnd.sqrt(slopes[0] ** 2 + slopes[1] ** 2)
    return float(lengths.sum(dtype="float64") + ((images - noisy) ** 2).sum(dtype="float64") / (2 * TV_WEIGHT))


def main() -> None:
    parser = options(__doc__)
    add_options(parser)
    parser.add_argument("--only", choices=OURS, action="append", metavar="NAME", help=f"one of: {'; '.join(OURS)}")
    parser.add_argument("--size", type=int, default=SIZE, help=f"rows and columns, multiples of 32 ({SIZE})")
    args = parser.parse_args()
    size, bands = (32, 16) if args.tiny else (args.size, BANDS)
    small = seed_cube(args.cube, args.dataset)
    rows = [row for name in args.only or OURS for row in compared(name, small, size, bands, args.tiny)]
    if COMM.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
