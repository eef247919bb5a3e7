"""PyTorch, JAX and onnxruntime; see `peers.py`."""

import numpy as np

import nablas as nb

from .cases import RATE
from .peers import _batches, _checked, _repeat, flatten


class PyTorch:
    """Eager mode; the optimizer's implementation (foreach or fused) is the subclass's."""

    optimizer_options = {"foreach": True}  # noqa: RUF012
    compiled = False

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)

    def _network(self, case):
        torch = self.torch
        source = case.network()
        activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[
            getattr(case, "activation", "relu")
        ]
        layers = []
        for weight, bias in zip(source.weights, source.biases, strict=True):
            layer = torch.nn.Linear(*weight.shape, dtype=getattr(torch, source.dtype))
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
            layers += [layer, activation()]
        return torch.nn.Sequential(*layers[:-1])

    def _optimizer(self, case, net):
        rule = {"sgd": self.torch.optim.SGD, "adam": self.torch.optim.Adam}[case.optimizer]
        return rule(net.parameters(), lr=RATE, **self.optimizer_options)

    def _loss(self, case):
        nn = self.torch.nn
        if getattr(case, "output", "softmax") == "softmax":
            return nn.CrossEntropyLoss()
        return lambda z, y: (
            nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(z)
        )

    def train(self, case):
        x, y = (self.torch.from_numpy(a) for a in case.data())
        net = self._network(case)
        optimizer, loss = self._optimizer(case, net), self._loss(case)

        def forward(rows, labels):
            return loss(net(rows), labels)

        if self.compiled:
            forward = self.torch.compile(forward)

        def step(begin):
            optimizer.zero_grad()
            forward(x[begin : begin + case.batch], y[begin : begin + case.batch]).backward()
            optimizer.step()

        def parameters():
            linear = [m for m in net if hasattr(m, "weight")]
            return flatten([(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in linear])

        return _batches(step, case.rows, case.batch), lambda: _checked(step, case, parameters)

    def multiply(self, case):
        if self.compiled or "fused" in self.optimizer_options:
            return None
        a, b, ta, tb = case.operands()
        a, b = self.torch.from_numpy(a), self.torch.from_numpy(b)
        a, b = (a.T if ta else a), (b.T if tb else b)
        out = self.torch.mm(a, b)

        def run(count):
            for _ in range(count):
                self.torch.mm(a, b, out=out)
            return count

        return run, lambda: out.numpy()

    def infer(self, case):
        if "fused" in self.optimizer_options:
            return None
        net, x = self._network(case), self.torch.from_numpy(case.data())
        function = self.torch.compile(net) if self.compiled else net

        def forward():
            with self.torch.inference_mode():
                return self.torch.softmax(function(x), 1)

        return _repeat(forward), lambda: forward().numpy()

    def fit(self, case):
        if self.compiled:
            return None
        x, y = (self.torch.from_numpy(a) for a in case.data())
        net = self._network(case)
        optimizer, loss = self._optimizer(case, net), self._loss(case)

        def run(count):
            for _ in range(count):
                order = self.torch.randperm(len(x))
                for begin in range(0, len(x), case.batch):
                    rows = order[begin : begin + case.batch]
                    optimizer.zero_grad()
                    loss(net(x[rows]), y[rows]).backward()
                    optimizer.step()
            return count

        return run, None


class PyTorchFused(PyTorch):
    """The fused optimizer."""

    optimizer_options = {"fused": True}  # noqa: RUF012


class TorchCompile(PyTorch):
    """torch.compile of forward, loss and so backward; fused optimizer."""

    optimizer_options = {"fused": True}  # noqa: RUF012
    compiled = True


class Jax:
    """One jitted step at a time; SGD and Adam written out, arguments donated."""

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

        def loss(layers, x, y):
            z = forward(layers, x)
            if getattr(case, "output", "softmax") == "softmax":
                return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))
            return jnp.sum(jnp.logaddexp(0, z) - y * z) / len(z)

        def step(state, x, y):
            layers, m, v, t = state
            gradient = jax.grad(loss)(layers, x, y)
            tree = jax.tree_util.tree_map
            if case.optimizer == "sgd":
                return tree(lambda p, g: p - RATE * g, layers, gradient), m, v, t
            t = t + 1
            m = tree(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
            v = tree(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)
            scale = RATE / (1 - 0.9**t)
            root = 1 / jnp.sqrt(1 - 0.999**t)
            layers = tree(
                lambda p, a, b: (p - scale * a / (jnp.sqrt(b) * root + 1e-8)).astype(p.dtype),
                layers,
                m,
                v,
            )
            return layers, m, v, t

        return forward, step

    def _state(self, case):
        net, jnp = case.network(), self.jnp
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

        def parameters(value):
            return flatten([(np.asarray(w), np.asarray(b)) for w, b in value[0]])

        def answer():
            value = self._state(case)
            for i in range(case.checked_steps):
                value = jitted(value, xs[i], ys[i])
            return parameters(value)

        if self.scans:
            epoch = jax.jit(
                lambda s: jax.lax.scan(lambda c, b: (step(c, *b), None), s, (xs, ys))[0]
            )

            def run(count):
                nonlocal state
                epochs = max(1, count // batches)
                for _ in range(epochs):
                    state = epoch(state)
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

    def infer(self, case):
        if self.scans:
            return None
        fake = type("Case", (), {"network": case.network, "optimizer": "sgd"})
        forward, _ = self._functions(fake)
        layers, x = self._state(fake)[0], self.jnp.array(case.data())
        jitted = self.jax.jit(lambda v: self.jax.nn.softmax(forward(layers, v)))
        return _repeat(lambda: jitted(x).block_until_ready()), lambda: np.asarray(jitted(x))

    def fit(self, case):
        """A shuffled epoch in one jit."""
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
    """All of an epoch in one jitted scan."""

    scans = True


class OnnxRuntime:
    """Inference of the same network as an ONNX graph."""

    def __init__(self, threads):
        import onnxruntime

        self.runtime, self.threads = onnxruntime, threads

    def infer(self, case):
        from onnx import TensorProto, helper, numpy_helper

        net, x = case.network(), case.data()
        nodes, constants, name = [], [], "x"
        for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
            constants += [
                numpy_helper.from_array(w.copy(), f"w{i}"),
                numpy_helper.from_array(b.copy(), f"b{i}"),
            ]
            nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"z{i}"]))
            last = i == len(net.weights) - 1
            nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{i}"], [f"a{i}"]))
            name = f"a{i}"
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes, "net", [value("x", TensorProto.FLOAT, x.shape)],
            [value(name, TensorProto.FLOAT, (len(x), net.sizes[-1]))], constants,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        session = self.runtime.InferenceSession(model.SerializeToString(), options)
        return _repeat(lambda: session.run(None, {"x": x})), lambda: session.run(None, {"x": x})[0]


def expected_outputs(case):
    """By the NumPy reference, in float64."""
    net = case.network()
    twin = nb.reference.ReferenceNetwork(
        net.sizes, net.activations, net.parameters.astype(np.float64)
    )
    return twin.forward(case.data().astype(np.float64))
