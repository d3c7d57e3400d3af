"""What goes wrong in Heat and must not go wrong here: a test for each defect that was seen there by running it.

The numbers are those of section 3 of the fact sheet on Heat 1.9 (helmholtz-analytics/heat at 660efeced).
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import dndarray as dnd
from dndarray.testing import assert_allclose, assert_array_equal, count_collectives

RANK, SIZE = dnd.get_comm().rank, dnd.get_comm().size


def numbers(shape: Any, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-9, 9, size=shape)


# --- 3.1 wrong results, crashes, hangs --------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, 0])
def test_where_does_not_leak_nan_or_infinity(split: int | None) -> None:
    """3.1.1: where(c, x, y) as c * x + (1 - c) * y."""
    x = np.array([np.nan, np.inf, -np.inf, 1, 2])
    y = np.array([1.0, 2, 3, np.nan, np.inf])
    chosen = np.array([False, False, False, True, True])
    for a, b, c in ((x, y, chosen), (y, x, ~chosen)):
        result = dnd.where(dnd.array(c, split=split), dnd.array(a, split=split), dnd.array(b, split=split))
        assert_array_equal(result, np.array([1.0, 2, 3, 1, 2]))


def test_moments_are_computed_in_the_type_of_the_data() -> None:
    """3.1.2: mean and variance of float64 through a float32 buffer."""
    x = dnd.full(1000, 1 + 1e-10, "float64", split=0)
    assert x.mean().dtype is x.var().dtype is torch.float64
    assert x.mean().item() == pytest.approx(1 + 1e-10, abs=1e-15)
    assert x.mean().item() != 1
    values = 1 + 1e-9 * np.arange(1000)
    assert_allclose(dnd.array(values, split=0).var(), values.var(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_not_reduced_as_integers(dtype: str) -> None:
    """3.1.3: a float16 sum as an int16 sum, six ones = -2.0; the maximum is wrong, too."""
    x = dnd.ones(6, dtype, split=0)
    assert x.sum().item() == 6
    y = dnd.array([1.5, -2.25, 3, -4.5, 0.125, 1], split=0).astype(dtype)
    assert (y.sum().item(), y.max().item(), y.min().item()) == (-1.125, 3, -4.5)
    assert y.prod().item() == torch.tensor(5.6953125, dtype=getattr(torch, dtype)).item()
    assert (y.argmax().item(), y.argmin().item(), y.cumsum()[-1].item()) == (2, 3, -1.125)
    assert y.mean().item() == torch.tensor(-1.125 / 6, dtype=getattr(torch, dtype)).item()


def test_indices_are_64_bits_whatever_the_values_are() -> None:
    """3.1.4: indices in the dtype of the values, uint8 with 300 rows."""
    values = np.zeros(300, np.uint8)
    values[299] = 200
    x = dnd.array(values, split=0)
    for result in (x.argmax(), x.argmin(), *dnd.nonzero(x)):
        assert result.dtype is torch.int64
    assert x.argmax().item() == 299
    assert dnd.nonzero(x)[0].tolist() == [299]
    if hasattr(dnd, "argsort"):
        assert dnd.argsort(x)[-1].item() == 299


@pytest.mark.parametrize("split", [None, 0, 1])
def test_fancy_indices_keep_their_order(split: int | None) -> None:
    """3.1.5: a[[7, 1, 4]] gives rows 1, 4, 7."""
    a = numbers((9, 5))
    x = dnd.array(a, split=split)
    for index in ([7, 1, 4], np.array([8, 0, 8, -9]), torch.tensor([4, 3])):
        assert_array_equal(x[index], a[np.asarray(index)])
        assert_array_equal(x[dnd.array(index, split=0)], a[np.asarray(index)])
    assert_array_equal(x[:, [4, 0, 2]], a[:, [4, 0, 2]])


@pytest.mark.parametrize("split", [None, 0, 1])
def test_nonzero_of_an_unbalanced_slice(split: int | None) -> None:
    """3.1.6: wrong global indices."""
    a = (numbers((11, 4)) > 0).astype(int)
    x = dnd.array(a, split=split)
    for view in (lambda v: v[3:], lambda v: v[7:, 1:], lambda v: v[2:9:2]):
        for ours, theirs in zip(dnd.nonzero(view(x)), np.nonzero(view(a)), strict=True):
            assert_array_equal(ours, theirs)


@pytest.mark.parametrize("split", [None, 0, 1, (0, 1), (1, 0)])
def test_masks_select_in_c_order(split: Any) -> None:
    """3.1.7: not in C order with split=1."""
    a = numbers((7, 5))
    x = dnd.array(a, split=split)
    for other in (split, 0, None):
        mask = dnd.array(a > 0, split=other)
        assert_array_equal(x[mask], a[a > 0])
    target, expected = dnd.array(a, split=split), a.copy()
    target[target < 0] = dnd.arange(int((a < 0).sum()), dtype="float64", split=0)
    expected[a < 0] = np.arange((a < 0).sum())
    assert_array_equal(target, expected)


def test_unique_along_an_axis_that_is_not_split() -> None:
    """3.1.8: wrong rows."""
    if not hasattr(dnd, "unique"):
        pytest.skip("there is no unique yet")
    a = np.array([[1, 2], [0, 1], [1, 2], [0, 1], [3, 0]])
    for split in (None, 0, 1):
        for axis in (0, 1):
            assert_array_equal(dnd.unique(dnd.array(a, split=split), axis=axis), np.unique(a, axis=axis))


@pytest.mark.parametrize("split", [None, 0, 1])
def test_slices_with_negative_steps(split: int | None) -> None:
    """3.1.9: raises."""
    a = numbers((7, 4))
    x = dnd.array(a, split=split)
    for key in (np.s_[::-1], np.s_[5:1:-2], np.s_[::-1, ::-1], np.s_[:, 3:0:-1], np.s_[-2::-3, 1]):
        assert_array_equal(x[key], a[key])
        target, expected = x.copy(), a.copy()
        target[key], expected[key] = x[key] * 2, a[key] * 2
        assert_array_equal(target, expected)


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("other", [None, 0, 1])
def test_setitem_with_a_list_and_with_values_that_are_split_otherwise(split: int | None, other: int | None) -> None:
    """3.1.9: a list as key is a TypeError, values split otherwise an error that leaves three ranks hung."""
    a, values = numbers((7, 4)), numbers((3, 4), 1)
    x = dnd.array(a, split=split)
    x[[5, 0, 2]] = dnd.array(values, split=other)
    a[[5, 0, 2]] = values
    assert_array_equal(x, a)
    x[1:4] = dnd.array(values, split=other)
    a[1:4] = values
    assert_array_equal(x, a)
    x[:, 1] = dnd.array(a[:, 0], split=0)
    a[:, 1] = a[:, 0]
    assert_array_equal(x, a)


def test_errors_are_raised_on_every_rank_and_leave_nobody_waiting() -> None:
    """3.1.9, 3.1.10: an error on one rank only, and the others hang."""
    x = dnd.arange(10, split=0)
    with pytest.raises(ValueError, match="does not broadcast"):
        x[2:5] = dnd.arange(4, split=0)
    with pytest.raises(IndexError, match="out of bounds"):
        x[10]
    with pytest.raises(IndexError, match="out of bounds"):
        x[[3, 12]]
    with pytest.raises(IndexError, match="out of bounds"):
        x[dnd.array([0] * 8 + [99], split=0)]  # which only the last rank sees
    with pytest.raises(ValueError, match="selected"):
        x[x > 7] = [1, 2, 3]
    assert x.sum().item() == 45


def test_unbalanced_arrays_go_to_files(shared_path: Any) -> None:
    """3.1.10: saving an unbalanced array raises on one rank and hangs the others."""
    pytest.importorskip("h5py")
    x = dnd.arange(11, dtype="float64", split=0)[4:]
    dnd.io.save(x, shared_path / "unbalanced.h5", "x")
    assert_array_equal(dnd.io.load(shared_path / "unbalanced.h5", "x", split=0), np.arange(4.0, 11))


def test_functions_leave_the_layout_of_their_arguments_alone() -> None:
    """3.1.11: reshape, squeeze, median, vdot, outer, matmul resplit their arguments in place."""
    a, b = numbers((6, 4)), numbers((4, 6), 1)
    vector, thin = numbers(6, 2), numbers((6, 1, 1), 3)
    functions = {
        "reshape": lambda x, y, v, t: x.reshape(4, 6),
        "ravel": lambda x, y, v, t: x.ravel(),
        "squeeze": lambda x, y, v, t: t.squeeze(),
        "matmul": lambda x, y, v, t: (x @ y, v @ x, y @ v, v @ v),
        "add": lambda x, y, v, t: x + y.T,
        "concatenate": lambda x, y, v, t: dnd.concatenate([x, y.T]),
        "stack": lambda x, y, v, t: dnd.stack([x, y.T]),
        "index": lambda x, y, v, t: (x[[3, 1]], x[x > 0], x[::-1], v[2]),
        "cumsum": lambda x, y, v, t: x.cumsum(),
        "mean": lambda x, y, v, t: (x.mean(), x.std(0), x.argmax(1)),
        "where": lambda x, y, v, t: dnd.where(x > 0, y.T, x),
        "roll": lambda x, y, v, t: (dnd.roll(x, 2), dnd.flip(x)),
        "broadcast": lambda x, y, v, t: dnd.broadcast_arrays(t, v),
        "print": lambda x, y, v, t: (repr(x), str(y), x._repr_html_(), x.numpy(), x.tolist()),
    }
    for splits in ((0, 0, 0, 0), (1, 0, None, 1), (None, 1, 0, 2), (1, 1, 0, 0)):
        arrays = [dnd.array(v, split=s) for v, s in zip((a, b, vector, thin), splits, strict=True)]
        arrays[0] = arrays[0][:, :]
        before = [(x.layout, x.larray.data_ptr(), x.lshape) for x in arrays]
        for name, function in functions.items():
            function(*arrays)
            assert [(x.layout, x.larray.data_ptr(), x.lshape) for x in arrays] == before, name
        for x, values in zip(arrays, (a, b, vector, thin), strict=True):
            assert_array_equal(x, values)


def test_the_standard_deviation_is_an_array_on_any_layout() -> None:
    """3.1.12: a Python float when the array is not distributed."""
    for split in (None, 0):
        for name in ("std", "var", "mean", "sum", "max"):
            result = getattr(dnd.ones((5, 2), split=split), name)()
            assert isinstance(result, dnd.DNDarray)
            assert result.shape == ()


def test_ddof_may_be_any_number_and_integers_have_a_variance() -> None:
    """3.1.12: ddof=2 counts as 1, and the variance of integers raises."""
    a = np.array([[3, 1, 4], [1, 5, 9], [2, 6, 5], [3, 5, 8], [9, 7, 9]])
    for values in (a, a.astype(float)):
        for split in (None, 0, 1):
            for ddof in (0, 1, 2, 3, 0.5):
                assert_allclose(dnd.array(values, split=split).var(0, ddof=ddof), values.var(0, ddof=ddof))
                assert_allclose(dnd.array(values, split=split).std(ddof=ddof), values.std(ddof=ddof))


def test_builtin_abs() -> None:
    """3.1.13: a TypeError."""
    a = numbers((5, 2))
    assert_array_equal(abs(dnd.array(a, split=0)), abs(a))
    assert_allclose(abs(dnd.array(a + 1j, split=1)), abs(a + 1j), rtol=1e-15)


def test_deepcopy_and_pickle() -> None:
    """3.1.13: both fail, for the communicator cannot be pickled."""
    for x in (dnd.arange(10, split=0)[3:], dnd.ones((3, 2), split=(0, 1)), dnd.array(1.5)):
        for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert other.layout is x.layout
            assert dnd.array_equal(other, x)
            other += 1
            assert not dnd.array_equal(other, x)


def test_constructions_that_fail_say_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    """3.1.13: RecursionError noise from half-made objects."""
    with pytest.raises(TypeError):
        dnd.array(object())
    with pytest.raises(ValueError, match="must be in"):
        dnd.zeros(3, split=5)
    half_made = object.__new__(dnd.DNDarray)
    with pytest.raises(AttributeError):
        _ = half_made.shape
    del half_made
    assert capsys.readouterr() == ("", "")


def test_integers_divide_in_double_precision() -> None:
    """3.1.14: int64 / int64 gives float32."""
    x, y = dnd.arange(1, 8, split=0), dnd.full(7, 3, split=0)
    for result in (x / y, x / 3, 3 / y, dnd.divide(x, y)):
        assert result.dtype is torch.float64
    assert_array_equal(x / y, np.arange(1, 8) / 3)


def test_arrays_that_compare_elementwise_have_no_hash() -> None:
    """3.1.14: hash by identity although == is elementwise."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(dnd.arange(3, split=0))
    assert_array_equal(dnd.arange(3, split=0) == dnd.array([0, 5, 2]), np.array([True, False, True]))


