"""The command line: ``nablas train | predict | evaluate | info | bench``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .._optional import require
from .._registry import ACTIVATIONS, OPTIMIZERS
from .._version import __version__
from . import printing
from .columns import MISSING

MOST_THREADS = 4096  # as `set_num_threads` takes
SOURCES = (
    "digits, iris, wine, breast_cancer, diabetes, moons, spiral, a CSV (also .gz), Parquet or NPZ "
    "file, a folder of Parquet files, or - for CSV on standard input"
)


class _Parser(argparse.ArgumentParser):
    """Prints an error on one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"nablas: error: {message} (see {self.prog} --help)\n")


def _whole(text: str, least: int, most: int = 2**63 - 1) -> int:
    """An integer within limits; ValueError for other text."""
    value = int(text)
    if not least <= value <= most:
        raise ValueError
    return value


def _sizes(text: str) -> list[int]:
    return [] if text.strip() in ("", "none") else [_whole(part, 1) for part in text.split(",")]


_sizes.__name__ = "sizes such as 128,64"


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise ValueError
    return value


_share.__name__ = "share from 0 to less than 1"


def _positive_int(text: str) -> int:
    return _whole(text, 1)


_positive_int.__name__ = "positive integer"


def _count(text: str) -> int:
    return _whole(text, 0)


_count.__name__ = "integer from 0"


def _threads(text: str) -> int:
    return _whole(text, 1, MOST_THREADS)


_threads.__name__ = f"integer from 1 to {MOST_THREADS}"


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


_positive.__name__ = "positive number"


def _from_0(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


_from_0.__name__ = "number from 0"


def _power_of_two(text: str) -> int:
    value = _whole(text, 1)
    if value & (value - 1):
        raise ValueError
    return value


_power_of_two.__name__ = "power of two"


def _size(text: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in units else (text, "")
    value = float(number) * units.get(unit, 1)
    if not 1 <= value < math.inf:
        raise ValueError
    return int(value)


_size.__name__ = "size such as 500M or 2G"


def _train_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", metavar="SOURCE", help=SOURCES)
    add("--target", help="column to predict (a file's; NPZ: array, default y)")
    add(
        "--task",
        choices=["auto", "classification", "regression"],
        default="auto",
        help="auto: classes of text, dates, truth values, up to 50 integers; else numbers",
    )
    add("--hidden", type=_sizes, default=[128, 64], help="hidden layer sizes (default 128,64)")
    add("--activation", choices=list(ACTIVATIONS), default="relu")
    add("--optimizer", choices=list(OPTIMIZERS), default="adam")
    add("--learning-rate", type=_positive, default=None, help="default: the optimizer's own")
    add("--epochs", type=_positive_int, default=200, help="at most (default 200)")
    add("--batch-size", type=_positive_int, default=32)
    add("--l2", type=_from_0, default=0.0, help="adds l2 times the sum of squared weights")
    add("--dropout", type=_share, default=0.0)
    add("--seed", type=_count, default=0)
    add("--threads", type=_threads, default=None, help="of each process")
    add(
        "--shards",
        type=_power_of_two,
        default=None,
        help="parts of a batch, a power of two; the same for the same bits "
        "(default: 1, or 8 if mpiexec starts several processes)",
    )
    add(
        "--validation",
        type=_share,
        default=0.1,
        help="share of the rows that --test leaves, to stop early (default 0.1)",
    )
    add("--test", type=_share, default=0.2, help="share held out to report on (default 0.2)")
    add(
        "--patience",
        type=_count,
        default=None,
        help="epochs without improvement before the end; "
        "0: never stop early (default: 10, or as many as make 300 updates)",
    )
    _table_options(parser)
    _output_options(parser)
    _memory_option(parser)
    add(
        "--cache",
        metavar="FOLDER",
        help="where a table larger than that is kept, encoded, until the end (default: that of "
        "temporary files)",
    )
    add("--json", action="store_true", help="print the results as JSON, no progress")


def _output_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", help="write the trained model here (.safetensors)")
    add("--checkpoint", metavar="FILE", help="write the state of the training here, to resume it")
    add(
        "--checkpoint-seconds",
        type=_positive,
        default=30.0,
        help="time between two checkpoints (default 30)",
    )
    add(
        "--resume",
        action="store_true",
        help="go on from --checkpoint FILE as if never stopped; begin if there is none",
    )


def _memory_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory",
        type=_size,
        metavar="SIZE",
        help="a larger CSV or Parquet file is read in blocks (default: a quarter of what there is)",
    )


def _table_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--separator", type=_character, help="of a CSV file's fields (default: found)")
    add("--decimal", choices=[".", ","], default=".", help="of a CSV file's numbers")
    add("--comment", type=_prefix, help="leave out lines of a CSV file that begin with this")
    add("--no-header", action="store_true", help="columns are named column_1, column_2, ...")
    add(
        "--missing",
        metavar="WORDS",
        help="a CSV file's spellings of missing values beside the empty field, with commas between "
        f"(default: {','.join(MISSING[1:])}; of a target of text none)",
    )


def _character(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(found) != 1 or found in '"\r\n':
        raise ValueError
    return found


_character.__name__ = "single character that is no quote or newline, or tab"


def _prefix(text: str) -> str:
    if not text:
        raise ValueError
    return text


_prefix.__name__ = "text of one letter or more"


_SHELLS = ("bash", "zsh", "tcsh")
_FILES = ("source", "data", "model", "out", "checkpoint")  # destinations that are files


class _Completion(argparse.Action):
    """Prints a script for a shell, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> NoReturn:
        try:
            shtab = require("shtab", "cli")
        except ImportError as error:
            parser.error(str(error))
        for command in _commands(parser).values():
            for action in command._actions:
                if action.dest in _FILES:
                    action.complete = shtab.FILE  # type: ignore[attr-defined]
                if action.dest == "cache":
                    action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        print(shtab.complete(parser, arguments[1]))
        parser.exit()


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (found,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="nablas", description="Train dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"nablas {__version__}")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        choices=_SHELLS,
        help="print a script that completes this command's words in a shell",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _train_options(commands.add_parser("train", help="train a network on a table"))
    predict = commands.add_parser("predict", help="apply a model to a table")
    predict.add_argument("model", metavar="MODEL")
    predict.add_argument("data", metavar="DATA", help=SOURCES)
    _table_options(predict)
    _memory_option(predict)
    predict.add_argument(
        "--out", help="a .parquet or .tsv file, else CSV (default, or -: CSV on standard output)"
    )
    evaluate = commands.add_parser("evaluate", help="measure a model on a table with its target")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("data", metavar="DATA", help=SOURCES)
    _table_options(evaluate)
    _memory_option(evaluate)
    evaluate.add_argument("--json", action="store_true")
    bench = commands.add_parser("bench", help="time training steps and products on this machine")
    bench.add_argument("--threads", type=_threads, default=None)
    bench.add_argument("--json", action="store_true")
    info = commands.add_parser("info", help="say what is in a model file, or what nablas runs on")
    info.add_argument("model", metavar="MODEL", nargs="?", help="default: print nb.show_config()")
    info.add_argument("--json", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        try:
            options = _parser().parse_args(arguments)
            from . import commands

            getattr(commands, options.command)(options)
        finally:
            _flush()
    except KeyboardInterrupt:
        print("nablas: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:  # one line instead of a traceback
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"nablas: error: {text}", file=sys.stderr)
        return 2
    return 0


def _flush() -> None:
    """Write what is left for standard output; where that fails, not once more at the exit."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        printing.discard(sys.stdout)
        raise


if __name__ == "__main__":
    sys.exit(main())
