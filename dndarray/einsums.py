"""Einstein summation, along a path that moves little between processes.

Several operands are contracted two at a time. Which two first decides how much travels, how much is computed and how
large the arrays between are; the path is chosen for the least of `elements moved + operations / OPERATIONS` on each
process, the first by the table in `contraction`, for the layouts that the operands have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import torch

from .array import DNDarray
from .contraction import contract, operands
from .diagonals import diagonal
from .elementwise import FUNCTIONS, store
from .layout import Grid, Layout
from .manipulation import squeeze, transpose
from .placement import Labels, estimate
from .types import as_dtype, can_cast, result_type

__all__ = ["einsum", "einsum_path"]

OPERATIONS = 256
"""Multiplications and additions in the time in which one element travels."""

EXHAUSTIVE = 8
"""Operands up to which every path is looked at; of more, the next pair is the cheapest one."""

_PROCESSES = 8
"""For how many processes a path is chosen: not for those at hand, on which no result's split may depend."""

_FIRST_DOT = 0x100


# --- subscripts -------------------------------------------------------------------------------------------------------


def _letters(sublist: Sequence[Any]) -> str:
    """A list of integers and Ellipsis as subscripts."""
    try:
        numbers = [None if s is Ellipsis else s.__index__() for s in sublist]
    except (AttributeError, TypeError):
        raise TypeError(f"each subscript must be an integer or an ellipsis, not {list(sublist)}") from None
    if any(n is not None and not 0 <= n < 52 for n in numbers):
        raise ValueError(f"subscripts must be in [0, 52), not {list(sublist)}")
    return "".join("..." if n is None else chr(ord("A") + n if n < 26 else ord("a") + n - 26) for n in numbers)


