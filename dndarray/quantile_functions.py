"""Quantile functions that have no closed form: of von Mises's, Wald's, Zipf's, the logarithmic and the hypergeometric
distribution.

Of float64 tensors that broadcast, elementwise: what comes out of an element does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .collectives import needs_grad

__all__ = ["hypergeometric", "in_scipy", "logseries", "von_mises", "wald", "zipf"]

_STEPS = 100
"""Newton's method takes five steps or so; some forty in the tails, where the density is next to nothing."""

_TABLE = 2**22
"""Elements of a table of probabilities."""

_FIRST = 64
"""How many probabilities are added up, one after another, before bisection begins."""


def in_scipy(name: str) -> Callable[..., Tensor]:
    """A function of scipy.special on tensors."""

    def function(*tensors: Tensor) -> Tensor:
        import scipy.special  # slow to import

        arrays = (t.detach().cpu().resolve_neg().numpy() for t in tensors)
        return torch.as_tensor(getattr(scipy.special, name)(*arrays)).to(tensors[0].device)

    return function


# --- continuous -------------------------------------------------------------------------------------------------------


def _root(
    distribution: Callable[..., tuple[Tensor, Tensor]],
    u: Tensor,
    start: Tensor,
    most: Tensor,
    *parameters: Tensor,
) -> Tensor:
    """Where a distribution function, given with its density, is `u`, by Newton's method; it is not beyond `most`.

    The density has one mode, and the function is convex before and concave after it: from the mode on, and from what
    lies between it and the result, no step goes too far.
    """
    with torch.no_grad():
        x = start.clone()
        left = torch.arange(len(x), device=x.device)
        for _ in range(_STEPS):
            value, density = distribution(x[left], *(p[left] for p in parameters))
            step = ((u[left] - value) / density).nan_to_num(0.0, 0.0, 0.0)
            x[left] = torch.minimum(x[left] + step, most[left])
            left = left[step.abs() > 1e-9 * x[left].abs()]  # the next step would be of the order of its square
            if not len(left):
                break
    if not needs_grad(*parameters):
        return x
    value, density = distribution(x, *parameters)
    return x - (value - value.detach()) / density.detach()  # the derivative of the inverse function


def _flat(*tensors: Tensor) -> tuple[torch.Size, list[Tensor]]:
    together = torch.broadcast_tensors(*tensors)
    return together[0].shape, [t.reshape(-1) for t in together]


