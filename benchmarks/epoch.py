"""One epoch on 8,000 MNIST-sized rows, 784-128-10, batch 128, SGD: nablas against PyTorch eager.

``python benchmarks/epoch.py [--threads N] [--rounds N]``. Both train from the same weights in the same order;
their weights must agree before anything is timed. The contenders take turns; medians and their ratio are printed.
"""

import argparse
import statistics
import time

import numpy as np

import nablas as nb

SIZES, ROWS, BATCH, RATE = [784, 128, 10], 8000, 128, 0.05


def data():
    rng = np.random.default_rng(0)
    x = rng.random((ROWS, SIZES[0]), dtype=np.float32)
    return x, (x @ rng.standard_normal((SIZES[0], SIZES[-1]))).argmax(axis=1)


class Nablas:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.net = nb.MLP(SIZES, output="softmax", seed=0)
        self.optimizer = nb.SGD(RATE)

    def epoch(self):
        self.net.fit(self.x, self.y, optimizer=self.optimizer, batch_size=BATCH, epochs=1, seed=0)


class Torch:
    """Manual batches of a shuffled index, as fast as eager mode goes without a DataLoader."""

    def __init__(self, x, y, net):
        import torch

        self.torch, self.x, self.y, self.done = torch, torch.from_numpy(x), torch.from_numpy(y), 0
        layers = []
        for weight, bias in zip(net.weights, net.biases, strict=True):
            layer = torch.nn.Linear(*weight.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
            layers += [layer, torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=RATE)
        self.loss = torch.nn.CrossEntropyLoss()

    def epoch(self):
        order = self.torch.from_numpy(nb.kernels.permutation(ROWS, seed=0, epoch=self.done))
        self.done += 1
        for begin in range(0, ROWS, BATCH):
            rows = order[begin : begin + BATCH]
            self.optimizer.zero_grad()
            self.loss(self.net(self.x[rows]), self.y[rows]).backward()
            self.optimizer.step()

    def parameters(self):
        return np.concatenate(
            [
                array
                for layer in self.net
                if hasattr(layer, "weight")
                for array in (
                    layer.bias.detach().numpy(),
                    layer.weight.detach().numpy().T.reshape(-1),
                )
            ]
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=nb.num_threads())
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    import torch

    nb.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    x, y = data()
    ours = Nablas(x, y)
    theirs = Torch(x, y, ours.net)
    for contender in (ours, theirs):
        contender.epoch()
    difference = np.abs(ours.net.parameters - theirs.parameters()).max()
    if difference > 1e-4:
        raise SystemExit(f"the weights differ by {difference:.2g} after one epoch: not timed")
    times = {"nablas": [], "PyTorch": []}
    for _ in range(options.rounds):
        for name, contender in (("nablas", ours), ("PyTorch", theirs)):
            start = time.perf_counter()
            contender.epoch()
            times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"weights agree to {difference:.1e}; {options.threads} threads, {nb.isa()}, torch {torch.__version__}"
    )
    for name, value in median.items():
        print(
            f"{name:8} {1e3 * value:7.2f} ms an epoch, {1e6 * value / (ROWS / BATCH):6.0f} µs a step"
        )
    print(f"ratio {median['PyTorch'] / median['nablas']:.2f}")


if __name__ == "__main__":
    main()
