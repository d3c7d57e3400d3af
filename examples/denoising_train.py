"""Train a network that denoises hyperspectral cubes, and see what it does to a cube that it never saw.

    python examples/denoising_train.py
    mpiexec -n 2 python examples/denoising_train.py --train indian_pines.mat --train pavia.mat --test samson.mat

Without files the cubes are synthetic. Every process computes its part of each batch; the cubes are dealt out by rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
import torch
from dndarray.algorithms.denoising import NetworkDenoiser, metrics, noise, progress, train
from dndarray.nn import denoisers, save_weights

import dndarray as dnd

NETWORKS = {
    "qrnn3d": lambda bands, width: denoisers.QRNN3D(width, layers=3, halved=[1]),
    "qrnn2d": lambda bands, width: denoisers.QRNN2D(width, layers=3, halved=[1]),
    "memnet": lambda bands, width: denoisers.MemNet(bands, width, blocks=1, residuals=2),
    "memnet3d": lambda bands, width: denoisers.MemNet3D(width, blocks=1, residuals=2),
    "denet": lambda bands, width: denoisers.DeNet(bands, [(width, 1)] * 4),
}
"""Small relatives of the published networks, that learn within minutes on a few cores."""


def synthetic(seed: int, rows: int = 96, columns: int = 96, bands: int = 120, materials: int = 5) -> dnd.DNDarray:
    """A scene of a few materials with smooth spectra, in patches with edges and shades."""
    draw = dnd.random.Generator(seed)
    r = dnd.linspace(0, 1, rows, split=0)[:, None, None]
    c = dnd.linspace(0, 1, columns)[:, None]
    angle, pitch, phase = (draw.uniform(low, high, materials) for low, high in ((0, 6.3), (5, 40), (0, 6.3)))
    waves = dnd.sin(pitch * (r * dnd.cos(angle) + c * dnd.sin(angle)) + phase)
    amounts = 0.2 + 0.3 * (1 + waves) + (dnd.roll(waves, 1, axis=2) > 0.2)
    amounts = amounts / amounts.sum(axis=2, keepdims=True)
    centre, width = draw.uniform(0, 1, (3, materials)), draw.uniform(0.05, 0.4, (3, materials))
    band = dnd.linspace(0, 1, bands)[:, None, None]
    spectra = 0.05 + dnd.exp(-(((band - centre) / width) ** 2)).sum(axis=1).T
    return amounts @ spectra


def load(source: str) -> dnd.DNDarray:
    """The cube of a file, or of its variable "FILE:NAME", scaled by its maximum."""
    path, _, variable = source.partition(":")
    cube = dnd.io.load(path, variable=variable or None, split=0).astype(dnd.float32)
    return cube / cube.max()


@click.command(context_settings={"show_default": True})
@click.option("--train", "paths", multiple=True, metavar="FILE[:NAME]", help="A clean cube; may be given repeatedly.")
@click.option("--test", "held_out", metavar="FILE[:NAME]", help="A clean cube to try it on.")
@click.option("--network", "name", type=click.Choice(list(NETWORKS)), default="memnet")
@click.option("--width", type=click.IntRange(1), default=32, help="Channels of the network.")
@click.option("--steps", type=click.IntRange(1), default=1000)
@click.option("--batch", type=click.IntRange(1), default=16)
@click.option("--crop", type=click.IntRange(1), default=24)
@click.option("--bands", type=click.IntRange(1), default=10)
@click.option("--snr", type=float, default=20, help="Of the noisy test cube, in dB.")
@click.option("--weights", type=click.Path(path_type=Path), help="Where to save the weights: .safetensors.")
def main(
    paths: Sequence[str],
    held_out: str | None,
    name: str,
    width: int,
    steps: int,
    batch: int,
    crop: int,
    bands: int,
    snr: float,
    weights: Path | None,
) -> tuple[float, float]:
    """Train a network on clean cubes and denoise another one with it."""
    cubes = [load(path) for path in paths] or [synthetic(seed) for seed in range(1, 7)]
    clean = load(held_out) if held_out else synthetic(0)
    noisy = noise.gaussian(clean, snr, seed=0)
    torch.manual_seed(0)
    network = NETWORKS[name](bands, width)
    start = time.perf_counter()
    with progress():
        losses = train(
            network, cubes, steps=steps, batch=batch, crop=crop, bands=bands, learning_rate=3e-3, weight_decay=0
        )
    seconds = time.perf_counter() - start
    for first in range(0, steps, max(steps // 8, 1)):
        part = losses[first : first + max(steps // 8, 1)]
        dnd.print(f"steps {first + 1:5d} to {first + len(part):5d}: loss {sum(part) / len(part):.6f}")
    before = metrics.psnr(clean, noisy).item()
    after = metrics.psnr(clean, NetworkDenoiser(network, bands=bands)(noisy)).item()
    dnd.print(f"{steps} steps took {seconds:.0f} s; PSNR {before:.2f} dB noisy, {after:.2f} dB denoised")
    if weights is not None:
        save_weights(network, weights)
    return before, after


if __name__ == "__main__":
    main()
