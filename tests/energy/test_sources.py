"""What is found in trees of files and by the modules of GPUs, and what is said where nothing is."""

from __future__ import annotations

import time
from pathlib import Path

import energy_fakes as fakes
import pytest
from dndarray.energy.sources import SOURCES, _best, choose

from dndarray import energy


def read(sensor):
    return sensor.read() * (sensor.joules or 1)


# --- RAPL -----------------------------------------------------------------------------------------------------

ZONES = ("package-0", "core", "uncore", "dram", "package-1", "dram", "psys")


def test_packages_and_memory_count_and_what_is_in_them_does_not(tmp_path):
    sensors = energy.Rapl(fakes.rapl(tmp_path, 2_500_000, zones=ZONES)).sensors()
    assert [(sensor.name, sensor.device) for sensor in sensors] == [
        ("rapl package-0", "cpu"),
        ("rapl package-0 dram", "memory"),
        ("rapl package-1", "cpu"),
        ("rapl package-1 dram", "memory"),
    ]
    assert all(sensor.label == energy.MEASURED_COUNTER for sensor in sensors)
    assert [read(sensor) for sensor in sensors] == [2.5] * 4
    assert {sensor.modulus for sensor in sensors} == {10**9}


def test_the_platform_counts_alone(tmp_path):
    (sensor,) = energy.Rapl(fakes.rapl(tmp_path, zones=ZONES), platform=True).sensors()
    assert (sensor.name, sensor.device) == ("rapl psys", "node")


def test_no_tree(tmp_path):
    with pytest.raises(energy.Unavailable, match="there is no .*powercap.*virtual machines"):
        energy.Rapl(tmp_path / "powercap").sensors()


def test_a_tree_without_zones(tmp_path):
    with pytest.raises(energy.Unavailable, match="no zone of RAPL"):
        energy.Rapl(fakes.rapl(tmp_path, zones=())).sensors()


def test_counters_that_only_root_may_read(tmp_path, monkeypatch):
    def read_text(path):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    fakes.rapl(tmp_path)
    original = Path.read_text
    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(energy.Unavailable, match="Permission denied.*only root may read it"):
        energy.Rapl(tmp_path).sensors()


def test_zones_that_cannot_be_read_are_left_out(tmp_path):
    fakes.rapl(tmp_path, zones=("package-0", "package-1"))
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert [sensor.name for sensor in energy.Rapl(tmp_path).sensors()] == ["rapl package-0"]


# --- other files ----------------------------------------------------------------------------------------------


def test_chips_that_are_known(tmp_path):
    fakes.tree(
        tmp_path,
        {
            "hwmon0/name": "nvme",
            "hwmon0/power1_input": 1,
            "hwmon1/name": "amd_energy",
            "hwmon1/energy1_label": "Ecore000",
            "hwmon1/energy1_input": 1,
            "hwmon1/energy2_label": "Esocket0",
            "hwmon1/energy2_input": 3_000_000,
            "hwmon2/name": "power_meter",
            "hwmon2/power1_average": 230_000_000,
        },
    )
    socket, board = energy.Hwmon(tmp_path).sensors()
    assert (socket.name, socket.device, socket.label) == ("hwmon1 amd_energy Esocket0", "cpu", energy.MEASURED_COUNTER)
    assert (board.name, board.device, board.label) == ("hwmon2 power_meter power1", "node", energy.MEASURED_POWER)
    assert read(socket) == 3
    assert read(board) == 230


def test_chips_that_are_not_known(tmp_path):
    fakes.tree(tmp_path, {"hwmon0/name": "nvme", "hwmon0/power1_input": 1})
    with pytest.raises(energy.Unavailable, match="no known sensor among nvme"):
        energy.Hwmon(tmp_path).sensors()


def test_counters_of_a_cray_node(tmp_path):
    names = ("energy", "cpu_energy", "memory_energy", "accel0_energy", "accel1_energy")
    fakes.tree(tmp_path, {name: "1234 J 1700000000 us" for name in names} | {"power": "300 W", "freshness": 7})
    sensors = energy.PmCounters(tmp_path).sensors()
    assert {(sensor.name, sensor.device) for sensor in sensors} == {
        ("node", "node"),
        ("node cpu", "cpu"),
        ("node memory", "memory"),
        ("node accel0", "gpu"),
        ("node accel1", "gpu"),
    }
    assert [read(sensor) for sensor in sensors] == [1234] * 5


def test_a_battery_says_something_only_while_it_is_used(tmp_path):
    battery = fakes.tree(tmp_path, {"BAT0/status": "Discharging", "BAT0/power_now": 9_500_000, "AC/online": 0})
    (sensor,) = energy.Battery(battery).sensors()
    assert (read(sensor), sensor.device) == (9.5, "node")
    fakes.tree(tmp_path, {"BAT0/status": "Charging"})
    with pytest.raises(energy.Unavailable, match="while it is charging"):
        energy.Battery(battery).sensors()


