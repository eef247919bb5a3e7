"""Small expressions with a recorded graph, in the API that nablas.autograd and PyTorch share."""

from dataclasses import dataclass

import numpy as np

from nablas import autograd


def chain(x, length):
    for _ in range(length):
        x = x * 1.01
    return x


def network(library, x, w1, b1, w2, b2):
    """The logits of a 64-64-10 network, from primitive operations."""
    return library.relu(x @ w1 + b1) @ w2 + b2


# name: (function of the library and the leaves, shapes of the leaves)
EXPRESSIONS = {
    "a + b": (lambda _, a, b: a + b, [(4,), (4,)]),
    "a * b": (lambda _, a, b: a * b, [(4,), (4,)]),
    "a * b of 32 x 16": (lambda _, a, b: a * b, [(32, 16), (32, 16)]),
    "a * 2.0": (lambda _, a: a * 2.0, [(4,)]),
    "a / b": (lambda _, a, b: a / b, [(4,), (4,)]),
    "a ** 2": (lambda _, a: a**2, [(4,)]),
    "a @ b": (lambda _, a, b: a @ b, [(32, 16), (16, 8)]),
    "exp": (lambda _, a: a.exp(), [(4,)]),
    "sigmoid": (lambda _, a: a.sigmoid(), [(32, 16)]),
    "relu": (lambda _, a: a.relu(), [(32, 16)]),
    "tanh": (lambda _, a: a.tanh(), [(32, 16)]),
    "sum": (lambda _, a: a.sum(), [(32, 16)]),
    "mean of rows": (lambda _, a: a.mean(1), [(32, 16)]),
    "softmax": (lambda library, a: library.softmax(a, 1), [(32, 16)]),
    "where": (lambda library, a, b: library.where(a > 0, a, b), [(32, 16), (32, 16)]),
    "getitem": (lambda _, a: a[1:3], [(32, 16)]),
    "reshape": (lambda _, a: a.reshape(16, 32), [(32, 16)]),
    "concatenate": (lambda library, a, b: library.concatenate([a, b]), [(32, 16), (32, 16)]),
    "chain of 100": (lambda _, a: chain(a, 100), [(4,)]),
    "MLP 64-64-10 / 32": (network, [(32, 64), (64, 64), (64,), (64, 10), (10,)]),
}


@dataclass(frozen=True)
class Expression:
    """Forward, or forward and backward of the sum of the result (network: of its cross-entropy)."""

    title: str
    backward: bool

    name = property(lambda self: f"{self.title}, {'with' if self.backward else 'no'} backward")

    def leaves(self, dtype=np.float32):
        rng = np.random.default_rng(0)
        return [
            (rng.normal(size=shape) * 0.5).astype(dtype) for shape in EXPRESSIONS[self.title][1]
        ]

    def result(self, library, leaves, cross_entropy):
        value = EXPRESSIONS[self.title][0](library, *leaves)
        if self.title.startswith("MLP"):
            return cross_entropy(value, LABELS)
        return value.sum() if self.backward and value.shape != () else value

    def expected(self):
        """Result and gradients by nablas in float64; the tests check its rules by differences."""
        leaves = [autograd.Tensor(a, requires_grad=True) for a in self.leaves(np.float64)]
        return answer(self, autograd, leaves, autograd.cross_entropy, lambda t: t.data)


LABELS = np.random.default_rng(1).integers(0, 10, 32)


def answer(case, library, leaves, cross_entropy, array):
    """The result and, with backward, all gradients, as one flat float64 array."""
    value = case.result(library, leaves, cross_entropy)
    parts = [array(value.detach())]
    if case.backward:
        for leaf in leaves:
            leaf.grad = None
        value.backward()
        parts += [array(leaf.grad) for leaf in leaves]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float64)


def timed(case, library, leaves, cross_entropy):
    """A function run(count) that computes the case `count` times and returns `count`."""

    def run(count):
        for _ in range(count):
            value = case.result(library, leaves, cross_entropy)
            if case.backward:
                for leaf in leaves:
                    leaf.grad = None
                value.backward()
        return count

    return run


CASES = [Expression(title, backward) for title in EXPRESSIONS for backward in (False, True)]
