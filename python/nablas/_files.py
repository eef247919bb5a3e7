"""Writing of files: complete or not at all; names of numbered files."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from string import Formatter
from typing import Any

from . import _checks

MOST_INTERRUPTIONS = 10  # of one write
LONGEST = 200  # bytes of the target's name in the temporary file's; file systems allow 255 in all


def write(path: str | os.PathLike[str], writer: bytes | Callable[[str], Any]) -> None:
    """Write a file, or replace a regular file, atomically.

    The content goes to a temporary file ``<name>.<16 digits>.tmp`` in the same folder, which is
    then given the name. Until then, and on every error, an old file stays as it was. An old file's
    permissions are kept; a new file has the usual ones.

    Parameters
    ----------
    path : str or path
        Links are followed.
    writer : bytes or function
        The content, or a function that writes it to the file whose path it is given.

    Raises
    ------
    OSError
        With the path as its `filename`; also if `path` is a folder, a device or a pipe.
    """
    _repeated(lambda: _write(path, writer))


def _write(path: str | os.PathLike[str], writer: bytes | Callable[[str], Any]) -> None:
    target, mode = _target(path)
    temporary = _temporary(target)
    try:
        with open(temporary, "xb") as file:
            usual = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if isinstance(writer, bytes):
                file.write(writer)
        if not isinstance(writer, bytes):
            writer(temporary)  # which may replace it by another file
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, usual if mode is None else mode)
        os.replace(temporary, target)
    except BaseException as error:
        if not isinstance(error, FileExistsError):
            _remove(temporary)
        if isinstance(error, OSError):
            raise _named(error, target) from error
        raise


def check(path: str | os.PathLike[str]) -> None:
    """OSError, as from `write`, if a file cannot be written there; for use before long work."""
    _repeated(lambda: _check(path))


def _check(path: str | os.PathLike[str]) -> None:
    target, _ = _target(path)
    temporary = _temporary(target)
    try:
        open(temporary, "xb").close()
        os.unlink(temporary)
    except BaseException as error:
        if not isinstance(error, FileExistsError):
            _remove(temporary)
        if isinstance(error, OSError):
            raise _named(error, target) from error
        raise


def _repeated(action: Callable[[], None]) -> None:
    """Do it once more where a signal interrupted a system call that Python does not repeat."""
    for _ in range(MOST_INTERRUPTIONS):
        with contextlib.suppress(InterruptedError):
            return action()
    return action()


def _remove(temporary: str) -> None:
    """Remove a file if it is there; tried twice, since a system call may fail once."""
    for _ in range(2):
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            return
        except OSError:
            continue


def check_regular(path: str) -> None:
    """OSError if `path` is missing or is not a regular file; reading a pipe could wait forever."""
    _refuse_others(path, os.stat(path).st_mode)


def _target(path: str | os.PathLike[str]) -> tuple[str, int | None]:
    """The path with links followed, and the permissions of a file that is there."""
    given = _checks.path("path", path)
    if os.path.basename(given) in ("", os.curdir, os.pardir):  # which `realpath` would drop
        _refuse_others(given, stat.S_IFDIR)
    try:
        target = os.path.realpath(given, strict=True)  # else an error would leave a link as it is
    except FileNotFoundError:
        target = os.path.realpath(given)
    folder = os.path.dirname(target)
    try:
        found = stat.S_ISDIR(os.stat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        found = False
    if not found:
        raise FileNotFoundError(errno.ENOENT, "expected a folder that exists", folder)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target, None
    _refuse_others(given, mode)
    try:
        os.close(os.open(target, os.O_WRONLY))
    except OSError as error:
        raise _named(error, given) from None
    return target, stat.S_IMODE(mode)


def _refuse_others(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "expected a file, got a folder", path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "expected a regular file, got a device or a pipe", path)


def _temporary(target: str) -> str:
    folder, name = os.path.split(target)
    while len(os.fsencode(name)) > LONGEST:
        name = name[:-1]
    return os.path.join(folder, f"{name}.{secrets.token_hex(8)}.tmp")


def _named(error: OSError, target: str) -> OSError:
    """The error with the target as its file."""
    if error.errno is None:
        return OSError(errno.EIO, str(error), target)
    return OSError(error.errno, error.strerror, target)


def is_numbered(name: str, path: str) -> bool:
    """Whether ``path.format(epoch=...)`` is another for each epoch; ValueError for other fields."""
    expected = "no fields but {epoch} or {epoch:03d} (a literal brace is written twice)"
    try:
        parts = [part for part in Formatter().parse(path) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{name}: expected {expected}, got {path!r}: {error}") from None
    for _, field, form, conversion in parts:
        number = field == "epoch" and conversion is None
        if not number or not re.fullmatch("[0-9]{0,2}d?", form or ""):
            found = f"{field}{f'!{conversion}' if conversion else ''}{f':{form}' if form else ''}"
            raise ValueError(f"{name}: expected {expected}, got {{{found}}} in {path!r}")
    return bool(parts)
