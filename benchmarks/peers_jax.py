"""JAX; see `peers.py`."""

import time

import numpy as np

from .cases import RATE
from .peers import _repeat, flatten


def _parameters(state):
    return flatten([(np.asarray(w), np.asarray(b)) for w, b in state[0]])


class Jax:
    """One jitted step at a time; SGD and Adam written out."""

    scans = False

    def __init__(self, threads):
        import jax

        self.jax, self.jnp = jax, jax.numpy
        jax.config.update("jax_enable_x64", True)

    def _functions(self, case):
        jnp, jax = self.jnp, self.jax
        activation = {"relu": lambda z: jnp.maximum(z, 0), "tanh": jnp.tanh}[
            getattr(case, "activation", "relu")
        ]

        def forward(layers, x):
            for w, b in layers[:-1]:
                x = activation(x @ w + b)
            return x @ layers[-1][0] + layers[-1][1]

        output = getattr(case, "output", "softmax")

        def loss(layers, x, y):
            z = forward(layers, x)
            if output == "identity":
                return jnp.mean((z - y) ** 2)
            if output == "softmax":
                return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))
            return jnp.sum(jnp.logaddexp(0, z) - y * z) / len(z)

        def step(state, x, y, rate=RATE):
            layers, m, v, t = state
            gradient = jax.grad(loss)(layers, x, y)
            tree = jax.tree_util.tree_map
            if case.optimizer == "sgd":
                return tree(lambda p, g: p - rate * g, layers, gradient), m, v, t
            t = t + 1
            m = tree(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
            v = tree(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)
            scale = rate / (1 - 0.9**t)
            root = 1 / jnp.sqrt(1 - 0.999**t)
            layers = tree(
                lambda p, a, b: (p - scale * a / (jnp.sqrt(b) * root + 1e-8)).astype(p.dtype),
                layers,
                m,
                v,
            )
            return layers, m, v, t

        return forward, step

    def _state(self, case, net=None):
        net, jnp = net or case.network(), self.jnp
        layers = [
            (jnp.array(w), jnp.array(b)) for w, b in zip(net.weights, net.biases, strict=True)
        ]
        zeros = self.jax.tree_util.tree_map(jnp.zeros_like, layers)
        moments = zeros if case.optimizer == "adam" else ()
        return layers, moments, moments, jnp.zeros((), net.dtype)

    def train(self, case):
        jax, (x, y) = self.jax, case.data()
        _, step = self._functions(case)
        batches = case.rows // case.batch
        xs = self.jnp.array(x).reshape(batches, case.batch, -1)
        ys = self.jnp.array(y).reshape(batches, case.batch, *y.shape[1:])
        state = self._state(case)
        jitted = jax.jit(step)

        def answer():
            value = self._state(case)
            for i in range(case.checked_steps):
                value = jitted(value, xs[i % batches], ys[i % batches])
            return _parameters(value)

        if self.scans:

            def epoch(_, state):
                return jax.lax.scan(lambda c, b: (step(c, *b), None), state, (xs, ys))[0]

            fit = jax.jit(lambda state, epochs: jax.lax.fori_loop(0, epochs, epoch, state))

            def run(count):
                nonlocal state
                epochs = max(1, count // batches)
                state = fit(state, epochs)
                jax.block_until_ready(state)
                return epochs * batches

            return run, answer
        slices = [(xs[i], ys[i]) for i in range(batches)]
        position = 0

        def run(count):
            nonlocal state, position
            for _ in range(count):
                state = jitted(state, *slices[position])
                position = (position + 1) % batches
            jax.block_until_ready(state)
            return count

        return run, answer

    def learn(self, case):
        return self._learner(case), lambda: self._learner(case.shortened())(0)[0]

    def _learner(self, case):
        """run(seed): one jitted call a step, or one an epoch; rows are shuffled by NumPy."""
        jax, jnp = self.jax, self.jnp
        x, y = (jnp.array(a) for a in case.training())
        _, step = self._functions(case)
        batches, rates = len(x) // case.batch, case.rates().astype(np.float32)

        def one(state, x, y, rows, rate):
            return step(state, x[rows], y[rows], rate)

        def epoch(state, x, y, order, rates):
            return jax.lax.scan(lambda s, now: (one(s, x, y, *now), None), state, (order, rates))[0]

        jitted = jax.jit(epoch if self.scans else one)

        def run(seed):
            state, rng = self._state(case, case.network(seed)), np.random.default_rng(seed)
            jax.block_until_ready(state)
            start = time.perf_counter()
            for now in rates.reshape(-1, batches):
                order = rng.permutation(len(x)) if case.shuffle else np.arange(len(x))
                order = order.reshape(batches, case.batch).astype(np.int32)
                if self.scans:
                    state = jitted(state, x, y, order, now)
                else:
                    for rows, rate in zip(order, now, strict=True):
                        state = jitted(state, x, y, rows, rate)
            jax.block_until_ready(state)
            return _parameters(state), time.perf_counter() - start

        return run

    def infer(self, case):
        if self.scans:
            return None
        fake = type("Case", (), {"network": case.network, "optimizer": "sgd"})
        forward, _ = self._functions(fake)
        layers, x = self._state(fake)[0], self.jnp.array(case.data())
        jitted = self.jax.jit(lambda v: self.jax.nn.softmax(forward(layers, v)))
        return _repeat(lambda: jitted(x).block_until_ready()), lambda: np.asarray(jitted(x))

    def fit(self, case):
        """Shuffled epochs, each one jitted scan."""
        if not self.scans:
            return None
        jax, jnp = self.jax, self.jnp
        x, y = (jnp.array(a) for a in case.data())
        _, step = self._functions(case)
        batches = len(x) // case.batch

        def epoch(state, key):
            order = jax.random.permutation(key, len(x))[: batches * case.batch].reshape(
                batches, case.batch
            )
            return jax.lax.scan(lambda s, rows: (step(s, x[rows], y[rows]), None), state, order)[0]

        jitted, state, key = jax.jit(epoch), self._state(case), jax.random.key(0)

        def run(count):
            nonlocal state, key
            for _ in range(count):
                key, now = jax.random.split(key)
                state = jitted(state, now)
            jax.block_until_ready(state)
            return count

        return run, None


class JaxScan(Jax):
    """Whole epochs in one jitted call: a loop over epochs of a scan over batches."""

    scans = True
