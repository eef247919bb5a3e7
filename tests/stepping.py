"""What the tests of step-by-step pages share: evaluation of formulas, and a browser."""

import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest

import nablas as nb
from nablas import reference
from nablas._stepper.scene import scene

FUNCTIONS = {
    "exp": math.exp, "log": math.log, "tanh": math.tanh, "cosh": math.cosh, "sinh": math.sinh,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "sqrt": math.sqrt, "abs": abs, "max": max, "min": min,
    "sign": lambda x: float(np.sign(x)), "sigmoid": lambda x: (1 + math.tanh(x / 2)) / 2,
    "Φ": lambda x: math.erfc(-x / math.sqrt(2)) / 2,
    "φ": lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
}  # fmt: skip


def _entries(name, which):
    return lambda h, y: float(
        reference.LOSSES[name].entries(np.array([[h]]), np.array([[y]]))[which]
    )


# What has no expression of its own is called by its name, and its derivative by ``name′``.
for _name, _entry in reference.ACTIVATIONS.items():
    FUNCTIONS.setdefault(_name, lambda z, entry=_entry: float(entry.value(z)))
    FUNCTIONS[f"{_name}_slope"] = lambda z, entry=_entry: float(entry.slope(z))
for _name in reference.LOSSES:
    FUNCTIONS[_name], FUNCTIONS[f"{_name}_slope"] = _entries(_name, 0), _entries(_name, 1)


def evaluate(text):
    """The number of an expression of + − × ÷ ^ and functions."""
    python = text
    for ours, theirs in {"−": "-", "×": "*", "÷": "/", "^": "**", "′": "_slope"}.items():
        python = python.replace(ours, theirs)
    return float(eval(python, {"__builtins__": {}}, FUNCTIONS))


def formula_value(step):
    """The number of a step's formula with its full numbers."""
    return evaluate(re.sub(r"\{(\d+)\}", lambda m: f"({step.numbers[int(m[1])]!r})", step.formula))


def page_data(page):
    """The data that a page embeds."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def shown(value):
    """What the page makes of a value: five significant digits."""
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, str):
        return value
    if value and not 1e-3 <= abs(value) < 1e6:
        digits, power = f"{value:.4e}".split("e")
        digits = digits.rstrip("0").rstrip(".")
        return f"{digits}e{int(power)}".replace("-", "−")
    text = f"{value:.5g}"
    text = f"{float(text):.0f}" if "e" in text else text
    return ("0" if text == "-0" else text).replace("-", "−")


CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def browse(folder, page, fragment="", script="", width=1300):
    """The document that the browser makes of a page, after running a script of the test."""
    path = folder / "page.html"
    path.write_text(
        page.replace("</body>", f"<script>{{{script}}}</script></body>"), encoding="utf-8"
    )
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900", "--dump-dom", path.as_uri() + fragment,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


RATE = 0.25


def steps_of(seen, row=0, most_units=4):
    return scene(seen, row, RATE, most_units).steps


def lecture_net():
    net = nb.MLP([2, 2, 1], "sigmoid", "sigmoid", dtype="float64")
    net.parameters = [0.1, -0.2, 0.3, 0.5, -0.4, 0.2, 0.2, 0.7, -0.6]
    return net


def wide_explanation():
    x = np.random.default_rng(0).random(64)
    return nb.MLP([64, 64, 10], "relu", "softmax", seed=0).explain(x, 3)
