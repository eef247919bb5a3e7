"""Runs the examples of all docstrings and pages: ``python tests/doctests.py [name or page ...]``.

Docstrings are those of the public names and of their methods; their examples know `np` and `nb`. A
page's blocks marked ``python`` run one after another; a block marked ``text`` that follows one is
what it prints. Blocks marked ``python NAME`` are a program of their own, which runs where the
module NAME is installed. All runs in a temporary folder. The exit code is 1 if an example fails.
"""

import contextlib
import doctest
import importlib.util
import inspect
import io
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

import nablas as nb

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PLACES = [DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1 *$", re.DOTALL | re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Words of an example that needs a package, whose name comes last.
OPTIONAL = ("torch", "keras", "skl2onnx", "import ray")


def installed(name):
    return importlib.util.find_spec(name) is not None


def documented():
    """Public modules and names, and the methods the package gives them, each once."""
    sys.path.insert(0, str(DOCS))
    import public_names

    seen = set()
    for module_name, module in public_names.public_modules().items():
        yield module_name, module
        for name in public_names.public_names(module):
            thing = getattr(module, name)
            if not public_names.has_docstring(thing) or id(thing) in seen:
                continue
            seen.add(id(thing))
            yield f"{module_name}.{name}", thing
            if inspect.isclass(thing):
                for member in public_names.members(thing):
                    yield f"{module_name}.{name}.{member}", getattr(thing, member)


def docstring_examples(name, thing):
    """The examples of one docstring, or None."""
    text = inspect.getdoc(thing) or ""
    globs = {"np": np, "nb": nb}
    test = doctest.DocTestParser().get_doctest(text, globs, name, None, 0)
    return test if test.examples else None


def run_docstring(test):
    """What went wrong, as text; empty if nothing did."""
    said = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    runner.run(test, out=said.write)
    return said.getvalue()


def programs(page):
    """The page's programs by the module each needs ("" for none): lists of (line, code, output)."""
    text = page.read_text(encoding="utf-8")
    found, last = {}, None
    for match in BLOCK.finditer(text):
        kind, _, needs = match[2].strip().partition(" ")
        code = match[3]
        line = text[: match.start()].count("\n") + 2
        if kind == "python":
            last = [line, code, None]
            found.setdefault(needs, []).append(last)
        elif kind == "text" and last is not None:
            last[2], last = code, None
        else:
            last = None
    return found


def run_program(page, blocks, given=None):
    """Run a page's blocks; returns what went wrong, and what they printed and left behind."""
    names, printed = {"__name__": "__main__"} | (given or {}), ""
    for line, code, expected in blocks:
        said = io.StringIO()
        place = f"{page.relative_to(ROOT)}:{line}"
        try:
            with contextlib.redirect_stdout(said):
                exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
        except Exception:
            return f"{place}\n{traceback.format_exc()}", printed, names
        got = said.getvalue()
        printed += got
        if expected is not None and not doctest.OutputChecker().check_output(expected, got, FLAGS):
            return f"{place}\nexpected:\n{expected}got:\n{got}", printed, names
    return "", printed, names


def pages():
    """All pages that are written by hand."""
    for place in PLACES:
        if place.suffix:
            yield place
        else:
            made = {place / "api/generated", place / "gallery"}
            yield from sorted(p for p in place.rglob("*.md") if not made & set(p.parents))


def main(chosen):
    """Run those whose name contains one of `chosen`, all if there is none."""
    os.environ.setdefault("MPLBACKEND", "agg")
    if not installed("tensorflow"):
        os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # or it writes a token into the home folder
    failures, count, left_out = [], 0, []

    def wanted(name):
        return not chosen or any(part in name for part in chosen)

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, thing in documented():
            test = docstring_examples(name, thing) if wanted(name) else None
            if test is None:
                continue
            source = "".join(example.source for example in test.examples)
            words = [word for word in OPTIONAL if word in source]
            if missing := [m for m in (w.split()[-1] for w in words) if not installed(m)]:
                left_out.append(f"{name} (no {missing[0]})")
                continue
            count += 1
            if failure := run_docstring(test):
                failures.append(failure)
        for page in pages():
            if not wanted(str(page)):
                continue
            for needs, blocks in programs(page).items():
                if needs and not installed(needs):
                    left_out.append(f"{page.name} (no {needs})")
                    continue
                count += 1
                if failure := run_program(page, blocks)[0]:
                    failures.append(failure)
    for failure in failures:
        print(failure)
    print(f"{count} docstrings and programs ran, {len(failures)} failed", end="")
    print(f"; left out: {', '.join(left_out)}" if left_out else "")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
