"""Networks to and from other formats: ONNX and PyTorch. Needs neither to be imported.

Examples
--------
>>> net = nb.MLP([2, 3, 1], seed=0)
>>> nb.convert.to_onnx(net, "model.onnx")
"""

from .onnx import to_onnx
from .torch import TorchLayers, to_torch, torch_layers

__all__ = ["TorchLayers", "to_onnx", "to_torch", "torch_layers"]


def __dir__() -> list[str]:
    return __all__
