"""Every function beside NumPy: dtypes, shapes, layouts, gradients; and no name without a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

import dndarray as dnd
from dndarray import searching
from parity.case import ALL, SHAPES, Case
from parity.driver import Trial, all_cases, check, check_gradient, gradient_trials, trials

BY_TABLE = ("searchsorted", "digitize", "bucketize", "isin", "interp", "setdiff1d")
CASES = all_cases()
SEEN: Counter[str] = Counter()


def _label(case: Case) -> str:
    SEEN[case.name] += 1
    return f"{case.name}-{SEEN[case.name]}"


LABELS = [_label(case) for case in CASES]


def run(case: Case, chosen: list[Trial], examine: Callable[[Case, Trial], str]) -> None:
    """Examine all trials, then fail with what any process found wrong."""
    outcomes = [examine(case, trial) for trial in chosen]
    everyones = dnd.get_comm().allgather_object(outcomes)
    failures = [f"rank {rank}: {o}" for rank, outcomes in enumerate(everyones) for o in outcomes if o]
    assert not failures, f"{case.name}: {len(failures)} failures, among them\n" + "\n".join(failures[:6])


@pytest.mark.parametrize("case", CASES, ids=LABELS)
def test_as_numpy(case: Case) -> None:
    run(case, trials(case, dnd.get_comm().size, 8), check)


LOOK_UP = [(c, label) for c, label in zip(CASES, LABELS, strict=True) if c.name in BY_TABLE]


@pytest.mark.parametrize("case", [c for c, _ in LOOK_UP], ids=[label for _, label in LOOK_UP])
def test_as_numpy_with_tables_that_stay_split(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "TABLE", -1)
    run(case, trials(case, dnd.get_comm().size, 24), check)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=LABELS)
def test_as_numpy_on_everything(case: Case) -> None:
    run(case, trials(case, dnd.get_comm().size), check)


DIFFERENTIABLE = [(case, label) for case, label in zip(CASES, LABELS, strict=True) if case.grad]


@pytest.mark.parametrize("case", [c for c, _ in DIFFERENTIABLE], ids=[label for _, label in DIFFERENTIABLE])
def test_gradient(case: Case) -> None:
    chosen = gradient_trials(case, dnd.get_comm().size, 3)
    assert chosen, "a differentiable row needs trials in float64"
    run(case, chosen, check_gradient)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", [c for c, _ in DIFFERENTIABLE], ids=[label for _, label in DIFFERENTIABLE])
def test_gradient_on_everything(case: Case) -> None:
    run(case, gradient_trials(case, dnd.get_comm().size), check_gradient)


@pytest.mark.parametrize("case", CASES, ids=LABELS)
def test_limits_have_reasons(case: Case) -> None:
    limited = tuple(case.dtypes) != ALL or (case.arrays == 1 and tuple(case.shapes) != SHAPES) or not case.special
    assert case.why or not limited, f"{case.name} is tried on less than everything and does not say why"
