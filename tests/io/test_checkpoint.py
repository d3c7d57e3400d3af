"""Checkpoints: what was saved comes back on any number of ranks, and whatever fails leaves the last one whole."""

from __future__ import annotations

import collections
import dataclasses
import math
import random
from pathlib import Path

import numpy as np
import pytest
import strategies
import torch
from dndarray.io.checkpoint import (
    PerRank,
    RandomState,
    folder,
    parts,
    restore,
    save,
)
from hypothesis import given
from hypothesis import strategies as st

import dndarray as dnd
from dndarray.communication import Communicator
from dndarray.layout import Layout
from dndarray.testing import assert_array_equal, count_collectives

COMM = dnd.get_comm()
SIZE, RANK = COMM.size, COMM.rank
DTYPES = [name for name in dnd.__all__ if isinstance(getattr(dnd, name), torch.dtype)]
SOLO = Communicator()


def values(shape: tuple[int, ...], dtype: str = "float64") -> torch.Tensor:
    """Elements of which each says where it is from."""
    count = torch.arange(1, math.prod(shape) + 1).reshape(shape)
    return count % 2 == 0 if dtype == "bool" else count.to(getattr(torch, dtype))


def spread(whole: torch.Tensor, layout: Layout) -> dnd.DNDarray:
    return dnd.DNDarray(whole[tuple(slice(*interval) for interval in layout.box(RANK))], layout, COMM)


def names_in(path: Path) -> list[str]:
    COMM.barrier()
    names = sorted(child.name for child in path.iterdir())
    COMM.barrier()
    return names


def on_rank_0(work, *args: object) -> None:
    if RANK == 0:
        work(*args)
    COMM.barrier()


# --- arrays ---------------------------------------------------------------------------------------------------------


@st.composite
def two_layouts(draw: st.DrawFn) -> tuple[Layout, Layout]:
    shape = draw(strategies.shapes())
    return draw(strategies.layouts(shape, SIZE)), draw(strategies.layouts(shape, SIZE))


@given(two_layouts(), st.sampled_from(DTYPES), st.sampled_from([parts.TILE, 32]))
def test_an_array_saved_in_one_layout_is_restored_in_another(shared_path, layouts, dtype, tile):
    source, target = layouts
    expected = values(source.shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "TILE", tile)
        save(shared_path / "x", {"x": spread(expected, source)})
    x = restore(shared_path / "x")["x"]
    assert x.layout is source  # as it was
    assert torch.equal(x.larray, spread(expected, source).larray)
    like = spread(torch.zeros_like(expected), target)
    x = restore(shared_path / "x", {"x": like})["x"]
    assert x.layout is target
    assert torch.equal(x.larray, spread(expected, target).larray)
    alone = restore(shared_path / "x", comm=SOLO)["x"]
    assert torch.equal(alone.larray, expected)
    COMM.barrier()


@pytest.mark.parametrize("split", [None, 0, 1])
def test_on_other_numbers_of_ranks(shared_path, split):
    expected = values((7, 5))
    save(shared_path / "all", dnd.array(expected, split=split))
    if SIZE > 1:
        half = COMM._split(int(RANK == 0), RANK)  # rank 0, and the others
        x = restore(shared_path / "all", comm=half)
        assert x.comm is half and x.split == split
        assert_array_equal(x, expected)
    on_rank_0(lambda: save(shared_path / "one", dnd.array(expected, split=split, comm=SOLO), comm=SOLO))
    x = restore(shared_path / "one")
    assert x.split == split and x.is_balanced()
    assert_array_equal(x, expected)


def test_grids_on_other_numbers_of_ranks(shared_path):
    expected = values((6, 5))
    save(shared_path / "x", dnd.array(expected, split=(1, 0)))
    x = restore(shared_path / "x", comm=SOLO)
    assert x.split == (1, 0) and torch.equal(x.larray, expected)
    COMM.barrier()


def test_the_split_may_be_chosen(shared_path):
    state = {"a": {"x": dnd.array(values((6, 4)), split=0)}, "y": dnd.array(values((3, 3)), split=1)}
    save(shared_path / "x", state)
    both = restore(shared_path / "x", split=1)
    assert both["a"]["x"].split == both["y"].split == 1
    one = restore(shared_path / "x", split={"a/x": None})
    assert one["a"]["x"].split is None and one["y"].split == 1
    for restored in (both, one):
        assert_array_equal(restored["a"]["x"], values((6, 4)))
        assert_array_equal(restored["y"], values((3, 3)))
    with pytest.raises(ValueError, match="`split`"):
        restore(shared_path / "x", split=2)


