"""Secular equations 1 + sum_i weight_i / (pole_i - x) = 0: their roots, and the orthogonal matrices these stand for.

What divide and conquer solves where it puts two halves together (`conquer`). Between every two poles lies one root, and
one beyond the last. All are found at once, each counted from the pole nearest to it, so that its distance to every pole
is known to the last digit (Li, 1993). The weights are then computed anew from the roots: of a slightly different matrix
these are the exact roots, hence its vectors are orthogonal however close they lie (Gu and Eisenstat, 1995).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..communication import Communicator
from ..layout import balanced_counts

__all__ = ["Secular", "difference", "difference_of_squares"]

SHARED = 256
"""From so many roots on each process finds its share of them."""

AT_A_TIME = 2**17
"""Distances between roots and poles that are looked at together: as many as a cache holds."""

_EPS = torch.finfo(torch.float64).eps

Distance = Callable[[Tensor, Tensor], Tensor]


def difference(a: Tensor, b: Tensor) -> Tensor:
    return a - b


def difference_of_squares(a: Tensor, b: Tensor) -> Tensor:
    """What lies between the poles of singular values, which enter by their squares."""
    return (a - b) * (a + b)


def _shared(fn: Callable[[int, int], Tensor], n: int, width: int, comm: Communicator) -> Tensor:
    """`fn(start, stop)`, a row for each index, for all n indices; of many each process computes its share.

    What all then have is the same to the last bit: they must take the same decisions.
    """
    shared = n >= SHARED and comm.size > 1
    counts = balanced_counts(n, comm.size) if shared else (n,)
    start = sum(counts[: comm.rank]) if shared else 0
    stop = start + counts[comm.rank if shared else 0]
    step = max(1, AT_A_TIME // max(1, width))
    rows = torch.cat([fn(low, min(low + step, stop)) for low in range(start, stop, step)] or [fn(start, start)])
    return comm.allgatherv(rows, counts) if shared else rows


def _smaller(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The root of c x^2 - a x + b = 0 that is nearer to 0 (for a > 0), without cancellation."""
    root = (a * a - 4 * b * c).abs().sqrt()
    return torch.where(a <= 0, (a - root) / (2 * c), 2 * b / (a + root))


class Secular:
    """An equation with ascending `poles` and the weights scale * z^2, none of them 0, and its roots.

    `distance(a, b)` is that between the poles `a` and `b`: their difference, or that of their squares.
    """

    def __init__(self, poles: Tensor, z: Tensor, distance: Distance, comm: Communicator, scale: float = 1.0) -> None:
        n = len(poles)
        self.poles, self.distance, self.weights = poles, distance, scale * z * z
        found = _shared(self._roots, n, n, comm)
        self.origin, self.offset = found[:, 0].to(torch.int64), found[:, 1]
        self.z = _shared(self._weights, n, n, comm).sqrt() * z.sgn()

    def to_poles(self, start: int, stop: int) -> Tensor:
        """pole - root, for the roots [start, stop) (rows) and all poles."""
        near = self.poles[self.origin[start:stop], None]
        return self.distance(self.poles, near) - self.offset[start:stop, None]

    def _roots(self, start: int, stop: int) -> Tensor:
        """For each root the pole from which it is counted, and its distance from there.

        A rational function is fitted that has the two poles beside the root, the weight of the nearer one, value and
        slope of the whole (Li's method of fixed weight); where its root leaves the interval, that is halved.
        """
        poles, weights, last = self.poles, self.weights, len(self.poles) - 1
        j = torch.arange(start, stop)
        is_last, right = j == last, (j + 1).clamp(max=last)
        total = weights.sum()
        width = torch.where(is_last, total, self.distance(poles[right], poles[j]))
        terms = weights / (self.distance(poles, poles[j, None]) - width[:, None] / 2)
        f = 1 + terms.sum(1)
        from_left = (f >= 0) | is_last
        origin, far = torch.where(from_left, j, right), torch.where(from_left, right, j)
        side = from_left.to(weights.dtype) * 2 - 1

        def at(index: Tensor, of: Tensor) -> Tensor:
            return of.gather(1, index[:, None])[:, 0]

        distances = self.distance(poles, poles[origin, None])
        # The first guess: the other poles' terms as they are in the middle.
        of_far = torch.where(is_last, 0, weights[far])
        rest = f - at(j, terms) - torch.where(is_last, 0, at(right, terms))
        x = _smaller(side * rest * width + weights[origin] + of_far, side * weights[origin] * width, rest)
        x = torch.where(is_last, weights[origin] / rest, x)
        low = torch.where(from_left, 0, -width / 2)
        high = torch.where(is_last, total, torch.where(from_left, width / 2, 0))
        x = torch.where((x > low) & (x < high), x, (low + high) / 2)
        to_far = torch.where(is_last, torch.inf, at(far, distances))
        done = torch.zeros_like(is_last)
        for _ in range(100):
            delta = distances - x[:, None]
            terms = weights / delta
            f = 1 + terms.sum(1)
            done |= f.abs() <= 2 * _EPS * (1 + terms.abs().sum(1))
            if done.all():
                break
            slope = (terms / delta).sum(1)
            low, high = torch.where(f < 0, x, low), torch.where(f < 0, high, x)
            by_far, near = 1 / (to_far - x), weights[origin] / (x * x)
            step = _smaller(
                side * ((1 - x * by_far) * f + x * slope),
                side * -x * f,
                side * (by_far * (f + x * near) - slope + near),
            )
            new = x + step
            new = torch.where((new > low) & (new < high), new, (low + high) / 2)
            stays = (new - x).abs() <= 2 * _EPS * x.abs()
            x = torch.where(done, x, new)
            done |= stays
        return torch.stack([origin.to(x.dtype), x], 1)

    def _weights(self, start: int, stop: int) -> Tensor:
        """The weights of the poles [start, stop) for which the roots are exact."""
        poles = self.poles[start:stop, None]
        to_roots = self.offset - self.distance(poles, self.poles[self.origin])
        to_others = self.distance(self.poles, poles)
        to_others[torch.arange(stop - start), torch.arange(start, stop)] = 1
        return (to_roots / to_others).prod(1).abs()

    def vectors(self, start: int, stop: int) -> Tensor:
        """For the roots [start, stop) the normed vectors of z_i / (pole_i - root)."""
        return _normed(self.z / self.to_poles(start, stop))

    def left_vectors(self, start: int, stop: int) -> Tensor:
        """The same on the left side of singular values: of pole_i z_i / (pole_i^2 - root^2), and -1 for the pole 0."""
        factors = self.poles * self.z / self.to_poles(start, stop)
        factors[:, 0] = -1
        return _normed(factors)


def _normed(rows: Tensor) -> Tensor:
    return rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
