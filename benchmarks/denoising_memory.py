"""The most memory that a rank holds while `denoise_file` denoises a cube of many gigabytes from HDF5 to HDF5.

The cube is made batch by batch of mirror images of a small one, with new noise in each. On Linux only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cubes import add_options, enlarged, seed_cube
from dndarray.algorithms.denoising import FastHyDe, denoise_file, metrics, noise
from folders import shared_folder
from mpi4py import MPI
from table import Row, difference, options, report

import dndarray as dnd

RUNS = [(2, [])]

COLUMNS, BANDS = 1024, 200
ROWS = 64
"""Of a batch."""
LIMIT = 3 * 10**9
"""Bytes that a rank may hold of a cube of 4 GB."""

COMM = MPI.COMM_WORLD


def most_held() -> int:
    """The most resident memory that this process has had since it began."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def clean_batches(small: np.ndarray, rows: int, columns: int, bands: int) -> Iterator[dnd.DNDarray]:
    for start in range(0, rows, ROWS):
        n = min(ROWS, rows - start)
        own = dnd.zeros(n, split=0).layout.box(COMM.rank)[0]
        yield dnd.array(enlarged(small, range(start + own[0], start + own[1]), columns, bands), is_split=0)


def measured(folder: Path, small: np.ndarray, gigabytes: float, denoiser: FastHyDe) -> Iterator[Row]:
    columns, bands = (COLUMNS, BANDS) if gigabytes >= 1 else (96, 40)
    rows = max(96, round(gigabytes * 1e9 / (4 * columns * bands)))
    batches = (noise.gaussian(x, 20, seed=i) for i, x in enumerate(clean_batches(small, rows, columns, bands)))
    dnd.io.save_batches(batches, folder / "noisy.h5", chunks=(1, columns, bands))
    start = time.perf_counter()
    denoise_file(folder / "noisy.h5", folder / "clean.h5", denoiser, rows=ROWS, chunks=(1, columns, bands))
    seconds = COMM.allreduce(time.perf_counter() - start, MPI.MAX)
    held = COMM.allreduce(most_held(), MPI.MAX)
    first = next(clean_batches(small, rows, columns, bands))
    some = [dnd.io.load(folder / name, slices=slice(0, ROWS), split=0) for name in ("noisy.h5", "clean.h5")]
    before, after = (float(metrics.psnr(first, cube)) for cube in some)
    cube = f"{rows} x {columns} x {bands}, {denoiser.denoiser}, {COMM.size} ranks"
    what = f"FastHyDe of a file, {cube}, {before:.1f} to {after:.1f} dB in {seconds:.0f} s"
    nbytes = 4.0 * rows * columns * bands
    yield difference(f"{what}: memory of a rank", "limit", held, LIMIT * max(nbytes / 4e9, 1), 0, "MiB")
    yield difference(f"{what}: memory of a rank", "the cube", held, nbytes, None, "MiB")


def main() -> None:
    parser = options(__doc__)
    add_options(parser)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the cube (4)")
    parser.add_argument("--denoiser", default="nlm", help="of the images of components: bm3d, nlm (default), wavelet")
    parser.add_argument("--folder", type=Path, help="where three files of that size have room")
    args = parser.parse_args()
    gigabytes = 0.002 if args.tiny else args.gigabytes
    small = seed_cube(args.cube, args.dataset)
    with shared_folder(args.folder) as folder:
        rows = list(measured(folder, small, gigabytes, FastHyDe(denoiser=args.denoiser)))
    if COMM.rank == 0:
        report(rows, args.json)


if __name__ == "__main__":
    main()
