"""How results are split does not depend on the number of processes: the same table holds on 1, 2, 3 and 4."""

import numpy as np
import pytest

import dndarray as dnd

X = "dnd.arange(20, split=0).reshape(5, 4)"
Y = "dnd.ones((5, 4), dtype=int, split=1)"
R = "dnd.ones((5, 4), dtype=int)"
I = "dnd.arange(3, split=0)"  # noqa: E741 - an index

SPLITS = {
    f"{X}[{X} > 3]": 0,
    f"{Y}[{Y} > 0]": 0,
    f"{R}[{X} > 3]": 0,
    f"{R}[{R} > 0]": None,
    f"{X}[[2, 0, 1]]": 0,
    f"{Y}[[2, 0, 1]]": 1,
    f"{Y}[:, [2, 0, 1]]": 1,
    f"{R}[[2, 0, 1]]": None,
    f"{R}[{I}]": 0,
    f"{X}[1]": None,
    f"{X}[:, 1]": 0,
    f"{Y}[1]": 0,
    f"dnd.nonzero({X})[0]": 0,
    f"dnd.nonzero({R})[0]": None,
    f"dnd.take({X}, [0, 1], 0)": 0,
    f"dnd.random.permutation({X})": 0,
    f"dnd.concatenate([{R}, {X}])": 0,
    f"dnd.stack([{R}, {X}])": 1,
    f"{X} + {R}": 0,
    f"{X} + {Y}": 0,
    f"{X}.sum(axis=0)": None,
    f"{X}.sum(axis=1)": 0,
    f"{X}.sum(axis=0, keepdims=True)": None,
    f"{X}.cumsum(0)": 0,
    f"{X}.T": 1,
    f"{X}.T @ {X}": 0,
    f"{X} @ {X}.T": 0,
    f"{R}.T @ {X}": 0,
    f"{R} @ {Y}.T": 0,
    f"{Y} @ {R}.T": 0,
    f"{R} @ {X}.T": 1,
    f"{X} @ {R}.T": 0,
    f"{R} @ {R}.T": None,
    f"{X}[:, :, None] @ {X}[:, None, :]": 0,
    f"dnd.resplit({X}, (0, 1))": (0, 1),
    f"dnd.resplit({X}, (0, 1)) @ dnd.resplit({X}, (0, 1)).T": (0, 1),
    f"dnd.resplit({X}, (0, 1)).sum(axis=0)": (None, 0),
}


@pytest.mark.parametrize("expression", SPLITS)
def test_split_of(expression: str) -> None:
    result = eval(expression, {"dnd": dnd, "np": np, "int": int})
    assert result.split == SPLITS[expression]
