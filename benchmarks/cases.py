"""The cases: networks with their batch sizes, products, inference, fits."""

from dataclasses import dataclass, field

import numpy as np

import nablas as nb

RATE = 1e-3
CHECKED_STEPS = 5


@dataclass(frozen=True)
class Train:
    """Training steps of one network; `optimizer` is "sgd" or "adam"."""

    sizes: tuple[int, ...]
    batch: int
    optimizer: str = "sgd"
    activation: str = "relu"
    output: str = "softmax"
    dtype: str = "float32"
    batches: int = 0  # batches in an epoch; 0: chosen from the sizes

    @property
    def name(self):
        hidden = self.sizes[1:-1]
        shape = "-".join(map(str, self.sizes))
        if len(hidden) > 4 and len(set(hidden)) == 1:
            shape = f"{self.sizes[0]}-{hidden[0]}x{len(hidden)}-{self.sizes[-1]}"
        extras = [
            self.optimizer != "sgd" and self.optimizer,
            self.activation != "relu" and self.activation,
        ]
        extras += [self.output != "softmax" and self.output, self.dtype != "float32" and self.dtype]
        return " ".join([f"{shape} / {self.batch}", *filter(None, extras)])

    @property
    def rows(self):
        fitting = max(1, min(200, 4_000_000 // (self.sizes[0] * self.batch)))
        return self.batch * (self.batches or fitting)

    @property
    def flops(self):
        """Operations in one step's products: forward, dW, and dX of all layers but the first."""
        products = sum(a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        return 2 * self.batch * (3 * products - self.sizes[0] * self.sizes[1])

    @property
    def loss(self):
        """Name of the output's loss."""
        return {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "identity": "mse"}[
            self.output
        ]

    def data(self):
        rng = np.random.default_rng(0)
        x = rng.random((self.rows, self.sizes[0])).astype(self.dtype)
        if self.output == "softmax":
            return x, rng.integers(0, self.sizes[-1], self.rows)
        if self.output == "identity":
            x = rng.standard_normal(x.shape).astype(self.dtype)
            return x, exponential(x)
        return x, rng.integers(0, 2, (self.rows, self.sizes[-1])).astype(self.dtype)

    def network(self):
        return nb.MLP(list(self.sizes), self.activation, self.output, dtype=self.dtype, seed=0)

    def expected(self):
        """Flat parameters after `checked_steps` steps, in float64, by the NumPy reference."""
        net = self.network()
        twin = nb.reference.ReferenceNetwork(
            net.sizes, net.activations, net.parameters.astype(np.float64)
        )
        x, y = self.data()
        rows = slice(0, self.checked_batches * self.batch)
        steps = nb.reference.fit(
            twin, x[rows].astype(np.float64), y[rows], optimizer=self.optimizer, learning_rate=RATE, loss=self.loss,
            batch_size=self.batch, epochs=self.checked_epochs, seed=0, shuffle=False,
        )  # fmt: skip
        *_, (_, parameters) = steps
        return parameters

    checked_batches = property(lambda self: min(CHECKED_STEPS, self.rows // self.batch))
    checked_epochs = property(lambda self: CHECKED_STEPS if self.rows == self.batch else 1)
    checked_steps = property(lambda self: self.checked_batches * self.checked_epochs)


def exponential(x):
    """The matrix exponential of rows that are square matrices, by its series; (n, k²)."""
    side = round(x.shape[1] ** 0.5)
    a = x.astype(np.float64).reshape(-1, side, side)
    term = total = np.broadcast_to(np.eye(side), a.shape)
    for k in range(1, 20):
        term = term @ a / k
        total = total + term
    return total.reshape(x.shape).astype(x.dtype)


@dataclass(frozen=True)
class Product:
    """forward: (b, k)(k, n); dW: (b, k)ᵀ(b, n); dX: (b, n)(k, n)ᵀ."""

    b: int
    k: int
    n: int
    form: str

    name = property(lambda self: f"{self.b},{self.k},{self.n} {self.form}")
    flops = property(lambda self: 2 * self.b * self.k * self.n)

    def operands(self):
        rng = np.random.default_rng(0)
        x, w, d = (
            rng.random(s, dtype=np.float32)
            for s in ((self.b, self.k), (self.k, self.n), (self.b, self.n))
        )
        return {
            "forward": (x, w, False, False),
            "dW": (x, d, True, False),
            "dX": (d, w, False, True),
        }[self.form]


@dataclass(frozen=True)
class Infer:
    """The forward pass of `rows` rows."""

    sizes: tuple[int, ...]
    rows: int

    name = property(lambda self: f"{'-'.join(map(str, self.sizes))}, {self.rows} rows")
    flops = property(
        lambda self: (
            2 * self.rows * sum(a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        )
    )

    def network(self):
        return nb.MLP(list(self.sizes), output="softmax", seed=0)

    def data(self):
        return np.random.default_rng(0).random((self.rows, self.sizes[0]), dtype=np.float32)

    def expected(self):
        """The outputs by the NumPy reference, in float64."""
        net = self.network()
        parameters = net.parameters.astype(np.float64)
        twin = nb.reference.ReferenceNetwork(net.sizes, net.activations, parameters)
        return twin.forward(self.data().astype(np.float64))


@dataclass(frozen=True)
class Fit:
    """Epochs of a fit on a NumPy array, with shuffling and gathering of the rows."""

    sizes: tuple[int, ...]
    rows: int
    batch: int = 32
    optimizer: str = "adam"
    name: str = field(default="", compare=False)

    def data(self):
        rng = np.random.default_rng(0)
        return rng.random((self.rows, self.sizes[0]), dtype=np.float32), rng.integers(
            0, self.sizes[-1], self.rows
        )

    def network(self):
        return nb.MLP(list(self.sizes), output="softmax", seed=0)


@dataclass(frozen=True)
class Estimate:
    """A whole fit of an estimator on a table that scikit-learn ships."""

    table: str
    hidden: tuple[int, ...]
    settings: tuple[tuple[str, object], ...]

    name = property(
        lambda self: " ".join(
            [self.table, str(self.hidden), *(f"{k}={v}" for k, v in self.settings)]
        )
    )

    def data(self):
        from sklearn import datasets
        from sklearn.preprocessing import StandardScaler

        x, y = getattr(datasets, f"load_{self.table}")(return_X_y=True)
        if self.table == "diabetes":
            y = (y - y.mean()) / y.std()
        return StandardScaler().fit_transform(x), y

    def fit(self, module):
        """A function that fits the estimator of a module as often as it is told."""
        import warnings

        kind = "MLPRegressor" if self.table == "diabetes" else "MLPClassifier"
        make, (x, y) = getattr(module, kind), self.data()

        def run(count):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(count):
                    make(hidden_layer_sizes=self.hidden, random_state=0, **dict(self.settings)).fit(
                        x, y
                    )
            return count

        return run


STEPS = [
    Train((4, 3), 32),
    Train((2, 16, 16, 2), 32),
    Train((64, 64, 10), 32),
    Train((64, 64, 10), 128),
    Train((784, 30, 10), 10),
    Train((784, 128, 10), 32),
    Train((784, 128, 10), 128),
    Train((784, 128, 10), 512),
    Train((54, 256, 256, 7), 256),
    Train((784, 512, 512, 10), 1024),
    Train((1024,) * 8 + (10,), 512),
    Train((64,) * 21 + (10,), 64),
]
MORE_STEPS = [
    Train((64, 64, 10), 32, "adam"),
    Train((784, 128, 10), 32, "adam"),
    Train((784, 128, 10), 128, "adam"),
    Train((784, 512, 512, 10), 1024, "adam"),
    Train((784, 128, 10), 128, activation="tanh"),
    Train((784, 128, 10), 128, output="sigmoid"),
    Train((784, 128, 10), 128, dtype="float64"),
]
# Gradient descent on all rows: the case that SimpleChains.jl's documentation times (exponentials of 2 x 2 matrices);
# as many rows as XOR has; as many as the iris data.
FULL_BATCH = [
    Train((4, 32, 16, 4), 10_000, "adam", "tanh", "identity", batches=1),
    Train((2, 4, 1), 4, "sgd", "tanh", "sigmoid", batches=1),
    Train((4, 3), 150, batches=1),
]
PRODUCTS = [
    Product(b, k, n, form)
    for b in (1, 8, 32, 128, 1024)
    for k, n in (
        (64, 10),
        (64, 64),
        (784, 30),
        (784, 128),
        (256, 256),
        (512, 512),
        (1024, 1024),
        (2048, 2048),
    )
    for form in ("forward", "dW", "dX")
]
INFERENCE = [
    Infer((64, 64, 10), 1),
    Infer((784, 128, 10), 1),
    Infer((784, 128, 10), 128),
    Infer((64, 64, 10), 10_000),
    Infer((784, 128, 10), 10_000),
]
FITS = [
    Fit((64, 64, 10), 1797, name="digits-sized, hidden (64,)"),
    Fit((784, 128, 10), 8000, 128, name="8,000 MNIST-sized rows, hidden (128,)"),
]
ESTIMATES = [
    Estimate("iris", (16,), (("max_iter", 50),)),
    Estimate("wine", (16,), (("max_iter", 50),)),
    Estimate("breast_cancer", (32,), (("max_iter", 30),)),
    Estimate("digits", (64,), (("max_iter", 10),)),
    Estimate("digits", (64,), (("max_iter", 10), ("batch_size", 32))),
    Estimate("digits", (16,), (("max_iter", 10), ("batch_size", 16), ("solver", "sgd"))),
    Estimate("diabetes", (32,), (("max_iter", 30),)),
    Estimate("digits", (64,), (("max_iter", 10), ("solver", "lbfgs"))),
]
