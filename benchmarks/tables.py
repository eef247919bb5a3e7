"""The tables of docs/performance.md and README.md, each from a run's results; "" where it has none."""

import statistics

from . import scale_model
from .expressions import EXPRESSIONS, Expression

SIMPLE_CHAINS = """\
SimpleChains.jl's documentation ("Small Multi-Layer Perceptron") prints 0.481 to 0.488 s for 10,000 epochs of this
case, 48 µs an epoch, on a machine that it does not describe. This is not a ratio to anything here."""
NAMES = {"x86_64_v4": "AVX-512", "x86_64_v3": "AVX2"}
PRODUCT_PEERS = ["NumPy", "PyTorch foreach"]
SHORT = ["4-3 / 32", "64-64-10 / 32", "784-128-10 / 32", "784-128-10 / 128", "54-256-256-7 / 256"]
SHORT += ["784-512-512-10 / 1024"]


def about(run):
    """A sentence for under a table: where and with what it was measured."""
    facts = run["machine"]
    threads = "1 thread" if facts["threads"] == 1 else f"{facts['threads']} threads"
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    names = [NAMES[facts["instruction_set"]]] if facts["instruction_set"] in NAMES else []
    peak = facts.get("peak_gflops", {}).get("32")
    names += [f"peak {peak:.0f} GFLOP/s in float32"] if peak else []
    load = facts["load_before"]
    parts = [
        facts["processor"],
        f"{facts['processors']} processors, {threads}",
        facts["instruction_set"] + (f" ({', '.join(names)})" if names else ""),
        *([f"busy: a load of {load:.1f} before the run"] if load and load > 0.5 else []),
        facts["date"],
        versions,
    ]
    return "; ".join(parts) + "."


def table(head, rows):
    """A Markdown table; nothing without rows."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) if rows else ""


def number(x):
    """Three digits that count, or all before the point."""
    return f"{x:,.0f}" if x >= 100 else f"{x:#.3g}"


def by_case(run, section):
    """{case: {contender: record}} of a section."""
    cases = {}
    for record in run["records"]:
        if record["section"] == section:
            cases.setdefault(record["case"], {})[record["contender"]] = record
    return cases


def compared(section):
    """A function that makes a section's table: times, ratios, and what share of the peak is reached."""

    def make(run):
        cases = by_case(run, section)
        names = list(dict.fromkeys(name for found in cases.values() for name in found))
        rated = any(r["gflops"] for found in cases.values() for r in found.values())
        rates = [n for n in ("nablas", "libxsmm-dnn") if n in names] if rated else []
        rows = []
        for case, found in cases.items():
            cells = [cell(found.get(name)) for name in names]
            cells += [f"{found[n]['gflops']:.0f}" if n in found else "-" for n in rates]
            if rated:
                cells.append(f"{found['nablas']['share']:.0%}" if "nablas" in found else "-")
            rows.append([case, *cells])
        head = ["case", *names, *[f"{n}, GFLOP/s" for n in rates], *["share of peak"] * rated]
        return table(head, rows)

    return make


def cell(record):
    """A contender's microseconds, with its time over nablas's in brackets."""
    if record is None:
        return "-"
    ours = record["contender"] == "nablas" or not record["ratio"]
    return number(record["microseconds"]) + ("" if ours else f" ({record['ratio']:.2f})")


def full_batch(run):
    made = compared("full batch")(run)
    return f"{made}\n\n{SIMPLE_CHAINS}" if made else ""


def short(run):
    """The README's table of steps."""
    cases = by_case(run, "training steps")
    columns = {"nablas": ["nablas"], "PyTorch eager": ["PyTorch foreach", "PyTorch fused"]}
    columns |= {"JAX, whole epochs in one jit": ["JAX scan"], "NumPy by hand": ["NumPy"]}
    columns |= {"scikit-learn": ["scikit-learn"]}
    rows = []
    for case in SHORT:
        times = {name: r["microseconds"] for name, r in cases.get(case, {}).items()}
        best = [
            min((times[n] for n in names if n in times), default=None) for names in columns.values()
        ]
        if "nablas" in times:
            rows.append([case.replace(" /", ","), *["-" if t is None else number(t) for t in best]])
    return table(["network, batch", *columns], rows)


def autograd(run):
    cases, rows = by_case(run, "autograd"), []
    for title in EXPRESSIONS:
        found = [cases.get(Expression(title, backward).name, {}) for backward in (False, True)]
        if "nablas" in found[0]:
            cells = [cell(f.get(name)) for f in found for name in ("nablas", "PyTorch foreach")]
            rows.append([title, *cells])
    head = ["expression", "forward: nablas", "PyTorch", "forward and backward: nablas", "PyTorch"]
    return table(head, rows)


def products(run):
    """How often nablas's product is ahead of the better peer."""
    ratios = {}
    for case, found in by_case(run, "products").items():
        peers = [found[name]["microseconds"] for name in PRODUCT_PEERS if name in found]
        if peers and "nablas" in found:
            ratios[case] = min(peers) / found["nablas"]["microseconds"]
    if not ratios:
        return ""
    middle = statistics.median(ratios.values())
    rows = [
        ["pairs of shape and form", str(len(ratios))],
        [
            "nablas ahead of the better of NumPy and PyTorch",
            str(sum(r > 1 for r in ratios.values())),
        ],
        ["below 0.9 of the better", str(sum(r < 0.9 for r in ratios.values()))],
        ["median of the better's time over nablas's", f"{middle:.2f}"],
        *[[f"{case}, the worst", f"{ratios[case]:.2f}"] for case in [min(ratios, key=ratios.get)]],
    ]
    return table(["products", ""], rows)


