"""Substitution with given factors against dense solutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch

from dndarray.sparse import kernels
from dndarray.sparse.substitution import Substitution

SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A",
    "diag_pivot_thresh": 0.0,
    "options": {"SymmetricMode": True},
}


def sample(n: int, dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    a = scipy.sparse.random_array((n, n), density=3 / n, rng=rng).tocsc()
    a = a + scipy.sparse.diags_array(rng.choice([-1.0, 1.0], n) * (0.1 + rng.random(n)))
    return (a * (1 + 0.5j) if dtype == "complex128" else a).tocsc()


@pytest.fixture(params=["in place", "by SuperLU"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by SuperLU":
        monkeypatch.setattr(kernels, "CAN_ELIMINATE", False)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("options", [{}, SYMMETRIC, {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0}])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("columns", [0, 1, 5, 100])
def test_solutions(options: dict[str, Any], dtype: str, columns: int) -> None:
    a = sample(40, dtype)
    substitution = Substitution(scipy.sparse.linalg.splu(a, **options))
    x = np.random.default_rng(1).normal(size=(40, columns)).astype(dtype)
    rhs = torch.from_numpy(a @ x)
    found = substitution.solve_(rhs)
    assert found.data_ptr() == rhs.data_ptr()
    np.testing.assert_allclose(rhs.numpy(), x, rtol=0, atol=1e-8)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("options", [{}, SYMMETRIC])
def test_rows_in_other_places(options: dict[str, Any]) -> None:
    a = sample(40, "float64")
    places = np.random.default_rng(3).permutation(40)
    substitution = Substitution(scipy.sparse.linalg.splu(a, **options), places)
    x = np.random.default_rng(1).normal(size=(40, 3))
    rhs = torch.empty(40, 3, dtype=torch.float64)
    rhs[places] = torch.from_numpy(a @ x)
    np.testing.assert_allclose(substitution.solve_(rhs).numpy()[places], x, rtol=0, atol=1e-8)
    inverse = substitution.inverse_at(np.array([3, 5]), np.array([7, 1]))
    np.testing.assert_allclose(inverse, np.linalg.inv(a.toarray())[[3, 5], [7, 1]], rtol=0, atol=1e-7)


@pytest.mark.usefixtures("way")
def test_elements_of_the_inverse() -> None:
    a = sample(150, "float64")
    substitution = Substitution(scipy.sparse.linalg.splu(a))
    rows, columns = np.random.default_rng(2).integers(0, 150, (2, 300))
    expected = np.linalg.inv(a.toarray())
    found = substitution.inverse_at(rows, columns)
    np.testing.assert_allclose(found, expected[rows, columns], rtol=0, atol=1e-9 * abs(expected).max())
    assert substitution.inverse_at(rows[:0], columns[:0]).shape == (0,)
