"""Frames of histories, what notebooks show of estimators, shell completion, pages that errors name, the bug report's form."""

import ast
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import iris, small

import nablas as nb
from nablas._optional import require
from nablas.cli import _commands, _parser
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python/nablas"

# ---- History.to_frame -------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["polars", "pandas"])
@pytest.mark.parametrize("validated", [True, False])
def test_a_history_as_a_frame(library, validated):
    pytest.importorskip(library)
    x, y = iris()
    history = small().fit(x, y, epochs=4, validation_data=(x, y) if validated else None)
    frame = history.to_frame(library)
    assert type(frame).__module__.split(".")[0] == library
    names = ["loss", "val_loss", "val_score", "learning_rate", "seconds"]
    names = [name for name in names if history[name]]
    assert list(frame.columns) == ["epoch", *names]
    assert list(frame["epoch"]) == [1, 2, 3, 4]
    for name in names:
        assert list(frame[name]) == history[name]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_histories_with_holes(library):
    pytest.importorskip(library)
    frame = nb.History(loss=[1.0, 2.0, 3.0], val_loss=[0.5]).to_frame(library)
    last = list(frame["val_loss"])
    assert last[0] == 0.5
    assert all(value is None or math.isnan(value) for value in last[1:])
    assert nb.History().to_frame(library).shape == (0, 1)


def test_frames_of_other_libraries_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="library: expected one of polars, pandas, got 'dask'"):
        nb.History().to_frame("dask")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas is needed for this: pip install pandas "):
        nb.History().to_frame("pandas")


@pytest.mark.parametrize("error", [RuntimeError, OSError, AttributeError, ImportError])
def test_a_library_that_is_installed_but_cannot_be_loaded(tmp_path, monkeypatch, error):
    (tmp_path / "broken_library.py").write_text(
        f"raise {error.__name__}('cannot load\\nlibbroken.so')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = "cannot load libbroken.so"
    found = found if error is ImportError else f"{error.__name__}: {found}"
    needed = (
        rf'broken_library is needed for this: pip install "nablas\[io\]" \({found}\); see docs/'
    )
    with pytest.raises(ImportError, match=needed):
        require("broken_library", "io")


def test_what_is_no_communicator_is_refused_without_mpi(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    for comm in ("all", [None], math.nan, 0):
        with pytest.raises(TypeError, match="comm: expected an intracommunicator of mpi4py"):
            nb.MLP([1, 1]).fit([[1.0]], [1.0], epochs=1, comm=comm, progress=False)


# ---- notebooks --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression])  # fmt: skip
def test_estimators_in_notebooks(kind):
    model = kind()
    text = model._repr_html_()
    assert kind.__name__ in text
    assert "Not fitted" in text
    x, y = iris()
    if hasattr(model, "max_iter") and kind is not LogisticRegression:
        model.set_params(tol=1e9, n_iter_no_change=2)
    model.fit(x, y)
    shown = model._repr_html_()
    assert "Not fitted" not in shown
    assert not re.search(r'src="http|<script[^>]*src=', shown)


def test_what_an_estimator_shows_is_escaped():
    text = MLPClassifier(activation="<b>&").set_params(solver="<i>")._repr_html_()
    assert "<b>&" not in text
    assert "&lt;i&gt;" in text


# ---- completion -------------------------------------------------------------------------------


def completion(shell):
    return subprocess.run(
        [sys.executable, "-m", "nablas", "--print-completion", shell],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_command_and_option_is_completed(shell):
    pytest.importorskip("shtab")
    done = completion(shell)
    assert done.returncode == 0, done.stderr
    for name, command in _commands(_parser()).items():
        assert name in done.stdout
        for action in command._actions:
            for option in action.option_strings:
                assert option.removeprefix("--") in done.stdout, (name, option)


COMPLETE = """
source /dev/stdin
compopt() { :; }
COMP_WORDS=(%s) COMP_CWORD=%d
"$(complete -p nablas | grep -oP '(?<=-F )\\S+')" nablas "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("nablas tr", "train"),
        ("nablas train digits --activation re", "relu"),
        ("nablas train digits --opt", "--optimizer"),
        ("nablas predict mod", "model.safetensors"),
        ("nablas train data --out mod", "model.safetensors"),
    ],
)
def test_bash_completes(tmp_path, words, found):
    pytest.importorskip("shtab")
    (tmp_path / "model.safetensors").touch()
    program = COMPLETE % (words, len(words.split()) - 1)
    done = subprocess.run(
        ["bash", "-c", program],
        input=completion("bash").stdout,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert found in done.stdout.split(), done.stderr


def test_completion_without_the_package(monkeypatch, capsys):
    from nablas.cli import main

    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", "bash"])
    assert end.value.code == 2
    assert 'shtab is needed for this: pip install "nablas[cli]"' in capsys.readouterr().err


# ---- pages that errors name -------------------------------------------------------------------


def named_pages():
    """(file, page, heading) of every page that a string of the package names."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for page, heading in re.findall(r"see (docs/[\w/-]+\.md)(?:#([\w-]+))?", node.value):  # fmt: skip
                    yield path.name, page, heading


def headings(page):
    """A page's headings as the ends of addresses."""
    lines = re.findall(r"(?m)^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"))
    return [re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines]


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="not in this tree")
def test_the_pages_that_errors_name_exist():
    found = list(named_pages())
    assert len(found) > 5
    for file, page, heading in found:
        assert heading, f"{file}: {page} without a heading"
        assert heading in headings(page), f"{file}: {page}#{heading}"


def raised(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return str(caught.value)


def test_errors_name_their_page(tmp_path, monkeypatch):
    x, y = iris()
    path = str(tmp_path / "net.safetensors")
    net = small()
    net.save(path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with np.errstate(all="ignore"):
        diverged = raised(lambda: small().fit(x, y, optimizer=nb.SGD(1e30), epochs=9))
        large = raised(lambda: nb.MLP([4, 1], seed=0).fit(x, y * 1e30, optimizer=nb.SGD(1.0)))
    busy = []
    net.fit(x, y, epochs=1, callbacks=[lambda state: busy.append(raised(lambda: net.fit(x, y)))])
    pages = {
        "docs/guide/training.md#when-it-does-not-learn": diverged,
        "docs/guide/data.md#scaling": large,
        "docs/guide/callbacks.md#resuming-a-killed-fit": raised(lambda: small().fit(x, y, resume=path)),
        "docs/guide/threads.md#several-python-threads-processes-forks": busy[0],
        "docs/installation.md#extras": raised(lambda: nb.History().to_frame("pandas")),
    }  # fmt: skip
    for page, text in pages.items():
        assert f"see {page}" in text


# ---- the form for bug reports -----------------------------------------------------------------


@pytest.mark.skipif(not (ROOT / ".github").exists(), reason="not in this tree")
def test_bug_reports_are_asked_for_the_configuration():
    forms = {path.name: path.read_text() for path in (ROOT / ".github/ISSUE_TEMPLATE").iterdir()}
    assert "nb.show_config()" in forms["bug.yml"]


ALONE = """
import importlib, pathlib, sys
allowed = {*sys.stdlib_module_names, "numpy", "nablas"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import nablas
root = pathlib.Path(nablas.__file__).parent
for file in sorted(root.rglob("*.py")):
    name = ".".join(("nablas", *file.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        if ' is needed for this: pip install "nablas[' not in str(error):
            print(name, error)
"""


def test_every_module_beside_numpy_alone():
    """It is imported, or says what to install."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
