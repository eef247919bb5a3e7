"""The cost model of training over MPI, and the tables of docs/scale.md from a run of `benchmarks.scale`."""

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Constants of the model, in seconds and bytes.

    Attributes
    ----------
    compute : float
        Of one row and parameter, forward and backward, on one thread.
    add, update : float
        Of one parameter: adding two gradients, and the optimizer's update of weights.
    message : float
        Of sending or receiving one message.
    latency : float
        Until a message arrives, beyond its length.
    bandwidth : float
        Bytes a second that a process sends while it receives as many.
    """

    compute: float
    add: float
    update: float
    message: float
    latency: float
    bandwidth: float


# Assumed; a network's processors are those of the run.
ASSUMED = {
    "10 Gbit/s": {"message": 2e-6, "latency": 30e-6, "bandwidth": 1.25e9},
    "100 Gbit/s": {"message": 0.5e-6, "latency": 3e-6, "bandwidth": 12.5e9},
}


def machines(run):
    """The machine of a run, by what it measured, and its processors in the networks of `ASSUMED`."""
    found = run["scale"]
    add, message = found["constants"]["add"], found["constants"]["message"]
    of_update = found["constants"]["update"]
    ((small, short), (middle, long), (large, longest)) = (
        (int(parameters), 1e-3 * milliseconds)
        for parameters, milliseconds in found["exchange, milliseconds"].items()
    )
    bandwidth = 4 * (large - middle) / (longest - long - add * (large - middle))
    latency = short - message - 4 * small / bandwidth - add * small
    step = found["steps"][0]
    one = 1e-3 * min(step["milliseconds"]["1 process, 1 thread"])
    parameters = parameters_of(step["sizes"])
    compute = (one - of_update * parameters) / (parameters * step["batch"])
    processor = {"compute": compute, "add": add, "update": of_update}
    here = Machine(**processor, message=message, latency=latency, bandwidth=bandwidth)
    return {"here": here} | {name: Machine(**processor, **of) for name, of in ASSUMED.items()}


def parameters_of(sizes):
    """Weights and biases."""
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def exchange_seconds(machine, parameters, processes, itemsize=4):
    """Of the sums of one batch; the number of processes is a power of two."""
    if processes == 1:
        return 0.0
    size, share = parameters * itemsize, (processes - 1) / processes
    if processes == 2 and 2 * size > 65536:
        return (
            2 * machine.message
            + machine.latency
            + size / machine.bandwidth
            + machine.add * parameters
        )
    if processes * size <= 65536:
        adds, sent, rounds = processes - 1, (processes - 1) * size, 1
    else:
        adds, sent, rounds = share, 2 * share * size, 2
    messages = rounds * (processes - 1) * machine.message + rounds * machine.latency
    return messages + sent / machine.bandwidth + machine.add * parameters * adds


def step_seconds(machine, parameters, rows, processes):
    """Of one batch: (computing, exchange, update)."""
    computing = machine.compute * parameters * -(-rows // processes)
    return computing, exchange_seconds(machine, parameters, processes), machine.update * parameters


# ---- tables of docs/scale.md ---------------------------------------------------------------------


def lines_of(head, rows):
    """A table in Markdown."""
    return "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows]
    )


def constants_table(run):
    """The constants of the model, and from how many rows a process on computing outweighs the exchange."""
    if "scale" not in run:
        return ""
    known = machines(run)
    here = known["here"]
    rows = [
        ["c", "computing, for a row and a parameter, one thread", f"{1e12 * here.compute:.3g} ps"],
        ["u", "update by SGD, for a parameter", f"{1e9 * here.update:.2g} ns"],
        ["a", "addition of two gradients, for a parameter", f"{1e9 * here.add:.2g} ns"],
    ]
    rows = [[*row, "", ""] for row in rows]
    for letter, text, name, factor, unit in (
        ("m", "sending or receiving a message", "message", 1e6, "µs"),
        ("l", "latency, with what Python needs", "latency", 1e6, "µs"),
        ("w", "bytes a second, both ways at once", "bandwidth", 1e-9, "GB/s"),
    ):
        values = [f"{factor * getattr(known[where], name):.3g} {unit}" for where in known]
        rows.append([letter, text, values[0], *(f"{value}, assumed" for value in values[1:])])
    least = {
        name: round((8 / known[name].bandwidth + here.add + here.update) / here.compute)
        for name in ASSUMED
    }
    text = ", ".join(f"{count} with {name}" for name, count in least.items())
    head = ["", "what", *known]
    return f"{lines_of(head, rows)}\n\nRows a process at (8 / w + a + u) / c: **{text}**."


def speed_up_table(run, batches=(1024, 16384), most=1024):
    """Speed-up over one process by the model."""
    if "scale" not in run:
        return ""
    known, parameters = machines(run), parameters_of(run["scale"]["steps"][0]["sizes"])
    ways = [(rows, name) for rows in batches for name in ASSUMED]
    rows = []
    for levels in range(most.bit_length()):
        cells = []
        for count, name in ways:
            one, all_of = (
                sum(step_seconds(known[name], parameters, count, processes))
                for processes in (1, 2**levels)
            )
            cells.append(f"{one / all_of:.3g}")
        rows.append([f"{2**levels:,}", *cells])
    return lines_of(["processes", *(f"{count:,} rows, {name}" for count, name in ways)], rows)


def checked_table(run):
    """Milliseconds of a step of each contender, and what the model says of two processes."""
    if "scale" not in run:
        return ""
    found, here = run["scale"]["steps"], machines(run)["here"]
    names = ["-".join(map(str, step["sizes"])) + f" / {step['batch']}" for step in found]
    rows = [
        [name, *(f"{min(step['milliseconds'][name]):.3g}" for step in found)]
        for name in found[0]["milliseconds"]
    ]
    exchange = run["scale"]["exchange, milliseconds"]
    counts = [parameters_of(step["sizes"]) for step in found]
    rows.append(["exchange of 2 processes alone", *(f"{exchange[str(c)]:.3g}" for c in counts)])
    model = []
    for step, count in zip(found, counts, strict=True):
        one = min(step["milliseconds"]["1 process, 1 thread"])
        update = 1e3 * here.update * count
        model.append((one - update) / 2 + 1e3 * exchange_seconds(here, count, 2) + update)
    rows.append(["model: 2 processes, 1 thread", *(f"{value:.3g}" for value in model)])
    return lines_of(["milliseconds of a step, the least", *names], rows)


TABLES = {
    "scale_constants": constants_table,
    "scale": speed_up_table,
    "scale_checked": checked_table,
}