def test_like_gives_the_kind_the_type_and_the_place(shared_path):
    expected = values((6, 4))
    save(shared_path / "x", {"d": dnd.array(expected, split=0), "t": expected, "n": expected.numpy()})
    float32 = dnd.zeros((6, 4), split=1, dtype="float32")
    like = {"d": torch.zeros(6, 4), "t": float32, "n": float32}
    found = restore(shared_path / "x", like)
    assert isinstance(found["d"], torch.Tensor) and found["d"].dtype is torch.float32
    assert found["t"].split == found["n"].split == 1
    for each in found.values():
        assert_array_equal(dnd.array(each), expected.float())
    numpy = restore(shared_path / "x", {"d": np.zeros((6, 4))})["d"]
    assert isinstance(numpy, np.ndarray)
    with pytest.raises(ValueError, match=r"d has shape \(6, 4\) in the checkpoint"):
        restore(shared_path / "x", {"d": dnd.zeros((4, 6))})
    with pytest.raises(TypeError, match=r"float64 in the checkpoint, which does not become torch.int64"):
        restore(shared_path / "x", {"t": torch.zeros((6, 4), dtype=torch.int64)})


def test_gradients_and_odd_parts(shared_path):
    x = dnd.array(values((5, 3), "complex128"), split=0)
    state = {"conj": dnd.conj(x).T, "grad": dnd.zeros(4, split=0).requires_grad_(), "0-D": dnd.array(3.5)}
    save(shared_path / "x", state)
    found = restore(shared_path / "x")
    assert_array_equal(found["conj"], values((5, 3), "complex128").numpy().conj().T)
    assert found["grad"].requires_grad and not found["0-D"].requires_grad
    assert found["0-D"].item() == 3.5