def test_permutations_are_arrays_like_any_other() -> None:
    """3.1.15: permutation stores a bound method as `balanced`."""
    dnd.random.seed(0)
    for result in (dnd.random.permutation(11, split=0), dnd.random.permutation(dnd.arange(11, split=0))):
        assert result.is_balanced() is True
        assert sorted(result.tolist()) == list(range(11))
        assert result.layout.counts[0] == dnd.arange(11, split=0).layout.counts[0]
    a = numbers((11, 2))
    shuffled = dnd.random.permutation(dnd.array(a, split=0)).numpy()
    np.testing.assert_array_equal(np.sort(shuffled[:, 0]), np.sort(a[:, 0]))


def test_isclose_is_an_array_like_any_other() -> None:
    """3.1.15 and "read only": isclose stores a bound method, gathers, and assumes equal parts."""
    a = numbers((11, 3))
    x = dnd.array(a, split=0)[2:]
    with count_collectives() as traffic:
        result = dnd.isclose(x, x + 1e-12)
    assert traffic.total == 0
    assert result.layout is x.layout
    assert_array_equal(result, np.full((9, 3), True))


@pytest.mark.serial
def test_import_needs_nothing_but_torch_numpy_and_mpi4py() -> None:
    """3.1.16: `import heat` dies where torchvision does not match torch. 3.1 of the style sheet: nor packaging."""
    code = """
import sys

MISSING = "torchvision scipy packaging h5py netCDF4 zarr pandas PIL tqdm sklearn".split()

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ImportError(f"no {name}")

sys.meta_path.insert(0, Missing())
import dndarray as dnd
assert dnd.ones(3).sum().item() == 3
assert dnd.random.rand(3).shape == (3,)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- other faults that the sheet lists --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4), (7, 3, 2), (3, 1)])
def test_transposed_arrays_are_gathered_by_index_not_by_memory(shape: tuple[int, ...]) -> None:
    """Open issue 2559: tensors in column-major order are sent in memory order, and rows and columns are swapped."""
    a = numbers(shape)
    for split in (None, *range(len(shape))):
        x = dnd.array(a, split=split).T
        for target in (None, *range(len(shape))):
            assert_array_equal(x.resplit(target), a.T)
        np.testing.assert_array_equal(x.numpy(), a.T)
        assert_array_equal(x[:, ::-1] + x.resplit(0)[:, ::-1], 2 * a.T[:, ::-1])
        assert_array_equal(x.sum(0), a.T.sum(0)) if split is None else assert_allclose(x.sum(0), a.T.sum(0))
        fortran = dnd.array(np.asfortranarray(a), split=split)
        assert_array_equal(fortran.resplit(None), a)


def test_bfloat16_is_added_right_by_any_mpi() -> None:
    """A bfloat16 sum is garbage in one MPI and an error in the other."""
    values = torch.arange(1, 12, dtype=torch.bfloat16)
    x = dnd.array(values, split=0)
    assert x.sum().item() == 66
    assert x.max().item() == 11
    assert_array_equal(x.cumsum().astype("float32"), np.arange(1, 12).cumsum().astype(np.float32))
    assert_array_equal(x.resplit(None), np.arange(1, 12), check_dtype=False)


def test_attributes_are_free_and_looking_changes_nothing() -> None:
    """Faults 8 and 9: `str` is collective and rebalances, `lshape_map` communicates."""
    x = dnd.arange(11, split=0)[6:]
    lshape, layout = x.lshape, x.layout
    with count_collectives() as traffic:
        str(x), repr(x), x.lshape_map, x.shape, x.is_balanced(), x.split, x.counts_displs()
    assert traffic.total == 0
    assert (x.lshape, x.layout) == (lshape, layout)
    if RANK == 0:
        assert str(x)


def test_cpu_returns_an_array_and_changes_none() -> None:
    """Fault 18: `cpu()` is documented to return a copy and changes the array."""
    x = dnd.arange(5, split=0)
    x.to("meta")
    assert x.device == torch.device("cpu")
    assert x.cpu().device == torch.device("cpu")


def test_converting_does_not_give_a_part_for_the_whole() -> None:
    """Fault 7: np.asarray gives five values of ten."""
    x = dnd.arange(10, split=0)
    if SIZE > 1:
        with pytest.raises(dnd.DistributedArrayError):
            np.asarray(x)
    assert len(x.numpy()) == 10


def test_a_type_error_of_an_operator_is_not_swallowed() -> None:
    """Fault 4: `try: add(...) except TypeError: return NotImplemented` hides errors from within."""
    with pytest.raises(TypeError, match="takes integers and bools, not torch.float32"):
        dnd.ones(3, split=0) & dnd.ones(3, split=0)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "bfloat16"])
def test_types_that_heat_does_not_have(dtype: str) -> None:
    """1.2: no uint16, uint32, uint64 and no bfloat16."""
    x = dnd.array(torch.arange(7).to(getattr(torch, dtype)), split=0)
    assert x.dtype is getattr(torch, dtype)
    assert x.resplit(None).tolist() == list(range(7))
    assert x[2:].sum().item() == 20


# --- 3.6 what Heat does not support for split arrays ------------------------------------------------------------------

SPLITS: list[Any] = [None, 0, 1, (0, 1), (1, None), (None, 0)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("other", SPLITS)
def test_operands_that_are_split_differently(split: Any, other: Any) -> None:
    """3.6: binary operations, stack, concatenate and broadcasting with different splits are not implemented."""
    a, b = numbers((5, 4)), numbers((5, 4), 1)
    x, y = dnd.array(a, split=split), dnd.array(b, split=other)
    assert_array_equal(x * y + y, a * b + b)
    assert_array_equal(x < y, a < b)
    for axis in (0, 1):
        assert_array_equal(dnd.concatenate([x, y], axis), np.concatenate([a, b], axis))
        assert_array_equal(dnd.stack([x, y], axis), np.stack([a, b], axis))
    for ours, theirs in zip(dnd.broadcast_arrays(x, y[:1]), np.broadcast_arrays(a, b[:1]), strict=True):
        assert_array_equal(ours, theirs)
    assert_allclose(x @ y.T, a @ b.T, rtol=1e-12)


@pytest.mark.parametrize("split", SPLITS)
def test_scans_of_the_flattened_array(split: Any) -> None:
    """3.6: cumsum(axis=None) is not implemented."""
    a = numbers((5, 4))
    x = dnd.array(a, split=split)
    assert_allclose(x.cumsum(), a.cumsum(), rtol=1e-12)
    assert_allclose(x.cumprod(), a.cumprod(), rtol=1e-12)


@pytest.mark.parametrize("split", SPLITS)
def test_differentiation_through_distributed_operations(split: Any) -> None:
    """3.6: no gradients through distributed operations."""
    x = dnd.array(numbers((5, 4)), split=split).requires_grad_()
    (x * x).mean(0).sum().backward()
    assert_allclose(x.grad, 2 * numbers((5, 4)) / 5, rtol=1e-12)
    assert x.grad is not None and x.grad.layout is x.layout


def test_more_than_one_axis_is_split() -> None:
    """3.6: only one split axis, no grids."""
    a = numbers((6, 8))
    x = dnd.array(a, split=(0, 1))
    assert x.split == (0, 1)
    assert_array_equal(x.T, a.T)
    assert x.T.split == (1, 0)
    assert_allclose(x.sum(0), a.sum(0))
    assert_array_equal(x[2:, 3:], a[2:, 3:])


@pytest.mark.parametrize("split", [None, 0])
def test_replicated_arrays_go_through_dlpack(split: int | None) -> None:
    """3.6: DLPack of distributed arrays cannot be, that of a replicated array and of a part can."""
    x = dnd.arange(6.0, split=split)
    if not x.is_distributed():
        assert torch.from_dlpack(x).tolist() == list(range(6))
    assert torch.from_dlpack(x.larray).shape == x.lshape
