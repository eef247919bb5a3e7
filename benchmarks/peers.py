"""The contenders. A class has a method for each kind of case it supports.

A method returns None for an unsupported case; otherwise run(count), which does at least one and
about `count` units of the case (training steps, products, inferences, epochs) and returns how many
(or how many and in how many seconds), and a function that returns the answer to check, or None.
`learn` returns run(seed) instead, a whole training: the flat parameters, and its seconds.
"""

import time

import numpy as np

import nablas as nb
from nablas import autograd

from .cases import RATE
from .expressions import answer, timed


def flatten(layers):
    """Flat parameters in nablas's order from (weights, bias) pairs."""
    return np.concatenate([np.concatenate([np.ravel(b), np.ravel(w)]) for w, b in layers]).astype(
        np.float64
    )


class Nablas:
    """The public API; steps are those of `fit`, with shuffling and gathering."""

    def __init__(self, threads):
        nb.set_num_threads(threads)

    def train(self, case):
        x, y = case.data()
        net = case.network()
        optimizer = {"sgd": nb.SGD, "adam": nb.Adam}[case.optimizer](RATE)
        steps = case.rows // case.batch
        settings = {"optimizer": optimizer, "batch_size": case.batch}

        def run(count):
            epochs = max(1, count // steps)
            net.fit(x, y, epochs=epochs, shuffle=steps > 1, **settings)
            return epochs * steps

        def answer():
            first = case.checked_batches * case.batch
            net.fit(x[:first], y[:first], epochs=case.checked_epochs, shuffle=False, **settings)
            return net.parameters.astype(np.float64)

        return run, answer

    def multiply(self, case):
        a, b, ta, tb = case.operands()
        out = nb.kernels.matmul(a, b, transpose_a=ta, transpose_b=tb)

        def run(count):
            for _ in range(count):
                nb.kernels.matmul(a, b, transpose_a=ta, transpose_b=tb, out=out)
            return count

        return run, lambda: out

    def infer(self, case):
        net, x = case.network(), case.data()

        def run(count):
            for _ in range(count):
                net.forward(x)
            return count

        return run, lambda: net.forward(x)

    def fit(self, case):
        net, (x, y), optimizer = case.network(), case.data(), nb.Adam(RATE)

        def run(count):
            net.fit(x, y, optimizer=optimizer, batch_size=case.batch, epochs=count)
            return count

        return run, lambda: net.loss(x, y)

    def estimate(self, case):
        import nablas.sklearn

        return case.fit(nablas.sklearn), None

    def learn(self, case):
        def train(case, seed=0):
            x, y = case.training()
            net = case.network(seed)
            optimizer = nb.Adam(case.schedule())
            start = time.perf_counter()
            net.fit(
                x, y, optimizer=optimizer, batch_size=case.batch, epochs=case.epochs, shuffle=case.shuffle
            )  # fmt: skip
            return net.parameters.astype(np.float64), time.perf_counter() - start

        return lambda seed: train(case, seed), lambda: train(case.shortened())[0]

    def differentiate(self, case):
        leaves = [autograd.Tensor(a, requires_grad=True) for a in case.leaves()]
        setting = (case, autograd, leaves, autograd.cross_entropy)
        return timed(*setting), lambda: answer(*setting, lambda t: t.data)


class NumPy:
    """The reference's formulas, partly in place, as written by hand."""

    def __init__(self, threads):
        import threadpoolctl

        self.limits = threadpoolctl.threadpool_limits(threads)

    def train(self, case):
        if case.activation != "relu" or case.output != "softmax" or case.optimizer != "sgd":
            return None
        x, y = case.data()
        net = case.network()
        layers = [(w.copy(), b.copy()) for w, b in zip(net.weights, net.biases, strict=True)]
        rows, batch = case.rows, case.batch

        def step(begin):
            activations = [x[begin : begin + batch]]
            for i, (w, b) in enumerate(layers):
                z = activations[-1] @ w
                z += b
                if i < len(layers) - 1:
                    np.maximum(z, 0, out=z)
                activations.append(z)
            delta = activations[-1]
            delta -= delta.max(axis=1, keepdims=True)
            np.exp(delta, out=delta)
            delta /= delta.sum(axis=1, keepdims=True)
            delta[np.arange(batch), y[begin : begin + batch]] -= 1
            delta /= batch
            for i in reversed(range(len(layers))):
                w, b = layers[i]
                a = activations[i]
                below = (delta @ w.T) * (a > 0) if i else None
                w -= RATE * (a.T @ delta)
                b -= RATE * delta.sum(axis=0)
                delta = below

        return _batches(step, rows, batch), lambda: _checked(step, case, lambda: flatten(layers))

    def multiply(self, case):
        a, b, ta, tb = case.operands()
        a, b = (a.T if ta else a), (b.T if tb else b)
        out = a @ b

        def run(count):
            for _ in range(count):
                np.matmul(a, b, out=out)
            return count

        return run, lambda: out

    def infer(self, case):
        net, x = case.network(), case.data()

        def forward():
            a = x
            for w, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
                a = np.maximum(a @ w + b, 0)
            z = a @ net.weights[-1] + net.biases[-1]
            e = np.exp(z - z.max(axis=1, keepdims=True))
            return e / e.sum(axis=1, keepdims=True)

        return _repeat(forward), forward


class ScikitLearn:
    """MLPClassifier: partial_fit for steps (its initial weights replaced), fit for epochs."""

    def __init__(self, threads):
        import threadpoolctl

        self.limits = threadpoolctl.threadpool_limits(threads)

    def estimate(self, case):
        from sklearn import neural_network

        return case.fit(neural_network), None

    def _model(self, case, x, y, **settings):
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(
            case.sizes[1:-1], solver=case.optimizer, learning_rate_init=RATE, alpha=0, batch_size=case.batch,
            momentum=0, nesterovs_momentum=False, random_state=0, **settings,
        )  # fmt: skip
        net = case.network()
        model.partial_fit(x[: case.batch], y[: case.batch], classes=np.arange(case.sizes[-1]))
        model.coefs_ = [w.copy() for w in net.weights]
        model.intercepts_ = [b.copy() for b in net.biases]
        model._optimizer.params = model.coefs_ + model.intercepts_
        return model

    def train(self, case):
        if (
            len(case.sizes) == 2
            or case.sizes[-1] == 2  # it has one sigmoid output for two classes
            or case.output != "softmax"
            or case.activation not in ("relu", "tanh")
        ):
            return None
        if case.optimizer != "sgd":
            return (
                None  # the moments of the step that builds the model cannot be reset from outside
            )
        x, y = case.data()
        model = self._model(case, x, y, activation=case.activation)

        def step(begin):
            model.partial_fit(x[begin : begin + case.batch], y[begin : begin + case.batch])

        def parameters():
            return flatten(list(zip(model.coefs_, model.intercepts_, strict=True)))

        return _batches(step, case.rows, case.batch), lambda: _checked(step, case, parameters)

    def infer(self, case):
        x = case.data()
        net = case.network()
        fake = type(
            "Case",
            (),
            {"sizes": case.sizes, "optimizer": "sgd", "batch": 1, "network": case.network},
        )
        y = np.arange(max(case.rows, case.sizes[-1])) % case.sizes[-1]
        start = np.zeros((case.sizes[-1], case.sizes[0]), np.float32)
        model = self._model(fake, start, y, activation="relu")
        del net
        return _repeat(lambda: model.predict_proba(x)), lambda: model.predict_proba(x)

    def fit(self, case):
        from sklearn.neural_network import MLPClassifier

        x, y = case.data()

        def run(count):
            import warnings

            model = MLPClassifier(
                case.sizes[1:-1],
                batch_size=case.batch,
                max_iter=count,
                alpha=0,
                tol=0,
                n_iter_no_change=10**6,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(x, y)
            return count

        return run, None


def _batches(step, rows, batch):
    """run(count): `count` steps over successive batches."""
    position = 0

    def run(count):
        nonlocal position
        for _ in range(count):
            step(position)
            position = (position + batch) % rows
        return count

    return run


def _checked(step, case, parameters):
    for i in range(case.checked_steps):
        step(i * case.batch % case.rows)
    return parameters()


def _repeat(function):
    def run(count):
        for _ in range(count):
            function()
        return count

    return run
