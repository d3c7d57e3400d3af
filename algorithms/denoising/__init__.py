"""Denoising of hyperspectral cubes that are split over rows, over columns or over both."""

from .denoiser import Denoiser

__all__ = ["Denoiser"]
