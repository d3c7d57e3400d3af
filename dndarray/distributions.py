"""Random numbers of many distributions: each the quantile function at a uniform number.

So an element takes exactly one word of the stream, whatever its parameters, and no process depends on another.
Parameters may be arrays, split in any way; what is computed without SciPy is differentiable in them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .array import DNDarray
from .broadcasting import broadcast_shapes, common_layout
from .elementwise import FUNCTIONS, apply, as_operand
from .quantile_functions import hypergeometric, in_scipy, logseries, von_mises, wald, zipf

__all__ = ["DISTRIBUTIONS", "METHODS", "Distribution"]


class Distribution(NamedTuple):
    """One row of the table: a function of this name, here and of a Generator."""

    name: str
    parameters: str
    """As in a signature: "a, scale=1"."""
    quantile: Callable[..., Tensor]
    """Of a uniform number and the parameters, all float64."""
    valid: Callable[..., Tensor]
    """Where the parameters are allowed."""
    rule: str
    """What `valid` says, in words."""
    summary: str
    discrete: bool = False


def _binomial(k: Tensor, n: Tensor, p: Tensor) -> Tensor:
    """Probability of k successes or fewer."""
    return torch.where(k >= n, 1.0, in_scipy("betainc")((n - k).clamp(min=1.0), k + 1, 1 - p))


def _negative_binomial(k: Tensor, n: Tensor, p: Tensor) -> Tensor:
    """Probability of k failures or fewer."""
    return in_scipy("betainc")(n, k + 1, p)


def _discrete(inverse: str, probability: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The least integer whose cumulative probability reaches u, from SciPy's continuous inverse."""
    inverse_of = in_scipy(inverse)

    def quantile(u: Tensor, *parameters: Tensor) -> Tensor:
        k = inverse_of(u, *parameters).ceil().clamp(min=0)
        below = (k - 1).clamp(min=0)
        return torch.where(probability(below, *parameters) >= u, below, k).nan_to_num(0.0)

    return quantile


def _exponential(u: Tensor) -> Tensor:
    return -torch.log1p(-u)


def _gamma(u: Tensor, shape: Tensor) -> Tensor:
    return in_scipy("gammaincinv")(*torch.broadcast_tensors(shape, u))