def _separate(arguments: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts and operands, of either form of call."""
    if not arguments:
        raise ValueError("einsum takes subscripts and operands")
    if isinstance(arguments[0], str):
        return arguments[0].replace(" ", ""), list(arguments[1:])
    pairs = len(arguments) // 2
    subscripts = ",".join(_letters(s) for s in arguments[1 : 2 * pairs : 2])
    if len(arguments) % 2:
        subscripts += "->" + _letters(arguments[-1])
    return subscripts, list(arguments[0 : 2 * pairs : 2])


def _check(part: str, subscripts: str) -> str:
    """A term without its dots, found to be letters and one ellipsis at most."""
    letters = part.replace("...", "", 1)
    if letters and not (letters.isascii() and letters.isalpha()):
        raise ValueError(f"subscripts {subscripts!r}: {part!r} must be letters, with one ellipsis ('...') at most")
    return letters


def parse(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """One letter for each axis of each operand, and of the result; those of an ellipsis are no ASCII.

    >>> parse("ij,jk", [(2, 3), (3, 4)])
    (['ij', 'jk'], 'ik')
    """
    left, arrow, right = subscripts.partition("->")
    parts = left.split(",")
    if len(parts) != len(shapes):
        raise ValueError(f"subscripts {subscripts!r} are of {len(parts)} operands, {len(shapes)} were given")
    terms, dots = [], 0
    for part, shape in zip(parts, shapes, strict=True):
        named = len(_check(part, subscripts))
        if named > len(shape) or ("." not in part and named < len(shape)):
            raise ValueError(f"subscripts {part!r} (of {subscripts!r}) do not fit an operand of shape {shape}")
        extra = len(shape) - named
        dots = max(dots, extra)
        terms.append(part.replace("...", _dots(extra)))
    if arrow:
        letters = _check(right, subscripts)
        output = right.replace("...", _dots(dots))
        if len(set(letters)) < len(letters) or not set(letters) <= set("".join(terms)):
            raise ValueError(
                f"subscripts {subscripts!r}: the result has each letter once, and only the operands' letters"
            )
        if dots and "." not in right:
            raise ValueError(
                f"subscripts {subscripts!r}: the result needs an ellipsis, too, for the axes of the operands'"
            )
    else:
        joined = left.replace("...", "").replace(",", "")
        output = _dots(dots) + "".join(sorted(x for x in set(joined) if joined.count(x) == 1))
    return terms, output


def _dots(n: int) -> str:
    """Letters for the last `n` axes of an ellipsis."""
    return "".join(chr(_FIRST_DOT + i) for i in reversed(range(n)))


def _sizes(terms: Sequence[str], shapes: Sequence[tuple[int, ...]], subscripts: str) -> dict[str, int]:
    """The length of each letter's axes; those of length 1 stretch, but not to fit one of the same operand."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        own: dict[str, int] = {}
        for label, n in zip(term, shape, strict=True):
            known = sizes.get(label, 1)
            if own.setdefault(label, n) != n or (n != known and 1 not in (n, known)):
                raise ValueError(
                    f"subscripts {subscripts!r} do not fit shapes {list(shapes)}: {label!r} has two lengths"
                )
            sizes[label] = known if n == 1 else n
    return sizes


def _needed(terms: Sequence[str], output: str) -> list[set[str]]:
    """For each operand the letters that the result or another operand has."""
    return [{*output, *"".join(terms[:i]), *"".join(terms[i + 1 :])} for i in range(len(terms))]


# --- the path ---------------------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """An operand as the search sees it."""

    labels: str
    layout: Layout


def _outline(layout: Layout, term: str, sizes: dict[str, int], needed: set[str], grid: Grid) -> Term:
    """An operand after diagonals are taken, what stretches is dropped and what only it has is summed, on `grid`."""
    own = dict(zip(term, layout.shape, strict=True))
    labels = "".join(x for x in own if x in needed and own[x] == sizes[x])
    axes: list[int | None] = []
    for a in layout.axes:
        b = None if a is None or term[a] not in labels else labels.index(term[a])
        axes.append(None if b in axes else b)
    return Term(labels, Layout([own[x] for x in labels], grid, tuple(axes)))


def _joined(a: str, b: str, needed: set[str]) -> Labels:
    """What remains of two operands: batch axes, then free axes of the first, then of the second."""
    both = [x for x in a if x in b and x in needed]
    return Labels(a, b, "".join([*both, *(x for x in a if x not in b), *(x for x in b if x not in a)]))


@lru_cache(maxsize=4096)
def _cost(a: Term, b: Term, labels: Labels) -> tuple[float, Term]:
    """What the contraction of two terms costs each process, in elements that travel, and its result."""
    moved, layout = estimate(a.layout, b.layout, labels)
    sizes = dict(zip(a.labels, a.layout.shape, strict=True)) | dict(zip(b.labels, b.layout.shape, strict=True))
    sharers = max(
        math.prod(p for axis, p in zip(x.axes, x.grid.shape, strict=True) if axis is not None)
        for x in (a.layout, b.layout, layout)
    )
    return moved + math.prod(sizes.values()) / sharers / OPERATIONS, Term(labels.c, layout)


class _Tree(NamedTuple):
    """A way to contract some of the operands."""

    cost: float
    term: Term
    parts: tuple[_Tree, _Tree] | int
    """Two other ways that are joined, or the number of an operand."""


def _join(a: _Tree, b: _Tree, needed: set[str]) -> _Tree:
    cost, term = _cost(a.term, b.term, _joined(a.term.labels, b.term.labels, needed))
    return _Tree(a.cost + b.cost + cost, term, (a, b))


def _best(terms: Sequence[Term], output: str) -> _Tree:
    """The cheapest of all ways: those of each set of operands from those of its two halves."""
    n = len(terms)
    best = {1 << i: _Tree(0.0, term, i) for i, term in enumerate(terms)}
    for subset in sorted(range(1, 1 << n), key=int.bit_count):
        if subset in best:
            continue
        needed = {*output, *"".join(t.labels for i, t in enumerate(terms) if not subset >> i & 1)}
        low = subset & -subset
        half = (subset - 1) & subset
        while half:
            if half & low:
                first, second = best[half], best[subset ^ half]
                if subset not in best or first.cost + second.cost < best[subset].cost:
                    tree = _join(first, second, needed)
                    if subset not in best or tree.cost < best[subset].cost:
                        best[subset] = tree
            half = (half - 1) & subset
    return best[(1 << n) - 1]


def _greedy(terms: Sequence[Term], output: str) -> _Tree:
    """The pair that costs least, again and again."""
    trees = [_Tree(0.0, term, i) for i, term in enumerate(terms)]
    while len(trees) > 1:
        pairs = []
        for i, j in combinations(range(len(trees)), 2):
            needed = {*output, *"".join(t.term.labels for k, t in enumerate(trees) if k not in (i, j))}
            tree = _join(trees[i], trees[j], needed)
            pairs.append((tree.cost - trees[i].cost - trees[j].cost, i, j, tree))
        _, i, j, tree = min(pairs, key=lambda entry: entry[:3])
        trees = [t for k, t in enumerate(trees) if k not in (i, j)] + [tree]
    return trees[0]


@lru_cache(maxsize=1024)
def _search(terms: tuple[Term, ...], output: str) -> tuple[tuple[int, int], ...]:
    """The pairs of operands to contract, each by its place among what is left; results go to the end."""
    alive = list(range(len(terms)))
    path: list[tuple[int, int]] = []

    def visit(tree: _Tree) -> int:
        if isinstance(tree.parts, int):
            return tree.parts
        _join_places(alive, path, [visit(part) for part in tree.parts])
        return alive[-1]

    visit((_best if len(terms) <= EXHAUSTIVE else _greedy)(terms, output))
    return tuple(path)


def _join_places(alive: list[int], path: list[tuple[int, int]], group: list[int]) -> None:
    """Append to the path the steps that join operands, given by number, pair by pair; what they give is numbered on."""
    for number in group[1:]:
        i, j = sorted((alive.index(group[0]), alive.index(number)))
        path.append((i, j))
        del alive[j], alive[i]
        group[0] = len(alive) + 2 * len(path)
        alive.append(group[0])


def _pairs(path: Sequence[Sequence[int]], n: int) -> list[tuple[int, int]]:
    """A path given by the user, as pairs: several operands of one step in their order, what it leaves over last."""
    alive, pairs = list(range(n)), []  # type: tuple[list[int], list[tuple[int, int]]]
    for step in path:
        if any(not 0 <= i < len(alive) for i in step):
            raise ValueError(f"`optimize` (={list(path)}) names operands that are not there: {tuple(step)}")
        _join_places(alive, pairs, [alive[i] for i in step])
    _join_places(alive, pairs, list(alive))
    return pairs


def _walk(terms: Sequence[str], path: Sequence[tuple[int, int]], output: str) -> Iterator[tuple[int, int, Labels]]:
    """The contractions of a path, in order."""
    names = list(terms)
    for i, j in path:
        b, a = names.pop(j), names.pop(i)
        labels = _joined(a, b, {*output, *"".join(names)})
        if not names:
            labels = labels._replace(c=output)
        names.append(labels.c)
        yield i, j, labels


class _Call(NamedTuple):
    """A call taken apart."""

    arrays: list[DNDarray]
    terms: list[str]
    needed: list[set[str]]
    sizes: dict[str, int]
    output: str
    path: Sequence[tuple[int, int]]

    def outlines(self, grids: Sequence[Grid]) -> list[Term]:
        every = zip(self.arrays, self.terms, self.needed, grids, strict=True)
        return [_outline(x.layout, term, self.sizes, needed, grid) for x, term, needed, grid in every]


def _call(arguments: Sequence[Any], optimize: Any) -> _Call:
    subscripts, values = _separate(arguments)
    arrays = operands(*values)
    shapes = [x.shape for x in arrays]
    terms, output = parse(subscripts, shapes)
    sizes = _sizes(terms, shapes, subscripts)
    lasting = [
        "".join(x for x, n in zip(t, s, strict=True) if n == sizes[x]) for t, s in zip(terms, shapes, strict=True)
    ]
    call = _Call(arrays, terms, _needed(lasting, output), sizes, output, ())
    if isinstance(optimize, (list, tuple)) and optimize[:1] in (["einsum_path"], ("einsum_path",)):
        return call._replace(path=_pairs(optimize[1:], len(arrays)))
    if isinstance(optimize, (list, tuple)) or optimize not in (True, False, "greedy", "optimal"):
        raise TypeError(f"`optimize` (={optimize!r}) must be True, False, 'greedy', 'optimal' or a path of einsum_path")
    outlines = call.outlines([Grid.squarest(_PROCESSES, x.layout.grid.ndim) for x in arrays])
    return call._replace(path=_search(tuple(outlines), output))


# --- the work ---------------------------------------------------------------------------------------------------------


def _alone(x: DNDarray, term: str, sizes: dict[str, int], needed: set[str], dtype: torch.dtype) -> tuple[DNDarray, str]:
    """What concerns one operand only: diagonals are taken, what stretches is dropped, what only it has is summed."""
    for label in sorted(set(term)):
        while term.count(label) > 1:
            i = term.index(label)
            j = term.index(label, i + 1)
            x, term = diagonal(x, 0, i, j), term[:i] + term[i + 1 : j] + term[j + 1 :] + label
    stretched = tuple(i for i, label in enumerate(term) if x.shape[i] != sizes[label])
    if stretched:
        x, term = squeeze(x, stretched), "".join(label for i, label in enumerate(term) if i not in stretched)
    x = x.astype(dtype, copy=False)
    summed = tuple(i for i, label in enumerate(term) if label not in needed)
    if summed:
        x = FUNCTIONS["any"](x, summed) if dtype is torch.bool else FUNCTIONS["sum"](x, summed, dtype)
    return x, "".join(label for i, label in enumerate(term) if i not in summed)


def einsum(
    *arguments: Any,
    out: DNDarray | None = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = True,
) -> DNDarray:
    """Sums of products of elements, as subscripts say: Einstein's summation convention.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, and after "->" those of the result: letters that it lacks are summed. By
        default it has those that occur once, in alphabetical order. "..." stands for axes that broadcast.
    *operands : array_like
        Split in any way. Instead of subscripts each may be followed by a list of integers and Ellipsis.
    out : DNDarray, optional
        Where to put the result.
    dtype, casting : optional
        The type to compute in, and whether the operands may be cast to it.
    order : str
        Taken for NumPy's sake; without meaning here.
    optimize : optional
        A path made by `einsum_path`; otherwise (whatever is said) the one that moves and computes least is taken.

    Communication: what an operand alone has is summed first, with one all-reduce if it is split, and a diagonal over
    two split axes is brought together; each pair of operands is contracted as in `matmul`, along a path for which least
    travels.

    Examples
    --------
    >>> import dndarray as dnd
    >>> a = dnd.ones((2, 3), split=0)
    >>> dnd.einsum("ij,kj->ik", a, a).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    call = _call(arguments, optimize)
    arrays, output = call.arrays, call.output
    computed = as_dtype(dtype) if dtype is not None else result_type(*arrays)
    for x in arrays:
        if not can_cast(x.dtype, computed, casting):
            raise TypeError(f"{x.dtype} is not cast to `dtype` (={computed}) with `casting` (={casting!r})")
    every = zip(arrays, call.terms, call.needed, strict=True)
    ready = [_alone(x, term, call.sizes, needed, computed) for x, term, needed in every]
    left, names = [x for x, _ in ready], [term for _, term in ready]
    for i, j, labels in _walk(names, call.path, output):
        b, a = left.pop(j), left.pop(i)
        left.append(contract(a, b, labels, computed))
    last = names[0] if len(names) == 1 else output
    result = transpose(left[0], [last.index(label) for label in output])
    return result if out is None else store(result, out)


def einsum_path(*arguments: Any, optimize: Any = True) -> tuple[list, str]:
    """The path that `einsum` takes, and a table of what each of its steps costs. Local.

    Parameters
    ----------
    subscripts, *operands
        As for `einsum`.
    optimize : optional
        A path to tell the cost of.

    Returns
    -------
    path : list
        "einsum_path", then the places of the operands of each step, whose result takes the last place.
    table : str
        For each step what reaches each process, on average, and how many multiplications and additions it does.
    """
    call = _call(arguments, optimize)
    outlines = call.outlines([x.layout.grid for x in call.arrays])
    layouts, names = [t.layout for t in outlines], [t.labels for t in outlines]
    lines = [f"{'step':30}{'elements moved':>20}{'operations':>20}{'result split':>16}"]
    for i, j, labels in _walk(names, call.path, call.output):
        b, a = layouts.pop(j), layouts.pop(i)
        moved, result = estimate(a, b, labels)
        layouts.append(result)
        operations = math.prod(call.sizes[x] for x in {*labels.a, *labels.b}) // a.grid.size
        lines.append(f"{_shown(labels):30}{moved:20,}{operations:20,}{result.split!s:>16}")
    return ["einsum_path", *call.path], "\n".join(lines)


def _shown(labels: Labels) -> str:
    text = f"{labels.a},{labels.b}->{labels.c}"
    return "".join(x if x.isascii() else chr(ord("0") + (ord(x) - _FIRST_DOT) % 10) for x in text)
