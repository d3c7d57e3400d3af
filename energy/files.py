"""Reports in files: JSON, CSV, HDF5. Each appears when it is complete."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..replacement import check_folder
from ._optional import require

if TYPE_CHECKING:
    from .reports import Report

__all__ = ["checked", "load", "save", "with_factors"]

SUFFIXES = (".json", ".csv", ".h5", ".hdf5")
KIND = "dndarray energy report 1"


def checked(path: Path) -> Path:
    """The path, if a report may be written there; to be asked before a long run."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"`path` (={str(path)!r}) must end in one of {', '.join(SUFFIXES)}")
    check_folder(path)
    return path


def save(report: Report, path: Path, suffix: str, by: str = "device") -> None:
    """Write a report in the form that the suffix stands for, on rank 0."""
    if report.rank > 0:
        return
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        if suffix == ".json":
            Path(part).write_text(json.dumps({"kind": KIND, **report.as_dict()}, indent=1) + "\n")
        elif suffix == ".csv":
            _write_csv(with_factors(report, by), Path(part))
        else:
            _write_hdf5(report, Path(part))
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def with_factors(report: Report, by: str) -> list[dict[str, Any]]:
    """A table whose rows can stand among those of other reports."""
    factors = {name: getattr(report.factors, name) for name in ("pue", "gco2e_per_kwh", "price_per_kwh", "currency")}
    return [{"begun": report.begun, **row, **factors} for row in report.rows(by)]


def _write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def _write_hdf5(report: Report, path: Path) -> None:
    with require("h5py").File(path, "w") as file:
        for host in report.hosts:
            if host.timeline:
                columns = {"seconds": host.timeline["seconds"], **host.timeline["watts"]}
                for name, values in columns.items():
                    file[f"timelines/{host.host}/{name}"] = values
        # A dataset, for an attribute ends at 64 KiB.
        file["report"] = json.dumps({"kind": KIND, **report.as_dict()})
        for by in ("region", "host", "device", "rank"):
            rows = with_factors(report, by)
            for name in rows[0] if rows else ():
                file[f"{by}/{name}"] = [row[name] for row in rows]


def load(path: Path) -> dict[str, Any]:
    """What was written, but for CSV, which has not everything."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".h5", ".hdf5"):
            with require("h5py").File(path, "r") as file:
                entries = json.loads(file["report"].asstr()[()])
        elif suffix == ".json":
            entries = json.loads(path.read_text())
        else:
            raise ValueError(f"`path` (={str(path)!r}) must end in .json, .h5 or .hdf5")
    except (KeyError, ValueError, OSError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is no report of energy: {error}") from error
    if not isinstance(entries, dict) or entries.pop("kind", None) != KIND:
        raise ValueError(f"{path} is no report of energy ({KIND})")
    return entries
