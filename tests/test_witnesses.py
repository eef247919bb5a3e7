"""Engine, autograd and reference agree on the objective and its gradient.

For every loss, activation, number of hidden layers from 0 to 4, with and without sample weights and
l2; autograd both with the fused operations and with primitive operations only.
"""

import itertools

import numpy as np
import pytest
from cases import loss_targets

import nablas as nb
from nablas import autograd as ag
from nablas import reference
from nablas._registry import LOSSES
from nablas.autograd import Tensor
from nablas.reference import ReferenceNetwork


def blocks(net, parameters):
    at = 0
    for inputs, outputs in itertools.pairwise(net.sizes):
        end = at + (inputs + 1) * outputs
        yield parameters[at:end].reshape(inputs + 1, outputs)
        at = end


def fused(net, parameters, x, y, loss, weight, l2):
    a, penalty = x, 0.0
    *hidden, last = blocks(net, parameters)
    for w, name in zip(hidden, net.activations, strict=False):
        a, penalty = ag.dense(a, w, name), penalty + (w[1:] ** 2).sum()
    penalty = penalty + (last[1:] ** 2).sum()
    return getattr(ag, loss)(ag.dense(a, last), y, sample_weight=weight) + l2 * penalty


def written_out(net, parameters, x, y, loss, weight, l2):
    a, penalty = Tensor(x), 0.0
    layers = list(blocks(net, parameters))
    for i, w in enumerate(layers):
        z = a @ w[1:] + w[0]
        a = z if i == len(layers) - 1 else ag.activate(z, net.activations[i])
        penalty = penalty + (w[1:] * w[1:]).sum()
    share = np.ones(len(x)) if weight is None else weight
    if LOSSES[loss].takes_labels:
        y = np.eye(z.shape[1])[y]
    entries = reference.LOSSES[loss].entries(z, y)[0]
    per_sample = entries.mean(1) if LOSSES[loss].averaged else entries.sum(1)
    return (per_sample * share).sum() / share.sum() + l2 * penalty


@pytest.mark.parametrize("activation", nb.activations())
@pytest.mark.parametrize("loss", nb.losses())
def test_engine_autograd_and_reference_agree(loss, activation):
    for depth, weighted, l2 in itertools.product(range(5), [False, True], [0.0, 0.01]):
        rng = np.random.default_rng(depth)
        sizes = [*[3, 5, 4, 6, 5][: depth + 1], 3]
        output = LOSSES[loss].link
        net = nb.MLP(sizes, activation, output, dtype="float64", seed=depth + 1)
        net.parameters[:] += rng.normal(0, 0.1, net.parameters.size)
        if activation == "exp":
            net.parameters[:] *= 0.3  # nested exponentials overflow otherwise
        x = rng.normal(size=(9, 3))
        y = loss_targets(loss, 9, 3, seed=depth, labels=True)
        weight = rng.random(9) + 0.1 if weighted else None
        settings = {"loss": loss, "sample_weight": weight, "l2": l2}
        value, gradient = net.loss(x, y, **settings), net.gradient(x, y, **settings)
        oracle = ReferenceNetwork(sizes, net.activations, net.parameters).loss_and_gradient(
            x, y, **settings
        )
        scale = max(1.0, np.abs(oracle[1]).max())
        case = f"depth {depth}, weighted {weighted}, l2 {l2}"
        assert value == pytest.approx(oracle[0], rel=1e-12), case
        np.testing.assert_allclose(gradient, oracle[1], rtol=0, atol=1e-12 * scale, err_msg=case)
        for witness in (fused, written_out):
            parameters = Tensor(net.parameters.copy(), requires_grad=True)
            result = witness(net, parameters, x, y, loss, weight, l2)
            result.backward()
            assert result.item() == pytest.approx(value, rel=1e-12), case
            np.testing.assert_allclose(
                parameters.grad.data, gradient, rtol=0, atol=1e-12 * scale, err_msg=case
            )
