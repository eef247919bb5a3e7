"""Training over MPI: the bits of one process, errors that end all processes, what is sent."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ranks
from ranks import DIFFERENT, others, ran, started
from resuming import OPTIONS, PLAIN, cases, make, outcome

import nablas as nb
from nablas._exchange import own_shards, subtrees

ROOT = Path(__file__).parents[1]
MISSING = ranks.launcher()[1]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

FUNCTION = list(OPTIONS["loss"]).index("function")
CASES = [c for c in cases() if c["loss"] != FUNCTION]


def alone(case=PLAIN, **changes):
    """The outcome of one process with 8 shards, as JSON gives it back."""
    net, settings = make(case, **{"shards": 8, **changes})
    net.fit(**settings)
    return json.loads(json.dumps(outcome(net)))


# ---- the same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_any_number_of_processes_and_threads(size):
    want = alone(epochs=2)
    assert want != alone(epochs=2, shards=1)
    assert ran(size, "hashes", [1, 2]) == [[want, want]] * size


@pytest.mark.parametrize("size", [2, 3])
def test_all_kinds_of_fits(size):
    chosen = CASES[size - 2 :: 2]
    want = [alone(case, epochs=3) for case in chosen]
    want += json.loads(json.dumps([found for _, found in others()]))
    got = ran(size, "fits", chosen)
    for number in range(len(want)):
        for rank in range(size):
            assert got[rank][number] == want[number], (rank, number)


def test_resumed_by_another_number_of_processes(tmp_path):
    """From a file of two processes, by one, two and three; and the other way."""
    case = {**PLAIN, "callbacks": 1, "validation": 1, "dropout": 1}
    want = alone(case, epochs=4)
    assert ran(2, "written", [case, str(tmp_path)]) == [want] * 2
    files = sorted(tmp_path.glob("*.safetensors"))
    assert {nb.io.read(path)[2]["rows"] > 0 for path in files} == {True, False}
    chosen = files[:: len(files) // 4]
    jobs = [[case, str(path), 1 + i % 2] for i, path in enumerate(chosen)]
    for size in (1, 3):
        assert ran(size, "resumed", jobs) == [[want] * len(jobs)] * size
    net, settings = make(case, epochs=4, shards=8)
    net.fit(**settings, resume=chosen[-1])
    assert json.loads(json.dumps(outcome(net))) == want


def test_process_0_calls_the_callbacks_and_decides():
    got = ran(3, "stopped")
    assert [calls for calls, *_ in got] == [len(got[0][3]["loss"]), 0, 0]
    assert 2 < got[0][0] < 30
    assert got[0][1:] == got[1][1:] == got[2][1:]


# ---- errors --------------------------------------------------------------------------------------


def test_what_differs_is_said_in_every_process():
    got = ran(3, "different")
    for name, *texts in zip(DIFFERENT, *got, strict=True):
        assert name in texts[0], (name, texts)
        if " expected" not in name and name != "no such file":
            assert texts == [texts[0]] * 3
            assert "process 1 differs from process 0" in texts[0]
        else:
            assert texts[0] == texts[2] == f"RuntimeError: comm: process 1 failed: {texts[1]}"


def test_errors_of_all_processes_leave_them_usable():
    first, second = ran(2, "together")
    assert first[0] == "ZeroDivisionError: in a callback"
    assert second[0].startswith("RuntimeError: comm: process 0 failed: ZeroDivisionError")
    assert first[1:] == second[1:]
    assert [text.split(":")[0] for text in first[1:]] == [
        "FloatingPointError",
        "ValueError",
        "fine",
    ]


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_a_process_that_dies_ends_the_job(how):
    start = time.monotonic()
    done = started(3, ranks.__file__, "dies", json.dumps(how), timeout=60)
    assert done.returncode != 0
    assert "begun" in done.stdout
    if how == "interrupted":
        assert "KeyboardInterrupt" in done.stderr
        assert "nablas: process 1 of 3 failed; the job ends" in done.stderr
    assert time.monotonic() - start < 60


def test_arguments():
    null, alone_with_shards = ran(1, "arguments")[0]
    assert null.startswith("TypeError: comm: expected an intracommunicator of mpi4py such as")
    assert alone_with_shards == alone(epochs=1)
    with pytest.raises(TypeError, match="comm: expected an intracommunicator"):
        alone(comm="all")


# ---- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_bytes_and_messages(size):
    """Those of the table in nablas/_exchange.py, for a network of each way."""
    leaves = [len(subtrees(*own_shards(8, rank, size))) for rank in range(size)]
    networks = [3, 2], [30, 400, 5]
    for sizes, found in zip(
        networks, zip(*ran(size, "traffic", networks), strict=True), strict=True
    ):
        parameters = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
        bounds = [rank * parameters // size for rank in range(size + 1)]
        for rank, (sent, messages) in enumerate(found):
            others = size - 1
            whole, own = 4 * parameters, 4 * (bounds[rank + 1] - bounds[rank])
            losses = 8 * leaves[rank] * others
            if sizes == [3, 2]:
                want = others * leaves[rank] * whole, others
            elif size == 2:
                want = whole, 1 + others
            else:
                want = leaves[rank] * (whole - own) + others * own, 3 * others
            assert (sent, messages) == (want[0] + losses, want[1]), (sizes, rank)


# ---- the command line ----------------------------------------------------------------------------


def test_the_command_line(tmp_path):
    options = [
        "-m",
        "nablas",
        "train",
        "digits",
        "--epochs",
        "3",
        "--hidden",
        "20",
        "--json",
        "--out",
    ]
    one, two = tmp_path / "one", tmp_path / "two"
    done = subprocess.run(
        [sys.executable, *options, one, "--shards", "8"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    want = json.loads(done.stdout)
    done = started(2, *options, two)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert (got["processes"], want["processes"]) == (2, 1)
    assert got["scores"] == want["scores"]
    assert nb.MLP.load(two).parameters.tobytes() == nb.MLP.load(one).parameters.tobytes()


def test_the_command_line_with_an_error():
    done = started(2, "-m", "nablas", "train", "no such file")
    assert done.returncode != 0
    assert "no such file: expected a file" in done.stderr


def test_mpi_is_loaded_only_with_comm():
    code = """
        import sys, nablas as nb
        nb.MLP([1, 1]).fit([[1.0]], [1.0], epochs=1, shards=4)
        assert not any(name.startswith("mpi4py") for name in sys.modules)
    """
    from test_process import python

    python(code)


def test_the_benchmark(tmp_path):
    if not (ROOT / "benchmarks").exists():
        pytest.skip("not in this tree")
    names = "1 process, 2 threads; 2 processes, 1 thread"
    options = ["--quick", "--rounds", "1", "--epochs", "2", "--only", names]
    path = tmp_path / "out.json"
    command = [sys.executable, "-m", "benchmarks.scale", *options, "--json", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(path.read_text())["scale"]
    assert set(result["exchange, milliseconds"]) == {"650", "101770", "669706"}
    (times,) = [record["milliseconds"] for record in result["steps"]]
    assert all(len(each) == 1 and each[0] > 0 for each in times.values())
    assert len(times) == 2
