"""
A pass by hand
==============

One row through a small network: z and a of every unit forwards, δ and the gradient of every
weight backwards.
The colours tell the signs.
"""

import nablas as nb

net = nb.MLP([2, 3, 1], activation="sigmoid", seed=1)
passed = net.explain([1.0, 2.0], 0.5)
nb.plots.NetworkDisplay.from_explanation(passed, show="forward")

# %%
# Backwards.
nb.plots.NetworkDisplay.from_explanation(passed, show="backward")

# %%
# The same numbers, printed.
print(passed)
