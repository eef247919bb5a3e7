"""The activation functions and their slopes."""

import numpy as np
from _common import main, save

import nablas as nb
from nablas.plots import ActivationDisplay


def run(folder):
    z = np.array([-5.0, 0.0, 5.0])
    slopes = {}
    print(f"{'':12} {'g(-5)':>9} {'g(0)':>9} {'g(5)':>9} {'g(-5)':>9}' {'g(0)':>8}' {'g(5)':>8}'")
    for name, kept in nb.activations().items():
        values = nb.kernels.activate(z, name)
        slopes[name] = nb.kernels.slope(values if kept == "output" else z, name)
        print(f"{name:12} " + " ".join(f"{v:9.4f}" for v in (*values, *slopes[name])))
    print("sigmoid's slope is at most 1/4: over ten layers at most", 0.25**10)
    save(ActivationDisplay.from_names(), folder, "06_activations")
    return {"slopes": slopes}


if __name__ == "__main__":
    main(run, __doc__)
