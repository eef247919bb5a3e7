"""The activation functions and their slopes."""

import numpy as np
from _common import main

import nablas as nb
from nablas.plots import ActivationDisplay


def run(pictures):
    z = np.array([-5.0, 0.0, 5.0])
    slopes = {}
    for name, kept in nb.activations().items():
        values = nb.kernels.activate(z, name)
        slopes[name] = nb.kernels.slope(values if kept == "output" else z, name)
    pictures.save("06_activations", ActivationDisplay.from_names())
    return {"slopes": slopes}


if __name__ == "__main__":
    main(run, __doc__)
