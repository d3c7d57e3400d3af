"""Random numbers: the same on any number of processes, and of the distributions that they claim.

Seeds are fixed, so a statistical test passes always or never. Its bounds leave a false alarm a chance of 1 in 1000.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from launching import run_ranks
from strategies import arrangements, layouts, shapes

import dndarray as dnd
from dndarray import random
from dndarray.layout import Layout
from dndarray.random import Generator
from dndarray.testing import assert_array_equal, count_collectives

INTEGERS = [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]

DRAWS: dict[str, Callable[..., dnd.DNDarray]] = {
    "random": lambda g, **place: g.random((7, 5), **place),
    "uniform": lambda g, **place: g.uniform(-2, 3, (7, 5), **place),
    "normal": lambda g, **place: g.normal(1, 2, (7, 5), **place),
    "standard_normal": lambda g, **place: g.standard_normal((7, 5), dtype=torch.float64, **place),
    "integers": lambda g, **place: g.integers(-3, 10**12, (7, 5), **place),
    "bernoulli": lambda g, **place: g.bernoulli(0.3, (7, 5), **place),
    "choice": lambda g, **place: g.choice(9, (7, 5), **place),
    "choice without": lambda g, **place: g.choice(50, (7, 5), replace=False, **place),
    "choice with p": lambda g, **place: g.choice(4, (7, 5), p=[0.1, 0.2, 0.3, 0.4], **place),
    "choice without, with p": lambda g, **place: g.choice(35, (7, 5), replace=False, p=np.full(35, 1 / 35), **place),
}
"""Arrays of shape (7, 5)."""

SERIES: dict[str, Callable[..., dnd.DNDarray]] = {
    "permutation": lambda g, **place: g.permutation(1000, **place),
    "long permutation": lambda g, **place: g.permutation(70_001, **place),
    "random": lambda g, **place: g.random(5000, **place),
}
"""Long arrays of one axis."""

PLACES: list[dict[str, Any]] = [{}, {"split": 0}, {"split": 1}, {"split": -1}] + [
    {"split": split, "grid": grid}
    for grid in arrangements(dnd.get_comm().size)
    if grid.ndim == 2
    for split in ((0, 1), (1, 0), (None, 1), (0, None))
]


def whole(size: Any, **options: Any) -> np.ndarray:
    return Generator(7).random(size, dtype=torch.float64, **options).numpy()


# --- on any number of processes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_gives_one_array_in_any_layout(name: str) -> None:
    expected = DRAWS[name](Generator(5)).numpy()
    for place in PLACES:
        drawn = DRAWS[name](Generator(5), **place)
        assert_array_equal(drawn, expected)
        assert drawn.split == (place.get("split", None) if place.get("split") != -1 else 1)
    assert (DRAWS[name](Generator(6)).numpy() != expected).any()


@pytest.mark.parametrize("name", SERIES)
def test_a_seed_gives_one_long_array_in_any_layout(name: str) -> None:
    expected = SERIES[name](Generator(5)).numpy()
    assert_array_equal(SERIES[name](Generator(5), split=0), expected)


@pytest.mark.serial
def test_a_seed_gives_one_array_on_any_number_of_processes() -> None:
    code = """
import hashlib
import numpy as np, torch
import dndarray as dnd

dnd.random.seed(3)
results = []
for split in (None, 0, 1, (0, 1)):
    results += [
        dnd.random.random((7, 5), split=split),
        dnd.random.normal(size=(3, 4), split=split, dtype=torch.float32),
        dnd.random.integers(0, 10**18, (4, 4), split=split),
        dnd.random.bernoulli(0.3, (7, 5), split=split),
        dnd.random.choice(40, (7, 5), replace=False, split=split),
        dnd.random.permutation(dnd.arange(20, split=0).reshape(5, 4).resplit(split)),
    ]
results += [dnd.random.permutation(n, split=0) for n in (1, 1000, 70001)]
x = dnd.arange(11, split=0)
dnd.random.shuffle(x)
results.append(x)
digests = [hashlib.sha256(r.numpy().tobytes()).hexdigest() for r in results]
if dnd.get_comm().rank == 0:
    print(dnd.get_comm().size, *digests)
