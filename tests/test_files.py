"""Every writer of files: what it refuses, what it leaves when a call fails, and the permissions."""

import errno
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from cases import rng

import nablas as nb
from nablas import _files
from nablas.cli import main


def network():
    return nb.MLP([3, 4, 2], output="softmax", seed=0)


def checkpoint(path):
    x, y = rng().random((8, 3)), np.arange(8) % 2
    network().fit(x, y, epochs=1, callbacks=[nb.Checkpoint(path)])


def drawing(path):
    a = nb.autograd.Tensor(2.0, requires_grad=True)
    nb.autograd.draw(a * a).save(path)


def to_onnx(path):
    pytest.importorskip("onnx")
    network().to_onnx(path)


def command(*arguments):
    """The command line, with its message as an OSError."""
    pytest.importorskip("polars")
    code = main([str(argument) for argument in arguments])
    if code:
        raise OSError(code, "see standard error")


def train(path):
    command("train", "iris", "--epochs", 1, "--json", "--out", path)


def predict(path):
    model = os.path.join(os.environ["NABLAS_TEST_FOLDER"], "model.safetensors")
    train(model)
    command("predict", model, "iris", "--out", path)


WRITERS = {
    "model.safetensors": lambda path: network().save(path),
    "checkpoint.safetensors": checkpoint,
    "graph.svg": drawing,
    "graph.dot": drawing,
    "graph.png": drawing,
    "model.onnx": to_onnx,
    "trained.safetensors": train,
    "table.csv": predict,
    "table.parquet": predict,
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path, monkeypatch):
    """A function that writes the file of a name in a folder of its own, and the folder."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("NABLAS_TEST_FOLDER", str(other))
    folder = tmp_path / "folder"
    folder.mkdir()
    return WRITERS[request.param], folder, request.param


REFUSED = "expected a|see standard error"


def test_links_are_followed(written):
    write, folder, name = written
    (folder / "there").mkdir()
    for target in (folder / "there" / name, folder / "there" / f"new-{name}"):
        link = folder / name
        link.symlink_to(target)
        if "new" not in target.name:
            target.write_text("old")
        write(link)
        assert link.is_symlink()
        assert len(target.read_bytes()) > 10
        link.unlink()
    assert len(list((folder / "there").iterdir())) == 2


@pytest.mark.parametrize("end", ["", ".", ".."])
def test_the_name_of_a_folder_is_refused(written, end, capsys):
    """Of one that is there, of one that is not, and of a file."""
    write, folder, name = written
    (folder / "there").mkdir()
    (folder / name).write_text("old")
    for start in ("there", "missing", name):
        with pytest.raises(OSError, match=REFUSED):
            write(f"{folder / start}{os.sep}{end}")
    assert sorted(p.name for p in folder.iterdir()) == sorted([name, "there"])
    assert (folder / name).read_text() == "old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_what_is_not_a_regular_file_is_refused(written, capsys):
    write, folder, name = written
    os.mkfifo(folder / name)
    with pytest.raises(OSError, match=REFUSED):
        write(folder / name)
    assert stat.S_ISFIFO((folder / name).stat().st_mode)
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(OSError, match=REFUSED):
        write(folder / name)
    assert [p.name for p in folder.iterdir()] == [name]
    with pytest.raises(OSError, match=REFUSED):
        write(folder / "missing" / name)


def test_permissions(written):
    write, folder, name = written
    before = os.umask(0o027)
    try:
        write(folder / name)
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o640
        os.chmod(folder / name, 0o604)
        write(folder / name)
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o604
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


FAILING = ["fsync", "replace", "chmod"]


@pytest.mark.parametrize("call", FAILING)
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt(), MemoryError()], ids=str
)
def test_a_failure_leaves_the_old_file_and_nothing_else(written, monkeypatch, call, error, capsys):
    write, folder, name = written
    path = folder / name
    write(path)
    before = path.read_bytes()

    real, where = getattr(os, call), str(folder)

    def fail(first, *rest):
        if call == "fsync" or str(first).startswith(where):
            raise error
        return real(first, *rest)

    if write is predict:  # only the last file that it writes fails
        monkeypatch.setitem(globals(), "train", lambda path: None)
        model = os.path.join(os.environ["NABLAS_TEST_FOLDER"], "model.safetensors")
        assert os.path.exists(model)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises((OSError, KeyboardInterrupt, MemoryError)) as raised:
        write(path)
    if write not in (train, predict):
        assert type(raised.value) is type(error)
        if isinstance(error, OSError):
            assert raised.value.filename == str(path)
    else:
        assert raised.value.errno == (130 if isinstance(error, KeyboardInterrupt) else 2)
        if isinstance(error, OSError):
            assert name in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # closed when freed
def test_an_interrupt_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    path, seen = tmp_path / "m.bin", 0
    for n in range(200):
        path.write_bytes(b"old")
        left = [n]

        def trace(frame, event, argument, left=left):
            if frame.f_code.co_filename != _files.__file__:
                return None
            if event == "line":
                if left[0] == 0:
                    sys.settrace(None)
                    raise KeyboardInterrupt
                left[0] -= 1
            return trace

        sys.settrace(trace)
        try:
            _files.write(path, b"new")
        except KeyboardInterrupt:
            seen += 1
        finally:
            sys.settrace(None)
        assert path.read_bytes() in (b"old", b"new")
        assert list(tmp_path.iterdir()) == [path]
        if left[0] > 0:
            break
    else:
        raise AssertionError("the call never ended")
    assert seen > 15


def test_a_temporary_file_tells_its_target(tmp_path):
    names = []
    for name in ("m.safetensors", "long" * 60 + ".x", "é" * 120):
        _files.write(tmp_path / name, lambda path: names.append(os.path.basename(path)))
        assert names[-1].startswith(name[:40])
        assert names[-1].endswith(".tmp")


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_without_memory_saving_is_a_memory_error(tmp_path):
    code = """