def _laplace(u: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    half = u - 0.5
    return loc - scale * half.sign() * torch.log1p(-2 * half.abs())


def _triangular(u: Tensor, left: Tensor, mode: Tensor, right: Tensor) -> Tensor:
    width, rise = right - left, mode - left
    low = left + (u * width * rise).sqrt()
    return torch.where(u * width < rise, low, right - ((1 - u) * width * (right - mode)).sqrt())


def _open(u: Tensor) -> Tensor:
    """Away from zero, where logarithms and the normal quantile are infinite."""
    return u.clamp(min=2.0**-54)


def _positive(*parameters: Tensor) -> Tensor:
    return torch.stack([p > 0 for p in torch.broadcast_tensors(*parameters)]).all(0)


def _scale(*parameters: Tensor) -> Tensor:
    return parameters[-1] >= 0


def _probability(p: Tensor) -> Tensor:
    return (p > 0) & (p <= 1)


_ROWS = [
    Distribution("exponential", "scale=1.0", lambda u, s: s * _exponential(u), _scale, "scale >= 0", "Exponential."),
    Distribution("gumbel", "loc=0.0, scale=1.0", lambda u, m, s: m - s * torch.log(-torch.log(_open(u))), _scale,
                 "scale >= 0", "Gumbel's, of largest values."),
    Distribution("laplace", "loc=0.0, scale=1.0", lambda u, m, s: _laplace(_open(u), m, s), _scale, "scale >= 0",
                 "Laplace's, exponential on both sides of `loc`."),
    Distribution("logistic", "loc=0.0, scale=1.0", lambda u, m, s: m + s * torch.logit(_open(u)), _scale, "scale >= 0",
                 "Logistic."),
    Distribution("lognormal", "mean=0.0, sigma=1.0", lambda u, m, s: (m + s * torch.special.ndtri(_open(u))).exp(),
                 _scale, "sigma >= 0", "Of which the logarithm is normal."),
    Distribution("pareto", "a", lambda u, a: torch.expm1(_exponential(u) / a), _positive, "a > 0",
                 "Pareto's second kind (Lomax's)."),
    Distribution("power", "a", lambda u, a: u ** (1 / a), _positive, "a > 0", "On [0, 1] with density a x**(a-1)."),
    Distribution("rayleigh", "scale=1.0", lambda u, s: s * (2 * _exponential(u)).sqrt(), _scale, "scale >= 0",
                 "Rayleigh's."),
    Distribution("triangular", "left, mode, right", _triangular,
                 lambda a, b, c: (a <= b) & (b <= c) & (a < c), "left <= mode <= right, left < right",
                 "Triangular, highest at `mode`."),
    Distribution("weibull", "a", lambda u, a: _exponential(u) ** (1 / a), _positive, "a > 0", "Weibull's, scale 1."),
    Distribution("gamma", "shape, scale=1.0", lambda u, k, s: s * _gamma(u, k), _positive, "shape, scale > 0",
                 "Gamma."),
    Distribution("chisquare", "df", lambda u, df: 2 * _gamma(u, df / 2), _positive, "df > 0",
                 "Chi squared with `df` degrees of freedom."),
    Distribution("beta", "a, b", lambda u, a, b: in_scipy("betaincinv")(*torch.broadcast_tensors(a, b, u)), _positive,
                 "a, b > 0", "Beta."),
    Distribution("f", "dfnum, dfden", lambda u, n, d: in_scipy("fdtri")(*torch.broadcast_tensors(n, d, u)), _positive,
                 "dfnum, dfden > 0", "Fisher's F."),
    Distribution("standard_t", "df", lambda u, df: in_scipy("stdtrit")(*torch.broadcast_tensors(df, _open(u))),
                 _positive, "df > 0", "Student's t."),
    Distribution("noncentral_chisquare", "df, nonc",
                 lambda u, df, c: in_scipy("chndtrix")(*torch.broadcast_tensors(u, df, c)),
                 lambda df, c: (df > 0) & (c >= 0), "df > 0, nonc >= 0", "Non-central chi squared."),
    Distribution("noncentral_f", "dfnum, dfden, nonc",
                 lambda u, n, d, c: in_scipy("ncfdtri")(*torch.broadcast_tensors(n, d, c, u)),
                 lambda n, d, c: (n > 0) & (d > 0) & (c >= 0), "dfnum, dfden > 0, nonc >= 0", "Non-central F."),
    Distribution("poisson", "lam=1.0",
                 lambda u, m: _discrete("pdtrik", in_scipy("pdtr"))(*torch.broadcast_tensors(u, m)), _scale,
                 "lam >= 0", "Poisson's.", discrete=True),
    Distribution("binomial", "n, p",
                 lambda u, n, p: _discrete("bdtrik", _binomial)(*torch.broadcast_tensors(u, n, p)),
                 lambda n, p: (n >= 0) & (p >= 0) & (p <= 1), "n >= 0, 0 <= p <= 1",
                 "Successes of n trials.", discrete=True),
    Distribution("negative_binomial", "n, p",
                 lambda u, n, p: _discrete("nbdtrik", _negative_binomial)(*torch.broadcast_tensors(u, n, p)),
                 lambda n, p: (n > 0) & _probability(p), "n > 0, 0 < p <= 1",
                 "Failures before the n-th success.", discrete=True),
    Distribution("geometric", "p", lambda u, p: (_exponential(u) / -torch.log1p(-p)).ceil().clamp(min=1), _probability,
                 "0 < p <= 1", "Trials up to the first success.", discrete=True),
    Distribution("hypergeometric", "ngood, nbad, nsample", hypergeometric,
                 lambda g, b, n: (g >= 0) & (b >= 0) & (g <= 1e9) & (b <= 1e9) & (n >= 0) & (n <= g + b),
                 "0 <= ngood, nbad <= 10**9, 0 <= nsample <= ngood + nbad",
                 "Good ones among those drawn without replacement.", discrete=True),
    Distribution("logseries", "p", logseries, lambda p: (p >= 0) & (p < 1), "0 <= p < 1",
                 "Logarithmic, of chances like p**k / k.", discrete=True),
    Distribution("zipf", "a", zipf, lambda a: a > 1, "a > 1", "Zipf's, of chances like k**-a.", discrete=True),
    Distribution("vonmises", "mu, kappa", lambda u, m, k: von_mises(_open(u), m, k), _scale, "kappa >= 0",
                 "Von Mises's, the normal distribution on the circle."),
    Distribution("wald", "mean, scale", lambda u, m, s: wald(_open(u), m, s), _positive, "mean, scale > 0",
                 "Wald's, or inverse Gaussian."),
]  # fmt: skip
for _name, _of in (("cauchy", lambda u: torch.tan(math.pi * (_open(u) - 0.5))), ("exponential", _exponential)):
    _ROWS.append(Distribution(f"standard_{_name}", "", _of, _scale, "", f"Standard {_name}."))
_ROWS.append(
    Distribution("standard_gamma", "shape", _gamma, _positive, "shape > 0", "Gamma with scale 1."),
)

DISTRIBUTIONS = {row.name: row for row in _ROWS}


def draw(generator: Any, row: Distribution, parameters: tuple, size: Any, dtype: Any, place: dict) -> DNDarray:
    """Draw from `generator`; shape and split are by default those to which the parameters broadcast."""
    # Python's numbers have no width of their own; here they are as precise as what is computed from them.
    exact = (p if isinstance(p, (DNDarray, Tensor)) else np.asarray(p, dtype=np.float64) for p in parameters)
    arrays = [as_operand(p, place.get("comm")) for p in exact]
    doubles = (torch.float64,) * len(arrays)
    if arrays and not FUNCTIONS["all"](apply(row.valid, arrays, doubles)):
        raise ValueError(f"{row.name} needs {row.rule}; its parameters are ({row.parameters})")
    if arrays and size is None:
        layout = common_layout(*(a.layout for a in arrays))
        size = layout.shape
        place = {"split": layout.split, "grid": layout.grid, "comm": arrays[0].comm} | place
    uniform = generator.random(size, torch.float64, **place)
    if broadcast_shapes(uniform.shape, *(a.shape for a in arrays)) != uniform.shape:
        raise ValueError(f"parameters of shapes {[a.shape for a in arrays]} do not broadcast to `size` (={size})")
    result = apply(row.quantile, (uniform, *arrays), (torch.float64, *doubles))
    if dtype is None:
        dtype = torch.int64 if row.discrete else torch.get_default_dtype()
    return result.astype(dtype, copy=False)


_DOC = """{summary}

Parameters
----------
{parameters}size : int or tuple of int, optional
    By default the shape to which the parameters broadcast.
dtype : optional
split, device, comm, grid
    As in `dnd.zeros`; by default as the parameters lie.

Communication: none if the parameters are numbers or replicated; one all-reduce to check them if they are split.

See `numpy.random.{name}`.
"""


def function(row: Distribution) -> Callable[..., DNDarray]:
    """The row as a method of a Generator."""
    listed = [p for p in row.parameters.split(", ") if p]
    source = ", ".join(["self", *listed, "size=None", "dtype=None", "**place"])
    signature = inspect.signature(eval(f"lambda {source}: None"))

    def method(self: Any, *args: Any, **options: Any) -> DNDarray:
        bound = signature.bind(self, *args, **options)
        bound.apply_defaults()
        _, *parameters, size, dtype, place = bound.arguments.values()
        return draw(self, row, tuple(parameters), size, dtype, place)

    method.__name__ = method.__qualname__ = row.name
    method.__signature__ = signature  # type: ignore[attr-defined]
    lines = "".join(f"{p.split('=')[0]} : float or array_like\n" for p in listed)
    method.__doc__ = _DOC.format(summary=row.summary, parameters=lines, name=row.name)
    return method


# --- distributions of vectors -----------------------------------------------------------------------------------------


def _with_last(size: Any, n: int) -> tuple[int, ...]:
    return (*(() if size is None else (size,) if isinstance(size, int) else tuple(size)), n)


def dirichlet(self: Any, alpha: Any, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
    """Dirichlet's: positive numbers along the last axis that add up to one; `alpha` is one vector."""
    alpha = as_operand(alpha, place.get("comm"))
    shares = draw(self, DISTRIBUTIONS["standard_gamma"], (alpha,), _with_last(size, alpha.size), torch.float64, place)
    whole = FUNCTIONS["divide"](shares, FUNCTIONS["sum"](shares, axis=-1, keepdims=True))
    return whole.astype(torch.get_default_dtype() if dtype is None else dtype, copy=False)


def multinomial(self: Any, n: int, pvals: Any, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
    """How often each of the outcomes, with probabilities `pvals` along the last axis, comes in `n` trials."""
    from .manipulation import stack

    chances = np.asarray(as_operand(pvals).numpy(), dtype=np.float64)
    if chances.ndim != 1 or (chances < 0).any() or chances[:-1].sum() > 1 + 1e-12:
        raise ValueError(f"`pvals` (={chances.tolist()}) must be one vector of probabilities that add up to 1")
    shape = _with_last(size, 0)[:-1]
    left: Any = n
    counts = []
    for j, p in enumerate(chances[:-1]):
        rest = 1 - chances[:j].sum()
        share = float(min(p / rest, 1.0)) if rest > 0 else 0.0
        counts.append(draw(self, DISTRIBUTIONS["binomial"], (left, share), shape, torch.int64, place))
        left = left - counts[-1]
    last = left if counts else draw(self, DISTRIBUTIONS["binomial"], (n, 1.0), shape, torch.int64, place)
    return stack([*counts, last], axis=-1).astype(torch.int64 if dtype is None else dtype, copy=False)


def multivariate_normal(self: Any, mean: Any, cov: Any, size: Any = None, dtype: Any = None, **place: Any) -> DNDarray:
    """Normal vectors along the last axis with this mean and covariance, which every process holds."""
    covariance = as_operand(cov).torch().to(torch.float64)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if covariance.ndim != 2 or int(failed):
        raise ValueError(f"`cov` of shape {tuple(covariance.shape)} must be one positive definite matrix")
    standard = self.normal(0.0, 1.0, _with_last(size, len(covariance)), torch.float64, **place)
    result = as_operand(mean) + standard @ factor.mT
    return result.astype(torch.get_default_dtype() if dtype is None else dtype, copy=False)


METHODS = {row.name: function(row) for row in _ROWS} | {
    "dirichlet": dirichlet,
    "multinomial": multinomial,
    "multivariate_normal": multivariate_normal,
}
"""The methods by which a Generator draws from these distributions."""
