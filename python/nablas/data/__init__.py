"""Rows that are not in memory: sources for `MLP.fit`, which reads them block by block.

`ArraySource` reads arrays in files, `ArrowSource` tables, `CachedSource` keeps what another source
read or computed in a temporary file. `Source` says what any other class needs.

Examples
--------
>>> np.save("X.npy", np.random.default_rng(0).normal(size=(1000, 5)))
>>> X = np.load("X.npy", mmap_mode="r")
>>> source = nb.data.ArraySource(X, (X[:, 0] > 0).astype(int))
>>> net = nb.MLP([5, 8, 2], output="softmax", seed=0)
>>> len(net.fit(source, epochs=3, validation_data=source).val_loss)
3
"""

from .._sources import Source
from ._arrays import ArraySource
from ._arrow import ArrowSource
from ._cache import CachedSource


def __dir__() -> list[str]:
    return __all__


__all__ = ["ArraySource", "ArrowSource", "CachedSource", "Source"]

for _name in __all__:
    globals()[_name].__module__ = __name__
