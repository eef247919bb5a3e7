"""Results as text, JSON, Markdown and a plot."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import nablas as nb

from .harness import as_dicts

PACKAGES = ["nablas", "numpy", "torch", "jax", "scikit-learn", "onnxruntime"]


def machine():
    """Processor, instruction set and versions, on which the times depend."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        processor = next(
            line.split(":")[1].strip() for line in text.splitlines() if "model name" in line
        )
    except (OSError, StopIteration):
        processor = platform.processor()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False)
    return {
        "processor": processor,
        "instruction_set": nb.isa(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "compiler_here": compiler.stdout.split("\n")[0],
        "versions": versions,
    }


def line(records):
    """One case as a line of text."""
    parts = []
    for r in records:
        ratio = "" if r.contender == "nablas" else f" ({r.ratio:.2f}x)"
        parts.append(f"{r.contender} {r.microseconds:,.2f} ± {r.spread:.2g}{ratio}")
    ours = next((r for r in records if r.contender == "nablas" and r.gflops), None)
    rate = f"  [{ours.gflops:.0f} GFLOP/s, {ours.share:.0%} of peak]" if ours else ""
    return f"{records[0].case:28} µs: " + ", ".join(parts) + rate


def markdown(records, facts, remarks):
    """One table of medians in µs for each section; the ratio to nablas in brackets."""
    about = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
    lines = [f"{facts['processor']}, {facts['instruction_set']}, {facts['system']}; {about}.", ""]
    for section in dict.fromkeys(r.section for r in records):
        chosen = [r for r in records if r.section == section]
        names = list(dict.fromkeys(r.contender for r in chosen))
        lines += [
            f"## {section}, {chosen[0].threads} threads",
            "",
            "| case | " + " | ".join(names) + " | share of peak |",
        ]
        lines.append("|---" * (len(names) + 2) + "|")
        for case in dict.fromkeys(r.case for r in chosen):
            cells = []
            for name in names:
                r = next((r for r in chosen if r.case == case and r.contender == name), None)
                cells.append(
                    "-"
                    if r is None
                    else f"{r.microseconds:,.4g}"
                    + ("" if name == "nablas" else f" ({r.ratio:.2f})")
                )
            share = next((r.share for r in chosen if (r.case, r.contender) == (case, "nablas")), 0)
            cells.append(f"{share:.0%}" if share else "-")
            lines.append(f"| {case} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines + [f"- {remark}" for remark in remarks]) + "\n"


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


def write(directory, records, facts, remarks, extra):
    """Write results.json, results.md and results.png."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    content = {"machine": facts, "records": as_dicts(records), "remarks": remarks, **extra}
    (directory / "results.json").write_text(json.dumps(content, indent=1))
    (directory / "results.md").write_text(markdown(records, facts, remarks))
    if records:
        picture(records, directory / "results.png")
