"""Graphs as sparse matrices: element (i, j) is the weight of the edge from node i to node j."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse.csgraph
import torch
from torch import Tensor

from ..array import DNDarray, wrap
from ..elementwise import as_operand
from ..layout import Layout
from ..types import kind
from .array import SparseArray
from .exchange_plan import Plan
from .gallery import diags_array
from .kernels import host
from .pattern import Pattern
from .products import column_values, vector_layout
from .rearrangement import recompressed, resplit
from .structure import kept, offsets

__all__ = ["connected_components", "laplacian", "pagerank", "reverse_cuthill_mckee", "spectral_embedding"]


def _square(A: SparseArray) -> None:
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"a graph's matrix must be square, not {A.shape}")


def _diagonal(A: SparseArray, d: DNDarray) -> SparseArray:
    return diags_array([d], offsets=[0], shape=A.shape, split=A.split, device=A.device, comm=A.comm)


def laplacian(
    csgraph: SparseArray, normed: bool = False, return_diag: bool = False, use_out_degree: bool = False
) -> Any:
    """The Laplacian of a graph, degrees less weights; loops do not count.

    Parameters
    ----------
    csgraph : SparseArray
    normed : bool
        Whether rows and columns are divided by the square roots of the degrees.
    return_diag : bool
        Whether to give the degrees (their square roots, if normed), too.
    use_out_degree : bool
        Whether degrees are sums of rows and not of columns.

    Communication: that of a sum, of a product of elements with a vector, and of a sum of sparse matrices.
    Differentiable.

    >>> from dndarray.sparse import csr_array
    >>> laplacian(csr_array([[0.0, 1.0], [1.0, 0.0]], split=0)).toarray().tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    _square(csgraph)
    A = kept(csgraph, offsets(csgraph) != 0)
    degrees = A.sum(axis=1 if use_out_degree else 0)
    if not normed:
        L = _diagonal(A, degrees) - A
        return (L, degrees) if return_diag else L
    alone = degrees == 0
    roots = (degrees + alone) ** 0.5
    scale = 1.0 / roots
    scaled = A.multiply(scale.reshape(-1, 1)).multiply(scale)
    L = _diagonal(A, (1 - alone.astype(scaled.dtype))) - scaled
    return (L, roots) if return_diag else L


# --- components -------------------------------------------------------------------------------------------------------


class _Pointers:
    """A pointer of each of this process's nodes to some node, and the plan to read and write what they point to."""

    def __init__(self, target: Tensor, layout: Layout, comm: Any) -> None:
        indptr = np.arange(len(target) + 1)
        square = Layout((layout.shape[0], layout.shape[0]), layout.grid, layout.axes, layout.counts)
        pattern = Pattern(square, comm, indptr, target.numpy(), layout.shape[0])
        self.plan = Plan(pattern, layout.counts[0])
        position = target - self.plan.start
        halo = torch.from_numpy(self.plan.halo)
        far = (position < 0) | (position >= self.plan.width)
        self.place = torch.where(far, self.plan.width + torch.searchsorted(halo, target), position)

    def read(self, values: Tensor) -> Tensor:
        """What is written where each pointer points."""
        halo, requests = self.plan.fetch(values)
        for request in requests:
            request.wait()
        return torch.cat([values, halo])[self.place]

    def write_smallest(self, values: Tensor, target: Tensor) -> Tensor:
        """`target` where no pointer to it brings a smaller value, else the smallest."""
        nothing = torch.full(
            (self.plan.width + len(self.plan.halo),), torch.iinfo(values.dtype).max, dtype=values.dtype
        )
        smallest = nothing.scatter_reduce(0, self.place, values, "amin")
        arriving, requests = self.plan.give(smallest[self.plan.width :].contiguous())
        for request in requests:
            request.wait()
        result = torch.minimum(target, smallest[: self.plan.width])
        for tensor, (_, part) in zip(arriving, self.plan.sends, strict=True):
            places = torch.arange(len(result))[part] if isinstance(part, slice) else part
            result = result.scatter_reduce(0, places, tensor, "amin")
        return result


def connected_components(
    csgraph: SparseArray, directed: bool = True, connection: str = "weak", return_labels: bool = True
) -> Any:
    """How many connected components a graph has, and which one each node belongs to, counted by their first nodes.

    Every node points to a smaller one of its component, as far as it knows. In each round trees hook onto the smallest
    one that they have an edge to, and pointers are halved (Shiloach and Vishkin, 1982; Zhang, Azad and Hu, 2020), so
    that rounds grow with the logarithm of the number of nodes.

    Parameters
    ----------
    csgraph : SparseArray
    directed, connection
        Edges count in both directions; strong connection is not offered.
    return_labels : bool

    Returns
    -------
    n_components : int
    labels : DNDarray
        int64, dealt out as the graph is.

    Communication: one exchange to transpose the graph and one all-reduce; in each round messages between neighbours,
    six all-to-alls of pointers and one all-reduce.
    """
    _square(csgraph)
    if connection != "weak":
        raise ValueError(f"`connection` (={connection!r}) must be 'weak'")
    if csgraph.split is None:
        n, labels = _local_components(csgraph)
        return (n, labels) if return_labels else n
    edges = kept(csgraph.with_data(torch.ones(csgraph.lnnz)), host(csgraph.data) != 0)  # stored zeros are none
    A = resplit(edges, 0)
    A = A + A.T
    comm, layout = A.comm, vector_layout(A.pattern, (A.shape[0],))
    low, high = layout.box(comm.rank)[0]
    rows = torch.from_numpy(A.pattern.rows).long()
    parent = torch.arange(low, high)
    while True:
        beside = column_values(A.pattern, wrap(parent, layout, comm))
        smallest = parent.scatter_reduce(0, rows, beside, "amin")
        hooked = _Pointers(parent, layout, comm).write_smallest(smallest, torch.minimum(parent, smallest))
        halved = torch.minimum(hooked, _Pointers(hooked, layout, comm).read(hooked))
        changed = bool(comm.allreduce((halved != parent).any(), "any"))
        parent = halved
        if not changed:
            break
    roots = (parent == torch.arange(low, high)).to(torch.int64)
    number = roots.cumsum(0) - roots + comm.exscan(roots.sum())
    n = int(comm.allreduce(roots.sum()))
    if not return_labels:
        return n
    return n, wrap(_Pointers(parent, layout, comm).read(number), layout, comm)