def test_a_battery_of_volts_and_amperes(tmp_path):
    fakes.tree(tmp_path, {"BAT1/status": "Discharging", "BAT1/current_now": 2_000_000, "BAT1/voltage_now": 12_000_000})
    assert read(energy.Battery(tmp_path).sensors()[0]) == 24


# --- GPUs -----------------------------------------------------------------------------------------------------


def test_gpus_have_a_counter_or_else_power():
    gpus = [
        {"name": "H100", "energy": 5000, "power": 1, "mig": (0, 0)},
        {"name": b"P100", "power": 150_000},
        {"name": "A100", "energy": 7000, "mig": (1, 1)},
    ]
    sensors = energy.Nvml(fakes.nvml(gpus)).sensors()
    assert [(s.name, s.label) for s in sensors] == [
        ("nvml 0 H100", energy.MEASURED_COUNTER),
        ("nvml 1 P100", energy.MEASURED_POWER),
        ("nvml 2 A100", energy.MEASURED_COUNTER),
    ]
    assert [read(sensor) for sensor in sensors] == [5, 150, 7]
    assert [bool(sensor.note) for sensor in sensors] == [False, False, True]


@pytest.mark.parametrize(
    ("module", "reason"), [(fakes.nvml([], "Driver Not Loaded"), "Driver Not Loaded"), (fakes.nvml([]), "no GPU")]
)
def test_no_gpu_of_nvidia(module, reason):
    with pytest.raises(energy.Unavailable, match=reason):
        energy.Nvml(module).sensors()


def test_gpus_of_amd_by_their_library(tmp_path):
    gpus = [
        {"energy_accumulator": 10**6, "counter_resolution": 15.3},
        {"current_socket_power": "N/A", "average_socket_power": 90},
    ]
    counter, power = energy.Rocm(fakes.amdsmi(gpus), tmp_path).sensors()
    assert read(counter) == pytest.approx(15.3)
    assert counter.label == energy.MEASURED_COUNTER
    assert (read(power), power.label) == (90, energy.MEASURED_POWER)


def test_gpus_of_amd_by_their_driver(tmp_path):
    chip = "card0/device/hwmon/hwmon3"
    fakes.tree(tmp_path, {f"{chip}/name": "amdgpu", f"{chip}/power1_average": 42_000_000})
    (sensor,) = energy.Rocm(False, tmp_path).sensors()
    assert (sensor.name, read(sensor), sensor.label) == ("amdgpu card0 power1", 42, energy.MEASURED_POWER)
    with pytest.raises(energy.Unavailable, match="no AMD GPU in"):
        energy.Rocm(False, tmp_path / "nothing").sensors()


# --- Slurm ----------------------------------------------------------------------------------------------------


def test_slurm_is_asked_now_and_then():
    asked = []

    def run(command):
        asked.append(command)
        return "NodeName=n1\n   CurrentWatts=410 AveWatts=300\n"

    (sensor,) = energy.Slurm("n1", run).sensors()
    assert [read(sensor) for _ in range(5)] == [410] * 5
    assert asked == [["scontrol", "show", "node", "n1"]]
    assert (sensor.device, sensor.label) == ("node", energy.MEASURED_POWER)


@pytest.mark.parametrize("said", ["CurrentWatts=0", "CurrentWatts=n/s", ""])
def test_slurm_does_not_measure(said):
    with pytest.raises(energy.Unavailable, match="does not measure"):
        energy.Slurm("n1", lambda command: said).sensors()


def test_no_job_of_slurm(monkeypatch):
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    with pytest.raises(energy.Unavailable, match="no job of Slurm"):
        energy.Slurm().sensors()


# --- the estimate ---------------------------------------------------------------------------------------------


def machine(root, cpus=4, model="AMD EPYC 7742 64-Core Processor", **more):
    stat = "cpu  1000 0 500 99999 5 0 0 0 0 0\n" + "".join(f"cpu{i} 1 0 1 1 0 0 0 0 0 0\n" for i in range(cpus))
    info = "\n".join(f"model name\t: {model}\nphysical id\t: 0\ncore id\t\t: {i // 2}" for i in range(cpus))
    return fakes.tree(root, {"proc/stat": stat, "proc/cpuinfo": info, "proc/meminfo": "MemTotal: 8388608 kB"} | more)


def test_a_known_processor_has_its_share_of_watts(tmp_path, monkeypatch):
    monkeypatch.delenv("ENERGY_TDP_W", raising=False)
    estimate = energy.Estimate(machine(tmp_path))
    assert estimate.tdp_w == pytest.approx(225 / 64 * 2)  # four threads are two cores
    cpu, memory = estimate.sensors()
    assert (cpu.label, memory.label) == (energy.ESTIMATED, energy.CONSTANT)
    assert memory.read() == pytest.approx(3)
    assert "225 W per 64 cores" in cpu.note


