"""The scikit-learn estimators and metrics that work on split arrays as they stand: docs/interop.md lists these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from sklearn.datasets import make_classification
from sklearn.utils.discovery import all_estimators

import dndarray as dnd

pytestmark = pytest.mark.filterwarnings("ignore")

X, LABELS = make_classification(61, 6, random_state=0)
RNG = np.random.default_rng(0)
TARGET = X @ np.arange(6.0) + 0.1 * RNG.normal(size=61)
SCORE, TRUTH = RNG.random(61), RNG.integers(0, 2, 61)
CLASSES, GUESSES = RNG.integers(0, 3, 61), RNG.integers(0, 3, 61)
POSITIVE = np.abs(TARGET) + 0.1

ESTIMATORS: list[tuple[str, dict[str, Any]]] = [
    ("Binarizer", {}),
    ("GaussianNB", {}),
    ("KernelCenterer", {}),
    ("LabelEncoder", {}),
    ("MinMaxScaler", {}),
    ("Normalizer", {}),
    ("Nystroem", {"n_components": 8, "random_state": 0}),
    ("PCA", {"svd_solver": "full"}),
    ("PCA", {"svd_solver": "covariance_eigh"}),
    ("PCA", {"svd_solver": "randomized", "n_components": 2, "random_state": 0}),
    ("PolynomialFeatures", {}),
    ("Ridge", {"solver": "svd"}),
    ("RidgeCV", {}),
    ("StandardScaler", {}),
]
METHODS = ("transform", "predict", "predict_proba", "decision_function")

METRICS = {
    "classes": "accuracy_score hamming_loss zero_one_loss",
    "scores": """
        average_precision_score brier_score_loss d2_brier_score precision_recall_curve roc_curve
        """,
    "numbers": """
        d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score max_error mean_absolute_error
        mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error
        mean_squared_log_error mean_tweedie_deviance median_absolute_error r2_score root_mean_squared_error
        root_mean_squared_log_error
        """,
    "points": """
        additive_chi2_kernel chi2_kernel cosine_distances cosine_similarity euclidean_distances laplacian_kernel
        linear_kernel manhattan_distances paired_cosine_distances paired_euclidean_distances paired_manhattan_distances
        polynomial_kernel rbf_kernel sigmoid_kernel
        """,
}
ARGUMENTS = {
    "classes": (CLASSES, GUESSES),
    "scores": (TRUTH, SCORE),
    "numbers": (POSITIVE, 1.1 * POSITIVE + 0.05 * SCORE),
    "points": (np.abs(X), np.abs(X[::-1].copy())),
}
NAMED = [(name, kind) for kind, names in METRICS.items() for name in names.split()]


@pytest.fixture(autouse=True)
def dispatch() -> Iterator[None]:
    with sklearn.config_context(array_api_dispatch=True):
        yield


def as_numpy(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, dnd.DNDarray) else np.asarray(value)


def arguments(name: str) -> tuple[np.ndarray, ...]:
    if name == "LabelEncoder":
        return (LABELS,)
    if name == "KernelCenterer":
        return (X @ X.T,)
    return X, (TARGET if name.startswith("Ridge") else LABELS)


@pytest.mark.parametrize(("name", "options"), ESTIMATORS, ids=[f"{n}-{o}" for n, o in ESTIMATORS])
def test_estimators(name: str, options: dict[str, Any]) -> None:
    estimator = dict(all_estimators())[name]
    numbers = arguments(name)
    theirs = estimator(**options).fit(*numbers)
    split = [dnd.array(a, split=0) for a in numbers]
    ours = estimator(**options).fit(*split)
    for method in METHODS:
        if hasattr(theirs, method):
            expected = getattr(theirs, method)(numbers[0])
            result = getattr(ours, method)(split[0])
            assert isinstance(result, dnd.DNDarray)
            # Components and their signs are free.
            same = np.abs if name in ("PCA", "Nystroem") else np.asarray
            np.testing.assert_allclose(same(as_numpy(result)), same(expected), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "kind"), NAMED, ids=[name for name, _ in NAMED])
def test_metrics(name: str, kind: str) -> None:
    metric = getattr(sklearn.metrics, name, None) or getattr(sklearn.metrics.pairwise, name)
    numbers = ARGUMENTS[kind]
    expected = metric(*numbers)
    result = metric(*(dnd.array(a, split=0) for a in numbers))
    several = isinstance(expected, tuple)
    for ours, theirs in zip(result if several else (result,), expected if several else (expected,), strict=True):
        np.testing.assert_allclose(as_numpy(ours), theirs, rtol=1e-7, atol=1e-7)


def test_the_manual_promises_these_and_no_more() -> None:
    page = (Path(__file__).parent.parent / "docs" / "interop.md").read_text()
    section = page.split("## scikit-learn")[1].split("\n## ")[0]
    promised = set(re.findall(r"`([A-Za-z0-9_]+)`", section.split("These work")[1]))
    assert promised == {name for name, _ in ESTIMATORS} | {name for name, _ in NAMED}