def _local_components(A: SparseArray) -> tuple[int, DNDarray]:
    n, labels = scipy.sparse.csgraph.connected_components(A.local, directed=True, connection="weak")
    tensor = torch.from_numpy(labels.astype(np.int64))
    return n, wrap(tensor, Layout((A.shape[0],), A.comm.grid), A.comm)


# --- ranks and coordinates --------------------------------------------------------------------------------------------


def pagerank(
    csgraph: SparseArray,
    alpha: float = 0.85,
    personalization: Any = None,
    *,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> DNDarray:
    """The share of time that a random walk spends at each node (Brin and Page, 1998), by power iteration.

    From a node it goes along an edge with a probability in proportion to the weights; with probability `1 - alpha`, and
    from a node without edges, it begins anew.

    Parameters
    ----------
    csgraph : SparseArray
    alpha : float
    personalization : array_like, optional
        Weights of the nodes where it begins; all alike otherwise.
    tol : float
        Ends when the shares change by less than this for each node, in the mean.
    max_iter : int
        Ends then with a RuntimeWarning, on every process.

    Returns
    -------
    DNDarray
        Dealt out as the graph is; its sum is one.

    Communication: in each iteration messages between neighbours and two all-reduces of a number.
    """
    _square(csgraph)
    n = csgraph.shape[0]
    A = csgraph if kind(csgraph.dtype) > 1 else csgraph.astype(torch.float64)
    degrees = A.sum(axis=1)
    alone = (degrees == 0).astype(A.dtype)
    inverse = (1 - alone) / (degrees + alone)
    start = degrees * 0 + 1.0 if personalization is None else as_operand(personalization, A.comm).astype(A.dtype)
    if start.shape != (n,):
        raise ValueError(f"`personalization` must hold {n} weights, not shape {start.shape}")
    start = start / start.sum()
    transposed = A.T
    x = start
    for _ in range(max_iter):
        last = x
        restart = alpha * (x * alone).sum() + (1 - alpha)
        x = alpha * (transposed @ (x * inverse)) + restart * start
        if float(abs(x - last).sum()) < n * tol:
            return x
    warnings.warn(f"pagerank did not reach tol={tol} in {max_iter} iterations", RuntimeWarning, stacklevel=2)
    return x


def spectral_embedding(csgraph: SparseArray, n_components: int = 2, **options: Any) -> DNDarray:
    """Coordinates of the nodes in which those with edges between them are close (Belkin and Niyogi, 2003).

    The eigenvectors of the smallest eigenvalues of the normed Laplacian, but for the first, which is constant in a
    connected graph, divided by the square roots of the degrees. Weights must be symmetric.

    Parameters
    ----------
    csgraph : SparseArray
    n_components : int
        Coordinates of each node.
    **options
        Passed on to `dnd.linalg.eigsh`.

    Returns
    -------
    DNDarray
        Shape (n, n_components), dealt out as the graph is.

    Communication: that of `eigsh`.
    """
    from ..linalg.eigen_iterations import eigsh

    _square(csgraph)
    L, roots = laplacian(csgraph, normed=True, return_diag=True)
    # The largest of 2 - L are the smallest of L, and converge better.
    n = L.shape[0]
    shifted = _diagonal(L, wrap(torch.full_like(roots.larray, 2.0), roots.layout, roots.comm)) - L
    _, vectors = eigsh(shifted, k=min(n_components + 1, n), which="LA", **options)
    return (vectors / roots.reshape(-1, 1))[:, ::-1][:, 1:]


def reverse_cuthill_mckee(csgraph: SparseArray, symmetric_mode: bool = False) -> DNDarray:
    """An order of the nodes (int64) in which edges join nodes that are close, so that halos are small.

    Every process gets the whole pattern and SciPy's function orders it: O(nnz) memory on each.
    `permute(A, order)` puts a matrix in that order. Communication: three all-gathers if the matrix is dealt out.
    """
    _square(csgraph)
    A = resplit(csgraph.with_data(torch.ones(csgraph.lnnz, dtype=torch.uint8)), None)
    A = A if A.major == 0 else recompressed(A)
    order = scipy.sparse.csgraph.reverse_cuthill_mckee(A.local, symmetric_mode)
    return wrap(torch.from_numpy(order.astype(np.int64)), Layout((A.shape[0],), A.comm.grid), A.comm)
