"""What a run costs, in joules, kWh, CO2e and money::

    with dnd.energy.Monitor() as monitor:
        with dnd.energy.region("fit"):
            model.fit(x)
    print(monitor.report())

One thread on each host reads the sensors that this process may read: RAPL, NVML, AMD's, hwmon, the counters of the
machine. Where there is none, the use is estimated from CPU time. Every number bears a label that says which it is.
Without a monitor a region costs a fraction of a microsecond. `compare` says which of several functions costs less;
`python -m dndarray energy` measures programs that know nothing of all this.
"""

from .comparison import Comparison, compare
from .estimate import Estimate
from .gpus import Nvml, Rocm
from .monitor import Monitor
from .regions import measure, region
from .reports import Factors, Report
from .sensors import CONSTANT, ESTIMATED, MEASURED_COUNTER, MEASURED_POWER, Sensor, Unavailable
from .slurm import Slurm
from .sysfs import Battery, Hwmon, PmCounters, Rapl

__all__ = [
    "CONSTANT",
    "ESTIMATED",
    "MEASURED_COUNTER",
    "MEASURED_POWER",
    "Battery",
    "Comparison",
    "Estimate",
    "Factors",
    "Hwmon",
    "Monitor",
    "Nvml",
    "PmCounters",
    "Rapl",
    "Report",
    "Rocm",
    "Sensor",
    "Slurm",
    "Unavailable",
    "compare",
    "measure",
    "region",
]
