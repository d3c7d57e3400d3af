"""Routines on graphs, against SciPy's csgraph and dense formulas."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse import csgraph

import dndarray as dnd

S = dnd.sparse


def graph(n: int, density: float = 0.1, seed: int = 0) -> sp.csr_array:
    M = sp.random_array((n, n), density=density, rng=np.random.default_rng(seed), format="csr")
    return (M + M.T).tocsr()


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("out", [False, True])
def test_laplacian(split: int | None, normed: bool, out: bool) -> None:
    M = sp.random_array((30, 30), density=0.1, rng=np.random.default_rng(1), format="csr")
    L, d = S.laplacian(S.csr_array(M, split=split), normed=normed, return_diag=True, use_out_degree=out)
    expected, diagonal = csgraph.laplacian(M, normed=normed, return_diag=True, use_out_degree=out)
    np.testing.assert_allclose(L.toarray(), expected.toarray(), atol=1e-14)
    np.testing.assert_allclose(d.numpy(), diagonal, atol=1e-14)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("n", [0, 1, 2, 50, 300])
@pytest.mark.parametrize("density", [0.0, 0.005, 0.02, 0.2])
def test_connected_components(split: int | None, n: int, density: float) -> None:
    M = sp.random_array((n, n), density=density, rng=np.random.default_rng(n), format="csr")
    count, labels = S.connected_components(S.csr_array(M, split=split))
    expected, numbers = csgraph.connected_components(M, connection="weak")
    assert count == expected
    np.testing.assert_array_equal(labels.numpy(), numbers)


def test_components_of_a_long_path_take_few_rounds() -> None:
    n = 2000
    order = np.random.default_rng(0).permutation(n)
    path = sp.coo_array((np.ones(n - 1), (order[:-1], order[1:])), shape=(n, n))
    with dnd.testing.count_collectives() as c:
        count, labels = S.connected_components(S.csr_array(path, split=0))
    assert count == 1
    assert not labels.any()
    assert c.total < 300  # a path of 2000 nodes would take as many rounds from neighbour to neighbour


@pytest.mark.parametrize("split", [None, 0, 1])
def test_pagerank(split: int | None) -> None:
    n = 40
    M = sp.random_array((n, n), density=0.05, rng=np.random.default_rng(3), format="csr")
    weights = np.arange(1.0, n + 1)
    for personalization in (None, weights):
        found = S.pagerank(S.csr_array(M, split=split), personalization=personalization, tol=1e-12, max_iter=500)
        start = np.full(n, 1 / n) if personalization is None else weights / weights.sum()
        D = M.toarray()
        degrees = D.sum(1)
        P = np.where(degrees[:, None] > 0, D / np.where(degrees, degrees, 1)[:, None], start)
        G = 0.85 * P.T + 0.15 * start[:, None]
        values, vectors = np.linalg.eig(G)
        expected = np.real(vectors[:, np.argmax(values.real)])
        np.testing.assert_allclose(found.numpy(), expected / expected.sum(), atol=1e-9)


def test_pagerank_says_that_it_did_not_converge() -> None:
    with pytest.warns(RuntimeWarning, match="did not reach"):
        S.pagerank(S.csr_array(graph(20), split=0), tol=1e-15, max_iter=1)


@pytest.mark.parametrize("split", [None, 0, 1])
def test_reverse_cuthill_mckee_makes_halos_small(split: int | None) -> None:
    P = S.poisson(12, 12)
    shuffled = P.permute(np.random.default_rng(0).permutation(144)).resplit(split)
    order = S.reverse_cuthill_mckee(shuffled, symmetric_mode=True)
    expected = csgraph.reverse_cuthill_mckee(shuffled.to_scipy().tocsr(), symmetric_mode=True)
    np.testing.assert_array_equal(order.numpy(), expected)
    ordered = shuffled.permute(order)
    i, j = ordered.to_scipy().tocoo().coords
    assert abs(i - j).max() <= 20


def test_not_square() -> None:
    for function in (S.laplacian, S.connected_components, S.pagerank, S.reverse_cuthill_mckee):
        with pytest.raises(ValueError, match="square"):
            function(S.csr_array((2, 3), split=0))


@pytest.mark.parametrize("split", [None, 0, 1])
def test_spectral_embedding_tells_two_crowds_apart(split: int | None) -> None:
    crowds = sp.block_diag([np.ones((12, 12)), np.ones((9, 9))]).tolil()
    crowds[0, 15] = crowds[15, 0] = 0.1
    coordinates = S.spectral_embedding(S.csr_array(crowds.tocsr(), split=split), n_components=1)
    assert coordinates.shape == (21, 1)
    side = coordinates.numpy()[:, 0] > 0
    assert len(set(side[:12])) == len(set(side[12:])) == 1
    assert side[0] != side[20]
    L, d = csgraph.laplacian(crowds.tocsr(), normed=True, return_diag=True)
    values, vectors = np.linalg.eigh(L.toarray())
    expected = vectors[:, 1] / d
    found = coordinates.numpy()[:, 0]
    np.testing.assert_allclose(found * np.sign(found[0] * expected[0]), expected, atol=1e-6)
