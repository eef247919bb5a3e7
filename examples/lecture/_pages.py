"""Pages of the lecture, made from a script's numbers and its template.

A section is ``NN_name.py``, whose ``run(pictures)`` returns a dict, and ``NN_name.md``, a Jinja2
template that shows them. ``check(result)`` of the script, if there is one, asserts what the text
claims. A page is text with marks: a real number stands between `REAL` and `END`, a time between
`TIME` and `END`. `plain` takes the marks off; the test compares by them.
"""

import ast
import importlib.util
import inspect
import re
import sys
import textwrap
from pathlib import Path

import jinja2
import matplotlib as mpl
import numpy as np
from _common import LOOK, Pictures

import nablas as nb

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
LONGEST_CODE = 10
REAL, TIME, END = "\ue000", "\ue001", "\ue002"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def sections(folder=HERE):
    """The scripts in their order."""
    return sorted(folder.glob("[0-9][0-9]_*.py"))


def plain(marked):
    """A page as it is written."""
    return re.sub(f"[{REAL}{TIME}{END}]", "", marked)


def make(script, folder=None):
    """Run a section. Returns the marked page, the pictures' data and the pages of HTML.

    Pictures and pages of HTML go to `folder`.
    """
    module = _load(script)
    pictures = Pictures(folder)
    threads = nb.num_threads()
    nb.set_num_threads(1)  # same bits for any number; on a busy machine much faster for small steps
    try:
        with mpl.rc_context(LOOK):
            result = module.run(pictures)
    finally:
        nb.set_num_threads(threads)
    if hasattr(module, "check"):
        module.check(result)
    shown = set()

    def picture(name, alt):
        if name not in pictures.data:
            raise KeyError(f"{script.name} saves no picture {name}")
        shown.add(name)
        return f"![{alt}]({name}.png)"

    def code(*names):
        return _quote([_source(getattr(module, name)) for name in names])

    text = _render(script.with_suffix(".md"), result | {"picture": picture, "code": code})
    if shown != set(pictures.data):
        raise ValueError(f"{script.name}: pictures not shown: {set(pictures.data) - shown}")
    return text + _footer(script), pictures.data, pictures.pages


def contents():
    """The lecture's first page: `index.md` with the list of sections."""
    rows = [{"title": _title(s), "page": f"lecture/{s.stem}.md"} for s in sections()]
    return _render(HERE / "index.md", {"sections": rows})


def _load(script):
    if str(script.parent) not in sys.path:
        sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location(f"lecture_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # inspect.getsource looks for classes there
    spec.loader.exec_module(module)
    return module


def _title(script):
    return script.with_suffix(".md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def _footer(script):
    """Where the numbers come from; the pages before and after."""
    every = sections(script.parent)
    here = every.index(script)
    links = [f"Made from [`{script.name}`](../../examples/lecture/{script.name})"]
    if here > 0:
        links.append(f"before: [{_title(every[here - 1])}]({every[here - 1].stem}.md)")
    links.append("[contents](../lecture.md)")
    if here + 1 < len(every):
        links.append(f"next: [{_title(every[here + 1])}]({every[here + 1].stem}.md)")
    return "\n---\n\n" + " · ".join(links) + "\n"


def _render(template, context):
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= FILTERS
    environment.globals |= {"seconds": seconds, "output": output}
    return environment.from_string(template.read_text(encoding="utf-8")).render(context)


# ---- code


def _source(thing):
    """The source of a function or class without its docstring."""
    text = textwrap.dedent(inspect.getsource(thing))
    body = ast.parse(text).body[0].body
    lines = text.splitlines()
    if ast.get_docstring(ast.parse(text).body[0]) is not None:
        end = body[0].end_lineno
        while end < len(lines) and not lines[end].strip():
            end += 1
        del lines[body[0].lineno - 1 : end]
    return "\n".join(lines).strip("\n")


def _quote(parts):
    text = "\n\n\n".join(parts)
    lines = sum(bool(line.strip()) for line in text.splitlines())
    if lines > LONGEST_CODE:
        raise ValueError(f"code of {lines} lines, at most {LONGEST_CODE}:\n{text}")
    return f"```py\n{text}\n```"


# ---- numbers


def _real(text):
    return f"{REAL}{text.replace('-', '−')}{END}"


def fixed(value, digits=2):
    """A number with so many decimals."""
    text = f"{float(value):,.{digits}f}"
    return _real(text if any(digit in text for digit in "123456789") else text.lstrip("-"))


def scientific(value, digits=1):
    """A number as 1.2·10⁻⁵."""
    mantissa, exponent = f"{float(value):.{digits}e}".split("e")
    return _real(f"{mantissa}·10{str(int(exponent)).translate(_SUPERSCRIPT)}")


def percent(value, digits=1):
    """A share as a percentage."""
    return fixed(100 * float(value), digits) + " %"


def vector(values, digits=3):
    """Numbers in parentheses."""
    return "(" + ", ".join(fixed(value, digits) for value in np.ravel(values)) + ")"


def power(value):
    """A power of ten, such as the bound of an error: exact, 10⁻¹²."""
    exponent = round(float(np.log10(value)))
    if not np.isclose(value, 10.0**exponent, rtol=1e-12, atol=0):
        raise ValueError(f"{value} is no power of ten")
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def count(value):
    """A whole number, exact: 1,797."""
    if int(value) != value:
        raise ValueError(f"{value} is not a whole number")
    return f"{int(value):,}"


def timed(value, digits=0):
    """What follows from times, such as their ratio: in italics, not compared."""
    return f"*{TIME}{float(value):,.{digits}f}{END}*"


def seconds(value):
    """A time in its unit: in italics, not compared."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if value >= size or unit == "ns":
            return f"*{TIME}{value / size:,.3g} {unit}{END}*"
    raise AssertionError


def output(text):
    """What the library prints; its decimal numbers are compared as numbers."""
    marked = re.sub(r"[-−]?\d+\.\d+", lambda found: f"{REAL}{found[0]}{END}", text.rstrip("\n"))
    return f"```\n{marked}\n```"


FILTERS = {f.__name__: f for f in (fixed, scientific, percent, vector, power, count, timed)}
