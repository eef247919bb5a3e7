"""The commands, one function each."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _files, _threads
from .._checkpoints import differences
from .._config import config, show_config
from .._optional import require
from .._processes import Processes
from ..callbacks import Callback, Checkpoint, EarlyStopping
from ..history import History
from ..mlp import MLP
from ..optimizers import Optimizer, as_optimizer
from ..schedules import Constant
from . import blocks, inputs, paths, printing, streaming, tables, targets
from .preprocessing import Preprocessor
from .processes import command

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
LEAST_PATIENCE_EPOCHS, LEAST_PATIENCE_UPDATES = 10, 300
MOST_CLASSES = 10  # named before a training


def train(options: argparse.Namespace) -> None:
    """``nablas train``."""
    with command(options.threads) as processes:
        _train(options, processes)


def _train(options: argparse.Namespace, processes: Processes) -> None:
    written = {"--out": options.out, "--checkpoint": options.checkpoint}
    paths.check({"SOURCE": options.source}, written)
    for option, path in written.items():
        paths.check_model(option, path)
    if options.resume and options.checkpoint is None:
        raise ValueError("--resume: expected --checkpoint with the file to go on from")
    if options.source == "-" and processes.size > 1:
        raise ValueError("-: expected a file, which every process reads")
    with inputs.opened(options) as found:
        if not options.json:
            printing.columns(found.columns)
            printing.dropped(found.dropped, found.preprocessor.target["name"])
            printing.line(_task(options.task, found.preprocessor.target))
        _warn_of_classes(found)
        _train_on(options, found, processes)


def _task(given: str, target: dict[str, Any]) -> str:
    """What the training is to learn, and how to choose the other task where there is one."""
    classes, name = target.get("classes"), target["name"]
    if classes is None:
        other = "classification" if given == "auto" and target.get("dtype") != "time" else ""
        chosen = f"regression: {name} is a number"
    else:
        other = "regression" if given == "auto" and target["dtype"] in targets.NUMERIC else ""
        names = ", ".join(classes[:MOST_CLASSES]) + (", ..." if classes[MOST_CLASSES:] else "")
        chosen = f"classification: {name} is one of {len(classes)} classes, {names}"
    return chosen + (f" (chosen by its values; see --task {other})" if other else "")


def _warn_of_classes(found: inputs.Inputs) -> None:
    """Name a target with about as many classes as rows, which no network can learn."""
    classes = len(found.preprocessor.target.get("classes", []))
    rows = sum(part[0].shape[0] for part in found.data.values())
    if classes > max(2, rows / 2):
        print(
            f"nablas: warning: target {found.preprocessor.target['name']!r} has {classes} classes "
            f"in {rows} rows; are they numbers (see --task, --decimal)?",
            file=sys.stderr,
        )


def _train_on(options: argparse.Namespace, found: inputs.Inputs, processes: Processes) -> None:
    preprocessor, train, validation = found.preprocessor, found.data["train"], found.validation
    net = _network(preprocessor, options)
    net.extra = {"preprocessing": preprocessor.to_json()}
    rows = train[0].shape[0]
    processes.agree({"source": options.source, "rows": rows, **net.extra})
    processes.together = True  # until the end of `fit`, whose errors are the same in all
    start = time.perf_counter()
    history, interrupted = _fit(
        net,
        *train,
        optimizer=_optimizer(options),
        batch_size=options.batch_size,
        epochs=options.epochs,
        validation_data=validation,
        l2=options.l2,
        dropout=options.dropout,
        callbacks=_callbacks(options, rows, validation is not None),
        progress=not options.json,
        resume=_resumed(options, preprocessor),
        block_rows=found.block_rows,
        comm=processes.comm,
        shards=options.shards,
    )
    seconds = time.perf_counter() - start
    if not processes.first:
        return
    interrupted |= options.out is not None and _save(net, options.out)
    result = {
        "source": options.source,
        "network": repr(net),
        "epochs": len(history),
        "interrupted": interrupted,
        "seconds": seconds,
        "samples_per_second": len(history) * rows / sum(history.seconds),
        "processes": processes.size,
        "threads": _threads.num_threads(),
        "instruction_set": _threads.isa(),
        "task": "classification" if "classes" in preprocessor.target else "regression",
        "rows_without_target": found.dropped,
        "columns": found.columns,
        "model": options.out,
        "scores": _scores(net, preprocessor, found.data),
    }
    printing.json_of(result) if options.json else printing.training(result)
    if interrupted:
        raise KeyboardInterrupt


def predict(options: argparse.Namespace) -> None:
    """``nablas predict``."""
    out = None if options.out == "-" else options.out
    paths.check({"MODEL": options.model, "DATA": options.data}, {"--out": out})
    kind = paths.kind_of_table(out)
    net, preprocessor = _load(options.model)
    large, how = blocks.is_large(options.data, options.memory), inputs.format_of(options)
    if large:
        outputs = streaming.outputs(net, preprocessor, options.data, how)
    else:
        kinds = preprocessor.kinds_to_predict
        frame, _ = tables.read(options.data, None, how, kinds)
        with tables.about(options.data):
            x = preprocessor.matrix(frame)
        outputs = iter([net.forward(x).astype(np.float64)])
    found = (_predictions(preprocessor.target, block) for block in outputs)
    if out is None:
        streaming.write_csv(found, _standard_output())
    elif kind not in tables.PARQUET:
        separator = "\t" if kind == ".tsv" else ","
        _files.write(out, lambda path: streaming.save_csv(found, path, separator))
    elif large:
        _files.write(out, lambda path: streaming.save_parquet(found, path))
    else:
        _files.write(out, next(found).write_parquet)


def _standard_output() -> Callable[[str], Any]:
    """What writes text there, in UTF-8 as files are; ValueError if it is closed."""
    out = sys.stdout
    if out is None:
        raise ValueError("standard output: expected it to be open, got it closed")
    bytes_of = getattr(out, "buffer", None)
    return out.write if bytes_of is None else lambda text: bytes_of.write(text.encode())


def _predictions(target: dict[str, Any], outputs: Array) -> pl.DataFrame:
    """The table that `predict` writes."""
    polars = require("polars", "cli")
    if target["kind"] == "number":
        values = outputs[:, 0] * target["scale"] + target["mean"]
        return polars.DataFrame({target["name"]: values})  # type: ignore[no-any-return]
    labels = targets.labels(target, outputs.argmax(axis=1))
    names = [f"p({name})" for name in target["classes"]]
    if target["name"] in names:
        names = [f"p({target['name']}={name})" for name in target["classes"]]
    shares = {name: outputs[:, i] for i, name in enumerate(names)}
    return polars.DataFrame({target["name"]: labels, **shares})  # type: ignore[no-any-return]


def evaluate(options: argparse.Namespace) -> None:
    """``nablas evaluate``."""
    net, preprocessor = _load(options.model)
    how = inputs.format_of(options)
    if blocks.is_large(options.data, options.memory):
        found, dropped = streaming.evaluated(net, preprocessor, options.data, how)
        scores = {"data": found}
    else:
        name = preprocessor.target["name"]
        whole, _ = tables.read(options.data, name, how, preprocessor.kinds)
        frame, rows = targets.with_target(whole, name)
        if frame.height == 0:
            raise targets.no_target(options.data, name)
        with tables.about(options.data):
            data = {"data": (preprocessor.matrix(frame, rows), preprocessor.targets(frame, rows))}
        scores, dropped = _scores(net, preprocessor, data), whole.height - frame.height
    result = {"model": options.model, "data": options.data, "rows_without_target": dropped}
    if options.json:
        printing.json_of({**result, "scores": scores})
    else:
        printing.scores(f"{options.model} on {options.data}", scores)
        printing.dropped(dropped, preprocessor.target["name"])


def info(options: argparse.Namespace) -> None:
    """``nablas info``."""
    if options.model is None:
        if options.json:
            printing.json_of(config())
        else:
            show_config()
        return
    net = MLP.load(options.model)
    layers = [
        {"inputs": i, "outputs": o, "activation": a, "parameters": (i + 1) * o}
        for i, o, a in zip(net.sizes, net.sizes[1:], net.activations, strict=False)
    ]
    result: dict[str, Any] = {
        "model": options.model,
        "layers": layers,
        "parameters": int(net.parameters.size),
        "dtype": net.dtype,
        "epochs": net.epochs,
    }
    if "preprocessing" in net.extra:
        preprocessor = _load(options.model)[1]
        result["columns"] = [column["name"] for column in preprocessor.columns]
        result["features"] = preprocessor.features
        result["target"] = preprocessor.target
    if options.json:
        printing.json_of(result)
        return
    table = printing.table(f"{options.model}: {net.parameters.size:,} parameters, {net.dtype}")
    for name in ("layer", "inputs", "outputs", "activation", "parameters"):
        table.add_column(name, justify="right")
    for i, layer in enumerate(layers, 1):
        table.add_row(str(i), *(str(value) for value in layer.values()))
    printing.line(table)
    if "target" in result:
        kind = result["target"].get("classes", "a number")
        names = ", ".join(kind) if isinstance(kind, list) else kind
        printing.line(f"predicts {result['target']['name']}: {names}")
        printing.line(f"from {', '.join(result['columns'])}")


def bench(options: argparse.Namespace) -> None:
    """``nablas bench``."""
    from . import bench as measurements

    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    result = measurements.run()
    if options.json:
        printing.json_of(result)
        return
    for name in ("training steps", "products"):
        table = printing.table(
            f"{name}: {result['instruction_set']}, {result['threads']} threads,"
            f" at most {result['peak_gflops']:,.0f} GFLOP/s"
        )
        for column in ("", "µs", "GFLOP/s", "of peak"):
            table.add_column(column, justify="right" if column else "left")
        for row in result[name]:
            table.add_row(
                row["case"],
                f"{row['microseconds']:,.2f}",
                f"{row['gflops']:,.1f}",
                f"{row['share_of_peak']:.0%}",
            )
        printing.line(table)


# ---- steps ---------------------------------------------------------------------------------------


def _fit(net: MLP, *data: Array, **settings: Any) -> tuple[History, bool]:
    """The history, and whether Ctrl-C ended the training: the weights are then the best so far."""
    try:
        return net.fit(*data, **settings), False
    except KeyboardInterrupt:
        if net.history is None or len(net.history) == 0:
            raise
        return net.history, True


def _save(net: MLP, path: str) -> bool:
    """Write the model, also where Ctrl-C ends the first attempt; whether it did."""
    try:
        net.save(path)
    except KeyboardInterrupt:
        net.save(path)
        return True
    return False


def _network(preprocessor: Preprocessor, options: argparse.Namespace) -> MLP:
    classes = preprocessor.target.get("classes")
    outputs = 1 if classes is None else len(classes)
    sizes = [len(preprocessor.features), *options.hidden, outputs]
    output = "identity" if classes is None else "softmax"
    return MLP(sizes, activation=options.activation, output=output, seed=options.seed)


def _optimizer(options: argparse.Namespace) -> Optimizer:
    optimizer = as_optimizer(options.optimizer)
    if options.learning_rate is not None:
        optimizer.schedule = Constant(options.learning_rate)
    return optimizer


def _patience(options: argparse.Namespace, rows: int) -> int:
    """Epochs; default: LEAST_PATIENCE_EPOCHS, or more to make LEAST_PATIENCE_UPDATES updates."""
    if options.patience is not None:
        return int(options.patience)
    updates = -(-rows // int(options.batch_size))
    return max(LEAST_PATIENCE_EPOCHS, -(-LEAST_PATIENCE_UPDATES // updates))


def _callbacks(options: argparse.Namespace, rows: int, validated: bool) -> list[Callback]:
    patience, found = _patience(options, rows), list[Callback]()
    if patience > 0 and validated:
        found.append(EarlyStopping(patience))
    if options.checkpoint is not None:
        seconds = options.checkpoint_seconds
        found.append(Checkpoint(options.checkpoint, every_seconds=seconds))
    return found


def _resumed(options: argparse.Namespace, preprocessor: Preprocessor) -> str | None:
    """The checkpoint to go on from; None: begin.

    Its table is encoded in the same way: other names, means or scales can give the same numbers to
    train on.
    """
    path: str = options.checkpoint
    if not options.resume:
        return None
    if not os.path.exists(path):
        if not options.json:
            printing.line(f"no checkpoint {path} yet: begin")
        return None
    theirs, ours = (_encoding(one) for one in (_load(path)[1], preprocessor))
    if found := differences(theirs, ours):
        raise ValueError(
            f"--resume: expected the table of {path} and the options that divide it "
            f"(--seed, --test, --validation, --memory), got others: {found[0]}"
        )
    return path


def _encoding(preprocessor: Preprocessor) -> dict[str, Any]:
    """How a table is encoded, by the name of each column and the target's."""
    columns = {f"column {one['name']!r}": one for one in preprocessor.columns}
    target = preprocessor.target
    return {"columns": [*columns], **columns, f"target {target['name']!r}": target}


def _load(path: str) -> tuple[MLP, Preprocessor]:
    """A network and the preprocessing of its table, which fit together."""
    net = MLP.load(path)
    try:
        found = Preprocessor.from_json(net.extra.get("preprocessing"))
        outputs = len(found.target.get("classes", [1]))
        if net.sizes[0] != len(found.features) or net.sizes[-1] != outputs:
            raise ValueError(
                f"expected a network of {len(found.features)} features and {outputs} outputs, got "
                f"sizes {net.sizes}"
            )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return net, found


def _scores(net: MLP, preprocessor: Preprocessor, data: inputs.Parts) -> dict[str, dict[str, Any]]:
    """Rows, loss (for a numeric target in its unit squared) and score of each part."""
    unit, found = preprocessor.unit, {}
    for name, part in data.items():
        x, *y = part
        loss, score = (net.loss(x, *y), net.score(x, *y)) if y else streaming.score(net, x)
        found[name] = {"rows": x.shape[0], "loss": loss * unit, net.metric: score}
    return found
