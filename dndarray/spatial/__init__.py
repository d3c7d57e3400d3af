"""Distances between rows, nearest neighbours, and the ring in which the rows of two arrays meet."""

from __future__ import annotations

from .distance import cdist, cosine, manhattan, pdist, rbf, squareform
from .neighbours import nearest
from .travel import ring

__all__ = ["cdist", "cosine", "manhattan", "nearest", "pdist", "rbf", "ring", "squareform"]
