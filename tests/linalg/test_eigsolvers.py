"""Lanczos, Arnoldi, eigsh, svds and LOBPCG: residuals, orthogonality, restarts, what is not found, what is sent."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import dndarray as dnd
from dndarray.linalg import LinAlgError, LinearOperator, arnoldi, eigsh, lanczos, lobpcg, svds
from dndarray.testing import count_collectives

SIZE = dnd.get_comm().size
RNG = np.random.default_rng(0)
N = 60
REAL = RNG.normal(size=(N, N))
COMPLEX = REAL + 1j * RNG.normal(size=(N, N))
HERMITIAN = [REAL + REAL.T, COMPLEX + COMPLEX.conj().T]
KINDS = {"LM": lambda w: w[np.argsort(-abs(w))], "LA": lambda w: w[::-1], "SA": lambda w: w}


@pytest.mark.parametrize("matrix", HERMITIAN)
@pytest.mark.parametrize("split", [0, 1, None])
def test_eigsh(matrix: np.ndarray, split: int | None) -> None:
    a = dnd.array(matrix, split=split)
    every = np.linalg.eigvalsh(matrix)
    kinds = KINDS if split == 0 else {"LM": KINDS["LM"]}
    for which, order in kinds.items():
        w, v = eigsh(a, 5, which=which)
        found, vectors = w.numpy(), v.numpy()
        np.testing.assert_allclose(found, np.sort(order(every)[:5]), rtol=1e-10)
        np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(5), atol=1e-12)
        assert np.abs(matrix @ vectors - vectors * found).max() < 1e-11
        assert w.split is None and v.split == (None if split is None else 0)
    np.testing.assert_allclose(eigsh(a, 4, which="BE", return_eigenvectors=False).numpy(), every[[0, 1, -2, -1]])


def test_near_a_shift() -> None:
    every = np.linalg.eigvalsh(HERMITIAN[0])
    nearest = np.sort(every[np.argsort(abs(every - 0.3))[:3]])
    dense, sparse = dnd.array(HERMITIAN[0], split=0), dnd.sparse.csr_array(HERMITIAN[0], split=0)
    inverse = dnd.array(np.linalg.inv(HERMITIAN[0] - 0.3 * np.eye(N)), split=0)
    operator = LinearOperator((9, 9), lambda x: dnd.array(np.diag(np.arange(9.0)), split=0) @ x, dtype="float64")
    np.testing.assert_allclose(eigsh(operator, 2, sigma=3.8)[0].numpy(), [3, 4], rtol=1e-9)
    for a, given in ((dense, None), (sparse, None), (dense, inverse), (dense, lambda x: inverse @ x)):
        w, v = eigsh(a, 3, sigma=0.3, OPinv=given)
        np.testing.assert_allclose(w.numpy(), nearest, rtol=1e-8, atol=1e-10)
        assert np.abs(HERMITIAN[0] @ v.numpy() - v.numpy() * w.numpy()).max() < 1e-6


MASSES = [np.eye(N) + 0.3 * h @ h.conj().T / N for h in (REAL[:, :20], COMPLEX[:, :20])]


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize("kind", ["dense", "sparse", "functions"])
def test_generalised(case: int, kind: str) -> None:
    n = 12 if kind == "functions" else N  # of which each product is a solution by minres
    matrix, mass = HERMITIAN[case][:n, :n], MASSES[case][:n, :n]
    every = scipy.linalg.eigh(matrix, mass, eigvals_only=True)
    make: Any = {
        "dense": lambda x: dnd.array(x, split=1),
        "sparse": lambda x: dnd.sparse.csr_array(x, split=0),
        "functions": lambda x: LinearOperator(x.shape, lambda v: dnd.array(x, split=0) @ v, dtype=str(x.dtype)),
    }[kind]
    a, m = make(matrix), make(mass)
    nearest = np.sort(every[np.argsort(abs(every - 0.3))[:3]])
    tolerance = {"rtol": 1e-8, "atol": 1e-9}
    for options, expected in (({"which": "LA"}, every[-3:]), ({"which": "SA"}, every[:3]), ({"sigma": 0.3}, nearest)):
        w, v = eigsh(a, 3, M=m, **options)
        np.testing.assert_allclose(w.numpy(), expected, **tolerance)
        vectors = v.numpy()
        np.testing.assert_allclose(vectors.conj().T @ mass @ vectors, np.eye(3), atol=1e-10)
        assert np.abs(matrix @ vectors - mass @ vectors * w.numpy()).max() < 1e-6


def test_generalised_with_given_inverses_and_without_mass() -> None:
    matrix, mass = HERMITIAN[0] + 40 * np.eye(N), MASSES[0]
    every = scipy.linalg.eigh(matrix, mass, eigvals_only=True)
    a, m = dnd.array(matrix, split=0), dnd.array(mass, split=0)
    inverse = dnd.array(np.linalg.inv(mass), split=0)
    for given in (inverse, lambda x: inverse @ x):
        np.testing.assert_allclose(eigsh(a, 2, M=m, Minv=given, which="LA")[0].numpy(), every[-2:], rtol=1e-10)
    inverse = dnd.array(np.linalg.inv(matrix - 2 * mass), split=0)
    w = eigsh(a, 2, M=m, sigma=2.0, OPinv=inverse, return_eigenvectors=False)
    np.testing.assert_allclose(w.numpy(), np.sort(every[np.argsort(abs(every - 2))[:2]]), rtol=1e-10)
    # Masses may be zero where sigma is given: their eigenvalues are infinite.
    partly = np.diag(np.arange(N) % 3 != 0).astype(float)
    values = 1 / scipy.linalg.eigh(partly, matrix, eigvals_only=True)[-4:][::-1]
    w, v = eigsh(dnd.sparse.csr_array(matrix, split=0), 4, M=dnd.sparse.csr_array(partly, split=1), sigma=0.0)
    np.testing.assert_allclose(w.numpy(), values, rtol=1e-9)
    assert np.abs(matrix @ v.numpy() - partly @ v.numpy() * w.numpy()).max() < 1e-7
    with pytest.raises(LinAlgError, match="positive definite|singular"):
        eigsh(a, 2, M=dnd.array(np.diag(np.arange(N) - 20.5), split=0))
    with pytest.raises(LinAlgError, match="singular"):
        eigsh(a, 2, M=dnd.array(partly, split=0))
    with pytest.raises(ValueError, match="`M` must have the shape"):
        eigsh(a, 2, M=m[:3, :3])


def test_the_same_for_any_number_of_processes() -> None:
    w, v = eigsh(dnd.array(HERMITIAN[0], split=0), 2)
    alone, vectors = eigsh(dnd.array(HERMITIAN[0]), 2)
    np.testing.assert_allclose(w.numpy(), alone.numpy(), rtol=1e-12)
    np.testing.assert_allclose(v.numpy(), vectors.numpy(), atol=1e-9)  # signs, too


def test_small_and_degenerate() -> None:
    for n in (1, 2, 5):
        w, v = eigsh(dnd.eye(n, dtype="float64", split=0), n)
        np.testing.assert_allclose(w.numpy(), np.ones(n))
        np.testing.assert_allclose(v.numpy().T @ v.numpy(), np.eye(n), atol=1e-12)
    w, _ = eigsh(dnd.zeros((30, 30), "float64", split=0), 3)
    assert not w.numpy().any()
    twice = np.diag(np.repeat(np.arange(1.0, 31.0), 2))
    np.testing.assert_allclose(eigsh(dnd.array(twice, split=0), 4, ncv=30)[0].numpy(), [29, 29, 30, 30])


def test_without_convergence_the_state_reached() -> None:
    a = dnd.sparse.poisson(30, 30, split=0)
    with pytest.warns(RuntimeWarning, match="of 3 eigenvalues have converged in 1 restarts"):
        w, v = eigsh(a, 3, which="SA", maxiter=1)
    assert v.shape == (900, 3) and np.isfinite(v.numpy()).all()
    with pytest.warns(RuntimeWarning, match="residuals are above"):
        lobpcg(a, dnd.random.Generator(1).standard_normal((900, 2), split=0), maxiter=2)


def test_bad_arguments() -> None:
    a = dnd.array(HERMITIAN[0], split=0)
    for call, message in (
        (lambda: eigsh(a, 0), "`k`"),
        (lambda: eigsh(a, 5, ncv=4), "`ncv`"),
        (lambda: eigsh(a, which="best"), "`which`"),
        (lambda: svds(a, 500), "`k`"),
        (lambda: svds(a, which="LA"), "`which`"),
        (lambda: lanczos(a, 0), "`m`"),
        (lambda: lanczos(a, 3, dnd.ones(2)), "`v0`"),
        (lambda: lobpcg(a, dnd.ones((N, 30))), "`X`"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    spoilt = HERMITIAN[0].copy()
    spoilt[0, 0] = np.nan
    b = dnd.array(spoilt, split=0)
    for call in (lambda: eigsh(b), lambda: svds(b), lambda: lanczos(b, 3), lambda: lobpcg(b, np.eye(N)[:, :3])):
        with pytest.raises(LinAlgError, match="NaN"):
            call()
    for call in (lambda: eigsh(a[:3]), lambda: lanczos(a[:3], 2), lambda: lobpcg(a[:3], dnd.ones((3, 1)))):
        with pytest.raises(LinAlgError, match="square"):
            call()
    with pytest.raises(LinAlgError, match="not zero|other than zero"):
        lanczos(a, 3, dnd.zeros(N))


@pytest.mark.parametrize("matrix", HERMITIAN)
def test_lanczos(matrix: np.ndarray) -> None:
    v, t = lanczos(dnd.array(matrix, split=0), 40)
    assert v.split == 0 and t.split is None and not t.dtype.is_complex
    basis, projected = v.numpy(), t.numpy()
    np.testing.assert_allclose(basis.conj().T @ basis, np.eye(40), atol=1e-13)
    np.testing.assert_allclose(basis.conj().T @ matrix @ basis, projected, atol=1e-11)
    assert not np.triu(projected, 2).any()


def test_lanczos_goes_on_where_the_space_ends() -> None:
    low = np.outer(REAL[0], REAL[0]) + np.outer(REAL[1], REAL[1])
    v, t = lanczos(dnd.array(low, split=0), 10)
    basis = v.numpy()
    np.testing.assert_allclose(basis.T @ basis, np.eye(10), atol=1e-12)
    np.testing.assert_allclose(basis.T @ low @ basis, t.numpy(), atol=1e-9)
    v, t = lanczos(dnd.eye(4, dtype="float64", split=0), 4, dnd.ones(4))
    np.testing.assert_allclose(t.numpy(), np.eye(4), atol=1e-14)


@pytest.mark.parametrize("matrix", [REAL, COMPLEX])
def test_arnoldi(matrix: np.ndarray) -> None:
    v, h = arnoldi(dnd.array(matrix, split=0), 20)
    basis, projected = v.numpy(), h.numpy()
    assert v.shape == (N, 21) and h.shape == (21, 20)
    np.testing.assert_allclose(basis.conj().T @ basis, np.eye(21), atol=1e-13)
    np.testing.assert_allclose(matrix @ basis[:, :20], basis @ projected, atol=1e-11)
    assert not np.tril(projected, -2).any()
    v, h = arnoldi(dnd.array(matrix[:3, :3], split=0), 3)
    np.testing.assert_allclose(matrix[:3, :3] @ v.numpy()[:, :3], v.numpy() @ h.numpy(), atol=1e-12)


@pytest.mark.skipif(SIZE == 1, reason="one process does not communicate")
def test_two_all_reduces_a_vector() -> None:
    operator = LinearOperator((N, N), lambda x: dnd.array(REAL @ x.numpy(), split=0), dtype="float64")
    counts = []
    for m in (4, 9):
        with count_collectives() as c:
            lanczos(operator, m)
        counts.append(c.calls["Allreduce"])
    assert counts[1] - counts[0] == 10


@pytest.mark.parametrize("shape", [(50, 20), (20, 50), (24, 24)])
@pytest.mark.parametrize("split", [0, 1])
def test_svds(shape: tuple[int, int], split: int) -> None:
    for matrix in (REAL[: shape[0], : shape[1]], COMPLEX[: shape[0], : shape[1]]):
        every = np.linalg.svd(matrix)[1]
        for which, expected in (("LM", every[:4]), ("SM", every[-4:])):
            u, s, vh = (x.numpy() for x in svds(dnd.array(matrix, split=split), 4, which=which))
            np.testing.assert_allclose(s, expected, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(u.conj().T @ u, np.eye(4), atol=1e-9)
            np.testing.assert_allclose(matrix @ vh.conj().T, u * s, atol=1e-7)


def test_svds_of_sparse() -> None:
    matrix = scipy.sparse.random_array((200, 60), density=0.05, rng=RNG)
    s = svds(dnd.sparse.csr_array(matrix, split=0), 3, return_singular_vectors=False)
    np.testing.assert_allclose(s.numpy(), np.linalg.svd(matrix.toarray())[1][:3], rtol=1e-9)


def _smallest(a: Any, b: Any = None, **options: Any) -> None:
    x = dnd.random.Generator(1).standard_normal((len(a), 3), split=0)
    split = {name: None if m is None else dnd.array(m, split=0) for name, m in (("B", b), *options.items())}
    w, v = lobpcg(dnd.array(a, split=0), x, tol=1e-9, maxiter=300, largest=False, **split)
    b = np.eye(len(a)) if b is None else b
    np.testing.assert_allclose(w.numpy(), scipy.linalg.eigh(a, b, eigvals_only=True)[:3], rtol=1e-10)
    assert np.abs(a @ v.numpy() - b @ v.numpy() * w.numpy()).max() < 1e-8
    np.testing.assert_allclose(v.numpy().conj().T @ b @ v.numpy(), np.eye(3), atol=1e-11)


def test_lobpcg() -> None:
    poisson = dnd.sparse.poisson(7, 8).toarray()
    n = len(poisson)
    mass = np.eye(n) + 0.1 * REAL[:n, :n] @ REAL[:n, :n].T / n
    skew = REAL[:n, :n] - REAL[:n, :n].T
    _smallest(poisson)
    _smallest(poisson, mass)
    _smallest(poisson, mass, M=np.linalg.inv(poisson))
    _smallest(poisson + 0.1j * skew)
    w, v = lobpcg(dnd.array(poisson, split=0), np.eye(n)[:, :2], maxiter=200, tol=1e-9)
    np.testing.assert_allclose(w.numpy(), np.linalg.eigvalsh(poisson)[::-1][:2], rtol=1e-9)
    first = np.linalg.eigh(poisson)[1][:, :1]
    x = dnd.random.Generator(1).standard_normal((n, 2), split=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w, v = lobpcg(dnd.array(poisson, split=0), x, Y=first, largest=False, maxiter=300, tol=1e-9)
    np.testing.assert_allclose(w.numpy(), np.linalg.eigvalsh(poisson)[1:3], rtol=1e-9)
    with pytest.raises(LinAlgError, match="positive definite"):
        lobpcg(dnd.array(poisson, split=0), x, B=dnd.array(-mass, split=0))
    with pytest.raises(LinAlgError, match="dimensions only"):
        lobpcg(dnd.array(poisson, split=0), dnd.ones((n, 2)))
