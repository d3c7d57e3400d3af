"""SciPy's functions on our arrays, and data frames in and out: docs/interop.md lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

import dndarray as dnd
from dndarray.testing import assert_allclose

pytestmark = pytest.mark.filterwarnings("ignore")
A = np.abs(np.random.default_rng(0).normal(size=(7, 4))) + 0.1

SPECIAL: dict[str, Callable] = {
    "logsumexp": lambda v: scipy.special.logsumexp(v, axis=0),
    "softmax": lambda v: scipy.special.softmax(v, axis=0),
    "log_softmax": lambda v: scipy.special.log_softmax(v, axis=0),
    "xlogy": lambda v: scipy.special.xlogy(v, v + 1),
    "rel_entr": lambda v: scipy.special.rel_entr(v, v + 1),
}
STATS: dict[str, Callable] = {
    "pmean": lambda v: scipy.stats.pmean(v, 2.0),
    "zmap": lambda v: scipy.stats.zmap(v, v),
    "trim_mean": lambda v: scipy.stats.trim_mean(v, 0.1),
    "ttest_1samp": lambda v: scipy.stats.ttest_1samp(v, 0.5).statistic,
    "ttest_ind": lambda v: scipy.stats.ttest_ind(v[:, 0], v[:, 1]).statistic,
    "ttest_rel": lambda v: scipy.stats.ttest_rel(v[:, 0], v[:, 1]).statistic,
    "jarque_bera": lambda v: scipy.stats.jarque_bera(v, axis=0).statistic,
}
PLAIN = "zscore gzscore gmean hmean skew kurtosis moment sem variation tmean tvar tstd kstat circmean"
STATS |= {name: lambda v, name=name: getattr(scipy.stats, name)(v) for name in PLAIN.split()}


TESTS = ("ttest_1samp", "ttest_ind", "ttest_rel", "jarque_bera")
CALLS = [(n, s) for n in SPECIAL | STATS for s in (None, 0, 1) if s != 1 or n not in TESTS]


@pytest.mark.parametrize(("name", "split"), CALLS)
def test_what_dispatches_by_the_array_api(name: str, split: int | None) -> None:
    call = (SPECIAL | STATS)[name]
    result: Any = call(dnd.array(A, split=split))
    assert_allclose(result, call(A), rtol=1e-8)


@pytest.mark.parametrize("name", ["expit", "erf", "gammaln", "i0", "ndtri"])
def test_ufuncs_of_somebody_elses_are_called_on_each_part(name: str) -> None:
    ufunc = getattr(scipy.special, "_ufuncs", scipy.special)
    ufunc = getattr(ufunc, name)
    assert isinstance(ufunc, np.ufunc)
    x = dnd.array(A / 10, split=0)
    with dnd.testing.count_collectives() as counted:
        result = ufunc(x)
    assert not counted.calls
    assert result.split == 0
    assert_allclose(result, ufunc(A / 10), rtol=1e-12)
    with pytest.raises(TypeError, match="gradient"):
        ufunc(x.requires_grad_())


def test_ufuncs_of_two_arrays() -> None:
    x = dnd.array(A, split=0)
    result = scipy.special._ufuncs.gammainc(x, dnd.array(A[0], split=0))
    assert_allclose(result, scipy.special._ufuncs.gammainc(A, A[0]), rtol=1e-12)


def test_frames() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = list("abcd")
    for frame in (pandas.DataFrame(A, columns=columns), polars.DataFrame(A, schema=columns)):
        x = dnd.array(frame.to_numpy(), split=0)
        assert_allclose(x, A)
        assert_allclose(dnd.array(frame, split=0), A)
        assert_allclose(x * frame.to_numpy(), A * A)
    means = dnd.array(A, split=0).mean(axis=0)
    np.testing.assert_allclose(pandas.Series(np.asarray(means), index=columns).to_numpy(), A.mean(axis=0))
    whole = dnd.array(A, split=0).resplit(None)
    np.testing.assert_array_equal(pandas.DataFrame(np.asarray(whole), columns=columns).to_numpy(), A)
    np.testing.assert_array_equal(polars.DataFrame(whole.numpy(), schema=columns).to_numpy(), A)