@given(st.data())
def test_tiles_cover_a_box_once(data):
    box = tuple(
        (a, a + n) for a, n in data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), max_size=3))
    )
    itemsize = data.draw(st.sampled_from([1, 4, 16]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "TILE", data.draw(st.integers(16, 4000)))
        found = list(parts.tiles(box, itemsize))
        hits = np.zeros([stop for _, stop in box], dtype=int)
        for tile in found:
            hits[tuple(slice(*interval) for interval in tile)] += 1
            assert itemsize * math.prod(stop - start for start, stop in tile) <= parts.TILE
    assert hits.sum() == math.prod(stop - start for start, stop in box)
    assert hits.max() == 1


def test_each_rank_reads_what_it_needs(shared_path, monkeypatch):
    monkeypatch.setattr(parts, "TILE", 1024)
    expected = values((64, 96))  # in tiles of at most 16 x 8 elements
    save(shared_path / "x", dnd.array(expected, split=0))
    read = []
    fill = parts._fill
    monkeypatch.setattr(parts, "_fill", lambda file, data: (read.append(data.nbytes), fill(file, data))[1])
    for split in (0, 1):
        read.clear()
        with count_collectives() as c:
            x = restore(shared_path / "x", split=split)
        assert_array_equal(x, expected)
        assert sum(read) <= x.larray.nbytes + (0 if split == 0 else 64 * 2 * 16 * 8)
        assert c.total == (3 if SIZE > 1 else 0)


def test_every_rank_writes_its_part_and_nothing_is_gathered(shared_path):
    state = {f"x{i}": dnd.zeros((SIZE * 1000, 10), split=0) for i in range(3)}
    state |= {f"same{i}": dnd.zeros(5000) for i in range(SIZE)}
    with count_collectives() as c:
        save(shared_path / "x", state)
    assert c.bytes < 1000 and c.total == (5 if SIZE > 1 else 0)
    sizes = [path.stat().st_size for path in sorted((shared_path / "x").glob("*.data"))]
    assert len(sizes) == SIZE and len({*sizes}) == 1  # ranks that hold the same take turns


# --- everything else ------------------------------------------------------------------------------------------------


Point = collections.namedtuple("Point", ["x", "y"])


@dataclasses.dataclass
class Settings:
    rate: float
    names: list[str]


def test_whatever_a_state_holds(shared_path):
    state = {
        "numbers": [1, -(2**200), True, None, 2.5, math.inf, -0.0, 1 - 2j, "text \U0001f600", b"\x00\xff"],
        "nan": math.nan,
        "torch": [torch.float16, torch.device("cpu"), torch.Size([2, 3])],
        "empty": [{}, [], (), "", dnd.zeros((0, 3), split=0), np.zeros((2, 0))],
        7: {(1, "a"): (1, (2,)), None: 0, 1.5: False},
        "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter("hello"),
        "point": Point(1, [2]),
        "settings": Settings(0.5, ["a"]),
    }
    save(shared_path / "x", state)
    found = restore(shared_path / "x")
    assert math.isnan(found.pop("nan")) and math.isnan(state.pop("nan"))
    assert found.pop("settings") == {"rate": 0.5, "names": ["a"]}
    for each in (found, state):
        each["empty"][4:] = [each["empty"][4].shape, each["empty"][5].shape]
    assert found == {key: value for key, value in state.items() if key != "settings"}
    assert str(found["numbers"]) == str(state["numbers"])  # also the sign of zero
    assert found["point"]._fields == ("x", "y") and type(found["counter"]) is collections.Counter
    like = restore(shared_path / "x", {"settings": Settings(0, []), "point": Point(0, [0])})
    assert like == {"settings": state["settings"], "point": state["point"]} and type(like["point"]) is Point


def test_numpy_arrays_of_every_type(shared_path):
    arrays = [np.arange(6).reshape(2, 3).astype(t) for t in "?bBhHiIlLefdFD"]
    arrays += [np.array(["ab", "c"]), np.array(["2020-01-01"], "M8[ns]"), np.arange(3, dtype=">i4"), np.longdouble(1.5)]
    arrays += [np.arange(12).reshape(3, 4)[::-1, ::2], np.float32(2.5), np.array(1), np.bool_(True)]
    save(shared_path / "x", arrays)
    for found, expected in zip(restore(shared_path / "x"), arrays, strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
        assert type(found) is type(expected)


def test_what_cannot_be_saved(shared_path):
    for odd in ({1, 2}, object(), np.array([None]), np.ma.zeros(2), torch.eye(2).to_sparse(), lambda: 0):
        with pytest.raises(TypeError, match="a/0"):
            save(shared_path / "x", {"a": [odd]})
    with pytest.raises(TypeError, match="a dict with the key"):
        save(shared_path / "x", {"a": {frozenset(): 1}})
    with pytest.raises(TypeError, match="PerRank must be each rank's own"):
        save(shared_path / "x", PerRank(dnd.zeros(3)))
    with pytest.raises(ValueError, match="`keep` needs numbered"):
        save(shared_path / "x", 1, keep=2)
    with pytest.raises(ValueError, match=r"`keep` \(=0\)"):
        save(shared_path / "x-1", 1, keep=0)
    if SIZE > 1:
        with pytest.raises(ValueError, match="one communicator"):
            save(shared_path / "x", dnd.zeros(3, comm=SOLO))
        with pytest.raises(ValueError, match=r"rank 0 has 'a: int', rank 1 has 'a: str'"):
            save(shared_path / "x", {"a": 1 if RANK == 0 else "one"})
        with pytest.raises(TypeError, match="a, of type set"):
            save(shared_path / "x", {"a": {1} if RANK == SIZE - 1 else [1]})
    assert names_in(shared_path) == []


def train(model, optimizer, schedule, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(torch.randn(8, 3)) ** 2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", ["Adam", "SGD", "RMSprop"])
def test_a_training_goes_on_where_it_was(shared_path, name):
    def make() -> dict:
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
        return {"model": model, "optimizer": optimizer, "schedule": schedule, "random": RandomState(), "step": 3}

    torch.manual_seed(5)
    state = make()
    train(state["model"], state["optimizer"], state["schedule"], 3)
    save(shared_path / "x", state)
    expected = train(state["model"], state["optimizer"], state["schedule"], 4)
    fresh = make()
    found = restore(shared_path / "x", fresh)
    assert found["model"] is fresh["model"] and found["step"] == 3
    assert train(found["model"], found["optimizer"], found["schedule"], 4) == expected
    plain = restore(shared_path / "x")
    assert plain["model"]["0.weight"].shape == (4, 3)
    assert plain["optimizer"]["param_groups"][0]["params"] == [*range(6)]


def draws() -> list:
    return [
        dnd.random.random(3).tolist(),
        torch.rand(2).tolist(),
        np.random.rand(2).tolist(),
        random.random(),
    ]


def test_random_streams(shared_path):
    dnd.random.seed(1)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(RANK)
    generators = [dnd.random.Generator(3), np.random.default_rng(4), random.Random(5), torch.Generator().manual_seed(6)]
    generators.append(np.random.RandomState(7))

    def draw(generators: list) -> list:
        ours, numpy, python, torchs, legacy = generators
        return [
            ours.random(2).tolist(),
            numpy.random(),
            python.random(),
            torch.rand(1, generator=torchs),
            legacy.rand(),
        ]

    draw(generators)
    save(shared_path / "x", {"global": RandomState(), "generators": generators})
    expected = draws(), draw(generators)
    found = restore(shared_path / "x")
    found["global"].set()
    assert (draws(), draw(found["generators"])) == expected
    found = restore(shared_path / "x", {"global": RandomState(), "generators": generators})
    assert found["generators"][1] is generators[1]
    assert (draws(), draw(generators)) == expected


def test_further_ranks_get_streams_of_their_own(shared_path):
    state = restore_states(shared_path, RandomState(), alike=False)
    if SIZE > 1:
        everyones = COMM.allgather_object(state)
        assert len({repr(each) for each in everyones}) == SIZE


def restore_states(path: Path, state: RandomState, *, alike: bool) -> list:
    """What follows when two ranks' streams are restored on all; saved by one rank that plays both."""
    on_rank_0(lambda: save(path / "x", state, comm=SOLO))

    def pretend() -> None:
        manifest = folder.read_manifest(path / "x")
        folder.write_sealed(path / "x" / "manifest.json", {**manifest, "alike": [alike]})

    on_rank_0(pretend)
    restore(path / "x", RandomState())
    return draws()[1:]


def test_streams_that_were_alike_stay_so(shared_path):
    everyones = COMM.allgather_object(restore_states(shared_path, RandomState(), alike=True))
    assert all(each == everyones[0] for each in everyones)


def test_what_is_each_rank_s_own(shared_path):
    state = {"own": PerRank({"rank": RANK, "part": torch.full((RANK,), RANK)}), "same": PerRank([1])}
    save(shared_path / "x", state)
    found = restore(shared_path / "x")
    assert found["own"].value["rank"] == RANK
    assert torch.equal(found["own"].value["part"], torch.full((RANK,), RANK))
    if SIZE > 1:
        with pytest.raises(ValueError, match=rf"own was saved by {SIZE} ranks.*cannot be given to 1"):
            restore(shared_path / "x", comm=SOLO)
        assert restore(shared_path / "x", {"same": None}, comm=SOLO)["same"].value == [1]
    COMM.barrier()


@pytest.mark.parametrize("split", [None, 0, 1])
@pytest.mark.parametrize("shape", [(17, 11), (2, 40), (30, 1)])
def test_sparse_arrays(shared_path, split, shape):
    A = dnd.sparse.random_array(shape, density=0.3, split=split, dtype="float64", rng=1)
    save(shared_path / "x", {"A": A})
    expected = A.to_dense().numpy()
    B = restore(shared_path / "x")["A"]
    assert B.split == split and B.nnz == A.nnz and B.format == A.format
    assert torch.equal(B.data, A.data) and torch.equal(B.indices, A.indices) and torch.equal(B.indptr, A.indptr)
    for other in (None, 0, 1):
        B = restore(shared_path / "x", split=other)["A"]
        assert B.split == other
        assert_array_equal(B.to_dense(), expected)
    like = dnd.sparse.resplit(A, 1)
    assert restore(shared_path / "x", {"A": like})["A"].split == 1
    alone = restore(shared_path / "x", comm=SOLO)["A"]
    np.testing.assert_array_equal(alone.to_dense().numpy(), expected)
    COMM.barrier()


def test_only_what_like_has(shared_path):
    save(shared_path / "x", {"a": 1, "b": {"c": 2, "d": [3, 4]}})
    assert restore(shared_path / "x", {"b": {"c": None}}) == {"b": {"c": 2}}
    with pytest.raises(KeyError, match=r"b has no 'e', which `like` has; it has \['c', 'd'\]"):
        restore(shared_path / "x", {"b": {"e": 0}})
    with pytest.raises(ValueError, match="b/d has 2 items in the checkpoint, but 1 in `like`"):
        restore(shared_path / "x", {"b": {"d": [{}]}})
    assert restore(shared_path / "x", {"b": {"d": [0]}}) == {"b": {"d": [3, 4]}}


def test_objects_of_like_are_never_left_as_they_were(shared_path):
    torch.manual_seed(3)
    model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    save(shared_path / "x", {"model": model.state_dict(), "x": dnd.zeros((3, 2), split=0)})
    assert restore(shared_path / "x", {"model": other})["model"] is other
    assert torch.equal(other.weight, model.weight) and torch.equal(other.bias, model.bias)
    with pytest.raises(TypeError, match="x is no state that Linear of `like` could load"):
        restore(shared_path / "x", {"x": other})
    COMM.barrier()


def test_split_names_what_is_restored(shared_path):
    save(shared_path / "x", {"a": {"x": dnd.zeros((3, 2), split=0)}, "t": torch.zeros(3)})
    assert restore(shared_path / "x", split={"a/x": 1})["a"]["x"].split == 1
    for name in ("a.x", "t"):
        with pytest.raises(KeyError, match=rf"`split` names '{name}'; the arrays that are restored are \['a/x'\]"):
            restore(shared_path / "x", split={name: 1})
    COMM.barrier()
