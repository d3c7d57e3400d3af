"""Which outages cut buses off from every slack bus."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components

from .grid import SLACK, Grid

__all__ = ["cut_labels", "cut_off", "cuts"]


def cut_labels(grid: Grid) -> np.ndarray:
    """A number for each branch of a connected grid, such that a set of branches is a cut if its numbers XOR to 0.

    Branches outside of a spanning tree have random numbers of 64 bits, and one of the tree the XOR of all those whose
    circle it is part of. All slack buses count as one. Takes a time linear in buses and branches; a set that is no cut
    passes for one with a probability of 2^-64.

    Source: Pritchard and Thurimella, Fast computation of small cuts via cycle space sampling (2011).
    """
    start, end, n = _ends(grid)
    tree, order, parent = _spanning_tree(start, end, n)
    labels = np.random.default_rng(0).integers(1, 2**63, len(start), dtype=np.uint64)
    labels[tree[order[1:]]] = 0
    below = np.zeros(n, dtype=np.uint64)
    np.bitwise_xor.at(below, start, labels)
    np.bitwise_xor.at(below, end, labels)
    sums, above = below.tolist(), parent.tolist()
    for bus in order[:0:-1].tolist():
        sums[above[bus]] ^= sums[bus]
    labels[tree[order[1:]]] = np.array(sums, dtype=np.uint64)[order[1:]]
    return labels


def cuts(labels: np.ndarray, outages: np.ndarray) -> np.ndarray:
    """Whether some of the branches of each outage are a cut: of `outages`, of shape (branches, cases), -1 for none."""
    independent: list[np.ndarray] = []
    found = np.zeros(outages.shape[1], dtype=bool)
    for branch in outages:
        rest = np.where(branch >= 0, labels[branch], 0)
        for other in independent:
            rest = np.minimum(rest, rest ^ other)
        found |= (rest == 0) & (branch >= 0)
        independent.append(rest)
    return found


def cut_off(grid: Grid, branches: np.ndarray) -> np.ndarray:
    """Numbers of the buses that are without a slack bus when these branches are out."""
    start, end, n = _ends(grid)
    stays = np.ones(len(start), dtype=bool)
    stays[branches] = False
    links = scipy.sparse.coo_array((np.ones(stays.sum()), (start[stays], end[stays])), shape=(n, n))
    part = connected_components(links, directed=False)[1]
    supply = grid.buses.kind.numpy() == SLACK
    return np.flatnonzero((part != part[np.flatnonzero(supply)[0]]) & ~supply)


def _ends(grid: Grid) -> tuple[np.ndarray, np.ndarray, int]:
    """Both ends of each branch, with the first slack bus for all of them, and the number of buses."""
    kind = grid.buses.kind.numpy()
    slack = np.flatnonzero(kind == SLACK)
    place = np.arange(len(kind))
    place[slack] = slack[0]
    return place[grid.branches.start.numpy()], place[grid.branches.end.numpy()], len(kind)


def _spanning_tree(start: np.ndarray, end: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each bus the branch to the one before it; buses from the slack bus outwards; and the one before each."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    pairs, first = np.unique(low * n + high, return_index=True)
    links = scipy.sparse.csr_array((np.ones(len(pairs)), (pairs // n, pairs % n)), shape=(n, n))
    order, parent = breadth_first_order(links, int(start[0]), directed=False)
    parent[parent < 0] = 0
    bus = np.arange(n)
    tree = first[np.searchsorted(pairs, np.minimum(bus, parent) * n + np.maximum(bus, parent)).clip(max=len(pairs) - 1)]
    return tree, order, parent
