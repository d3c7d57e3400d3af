"""Every rule of every family, against NumPy, on this run's number of processes."""

import pytest

import dndarray as dnd
from dndarray.testing.rules import CASES, validate

OPERATIONS = sorted({name for name, _ in CASES})


def _check(name: str, every: int) -> None:
    report = validate(name, every)
    assert report.checked > 0
    assert not report.wrong, report.wrong[:5]
    assert not report.missing, report.missing[:5]


@pytest.mark.parametrize("name", OPERATIONS)
def test_rule_on_a_sample_of_layouts(name: str) -> None:
    # The number of layouts grows with the square of the number of grids; a stride that is prime to it samples evenly.
    _check(name, {1: 1, 2: 7, 3: 23, 4: 47}[dnd.get_comm().size])


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_rule_on_every_layout(name: str) -> None:
    _check(name, 1)


def test_the_validator_finds_a_wrong_rule() -> None:
    from dndarray.testing import rules

    case = rules.Case(lambda x: x + 1, lambda x: x, ((5, 4),))
    original, rules.CASES[:] = list(rules.CASES), [("broken", case)]
    try:
        report = validate("broken")
    finally:
        rules.CASES[:] = original
    assert report.checked > 0
    assert len(report.wrong) == report.checked