"""
    said = {}
    for n in (1, 2, 3):
        done = run_ranks(n, code)
        assert done.returncode == 0, done.stderr
        size, *digests = done.stdout.split()
        assert int(size) == n
        said[n] = digests
    assert len(said[1]) == 28
    assert said[1] == said[2] == said[3]


def test_nothing_is_communicated() -> None:
    generator = Generator(1)
    with count_collectives() as c:
        for draw in [*DRAWS.values(), *SERIES.values()]:
            draw(generator, split=0)
    assert c.total <= 1, "a choice without replacement by weights goes through dnd.array, which compares"


def test_without_a_seed_the_processes_agree_on_one() -> None:
    comm = dnd.get_comm()
    generators = [Generator(), Generator(), Generator(None)]
    drawn = [g.random(4).larray for g in generators]
    for mine in drawn:
        assert all(torch.equal(mine, other) for other in comm.allgather(mine))
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))
    with count_collectives() as c:
        generators[0].random(4)
    assert c.calls == {}, "only the first draw asks for the seed"


@given(st.integers(0, 2**64 - 1), st.integers(1, 40), st.integers(1, 40))
def test_an_element_does_not_depend_on_how_many_are_drawn(seed: int, m: int, n: int) -> None:
    for draw in (Generator.random, Generator.standard_normal, lambda g, k: g.integers(-5, 2**40, k)):
        few, many = draw(Generator(seed), min(m, n)).larray, draw(Generator(seed), max(m, n)).larray
        assert torch.equal(few, many[: len(few)])


def test_an_element_does_not_depend_on_the_shape() -> None:
    flat = whole(24)
    for shape in ((24, 1), (4, 6), (2, 3, 4), (1, 1, 24)):
        for split in (None, 0, -1):
            np.testing.assert_array_equal(whole(shape, split=split).reshape(-1), flat)


@given(shapes(n=5).flatmap(lambda shape: st.tuples(layouts(shape, 4), st.integers(0, 3))), st.booleans())
def test_each_part_is_cut_out_of_the_whole(drawn: tuple[Layout, int], in_short_pieces: bool) -> None:
    """Piece by piece, and out of longer draws."""
    layout, rank = drawn
    expected = np.arange(layout.size).reshape(layout.shape)[tuple(slice(*b) for b in layout.box(rank))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "_RUN", 0 if in_short_pieces else 3)
        patch.setattr(random, "_BLOCK", 10)
        part = random._fill(layout, rank, lambda start, count: np.arange(start, start + count), np.int64)
    np.testing.assert_array_equal(part, expected)


# --- the bits -------------------------------------------------------------------------------------------------


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> list[int]:
    """Philox 4x64-10 as in Salmon et al. (2011), in Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        low, high = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
        c = [(high >> 64) ^ c[1] ^ k[0], high % 2**64, (low >> 64) ^ c[3] ^ k[1], low % 2**64]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return c


