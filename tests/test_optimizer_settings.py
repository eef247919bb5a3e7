"""What an optimizer was made with, and what of it can be changed."""

import numpy as np
import pytest

import nablas as nb


@pytest.mark.parametrize("optimizer", [nb.SGD(0.1), nb.Adam(), nb.RMSprop(), nb.AdamW()])
def test_a_hyperparameter_that_is_set_later_is_refused(optimizer):
    """Nothing would read it."""
    for name in ("lr", *optimizer.hyperparameters):
        with pytest.raises(AttributeError, match=f"^{name}: cannot be changed; learning_rate can"):
            setattr(optimizer, name, 0.5)
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5


def test_flags_are_flags():
    assert repr(nb.SGD(0.1, momentum=0.9, nesterov=True)) == "SGD(0.1, momentum=0.9, nesterov=True)"
    w, states = np.ones(2), [np.zeros(2)]
    for wrong in (0.5, 1.5, -1):
        with pytest.raises(ValueError, match="^nesterov: expected True or False, got"):
            nb.kernels.optimizer_update(
                "sgd", w, w, states, step=1, learning_rate=0.1, momentum=0.9, nesterov=wrong
            )
