"""Every row of one array meets every row of another: rows stay or travel round the ring, panel by panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from torch import Tensor

from ..array import DNDarray, same_comm, wrap
from ..collectives import all_gather, needs_grad, send_receive, use_in_split
from ..communication import Communicator
from ..elementwise import as_operand
from ..layout import Layout
from ..redistribution import move

__all__ = ["Meeting", "meet", "panels", "ring", "tied"]


class Meeting(NamedTuple):
    """Rows of two arrays that are to meet, and the grid axes that deal them out."""

    x: DNDarray
    y: DNDarray
    x_axis: int | None
    y_axis: int | None

    @property
    def travels(self) -> bool:
        """Whether both are dealt out among the same processes, so that one has to travel."""
        return self.x_axis is not None and self.x_axis == self.y_axis

    def along(self, grid_axis: int) -> Communicator:
        return self.x.comm.along(self.x.layout.grid, (grid_axis,))

    def locals(self) -> tuple[Tensor, Tensor]:
        """Both local parts; where one of them is replicated and the other is not, its gradients add up."""
        x, y = self.x.larray, self.y.larray
        if not self.travels:
            x = x if self.y_axis is None else use_in_split(x, self.along(self.y_axis))
            y = y if self.x_axis is None else use_in_split(y, self.along(self.x_axis))
        return x, y

    def start(self) -> int:
        """Which row of the second array comes first on this process."""
        return self.y.layout.box(self.y.comm.rank)[0][0]

    def panels(self, y: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The parts of the second array that this process's rows of the first meet, each with its first row."""
        if not self.travels:
            return iter([(self.start(), y)])
        assert self.y_axis is not None
        counts = self.y.layout.counts[self.y_axis]
        assert counts is not None
        return panels(y, counts, self.along(self.y_axis))


def _whole_rows(x: DNDarray) -> DNDarray:
    layout = x.layout.whole_along(*range(1, x.ndim))
    return wrap(move(x.larray, x.layout, layout, x.comm), layout, x.comm)


def meet(X: Any, Y: Any) -> Meeting:
    """Bring two arrays to one grid, with whole rows."""
    x = as_operand(X)
    y = x if Y is None else as_operand(Y, x.comm, x.device)
    same_comm([x, y])
    if not x.ndim or not y.ndim:
        raise ValueError(f"arrays of rows have one axis or more, these have shapes {x.shape} and {y.shape}")
    together = y is x
    x = _whole_rows(x)
    y = x if together else _whole_rows(y)
    if x.layout.grid is not y.layout.grid:
        leader, other = (x, y) if x.layout.is_dealt or not y.layout.is_dealt else (y, x)
        axes = [a if other.layout.is_dealt else None for a in leader.layout.axes]
        layout = Layout(other.shape, leader.layout.grid, tuple(axes))
        other = wrap(move(other.larray, other.layout, layout, x.comm), layout, x.comm)
        x, y = (x, other) if leader is x else (other, y)
    return Meeting(x, y, x.layout.grid_axis(0), y.layout.grid_axis(0))


def panels(tensor: Tensor, counts: Sequence[int], comm: Communicator) -> Iterator[tuple[int, Tensor]]:
    """The rows of all processes, this one's first, each panel with the number of its first row.

    The next panel travels while the caller works with one; no others are held. Differentiable: then what is computed
    from a panel is remembered until backward, and with it the panel.
    """
    starts = [0, *accumulate(counts)]
    before, after = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    for step in range(comm.size):
        owner = (comm.rank + step) % comm.size
        last = step == comm.size - 1
        following = tensor.new_empty((0 if last else counts[(owner + 1) % comm.size], *tensor.shape[1:]))
        if last or needs_grad(tensor):
            yield starts[owner], tensor
            tensor = tensor if last else send_receive(tensor, following, before, after, comm)
        else:
            requests = comm.irecv(following, after, into=True), comm.isend(tensor, before)
            yield starts[owner], tensor
            for request in requests:
                request.wait()
            tensor = following


def tied(result: Tensor, panel: Tensor) -> Tensor:
    """The result, with the last panel in its history: backward sends panels back, on every process or on none."""
    return result + panel.reshape(-1)[:0].sum() if needs_grad(panel) and result.is_floating_point() else result


Partial = Any
"""A tensor whose first axis is that of the first array's rows, or a tuple of such tensors."""


def _leaves(partial: Partial) -> tuple[Tensor, ...]:
    return partial if isinstance(partial, tuple) else (partial,)


def _gathered(partial: Partial, comm: Communicator) -> Iterator[Partial]:
    """The partial results of all processes, in order."""
    stacked = [all_gather(leaf.unsqueeze(0), [1] * comm.size, comm) for leaf in _leaves(partial)]
    for parts in zip(*stacked, strict=True):
        yield parts if isinstance(partial, tuple) else parts[0]


def ring(
    X: Any,
    Y: Any,
    fn: Callable[[Tensor, Tensor, int], Partial],
    combine: Callable[[Partial, Partial], Partial],
) -> Any:
    """Let every row of `X` meet every row of `Y`, and reduce what comes of it to one result for each row of `X`.

    Parameters
    ----------
    X, Y : array_like
        Arrays of rows, split in any way.
    fn : callable
        `fn(x, y, start)` computes from this process's rows of `X` and some rows of `Y`, tensors of which `y[0]` is row
        `start` of `Y`. It returns a tensor whose first axis is that of `x`, or a tuple of such tensors. There may be no
        rows in either.
    combine : callable
        `combine(a, b)` makes one such result from those of two sets of rows of `Y`. The order in which they come
        differs from process to process.

    Returns
    -------
    DNDarray or tuple of DNDarray
        With the rows of `X`, and split as these.

    Rows of `X` stay where they are. Where both are split by the same processes those of `Y` travel round the ring:
    while one panel is worked with the next is under way, and these are all that is held. Otherwise each process works
    with the rows that it has.

    Communication: p - 1 messages for each process, of a panel each; one all-gather of each partial result if `Y` is
    split and `X` is not; none if `Y` is replicated. Before, one redistribution of what is split along another axis than
    the first. Differentiable if `fn` and `combine` are; then all panels are held until backward.

    Examples
    --------
    How many rows of `y` are larger in each element, for each row of `x`:

    >>> import dndarray as dnd
    >>> x, y = dnd.arange(4, split=0), dnd.arange(6, split=0)
    >>> dnd.spatial.ring(x, y, lambda x, y, start: (y > x[:, None]).sum(1), lambda a, b: a + b).tolist()
    [5, 4, 3, 2]
    """
    meeting = meet(X, Y)
    x, y = meeting.locals()
    result: Partial = None
    for start, panel in meeting.panels(y):
        part = fn(x, panel, start)
        result = part if result is None else combine(result, part)
    if meeting.y_axis is not None and not meeting.travels:
        partials = _gathered(result, meeting.along(meeting.y_axis))
        result = next(partials)
        for part in partials:
            result = combine(result, part)
    layout = meeting.x.layout
    arrays = []
    for leaf in _leaves(result):
        shape = (layout.shape[0], *leaf.shape[1:])
        leaf = tied(leaf, panel)
        final = Layout(shape, layout.grid, tuple(None if a is None else 0 for a in layout.axes), layout.counts)
        arrays.append(wrap(leaf, final, meeting.x.comm))
    return tuple(arrays) if isinstance(result, tuple) else arrays[0]
