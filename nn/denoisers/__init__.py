"""Networks that denoise windows of hyperspectral cubes.

Each is a plain `torch.nn.Module` from (batch, bands, rows, columns) to the same shape, whose values are thought to be
in [0, 1], band by band: `dndarray.algorithms.denoising.NetworkDenoiser` brings a whole cube into this form, and `train`
finds the weights. Those in two dimensions take as many bands as they were made for, those in three any number.
"""

from .denet import DeNet, DeNet3D
from .hyde import load_hyde_weights
from .memnet import MemNet, MemNet3D
from .qrnn import QRNN2D, QRNN3D

__all__ = ["DeNet", "DeNet3D", "MemNet", "MemNet3D", "QRNN2D", "QRNN3D", "load_hyde_weights"]
