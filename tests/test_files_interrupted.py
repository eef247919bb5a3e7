"""A writer of files that is interrupted at any line."""

import sys

import pytest

from nablas import _files


def interrupted_at(number, call):
    """Whether `call` was still running at its `number`th line in `_files`, where it is interrupted."""
    left = [number]

    def trace(frame, event, argument):
        if frame.f_code.co_filename != _files.__file__:
            return None
        left[0] -= event == "line"
        if left[0] == 0 and event == "line":
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


# A file that is open but not yet within `with` is closed with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", ["write", "check"])
@pytest.mark.parametrize("there", [False, True])
def test_an_interrupt_at_any_line_leaves_no_temporary_file(tmp_path, call, there):
    path = tmp_path / "file"
    calls = {
        "write": lambda: _files.write(path, b"new"),
        "check": lambda: _files.check(path),
    }
    number, found = 1, {(b"old",) if there else ()}
    allowed = found | ({(b"new",)} if call == "write" else set())
    while True:
        path.unlink(missing_ok=True)
        if there:
            path.write_bytes(b"old")
        if not interrupted_at(number, calls[call]):
            break
        found.add(tuple(file.read_bytes() for file in tmp_path.iterdir()))
        assert found <= allowed, number
        number += 1
    assert number > 10
