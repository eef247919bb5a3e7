"""PyTorch and onnxruntime; see `peers.py`."""

import time

from .cases import RATE
from .expressions import LABELS, answer, timed
from .peers import _batches, _checked, _repeat, flatten


class PyTorch:
    """Eager mode with the foreach optimizer; subclasses change both."""

    optimizer_options = {"foreach": True}  # noqa: RUF012
    compiled = False

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)

    def _network(self, case, source=None):
        torch = self.torch
        source = source or case.network()
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
        output = getattr(case, "output", "softmax")
        if output != "sigmoid":
            return nn.CrossEntropyLoss() if output == "softmax" else nn.MSELoss()
        return lambda z, y: (
            nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(z)
        )

    def differentiate(self, case):
        torch = self.torch
        if type(self) is not PyTorch:
            return None
        leaves = [torch.from_numpy(a).requires_grad_() for a in case.leaves()]
        labels = torch.from_numpy(LABELS)

        def cross_entropy(z, _):
            return torch.nn.functional.cross_entropy(z, labels)

        setting = (case, torch, leaves, cross_entropy)
        return timed(*setting), lambda: answer(*setting, lambda t: t.numpy())

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

        def answer():
            return _checked(step, case, lambda: self._parameters(net))

        return _batches(step, case.rows, case.batch), answer

    def learn(self, case):
        if self.compiled or "fused" not in self.optimizer_options:
            return None
        return lambda seed: self._learn(case, seed), lambda: self._learn(case.shortened(), 0)[0]

    def _learn(self, case, seed):
        torch = self.torch
        x, y = (torch.from_numpy(a) for a in case.training())
        net, rates = self._network(case, case.network(seed)), case.rates()
        optimizer, loss = self._optimizer(case, net), self._loss(case)
        torch.manual_seed(seed)
        start, step = time.perf_counter(), 0
        for _ in range(case.epochs):
            order = torch.randperm(len(x)) if case.shuffle else torch.arange(len(x))
            for rows in order.split(case.batch):
                optimizer.param_groups[0]["lr"] = rates[step]
                optimizer.zero_grad()
                loss(net(x[rows]), y[rows]).backward()
                optimizer.step()
                step += 1
        seconds = time.perf_counter() - start
        return self._parameters(net), seconds

    def _parameters(self, net):
        linear = [m for m in net if hasattr(m, "weight")]
        return flatten([(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in linear])

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
    """Eager mode with the fused optimizer."""

    optimizer_options = {"fused": True}  # noqa: RUF012


class TorchCompile(PyTorch):
    """torch.compile of forward and loss, hence of backward; fused optimizer."""

    optimizer_options = {"fused": True}  # noqa: RUF012
    compiled = True


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