def threads(run):
    found = {(row["width"], row["batch"]): row["speed_up"] for row in run.get("threads", [])}
    widths, batches = (sorted({key[i] for key in found}) for i in (0, 1))
    rows = [[str(w), *[f"{found[w, b]:.2f}" for b in batches]] for w in widths]
    return table(["width", *map(str, batches)], rows)


def mnist(run):
    found = run.get("mnist", {})
    rows = []
    for level in found.get("levels", []):
        for name, c in level["contenders"].items():
            seconds = f"{c['seconds']:.2f} ± {c['seconds_deviation']:.2f}"
            accuracy = f"{c['accuracy']:.2f} ± {c['accuracy_deviation']:.2f}"
            reached = "" if c["reached"] else ", not reached"
            rows.append([f"{level['level']} %", level["recipe"], name, seconds, accuracy + reached])
    made = table(["level", "recipe", "", "seconds", "% right of the test images"], rows)
    return f"{made}\n\nMeans of {found['seeds']} seeds ± standard deviation." if made else ""


def busy(run):
    rows = [
        [
            row["net"], str(row["neighbours"]), str(row["nice"]) if row["neighbours"] else "-",
            f"{row['ratio']:.2f}", f"{row['worst']:.2f}", "yes" if row["same_bits"] else "NO",
        ]
        for row in run.get("busy", [])
    ]  # fmt: skip
    head = [
        "network / batch, or product",
        "other processes",
        "their nice",
        "default over one thread, median",
    ]
    return table([*head, "worst pair", "same bits"], rows)


def recovery(run):
    rows = [[row["net"], f"{row['milliseconds']:.0f}"] for row in run.get("recovery", [])]
    return table(["network / batch", "ms until a fit has its quiet time again"], rows)


def stuck(run):
    found = run.get("stuck")
    if not found:
        return ""
    row = [
        found["net"],
        str(found["fits"]),
        number(found["microseconds"]),
        f"{found['slowest']:.2f}",
        str(found.get("full_speed", "-")),
        f"{found['slowest_at_full_speed']:.2f}" if found.get("full_speed") else "-",
    ]
    head = ["network / batch", "fits", "µs a step, median of fits", "slowest fit over the median"]
    return table([*head, "fits at full speed", "slowest of them"], [row])


def whole(run):
    """Memory of a fit, growth of a step's time, and imports."""
    rows = [
        [f"peak memory of a fit with {row['optimizer'].split('(')[0][3:]}, over what it must have",
         f"{row['multiple']:.2f}"]
        for row in run.get("memory", [])
    ]  # fmt: skip
    for name, sweep in run.get("growth", {}).items():
        ends = f"{sweep['at'][0]} to {sweep['at'][-1]}"
        rows.append([f"exponent of a step's time in {name}, {ends}", f"{sweep['slope']:.2f}"])
    for name, found in run.get("import", {}).items():
        if found:
            rows.append([f"import of {name}, ms", number(1e3 * found["seconds"])])
            rows.append([f"size of {name}, MB", number(found["megabytes"])])
    return table(["what", ""], rows)


LIBRARIES = ("nablas", "scikit-learn")


def beside_scikit_learn(row):
    """Cells of a row of the sections scores and tables: seconds, their ratio, scores."""
    errors = [row["standard_error"][name] for name in LIBRARIES]
    scores = [f"{row['score'][name]:.3f}" for name in LIBRARIES]
    scores = [
        score + (f" ± {error:.3f}" if error is not None else "")
        for score, error in zip(scores, errors, strict=True)
    ]
    return [*[number(1e3 * row["seconds"][n]) for n in LIBRARIES], f"{row['ratio']:.2f}", *scores]


COMPARED = ["nablas, ms", "scikit-learn, ms", "ratio", "score, nablas", "score, scikit-learn"]


def scores(run):
    rows = [[row["case"], *beside_scikit_learn(row)] for row in run.get("scores", [])]
    return table(["fit", *COMPARED], rows)


def fits_of_tables(run):
    rows = [
        [
            row["table"], "scaled" if row["scaled"] else "as it is", row["model"],
            "all" if row["threads"] is None else str(row["threads"]), *beside_scikit_learn(row),
        ]
        for row in run.get("tables", [])
    ]  # fmt: skip
    return table(["table", "", "model", "threads", *COMPARED], rows)


# name: (function of a run, the number of processors and threads shown, None for all)
TABLES = {
    "steps": (compared("training steps"), None),
    "short": (short, 1),
    "full_batch": (full_batch, None),
    "inference": (compared("inference"), None),
    "epochs": (compared("epochs of fit"), None),
    "estimators": (compared("fits of estimators"), None),
    "products": (products, None),
    "autograd": (autograd, None),
    "threads": (threads, None),
    "mnist": (mnist, None),
    "busy": (busy, None),
    "recovery": (recovery, None),
    "stuck": (stuck, None),
    "whole": (whole, None),
    "scores": (scores, None),
    "tables": (fits_of_tables, None),
    **{name: (make, 1) for name, make in scale_model.TABLES.items()},
}


def markdown(run):
    """All tables of a run."""
    parts = [about(run)]
    for name, (make, _) in TABLES.items():
        made = "" if name == "short" else make(run)
        parts += [f"## {name.replace('_', ' ')}", made] if made else []
    return "\n\n".join([*parts, *[f"- {remark}" for remark in run["remarks"]]]) + "\n"
