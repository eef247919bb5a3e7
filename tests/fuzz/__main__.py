"""Command line: ``python tests/fuzz [model csv parquet npz command] --attempts 1000000 --seed 0``."""

import contextlib
import io
import os
import pathlib
import re
import sys
import tempfile
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
os.environ["RUST_BACKTRACE"] = "0"  # polars prints one for each damaged Parquet file

import attack

from fuzz.bases import bases, corpus
from fuzz.damage import damage
from fuzz.headers import damage_header
from fuzz.oracles import judged, read_model, same_as_csv, same_as_npz, use_table

SECONDS = 10  # for one file
FOLDER = pathlib.Path(tempfile.mkdtemp())


def _pick(choice, options):
    return options[choice.integers(len(options))]


def _base(choice, kind):
    """A valid file, or in some cases one that once found something."""
    found = list(corpus(kind).values()) if choice.random() < 0.1 else []
    return _pick(choice, found or bases(kind))


def model(choice):
    content = _base(choice, "model")
    broken, right = _broken_model(choice, content)
    return f"{len(broken)} bytes", of_model(broken, right or b"sha256" not in content)


def _broken_model(choice, content):
    """A damaged model file, and whether its content may be another than a base's."""
    if choice.random() < 0.7:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # of the corpus: no such JSON
            return damage_header(choice, content)
    return damage(choice, content), False


def of_model(broken, right=True):
    path = FOLDER / "m.safetensors"
    path.write_bytes(broken)
    return judged(path, lambda: read_model(path, right))


def formats(choice):
    from nablas.cli.tables import Format

    return Format(
        separator=_pick(choice, [None, None, ",", ";", "\t"]),
        decimal=_pick(choice, "..,"),
        comment=_pick(choice, [None, "#"]),
        header=bool(choice.integers(4)),
    )


def table(kind, guarded=False):
    def attempt(choice):
        broken = damage(choice, _base(choice, kind))
        how = formats(choice)
        return f"{how} {broken[:80]!r}", of_table(kind, broken, how, guarded)

    return attempt


def of_table(kind, broken, how, guarded=False):
    """`guarded`: with the trial in a process of its own, which takes long."""
    from nablas.cli import tables

    path = FOLDER / f"t.{kind}"
    path.write_bytes(broken)

    def act():
        frame, _ = tables.read(str(path), None, how)
        if kind == "csv":
            same_as_csv(frame, broken, how)
        if kind == "npz":
            same_as_npz(frame)
        use_table(frame, len(broken))

    return judged(path, act) if guarded else _unguarded(path, act)


def _unguarded(path, act):
    """As `judged`, without the trial of Parquet files in a process of its own."""
    from nablas.cli import tables

    with mock.patch.object(tables, "check_parquet"):
        return judged(path, act)


def command(choice):
    """A command with a damaged table, or with a damaged model of a table."""
    folder = FOLDER
    how = _pick(choice, ["train", "train", "predict", "evaluate", "info"])
    data, path = FOLDER / "d.csv", FOLDER / "p.safetensors"
    if how == "train":
        kind = _pick(choice, [*["csv"] * 12, "parquet", "npz", "npz", "npz"])
        data = FOLDER / f"d.{kind}"
        data.write_bytes(damage(choice, _base(choice, kind)))
        target = [] if kind == "npz" else ["--target", _pick(choice, ["c", "n", "größe", "yes"])]
        arguments = [str(data), *target, "--hidden", "2", "--epochs", "1", "--json"]
        arguments += ["--task", _pick(choice, ["auto", "classification", "regression"])]
        arguments += ["--out", str(path)]
    else:
        content = _pick(choice, bases("model")[-3:])
        path.write_bytes(_broken_model(choice, content)[0])
        content = bases("csv")[0]
        data.write_bytes(content if choice.random() < 0.7 else damage(choice, content))
        arguments = [str(path)] if how == "info" else [str(path), str(data)]
        arguments += ["--out", str(FOLDER / "o.csv")] if how == "predict" else ["--json"]
    return f"{how} {data.suffix}", of_command([how, *arguments], folder)


def of_command(arguments, folder, guarded=True):
    """An error in one line that names a file, a column or the target."""
    from nablas.cli import _parser, commands

    options = _parser().parse_args(arguments)

    def act():
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                getattr(commands, options.command)(options)
            except ValueError as error:
                if not re.match(r"column|target|expected (target )?(column|rows)", str(error)):
                    raise

    return judged(folder, act) if guarded else _unguarded(folder, act)


ATTACKS = {
    "model": model,
    **{kind: table(kind) for kind in ("csv", "parquet", "npz")},
    "guarded": table("parquet", guarded=True),  # whether the product stands where polars aborts
    "command": command,
}
AGAIN = {"parquet": "guarded"}

if __name__ == "__main__":
    raise SystemExit(
        attack.main(__file__, ATTACKS, 100_000, __doc__, chunk=20_000, seconds=SECONDS, again=AGAIN)
    )