POSITIONS = st.one_of(st.integers(0, 20), st.integers(2**32 - 10, 2**32 + 10), st.integers(0, 2**62))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40), POSITIONS, st.integers(1, 13))
def test_words_are_philox(key: int, draw: int, start: int, count: int) -> None:
    """Wherever they begin: also beyond 2**32 elements, and inside of a block."""
    expected = [philox((i // 4, 0, draw, 0), (key, 0))[i % 4] for i in range(start, start + count)]
    assert random._words(key, draw, start, count).tolist() == expected
    floats = [(word >> 11) * 2.0**-53 for word in expected]
    assert random._unit(key, draw, start, count).tolist() == floats


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(1, 2**64))
def test_words_become_integers_below_a_bound(words: list[int], span: int) -> None:
    expected = [word * span >> 64 for word in words]
    assert random._bounded(np.array(words, dtype=np.uint64), span).tolist() == expected


def test_draws_differ() -> None:
    generator = Generator(1)
    drawn = [generator.random(3).numpy() for _ in range(3)]
    assert not any((a == b).any() for a, b in itertools.combinations(drawn, 2))


# --- distributions --------------------------------------------------------------------------------------------


def kolmogorov_smirnov(sample: np.ndarray, cdf: np.ndarray) -> float:
    """The largest distance to the distribution, which sqrt(n) times stays below 1.95 but for 1 in 1000."""
    n, order = len(sample), np.argsort(sample)
    cdf = cdf[order]
    return math.sqrt(n) * max((np.arange(1, n + 1) / n - cdf).max(), (cdf - np.arange(n) / n).max())


def chi_square(counts: Any, expected: Any) -> float:
    """Standardised (Wilson and Hilferty): stays below 3.1 but for 1 in 1000."""
    counts, expected = np.broadcast_arrays(np.asarray(counts, dtype=float), np.asarray(expected, dtype=float))
    free = counts.size - 1
    cube = (((counts - expected) ** 2 / expected).sum() / free) ** (1 / 3)
    return float((cube - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free)))


N = 40_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_uniform_numbers_are_uniform(dtype: torch.dtype) -> None:
    x = Generator(11).random(N, dtype=dtype, split=0).numpy().astype(float)
    assert 0 <= x.min() < x.max() < 1
    assert kolmogorov_smirnov(x, x) < 1.95
    y = Generator(12).uniform(-3, 5, N, dtype=dtype, split=0).numpy().astype(float)
    assert -3 <= y.min() < y.max() < 5
    assert kolmogorov_smirnov(y, (y + 3) / 8) < 1.95
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 3.3 / math.sqrt(N)
    assert abs(np.corrcoef(x, y)[0, 1]) < 3.3 / math.sqrt(N)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_normal_numbers_are_normal(dtype: torch.dtype) -> None:
    x = Generator(13).normal(2, 3, N, dtype=dtype, split=0).numpy().astype(float)
    assert kolmogorov_smirnov(x, torch.special.ndtr(torch.from_numpy((x - 2) / 3)).numpy()) < 1.95
    assert abs(x.mean() - 2) < 3.3 * 3 / math.sqrt(N)
    assert abs(x.std() - 3) < 3.3 * 3 / math.sqrt(2 * N)


def test_normal_numbers_are_the_inverse_distribution_at_uniform_ones() -> None:
    uniform = Generator(14).random(200, dtype=torch.float64).numpy()
    normal = Generator(14).standard_normal(200, dtype=torch.float64).numpy()
    np.testing.assert_allclose(normal, [statistics.NormalDist().inv_cdf(u) for u in uniform], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        Generator(14).normal(2, 3, 200, dtype=torch.float64).numpy(), 2 + 3 * normal, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("unit", [0.0, 2.0**-53, 0.5, 1 - 2.0**-53])
def test_the_rarest_numbers_are_in_range(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, unit: float) -> None:
    monkeypatch.setattr(random, "_unit", lambda key, draw, start, count: np.full(count, unit))
    generator = Generator(0)
    assert 0 <= generator.random(1, dtype=dtype).item() < 1
    for low, high in ((0, 1), (-1, 0), (0.1, 0.7), (1e-3, 2000), (5, 5 + 2.0**-8)):
        ends = torch.tensor([low, high], dtype=dtype)
        drawn = generator.uniform(low, high, 1, dtype=dtype).larray
        assert drawn.dtype is dtype
        assert ends[0] <= drawn[0] < ends[1] or ends[0] == drawn[0] == ends[1]
    assert generator.uniform(3, 3, 1, dtype=dtype).item() == 3
    assert math.isfinite(generator.normal(size=1, dtype=dtype).item())
    assert generator.bernoulli(1.0).item() is True
    assert generator.bernoulli(0.0).item() is False


def test_types_and_places_of_what_is_drawn() -> None:
    generator = Generator(0)
    for dtype in FLOATS:
        for draw in (generator.random, generator.standard_normal):
            assert draw(3, dtype=dtype).dtype is dtype
    assert generator.random(3).dtype is torch.get_default_dtype()
    assert generator.random(3, dtype="float16").dtype is torch.float16
    assert generator.random().shape == generator.integers(5).shape == ()
    assert generator.random((0, 3), split=0).shape == (0, 3)
    assert generator.random(np.int64(3), split=0).shape == (3,)


# --- integers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_of_every_type_keep_to_their_bounds(dtype: torch.dtype) -> None:
    info = torch.iinfo(dtype)
    low, high = int(info.min), int(info.max)
    generator = Generator(21)
    for a, b in ((low, high), (high - 1, high), (low, low), (low, low + 2), (0, high), (high // 2, high)):
        drawn = generator.integers(a, b, 200, dtype=dtype, endpoint=True, split=0)
        assert drawn.dtype is dtype
        values = [int(v) for v in drawn.numpy()]
        assert a <= min(values) <= max(values) <= b
        assert (min(values), max(values)) == (a, b) or b - a > 2
    values = [int(v) for v in generator.integers(low, high + 1, N, dtype=dtype).numpy()]
    bins = np.bincount([(v - low) * 16 // (high - low + 1) for v in values], minlength=16)
    assert chi_square(bins, N / 16) < 3.1


def test_integers_are_uniform() -> None:
    for span in (2, 6, 10):
        drawn = Generator(22).integers(-3, span - 3, N, split=0).numpy() + 3
        assert chi_square(np.bincount(drawn, minlength=span), N / span) < 3.1
    span = 3 * 2**61  # where taking words modulo the span would favour the first third
    drawn = Generator(23).integers(0, span, N).numpy()
    assert chi_square(np.bincount(drawn // (span // 3), minlength=3), N / 3) < 3.1
    np.testing.assert_array_equal(Generator(4).integers(7, size=9).numpy(), Generator(4).integers(0, 7, 9).numpy())
    np.testing.assert_array_equal(
        Generator(4).integers(0, 7, 9).numpy(), Generator(4).integers(0, 6, 9, endpoint=1).numpy()
    )
    assert set(Generator(4).integers(0, 2, 50, dtype=bool).numpy().tolist()) == {False, True}


def test_bernoulli() -> None:
    for p in (0.1, 0.5, 0.9):
        ones = int(Generator(31).bernoulli(p, N, split=0).numpy().sum())
        assert abs(ones - N * p) < 3.3 * math.sqrt(N * p * (1 - p))
    assert Generator(1).bernoulli().dtype is torch.bool
    assert Generator(1).bernoulli(0.5, 3, dtype=torch.float32).dtype is torch.float32


def test_bernoulli_of_an_array_of_probabilities() -> None:
    p = np.repeat([0.0, 0.2, 0.8, 1.0], 500).reshape(4, 500)
    expected = Generator(32).random((4, 500), dtype=torch.float64).numpy() < p
    for split in (None, 0, 1):
        drawn = Generator(32).bernoulli(dnd.array(p, split=split))
        assert drawn.split == split
        assert_array_equal(drawn, expected)
    assert_array_equal(Generator(32).bernoulli(p), expected)
    assert_array_equal(Generator(32).bernoulli(p.tolist()), Generator(32).random(p.shape, torch.float64).numpy() < p)
    assert_array_equal(Generator(32).bernoulli(p[:, :1], (4, 500), split=0), expected)
    assert abs(expected[1].sum() - 100) < 3.3 * math.sqrt(80)
    assert (expected[0].sum(), expected[3].sum()) == (0, 500)


# --- permutations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 2**16, 2**16 + 1, 100_003])
def test_a_permutation_has_each_number_once(n: int) -> None:
    drawn = Generator(41).permutation(n, split=0)
    assert (drawn.shape, drawn.dtype) == ((n,), torch.int64)
    values = drawn.numpy()
    np.testing.assert_array_equal(np.sort(values), np.arange(n))
    if n > 10:
        assert (values != Generator(42).permutation(n).numpy()).any()
        assert abs(np.corrcoef(values, np.arange(n))[0, 1]) < 3.3 / math.sqrt(n)
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 3.3 / math.sqrt(n)


def test_small_permutations_are_all_as_likely() -> None:
    generator = Generator(43)
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for _ in range(1200):
        counts[tuple(generator.permutation(4).larray.tolist())] += 1
    assert chi_square(list(counts.values()), 50) < 3.1


@pytest.mark.parametrize("n", [*range(1, 20), 63, 64, 65, 255, 256, 257, 1000])
def test_the_cipher_permutes(n: int) -> None:
    keys = random._words(1, n, 0, random._ROUNDS)
    image = random._cipher(np.arange(n, dtype=np.uint64), n, keys)
    assert sorted(image.tolist()) == list(range(n))


def test_the_cipher_leaves_no_number_more_likely() -> None:
    """Where it takes the first of twelve, with many keys; and how many numbers stay where they are: one on average."""
    first, fixed = np.zeros(12), []
    for draw in range(1200):
        image = random._cipher(np.arange(12, dtype=np.uint64), 12, random._words(2, draw, 0, random._ROUNDS))
        first[image[0]] += 1
        fixed.append(int((image == np.arange(12)).sum()))
    assert chi_square(first, 100) < 3.1
    assert abs(np.mean(fixed) - 1) < 3.3 / math.sqrt(1200)


@given(st.integers(2**32, 2**62), st.integers(0, 100))
def test_the_cipher_of_long_arrays_takes_each_number_by_itself(n: int, seed: int) -> None:
    keys = random._words(seed, 0, 0, random._ROUNDS)
    points = np.unique(np.linspace(0, n - 1, 50).astype(np.uint64).clip(0, n - 1))
    image = random._cipher(points, n, keys)
    assert len(np.unique(image)) == len(points)
    assert int(image.max()) < n
    assert image[7:9].tolist() == random._cipher(points[7:9], n, keys).tolist()
    assert points.tolist() == sorted(points.tolist()), "the argument stays as it was"


def test_permutation_of_an_array_is_an_indexing() -> None:
    table = np.arange(35).reshape(7, 5)
    for axis in (0, 1, -1):
        expected = np.take(table, Generator(44).permutation(table.shape[axis]).numpy(), axis)
        for place in PLACES:
            assert_array_equal(Generator(44).permutation(dnd.array(table, **place), axis=axis), expected)
        assert_array_equal(Generator(44).permutation(table, axis=axis), expected)
    np.testing.assert_array_equal(Generator(44).permutation(["no numbers"][:0] or [3, 1, 2]).numpy().sum(), 6)


def test_shuffle_is_permutation_in_place() -> None:
    table = np.arange(35).reshape(7, 5)
    for place in PLACES:
        for axis in (0, 1):
            x = dnd.array(table, **place)
            layout = x.layout
            assert Generator(45).shuffle(x, axis) is None
            assert x.layout is layout
            expected = Generator(45).permutation(dnd.array(table), axis=axis).numpy()
            assert_array_equal(x, expected)
            np.testing.assert_array_equal(np.sort(expected, axis), table)


# --- choice ---------------------------------------------------------------------------------------------------


def test_choice_with_replacement() -> None:
    drawn = Generator(51).choice(5, N, split=0)
    assert drawn.split == 0
    assert chi_square(np.bincount(drawn.numpy(), minlength=5), N / 5) < 3.1
    assert Generator(51).choice(5).shape == ()
    assert Generator(51).choice(0, 0).shape == (0,)


def test_choice_without_replacement() -> None:
    drawn = Generator(52).choice(10, (2, 5), replace=False, split=1)
    assert drawn.split == 1
    assert sorted(drawn.numpy().reshape(-1)) == list(range(10))
    generator, pairs = Generator(53), np.zeros((4, 4))
    for _ in range(1200):
        a, b = generator.choice(4, 2, replace=False).larray.tolist()
        pairs[a, b] += 1
    assert (np.diag(pairs) == 0).all()
    assert chi_square(pairs[~np.eye(4, dtype=bool)], 100) < 3.1


def test_choice_with_probabilities() -> None:
    p = np.array([0.1, 0.0, 0.4, 0.2, 0.3])
    for given_p in (p, p.tolist(), dnd.array(p, split=0), torch.from_numpy(p)):
        drawn = Generator(54).choice(5, N, p=given_p, split=0).numpy()
        counts = np.bincount(drawn, minlength=5)
        assert counts[1] == 0
        assert chi_square(counts[p > 0], N * p[p > 0]) < 3.1


def test_choice_without_replacement_with_probabilities() -> None:
    """The first is chosen by p, the second by p of what is left."""
    p = np.array([0.5, 0.0, 0.3, 0.2])
    generator, pairs = Generator(55), np.zeros((4, 4))
    for _ in range(300):
        a, b = generator.choice(4, 2, replace=False, p=p).larray.tolist()
        pairs[a, b] += 1
    expected = 300 * p[:, None] * p / (1 - p[:, None]) * ~np.eye(4, dtype=bool)
    assert (pairs[expected == 0] == 0).all()
    assert chi_square(pairs[expected > 0], expected[expected > 0]) < 3.1


def test_choice_of_the_elements_of_an_array() -> None:
    table = np.arange(20.0).reshape(10, 2)
    index = Generator(56).choice(10, 4).numpy()
    for split in (None, 0, 1):
        chosen = Generator(56).choice(dnd.array(table, split=split), 4)
        np.testing.assert_array_equal(chosen.numpy(), table[index])
    np.testing.assert_array_equal(Generator(56).choice(table, 4).numpy(), table[index])
    assert set(Generator(56).choice([2.0, 3.0], 50).numpy().tolist()) == {2.0, 3.0}


# --- streams --------------------------------------------------------------------------------------------------


@pytest.fixture
def default_stream():
    state = random.get_state()
    yield
    random.set_state(state)


def test_the_default_stream(default_stream: None) -> None:
    random.seed(9)
    first = [random.random(3).numpy(), random.rand(3).numpy(), random.randn(2, 2).numpy(), random.randint(9).numpy()]
    state = random.get_state()
    assert state == (9, 4)
    later = random.normal(size=3).numpy()
    random.set_state(state)
    np.testing.assert_array_equal(random.normal(size=3).numpy(), later)
    random.seed(9)
    again = [random.random(3).numpy(), random.rand(3).numpy(), random.randn(2, 2).numpy(), random.randint(9).numpy()]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    generator = Generator(9)
    np.testing.assert_array_equal(generator.random(3).numpy(), first[0])
    random.seed()
    assert random.get_state() == (None, 0)


def test_streams_do_not_disturb_one_another(default_stream: None) -> None:
    random.seed(1)
    a, b = Generator(1), Generator(2)
    alone = [Generator(1), Generator(2)]
    expected = [[g.random(3).numpy() for _ in range(3)] for g in alone]
    before = random.get_state()
    for i in range(3):
        np.testing.assert_array_equal(a.random(3).numpy(), expected[0][i])
        np.testing.assert_array_equal(b.random(3).numpy(), expected[1][i])
    assert random.get_state() == before
    torch_state = torch.get_rng_state()
    np.random.seed(0)
    numpy_state = hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()  # type: ignore[index]
    a.random(3)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest() == numpy_state  # type: ignore[index]


def test_a_state_can_be_set() -> None:
    generator = Generator(3)
    generator.random(2)
    other = Generator()
    other.state = generator.state
    np.testing.assert_array_equal(other.random(5).numpy(), generator.random(5).numpy())


# --- mistakes -------------------------------------------------------------------------------------------------

WRONG: list[tuple[Callable[[Generator], Any], type[Exception], str]] = [
    (lambda g: Generator(-1), ValueError, r"`seed` \(=-1\) must be in \[0, 2\*\*64\)"),
    (lambda g: Generator(2**64), ValueError, r"must be in \[0, 2\*\*64\)"),
    (lambda g: Generator(1.5), TypeError, r"`seed` \(=1.5\) must be an integer or None"),
    (lambda g: random.seed("a"), TypeError, r"`seed` \(='a'\) must be an integer or None"),
    (lambda g: random.set_state(3), TypeError, r"`state` \(=3\) must be a pair"),
    (lambda g: random.set_state((3, "a")), TypeError, r"`draws` \(='a'\) must be an integer"),
    (lambda g: random.set_state((3, -1)), ValueError, r"`draws` \(=-1\)"),
    (lambda g: g.random((2, -1)), ValueError, r"`shape` \(=\(2, -1\)\) must not be negative"),
    (lambda g: g.random(2.5), TypeError, r"`shape` \(=\(2.5,\)\) must be integers"),
    (lambda g: g.random(3, dtype=int), TypeError, r"`dtype` \(=torch.int64\) must be a real floating type"),
    (lambda g: g.normal(size=3, dtype=complex), TypeError, "must be a real floating type"),
    (lambda g: g.random(3, spilt=0), TypeError, r"unknown arguments \['spilt'\]"),
    (lambda g: g.random(3, split=1), ValueError, r"`split` \(=1\) must be in \[-1, 1\)"),
    (lambda g: g.normal(0, -1), ValueError, r"`scale` \(=-1\) must not be negative"),
    (lambda g: g.uniform(2, 1), ValueError, r"`low` \(=2\) must be `high` \(=1\) or less"),
    (lambda g: g.uniform(0, math.inf), ValueError, "both finite"),
    (lambda g: g.integers(0), ValueError, r"low < high within torch.int64's .* got \[0, 0\)"),
    (lambda g: g.integers(5, 2), ValueError, r"got \[5, 2\)"),
    (lambda g: g.integers(0, 300, dtype="uint8"), ValueError, r"within torch.uint8's \[0, 255\], got \[0, 300\)"),
    (lambda g: g.integers(-1, 3, dtype="uint64"), ValueError, r"got \[-1, 3\)"),
    (lambda g: g.integers(0, 3, dtype=float), TypeError, r"`dtype` \(=torch.float32\) must be an integer type"),
    (lambda g: g.bernoulli(1.5), ValueError, r"`p` \(=1.5\) must be in \[0, 1\]"),
    (lambda g: g.bernoulli(math.nan, 3), ValueError, "`p`"),
    (lambda g: g.bernoulli(np.full((2, 3), 0.1), 3), ValueError, r"`p` of shape \(2, 3\) does not broadcast to `size`"),
    (lambda g: g.permutation(-1), ValueError, r"`x` \(=-1\) must not be negative"),
    (lambda g: g.permutation(1.5), ValueError, "the array has no axes"),
    (lambda g: g.permutation(dnd.zeros((2, 3)), axis=2), ValueError, r"`axis` \(=2\) must be in \[-2, 2\)"),
    (lambda g: g.shuffle(dnd.zeros(3), axis=1), ValueError, r"`axis` \(=1\) must be in \[-1, 1\)"),
    (lambda g: g.choice(0, 2), ValueError, "cannot choose 2 elements from none"),
    (lambda g: g.choice(3, 4, replace=False), ValueError, "cannot choose 4 of 3 elements without `replace`"),
    (lambda g: g.choice(3, 2, p=[0.5, 0.5]), ValueError, "`p` must be 3 probabilities that add up to 1"),
    (lambda g: g.choice(2, 2, p=[0.5, 0.6]), ValueError, "`p` must be 2 probabilities"),
    (lambda g: g.choice(2, 2, p=[1.5, -0.5]), ValueError, "`p` must be 2 probabilities"),
    (lambda g: g.choice(2, 2, p=[1.0, math.nan]), ValueError, "`p` must be 2 probabilities"),
    (lambda g: g.choice(2, 2, replace=False, p=[1.0, 0.0]), ValueError, "`p` leaves fewer than 2 elements"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_mistakes(default_stream: None, call: Callable, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(Generator(0))
