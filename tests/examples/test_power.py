"""The examples of power flow find what pandapower finds; the notebook runs, and shows what it gives."""

from __future__ import annotations

import numpy as np
import pandapower
import pytest
from power_samples import net, solved
from shipped import example, run_notebook

import dndarray as dnd

RANK = dnd.get_comm().rank


def run(name: str, *arguments: object) -> object:
    return example(name).main(["--grid", "case14", *map(str, arguments)], standalone_mode=False)


def losses(found: object) -> float:
    return found.res_line.pl_mw.sum() + found.res_trafo.pl_mw.sum()


def test_flow(capsys):
    solution = run("power_flow")
    assert abs(solution.losses().pl_mw.sum() - losses(solved("case14"))) < 1e-6

    def with_more(mw: float) -> float:
        other = net("case14")
        other.load.loc[other.load.bus == 13, "p_mw"] -= mw
        pandapower.runpp(other, numba=False, tolerance_mva=1e-10, calculate_voltage_angles=True)
        return losses(other)

    slope = (with_more(0.01) - with_more(-0.01)) / 0.02
    assert (f"and saves {-slope:.3f} MW at bus 13" in capsys.readouterr().out) == (RANK == 0)


def test_contingency(capsys, shared_path):
    found = run("power_contingency", "--output", shared_path / "outages.h5")
    base = solved("case14").res_bus.vm_pu
    changes = []
    for table, rows in (("line", 15), ("trafo", 5)):
        for row in range(rows):
            other = net("case14")
            other[table].loc[other[table].index[row], "in_service"] = False
            pandapower.runpp(other, numba=False, calculate_voltage_angles=True)
            changes.append((other.res_bus.vm_pu - base).abs().max())  # NaN where the outage cuts buses off
    order = np.argsort(-np.array(changes))[:3]
    table = found.table(3)
    assert table.outage.tolist() == [f"line {i}" if i < 15 else f"trafo {i - 15}" for i in order]
    np.testing.assert_allclose(table.iloc[:, 1], np.array(changes)[order], atol=1e-6)
    assert (shared_path / "outages.h5").exists()
    assert ("without " in capsys.readouterr().out) == (RANK == 0)


def test_series(capsys, shared_path):
    solution = run("power_series", "--hours", 30, "--output", shared_path / "series.nc")
    assert solution.converged.all()
    scale = example("power_series").loads(30).numpy()
    other = net("case14")
    other.load[["p_mw", "q_mvar"]] *= scale[7]
    other.gen.p_mw *= scale[7]
    pandapower.runpp(other, numba=False, tolerance_mva=1e-9, calculate_voltage_angles=True)
    np.testing.assert_allclose(solution.v[:, 7].numpy(), other.res_bus.vm_pu, atol=1e-7)
    assert ("GWh are lost" in capsys.readouterr().out) == (RANK == 0)


@pytest.mark.slow
def test_the_notebook():
    pytest.importorskip("matplotlib").use("agg")
    run_notebook("power")