def test_another_processor_has_four_watts_per_thread(tmp_path, monkeypatch):
    monkeypatch.delenv("ENERGY_TDP_W", raising=False)
    assert energy.Estimate(machine(tmp_path, model="Unknown")).tdp_w == 16
    monkeypatch.setenv("ENERGY_TDP_W", "95")
    assert energy.Estimate(tmp_path).tdp_w == 95
    assert energy.Estimate(tmp_path, tdp_w=20).tdp_w == 20


@pytest.mark.parametrize(
    "group",
    [
        {
            "proc/self/cgroup": "0::/",
            "sys/fs/cgroup/cpu.max": "200000 100000",
            "sys/fs/cgroup/cpu.stat": "usage_usec 7000000",
        },
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/box\n2:memory:/box",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": 200000,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000,
            "sys/fs/cgroup/cpuacct/box/cpuacct.usage": 7 * 10**9,
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_container_has_its_own_time_and_cpus(tmp_path, monkeypatch, group):
    monkeypatch.delenv("ENERGY_TDP_W", raising=False)
    estimate = energy.Estimate(machine(tmp_path, model="Unknown", **group))
    assert estimate.cpus == 2
    assert estimate.tdp_w == 8
    assert estimate.busy() == 7


def test_a_container_without_a_quota_counts_the_machine(tmp_path):
    machine(tmp_path, **{"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"})
    estimate = energy.Estimate(tmp_path)
    assert estimate.cpus == 4
    assert estimate.busy() == pytest.approx(15, rel=0.01)  # 1500 ticks of a hundredth


@pytest.mark.parametrize("exponent", [1, 3])
def test_power_by_load(tmp_path, exponent):
    estimate = energy.Estimate(machine(tmp_path), tdp_w=100, exponent=exponent)
    assert [estimate.power(load) for load in (0, 0.5, 1, 7)] == pytest.approx([10, 10 + 90 * 0.5**exponent, 100, 100])


# E.5, check 6
def test_a_busy_loop_takes_what_the_formula_says():
    """Of the load that was measured: the machine of a test is never alone."""
    estimate = energy.Estimate(tdp_w=100, memory_w_per_gib=0)
    (sensor,) = estimate.sensors()
    powers = []
    for work in (lambda: time.sleep(0.01), lambda: sum(range(10000))):
        first, busy, start = sensor.read(), estimate.busy(), time.monotonic()
        while time.monotonic() - start < 0.5:
            work()
        joules, load = sensor.read() - first, estimate.busy() - busy
        seconds = time.monotonic() - start
        powers.append((joules / seconds, estimate.power(load / seconds / estimate.cpus)))
    (asleep, asleep_by_formula), (busy_loop, busy_by_formula) = powers
    assert busy_loop / asleep == pytest.approx(busy_by_formula / asleep_by_formula, rel=0.1)


# --- the choice -----------------------------------------------------------------------------------------------


def test_no_device_is_measured_twice(tmp_path):
    rapl = energy.Rapl(fakes.rapl(tmp_path / "rapl"))
    hwmon = energy.Hwmon(
        fakes.tree(
            tmp_path / "hwmon",
            {
                "hwmon0/name": "fam15h_power",
                "hwmon0/power1_input": 1,
                "hwmon1/name": "i915",
                "hwmon1/energy1_input": 1,
            },
        )
    )
    gpus = energy.Nvml(fakes.nvml([{"name": "A", "energy": 1}]))
    sensors, _ = _best([rapl, gpus, hwmon, energy.Estimate()])
    assert [sensor.name for sensor in sensors] == ["rapl package-0", "nvml 0 A", "hwmon1 i915 energy1"]


def test_without_sensors_the_estimate_is_the_last_resort(tmp_path):
    sensors, notes = _best([energy.Rapl(tmp_path / "none"), energy.Estimate()])
    assert [sensor.device for sensor in sensors][0] == "cpu"
    assert sensors[0].label == energy.ESTIMATED
    assert "estimated from CPU time" in notes[0]


def test_what_is_named_must_be_there(tmp_path):
    with pytest.raises(energy.Unavailable, match="'rapl'.*cannot be read here: there is no"):
        choose(energy.Rapl(tmp_path / "none"))
    with pytest.raises(ValueError, match="must be 'auto' or some of node, rapl"):
        choose("rapll")
    with pytest.raises(ValueError, match=r"`backend` \(=3\) must be 'auto' or some of .*, or sources"):
        choose(3)
    with pytest.raises(ValueError, match="more than once"):
        choose(["estimate", "estimate"])


def test_watts_that_make_no_sense(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"`tdp_w` \(=-5, as given\) must be at least 0"):
        energy.Estimate(tmp_path, tdp_w=-5)
    monkeypatch.setenv("ENERGY_TDP_W", "65 W")
    with pytest.raises(ValueError, match=r"ENERGY_TDP_W \(='65 W'\) must be a number of watts"):
        energy.Estimate(tmp_path)


def test_sources_are_named_as_they_are_asked_for():
    assert [name for name, kind in SOURCES.items() if kind().name != name] == []
