"""Several iterations at once, each as if it were alone, and what they ask of all processes done together.

An iteration is a generator. What it cannot do by itself, a product with the matrix or a sum over the processes, it asks
for with `yield`, and is sent the answer. So methods are written for one right-hand side, and of many each goes its own
way and ends when it has converged, while their vectors meet the matrix together and their sums share a message.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple, TypeVar

from torch import Tensor

__all__ = ["Request", "Steps", "in_lockstep"]

T = TypeVar("T")


class Request(NamedTuple):
    """What an iteration asks for."""

    what: str
    operand: Tensor


Steps = Generator[Request, Tensor, T]
"""A part of an iteration, to be run with `yield from`."""


def in_lockstep(tasks: Sequence[Steps[None]], answer: Callable[[str, list[Tensor]], Sequence[Tensor]]) -> None:
    """Run iterations to their ends, with `answer(what, operands)` for all that ask for the same thing.

    The first that has not ended leads. Those that ask for the same as it does are answered with it, and the others wait
    until it does. So there are no more answers than the longest iterations need by themselves, and who falls behind (in
    an iteration with one sum more) is soon in step again.
    """
    requests: dict[int, Request] = {}

    def go_on(task: int, reply: Tensor | None) -> None:
        try:
            requests[task] = next(tasks[task]) if reply is None else tasks[task].send(reply)
        except StopIteration:
            requests.pop(task, None)

    for task in range(len(tasks)):
        go_on(task, None)
    while requests:
        what = next(iter(requests.values())).what
        asking = [task for task, request in requests.items() if request.what == what]
        replies = answer(what, [requests[task].operand for task in asking])
        for task, reply in zip(asking, replies, strict=True):
            go_on(task, reply)
