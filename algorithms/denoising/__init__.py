"""Denoising of hyperspectral cubes that are split over rows, over columns or over both."""

from ..progress import progress
from . import metrics, noise, plots
from .benchmarking import benchmark
from .bm3d import bm3d
from .denoiser import Denoiser
from .fasthyde import FastHyDe
from .fasthyin import FastHyIn
from .forpdn import FORPDN
from .hyminor import HyMiNoR
from .hyres import HyRes
from .inference import NetworkDenoiser
from .l1hymixde import L1HyMixDe
from .median import adaptive_median
from .non_local_means import denoise_nlm
from .otvca import OTVCA
from .streaming import denoise_file
from .subspace import NoiseEstimate, Subspace, estimate_noise, gram, hysime
from .thresholds import SureThresholds, bayes_threshold, soft, sure_threshold, sure_thresholds
from .total_variation import denoise_tv
from .training import train
from .wavelet_shrinkage import denoise_wavelet
from .wsrrr import WSRRR

__all__ = [
    "FORPDN",
    "OTVCA",
    "WSRRR",
    "Denoiser",
    "FastHyDe",
    "FastHyIn",
    "HyMiNoR",
    "HyRes",
    "L1HyMixDe",
    "NetworkDenoiser",
    "NoiseEstimate",
    "Subspace",
    "SureThresholds",
    "adaptive_median",
    "bayes_threshold",
    "benchmark",
    "bm3d",
    "denoise_file",
    "denoise_nlm",
    "denoise_tv",
    "denoise_wavelet",
    "estimate_noise",
    "gram",
    "hysime",
    "metrics",
    "noise",
    "plots",
    "progress",
    "soft",
    "sure_threshold",
    "sure_thresholds",
    "train",
]
