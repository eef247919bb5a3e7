"""Writing of files: complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from typing import Any

from . import _checks

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
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise _named(error, target) from error
        raise


def check(path: str | os.PathLike[str]) -> None:
    """OSError, as from `write`, if a file cannot be written there; for use before long work."""
    target, _ = _target(path)
    temporary = _temporary(target)
    try:
        with open(temporary, "xb"):
            pass
        os.unlink(temporary)
    except OSError as error:
        raise _named(error, target) from error


def check_regular(path: str) -> None:
    """OSError if `path` is missing or is not a regular file; reading a pipe could wait forever."""
    _refuse_others(path, os.stat(path).st_mode)


def _target(path: str | os.PathLike[str]) -> tuple[str, int | None]:
    """The path with links followed, and the permissions of a file that is there."""
    given = _checks.path("path", path)
    target = os.path.realpath(given)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "expected a folder that exists", folder)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target, None
    _refuse_others(given, mode)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), given)
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
