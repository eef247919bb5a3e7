"""Activations and losses as expressions in which a number can be put for each symbol.

A template has fields such as ``{z}``; `put` makes terms of them. Operators are + − × ÷ ^;
functions are exp, log, tanh, cosh, abs, sign, max, sigmoid, Φ (normal distribution function) and φ
(its density). Where a definition has cases, the template is that of the case at hand. A name
without an entry gives the function itself, ``name(z)``; g′ is written ``name′(z)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..reference.activations import LEAK, SELU_ALPHA, SELU_SCALE
from .page import Terms

Named = Mapping[str, tuple[str, float]]  # for each field its symbol and its number
Template = Callable[[float], str]  # of z, or of output minus target

LARGE = 30.0  # |z| beyond which exp is kept from overflowing
UNSURE = 1e-4  # a probability as near to 0 or 1 as this has lost digits

_SELU = {"λ": ("λ", SELU_SCALE), "α": ("α", SELU_ALPHA)}
_MISH = "tanh(log(1 + exp({z})))"

_VALUES: dict[str, Template] = {
    "identity": lambda z: "{z}",
    "sigmoid": lambda z: "1 ÷ (1 + exp(−{z}))" if z > -LARGE else "exp({z}) ÷ (1 + exp({z}))",
    "tanh": lambda z: "tanh({z})",
    "relu": lambda z: "max({z}, 0)",
    "leaky_relu": lambda z: "{z}" if z >= 0 else f"{LEAK} × {{z}}",
    "elu": lambda z: "{z}" if z >= 0 else "exp({z}) − 1",
    "selu": lambda z: "{λ} × {z}" if z >= 0 else "{λ} × {α} × (exp({z}) − 1)",
    "softplus": lambda z: "log(1 + exp({z}))" if z < LARGE else "{z} + log(1 + exp(−{z}))",
    "softsign": lambda z: "{z} ÷ (1 + abs({z}))",
    "silu": lambda z: "{z} × sigmoid({z})",
    "gelu": lambda z: "{z} × Φ({z})",
    "mish": lambda z: "{z} × " + _MISH if z < LARGE else "{z}",
    "step": lambda z: "1" if z >= 0 else "0",
    "exp": lambda z: "exp({z})",
}
_SLOPES: dict[str, Template] = {
    "identity": lambda z: "1",
    "sigmoid": lambda z: "{a} × (1 − {a})",
    "tanh": lambda z: "1 − {a}^2",
    "relu": lambda z: "1" if z > 0 else "0",
    "leaky_relu": lambda z: "1" if z > 0 else f"{LEAK}",
    "elu": lambda z: "1" if z > 0 else "{a} + 1",
    "selu": lambda z: "{λ}" if z > 0 else "{a} + {λ} × {α}",
    "softplus": lambda z: "1 − exp(−{a})",
    "softsign": lambda z: "(1 − abs({a}))^2",
    "silu": lambda z: "sigmoid({z}) × (1 + {z} × (1 − sigmoid({z})))",
    "gelu": lambda z: "Φ({z}) + {z} × φ({z})",
    "mish": lambda z: f"{_MISH} + {{z}} × sigmoid({{z}}) × (1 − {_MISH}^2)" if z < LARGE else "1",
    "step": lambda z: "0",
    "exp": lambda z: "{a}",
}
_CASES = {"leaky_relu", "elu", "selu", "step"}
_DIFFERENCES = [  # losses whose slope is output minus target, or is so in the case that is left
    "half_mse", "huber", "cross_entropy", "binary_cross_entropy", "perceptron", "poisson"
]  # fmt: skip


def put(terms: Terms, template: str, known: Named) -> str:
    """A template with a term for each of its fields."""
    for name, term in known.items():
        if f"{{{name}}}" in template:
            template = template.replace(f"{{{name}}}", terms(*term))
    return template


def value(terms: Terms, name: str, z: tuple[str, float]) -> tuple[str, str]:
    """g(z) as an expression, and the case if there are cases."""
    template = _VALUES[name](z[1]) if name in _VALUES else f"{name}({{z}})"
    return put(terms, template, {"z": z} | _SELU), _case(name, _CASES, z)


def slope(terms: Terms, name: str, z: tuple[str, float], a: tuple[str, float]) -> tuple[str, str]:
    """g′(z) as an expression of z or of a, and the case if there are cases."""
    template = _SLOPES[name](z[1]) if name in _SLOPES else f"{name}′({{z}})"
    return put(terms, template, {"z": z, "a": a} | _SELU), _case(name, _CASES | {"relu"}, z)


def _case(name: str, names: set[str], z: tuple[str, float]) -> str:
    if name not in names:
        return ""
    return f"{name} where {z[0]} {'>' if z[1] > 0 else '<' if z[1] < 0 else '='} 0"


# ---- losses of one output ------------------------------------------------------------------------
# Fields: the output h, its preactivation z, the target y, and hyperparameters.


def entry(terms: Terms, name: str, known: Named) -> str:
    """The loss of one output as an expression."""
    h, y = known["h"][1], known["y"][1]
    d = h - y
    if name == "binary_cross_entropy":
        template = _binary_cross_entropy(h, y)
    elif name == "cross_entropy":
        template = "−{y} × log({h})" if h > 1e-30 else "{y} × ({s} − {z})"
    elif name == "huber" and abs(d) > known["delta"][1]:
        template = "{delta} × (abs({h} − {y}) − {delta} ÷ 2)"
    elif name == "quantile":
        template = "{q} × ({y} − {h})" if d < 0 else "({q} − 1) × ({y} − {h})"
    elif name == "poisson" and y == 0:
        template = "{h}"
    else:
        template = {
            "mse": "({h} − {y})^2",
            "half_mse": "({h} − {y})^2 ÷ 2",
            "mae": "abs({h} − {y})",
            "huber": "({h} − {y})^2 ÷ 2",
            "log_cosh": "log(cosh({h} − {y}))" if abs(d) < LARGE else "abs({h} − {y}) − log(2)",
            "perceptron": "max({z}, 0) − {y} × {z}",
            "poisson": "{y} × log({y} ÷ {h}) − {y} + {h}",
        }.get(name, f"{name}({{h}}, {{y}})")
    return put(terms, template, known)


def _binary_cross_entropy(p: float, y: float) -> str:
    if not UNSURE < p < 1 - UNSURE:
        return "max({z}, 0) − {z} × {y} + log(1 + exp(−abs({z})))"
    if y in (0, 1):
        return "−log({h})" if y else "−log(1 − {h})"
    return "−{y} × log({h}) − (1 − {y}) × log(1 − {h})"


def entry_slope(terms: Terms, name: str, known: Named) -> str:
    """The derivative of one output's loss: by z for a linked loss, else by the output."""
    d = known["h"][1] - known["y"][1]
    if name == "huber" and abs(d) > known["delta"][1]:
        template = "{delta} × sign({h} − {y})"
    elif name == "quantile":
        template = "−{q}" if d < 0 else "1 − {q}" if d > 0 else "0"
    elif name == "cross_entropy" and "total" in known:
        template = "{h} × {total} − {y}"
    else:
        template = {
            "mse": "2 × ({h} − {y})",
            "mae": "sign({h} − {y})",
            "log_cosh": "tanh({h} − {y})",
            **dict.fromkeys(_DIFFERENCES, "{h} − {y}"),
        }.get(name, f"{name}′({{h}}, {{y}})")
    return put(terms, template, known)