import resource, sys
import nablas as nb
net = nb.MLP([2000, 2000], seed=0)
net.save(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
pages = int(open("/proc/self/statm").read().split()[0])
failed = 0
for headroom in range(0, 48, 2):
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + headroom * 2**20, hard))
    try:
        net.save(sys.argv[1])
    except MemoryError:
        failed += 1
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
print("failed", failed, nb.MLP.load(sys.argv[1]).sizes)
"""
    path = tmp_path / "m.safetensors"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "(2000, 2000)" in done.stdout
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system")
def test_loading_a_pipe_does_not_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular file"):
        nb.MLP.load(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        nb.MLP.load(tmp_path)


@pytest.mark.parametrize("name", ["replace", "chmod", "fsync", "stat", "open"])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interruption_is_no_error(tmp_path, monkeypatch, name, times):
    """Of any system call of a write: it is done once more, and nothing is left."""
    real, left = getattr(os, name), [times]

    def interrupted(*arguments, **settings):
        if (left[0] and str(tmp_path) in str(arguments[0])) or (left[0] and name == "fsync"):
            left[0] -= 1
            raise InterruptedError(4, "Interrupted system call")
        return real(*arguments, **settings)

    path = tmp_path / "f"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, name, interrupted)
    _files.write(path, b"new")
    _files.check(path)
    monkeypatch.undo()
    assert not left[0]
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def resume(path):
    network().fit(np.ones((4, 3)), [0, 1, 1, 0], epochs=1, resume=path)


def arrow(path):
    pytest.importorskip("pyarrow")
    nb.data.ArrowSource(path, target="y")


PATHS = {
    **{name: write for name, write in WRITERS.items() if write not in (train, predict)},
    "load": nb.MLP.load,
    "resume": resume,
    "data": arrow,
    "data, several": lambda path: arrow([path]),
    "folder": lambda path: nb.data.CachedSource(nb.data.ArraySource(np.ones((4, 2)), np.ones(4)), path),
    "explain": lambda path: network().explain(np.ones(3), 1).to_html(path),
    "scikit-learn's": lambda path: estimator_to_onnx(path),
}  # fmt: skip


def estimator_to_onnx(path):
    pytest.importorskip("onnx")
    sklearn = pytest.importorskip("nablas.sklearn")
    sklearn.to_onnx(sklearn.LinearRegression().fit(np.eye(2), np.ones(2)), path)


@pytest.mark.parametrize("wrong", ["a\0b", "a\ud800b", 3, 1.5, len], ids=ascii)
@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_path(name, wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match=r"^(path|resume|data|folder): expected a "):
        PATHS[name](wrong)
    assert not list(tmp_path.iterdir())
