"""The files that a command writes: refused where they would replace what it reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress

from .. import _files, io
from ..data._arrow import files_of
from .tables import BUNDLED, MADE, PARQUET, TEXT

OTHERS = (  # ends of names of formats that are not written
    ".gz", ".bz2", ".xz", ".zst", ".zip", ".npz", ".npy", ".arrow", ".feather", ".ipc", ".orc",
    ".avro", ".json", ".jsonl", ".ndjson", ".xls", ".xlsx", ".ods", ".h5", ".hdf5", ".sqlite",
    ".safetensors", ".onnx",
)  # fmt: skip
MODEL = ".safetensors"


def check(read: dict[str, str], written: dict[str, str | None]) -> None:
    """Refuse files that cannot be written, and those that are read, also by another name.

    Parameters
    ----------
    read, written : dict
        Paths by the argument that they are from; None: not given.

    Raises
    ------
    OSError, ValueError
    """
    inputs = {file: argument for argument, path in read.items() for file in _inputs(path)}
    seen: dict[tuple[int, int] | str, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        _files.check(path)
        same = _file(path) or os.path.realpath(path)
        if same in inputs:
            raise ValueError(
                f"{option}: expected another file than {inputs[same]}, which is read, got {path}"
            )
        if seen.setdefault(same, option) != option:
            raise ValueError(f"{option}: expected another file than {seen[same]}, got {path}")


def kind_of_table(path: str | None) -> str:
    """The end of the name of a table that is written; ValueError if it is one of `OTHERS`."""
    kind = os.path.splitext(path or "")[1].lower()
    if kind in OTHERS or (path and _content(path) is True):
        raise ValueError(f"--out: expected a .csv, .tsv or .parquet file, got {path}")
    return kind


def check_model(option: str, path: str | None) -> None:
    """ValueError for the name of a table or another file that a model would replace."""
    if path is None:
        return
    kind = os.path.splitext(path)[1].lower()
    if kind != MODEL and kind in (*OTHERS, *PARQUET, *TEXT):
        raise ValueError(f"{option}: expected a {MODEL} file, got {path}")
    if path == "-" or _content(path) is False:
        got = "no file" if path == "-" else "a file of another kind"
        raise ValueError(f"{option}: expected a nablas model or a new file, got {path}, {got}")


def _content(path: str) -> bool | None:
    """Whether a file is a model; None if it is not there, empty, or a damaged one by its name."""
    with suppress(OSError):
        if io.header_of(path):
            return io.is_model(path)
        if os.path.getsize(path) and not path.lower().endswith(MODEL):
            return False
    return None


def _inputs(path: str) -> Iterator[tuple[int, int] | str]:
    """Device and inode of a source's files: of standard input, of all in a folder."""
    if path == "-":
        with suppress(OSError, ValueError, AttributeError):  # it is no file of the system
            found = os.fstat(sys.stdin.fileno())
            yield found.st_dev, found.st_ino
    elif path not in BUNDLED + MADE:
        yield from filter(None, map(_file, files_of(path)))


def _file(path: str) -> tuple[int, int] | None:
    """Device and inode; None of a file that is not there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return None
    return found.st_dev, found.st_ino
