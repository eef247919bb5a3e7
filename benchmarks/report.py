"""A run's machine; its results as lines, JSON and a plot."""

import datetime
import json
import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import nablas as nb

from . import programs, tables
from .harness import as_dicts

PACKAGES = ["nablas", "numpy", "torch", "jax", "scikit-learn", "onnxruntime"]


def processor():
    """The processor's name; where a hypervisor shortens it, its family and model tell which it is."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    known = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", text, re.MULTILINE))
    if "model name" not in known:
        return platform.processor()
    which = [f"{key.split()[-1]} {known[key]}" for key in ("cpu family", "model") if key in known]
    return ", ".join([known["model name"].strip(), *which])


def compiler():
    """The first line that the C++ compiler on the path prints of itself; "" without one."""
    command = shutil.which("c++")
    if command is None:
        return ""
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[0]


def machine(threads):
    """Processor, instruction set, load and versions, on which the times depend."""
    versions = {"libxsmm-dnn": programs.version()} if programs.find() else {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": threads,
        "instruction_set": nb.isa(),
        "date": datetime.date.today().isoformat(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "system": platform.platform(),
        "compiler_here": compiler(),
        "versions": versions,
    }


def line(records):
    """One case as a line of text."""
    parts = []
    for r in records:
        rate = f", {r.gflops:.0f} GFLOP/s" if r.contender == "libxsmm-dnn" else ""
        ratio = "" if r.contender == "nablas" else f" ({r.ratio:.2f}x{rate})"
        parts.append(f"{r.contender} {r.microseconds:,.2f} ± {r.spread:.2g}{ratio}")
    ours = next((r for r in records if r.contender == "nablas" and r.gflops), None)
    rate = f"  [{ours.gflops:.0f} GFLOP/s, {ours.share:.0%} of peak]" if ours else ""
    return f"{records[0].case:28} µs: " + ", ".join(parts) + rate


def picture(records, path):
    """Plot each section's ratios to nablas on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sections = list(dict.fromkeys(r.section for r in records))
    figure, axes = plt.subplots(len(sections), 1, figsize=(10, 4 * len(sections)), squeeze=False)
    for ax, section in zip(axes[:, 0], sections, strict=True):
        chosen = [r for r in records if r.section == section]
        cases = list(dict.fromkeys(r.case for r in chosen))
        for name in dict.fromkeys(r.contender for r in chosen if r.contender != "nablas"):
            points = [(cases.index(r.case), r.ratio) for r in chosen if r.contender == name]
            ax.plot(*zip(*points, strict=True), "o-", label=name)
        ax.axhline(1, color="black", linewidth=1)
        ax.set(
            yscale="log", ylabel="time / nablas", title=f"{section}, {chosen[0].threads} threads"
        )
        ax.set_xticks(range(len(cases)), cases, rotation=30, ha="right", fontsize=8)
        ax.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def content(records, facts, remarks, extra):
    """What the JSON of a run holds."""
    return {"machine": facts, "records": as_dicts(records), "remarks": remarks, **extra}


def write_json(path, content):
    """Write the results as JSON, an element of each list on a line."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f" {json.dumps(element)}" for element in value) + "]"
        parts.append(f"{json.dumps(key)}: {text}")
    Path(path).write_text("{" + ",\n".join(parts) + "}\n")


def write(directory, records, content):
    """Write results.json, results.md and results.png."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "results.json", content)
    (directory / "results.md").write_text(tables.markdown(content))
    if records:
        picture(records, directory / "results.png")
