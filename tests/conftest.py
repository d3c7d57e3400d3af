"""pytest on several ranks: `mpiexec -n 3 python -m pytest`.

Every rank runs every test, rank 0 prints, and after each phase of a test the ranks agree on its outcome: what
fails on one rank fails on all of them, so that none goes on alone and all exit with the same status. Rank 0's
report carries what the other ranks have to say. A rank that fails while the others wait for it inside of the
test finds nobody to agree with: after GRACE_S seconds it prints its own report and ends the run.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NoReturn

os.environ["SCIPY_ARRAY_API"] = "1"  # before SciPy is imported: scikit-learn's dispatch asks for it

import pytest
from _pytest.config import create_terminal_writer
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import HypothesisException

import dndarray as dnd

GRACE_S = float(os.environ.get("DNDARRAY_TEST_GRACE", "20"))


class Ranks:
    """The ranks of this session, and a communicator of the session's own.

    The library's communicator may be in any state when a test fails, and tests count what is sent over it.
    """

    def __init__(self) -> None:
        world = dnd.get_comm()  # first, for it is to start MPI as it does for users
        self.rank, self.size = world.rank, world.size
        if self.size > 1:
            from mpi4py import MPI

            self._comm = MPI.COMM_WORLD.Dup()

    def gather(self, place: str, value: Any, failure: str | None = None) -> list[Any]:
        """`value` of every rank. `place` is where this rank is, `failure` what it says if none come."""
        if self.size == 1:
            return [value]
        patience = threading.Timer(GRACE_S, self._end, [f"failed in {place} while others wait:\n{failure}"])
        patience.daemon = True
        if failure is not None:
            patience.start()
        entries = self._comm.allgather((place, value))
        patience.cancel()
        places = [other for other, _ in entries]
        if len(set(places)) > 1:
            self._end(f"is in {place}, but others are not: {places}\n{failure or ''}")
        return [value for _, value in entries]

    def bcast(self, value: Any) -> Any:
        return value if self.size == 1 else self._comm.bcast(value)

    def _end(self, message: str) -> NoReturn:
        print(f"\n[rank {self.rank}/{self.size}] {message}", file=sys.__stderr__, flush=True)
        os._exit(1)  # the launcher ends the other ranks


@functools.cache
def ranks() -> Ranks:
    return Ranks()


# --- the session --------------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)  # the reporter is made in one of the others
def pytest_configure(config: pytest.Config) -> None:
    if ranks().rank > 0:
        nowhere = open(os.devnull, "w")  # noqa: SIM115 (open until the process ends)
        config.pluginmanager.get_plugin("terminalreporter")._tw = create_terminal_writer(config, nowhere)
    if ranks().size > 1:
        # pytest removes the folders of earlier runs, and ranks that do so at once trip over each other.
        folder = tempfile.TemporaryDirectory(prefix=f"pytest-rank-{ranks().rank}-")
        config.add_cleanup(folder.cleanup)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder.name
    _configure_hypothesis()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    size = ranks().size
    for item in items:
        allowed = item.get_closest_marker("ranks")
        if allowed and size not in allowed.args:
            item.add_marker(pytest.mark.skip(reason=f"runs on {allowed.args} ranks"))
        if item.get_closest_marker("serial") and size > 1:
            item.add_marker(pytest.mark.skip(reason="runs on one rank only"))
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            _agree_on_examples(item)


_not_collected: list[str] = []


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _not_collected.append(f"{report.nodeid}:\n{report.longreprtext}")


def pytest_collection_finish(session: pytest.Session) -> None:
    mine = ([item.nodeid for item in session.items], _not_collected)
    everyones = ranks().gather("collection", mine)
    if any(other != everyones[0] for other in everyones):
        errors = [
            "\n".join([f"rank {rank} found {len(tests)} tests", *errors])
            for rank, (tests, errors) in enumerate(everyones)
        ]
        pytest.exit("\n".join(["the ranks found different tests", *errors]), returncode=2)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.exitstatus = max(ranks().gather("the end", int(exitstatus)))


# --- each test ----------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    details, headline = None, None
    if report.failed:
        captured = (f"-- {title} --\n{text}" for title, text in report.sections)
        details = "\n".join([report.longreprtext, *captured])
        headline = call.excinfo.exconly() if call.excinfo else report.longreprtext
    place = f"{item.nodeid} ({report.when})"
    everyones = ranks().gather(place, (report.outcome, headline, details), failure=details)

    outcomes = [outcome for outcome, _, _ in everyones]
    if set(outcomes) not in ({"passed"}, {"skipped"}):
        for rank, (outcome, other_headline, other_details) in enumerate(everyones):
            # In full where this rank has nothing to show, and nothing where it shows the same.
            if other_headline != headline:
                text = other_details if headline is None else other_headline
                report.sections.append((f"rank {rank}", text or outcome))
        if headline is None:
            report.outcome = "failed"
            report.longrepr = "not the same on every rank: " + ", ".join(
                f"{outcome} on rank {rank}" for rank, outcome in enumerate(outcomes)
            )
    return report


@pytest.fixture
def shared_path(tmp_path: Path) -> Path:
    """A folder that is the same on every rank, as `tmp_path` is not."""
    return ranks().bcast(tmp_path)


# --- hypothesis ---------------------------------------------------------------------------------------------


def _configure_hypothesis() -> None:
    alone = ranks().size == 1
    settings.register_profile(
        "dndarray",
        max_examples=int(os.environ.get("DNDARRAY_EXAMPLES", "25")),
        # Every rank is to draw the same examples. So none may depend on the clock, on what an earlier run
        # left behind, or on how this rank failed.
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=list(Phase) if alone else [Phase.explicit, Phase.generate],
    )
    settings.load_profile("dndarray")


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "passed"
    # Hypothesis ends examples that it has no use for by exceptions of its own.
    if isinstance(error, HypothesisException) or not isinstance(error, Exception):
        return "rejected"
    return f"failed with {error!r}"


def _agree_on_examples(item: pytest.Item) -> None:
    """Let an example that fails on one rank fail on all, since hypothesis then runs that example again."""
    handle = item.obj.hypothesis  # type: ignore[attr-defined]
    if ranks().size > 1 and not hasattr(handle.inner_test, "agreed"):
        handle.inner_test = _agreed(handle.inner_test, item.nodeid)


def _agreed(test: Callable[..., None], name: str) -> Callable[..., None]:
    @functools.wraps(test)
    def agreed(*args: Any, **kwargs: Any) -> None:
        error: BaseException | None = None
        try:
            test(*args, **kwargs)
        except BaseException as caught:
            error = caught
        outcome = _outcome(error)
        outcomes = ranks().gather(f"an example of {name}", outcome, failure=outcome if error else None)
        if error is not None and (outcome != "rejected" or set(outcomes) == {"rejected"}):
            raise error
        if len(set(outcomes)) > 1:
            said = ", ".join(f"{outcome} on rank {rank}" for rank, outcome in enumerate(outcomes))
            raise AssertionError(f"this example {said}")

    agreed.agreed = True  # type: ignore[attr-defined]
    return agreed