def von_mises(u: Tensor, mu: Tensor, kappa: Tensor) -> Tensor:
    """On the circle: the density is proportional to exp(kappa cos(x - mu)), here integrated from the middle on."""
    nodes, weights = np.polynomial.legendre.leggauss(24)

    def half(x: Tensor, kappa: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of [-x, x], and its derivative."""
        total = torch.zeros_like(x)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            total = total + weight * torch.exp(-2 * kappa * torch.sin(x * ((1 + node) / 4)) ** 2)
        return x / (2 * whole) * total, torch.exp(-2 * kappa * torch.sin(x / 2) ** 2) / whole

    shape, (u, mu, kappa) = _flat(u, mu, kappa)
    central, deviation = (2 * u - 1).abs(), kappa.detach().rsqrt()
    # What a uniform and a normal distribution would give; beyond 8.6 standard deviations of that there is nothing.
    normal, most = (
        2 * torch.asin((z * deviation / 2).clamp(max=1).nan_to_num(1.0))
        for z in (torch.special.ndtri((1 + central) / 2), torch.full_like(u, 8.6))
    )
    start = torch.minimum(math.pi * central, normal)
    x = _root(half, central, start, most, kappa, math.pi * torch.special.i0e(kappa))
    x = mu + torch.where(u < 0.5, -x, x)
    return (torch.remainder(x + math.pi, 2 * math.pi) - math.pi).reshape(shape)


def wald(u: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """When a Brownian motion with drift first reaches a distance; in the logarithm of the time, over the mean."""

    def distribution(z: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        a, b = 2 * shape.sqrt() * torch.sinh(z / 2), 2 * shape.sqrt() * torch.cosh(z / 2)
        bell = torch.exp(-(a**2) / 2)
        value = torch.special.ndtr(a) + bell * torch.special.erfcx(b / math.sqrt(2)) / 2
        return value, (shape / (2 * math.pi)).sqrt() * torch.exp(-z / 2) * bell

    size, (u, mean, scale) = _flat(u, mean, scale)
    shape = scale / mean
    mode = torch.log(2 * shape / (1 + torch.sqrt(1 + 4 * shape**2)))
    return (mean * torch.exp(_root(distribution, u, mode.detach(), torch.full_like(u, torch.inf), shape))).reshape(size)


# --- discrete ---------------------------------------------------------------------------------------------------------


def zipf(u: Tensor, a: Tensor) -> Tensor:
    """The least k for which the probability of more, zeta(a, k + 1) / zeta(a), is 1 - u or less; it is below 2**63.

    zeta(a, q) lies between the integrals of x**-a from q and from q - 1/2 on, which leaves two candidates.
    """
    u, a = torch.broadcast_tensors(u, a)
    zeta, most = torch.special.zeta, 2.0**63
    whole = zeta(a, torch.ones_like(a))
    rest = whole - u * (whole - zeta(a, torch.full_like(a, most)))
    k = (rest * (a - 1)).pow(-1 / (a - 1)).ceil().clamp(2.0, most - 1024)
    return torch.where(zeta(a, k) <= rest, k - 1, k)


def logseries(u: Tensor, p: Tensor) -> Tensor:
    """The least k whose cumulative probability reaches u: among the first by adding up, beyond them by bisection."""
    shape, (u, p) = _flat(u, p)
    cumulative, chance, below = torch.zeros_like(u), p / -torch.log1p(-p.clamp(min=1e-100)), torch.zeros_like(u)
    for k in range(1, _FIRST + 1):
        cumulative = cumulative + chance
        below[cumulative < u] = k
        chance = chance * p * (k / (k + 1))
    many = (below == _FIRST).nonzero().reshape(-1)
    below[many] = _logseries_beyond(u[many], p[many])
    return (below + 1).reshape(shape)


def _logseries_beyond(u: Tensor, p: Tensor) -> Tensor:
    """The last k beyond which there is a probability of more than 1 - u.

    It is an incomplete beta function of which an argument is zero, where SciPy's is not defined but proportional to it.
    """
    low, high = torch.full_like(p, _FIRST), (54 * math.log(2) / -p.log()).ceil() + 3
    tiny = torch.full_like(p, 1e-100)
    while True:
        k = ((low + high) / 2).floor()
        if not bool(((low < k) & (k < high)).any()):
            return low
        more = in_scipy("betainc")(k + 1, tiny, p) / (-tiny * torch.log1p(-p))
        low, high = torch.where(more <= 1 - u, low, k), torch.where(more <= 1 - u, k, high)


def hypergeometric(u: Tensor, good: Tensor, bad: Tensor, sample: Tensor) -> Tensor:
    """The least k of which the cumulative probability reaches u, from a table for each set of parameters."""
    given = torch.stack(torch.broadcast_tensors(good, bad, sample), -1)
    sets, of = torch.unique(given.reshape(-1, 3), dim=0, return_inverse=True)
    shape, (u, of) = _flat(u, of.reshape(given.shape[:-1]))
    n = sets[:, :2].sum(1)
    share, drawn = sets[:, 0] / n.clamp(min=1), sets[:, 2]
    middle = torch.floor((drawn + 1) * (sets[:, 0] + 1) / (n + 2))
    spread = (drawn * share * (1 - share) * (n - drawn) / (n - 1).clamp(min=1)).sqrt()
    reach = (10 * spread).ceil() + 12  # beyond it there is nothing left in double precision
    low = torch.maximum(middle - reach, drawn - sets[:, 1]).clamp(min=0)
    high = torch.minimum(middle + reach, torch.minimum(drawn, sets[:, 0]))
    result = torch.empty_like(u)
    rows = max(1, _TABLE // (2 * int(reach.max()) + 1)) if len(sets) else 1
    for start in range(0, len(sets), rows):
        some = slice(start, start + rows)
        table = _cumulative(sets[some], low[some], high[some])
        here = ((of >= start) & (of < start + rows)).nonzero().reshape(-1)
        result[here] = low[of[here]] + _first_reaching(u[here], table, of[here] - start)
    return result.reshape(shape)


def _cumulative(sets: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Cumulative probabilities from `low` on, a row for each set of parameters: products of ratios of neighbours."""
    good, bad, sample = sets.unsqueeze(-1).unbind(1)
    k = low[:, None] + torch.arange(int((high - low).max()) + 1, dtype=low.dtype, device=low.device)
    ratio = (good - k + 1) * (sample - k + 1) / (k * (bad - sample + k))
    ratio[:, 0] = 1
    logarithm = ratio.log().cumsum(1).masked_fill(k > high[:, None], -torch.inf)
    total = (logarithm - logarithm.max(1, keepdim=True).values).exp().cumsum(1)
    return total / total[:, -1:]


def _first_reaching(u: Tensor, table: Tensor, row: Tensor) -> Tensor:
    """The first column in which the row, which rises, is `u` or more."""
    low, high = torch.zeros_like(row), torch.full_like(row, table.shape[1] - 1)
    for _ in range(table.shape[1].bit_length()):
        column = (low + high) // 2
        reached = table[row, column] >= u
        low, high = torch.where(reached, low, torch.minimum(column + 1, high)), torch.where(reached, column, high)
    return high
