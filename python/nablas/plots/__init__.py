"""Pictures of networks and of their training, with matplotlib, as scikit-learn's Displays.

The ``from_…`` methods of each class compute from data, draw on ``ax`` (new Axes by default) and
return the display: its data, ``ax_``, ``figure_`` and artists are attributes, and ``plot`` draws
the same data again on other Axes.

Examples
--------
>>> net = nb.MLP([2, 3, 1], seed=0)
>>> display = nb.plots.NetworkDisplay.from_estimator(net)
>>> display.figure_.savefig("network.png")
"""

from .activations import ActivationDisplay
from .boundary import DecisionBoundaryDisplay
from .confusion import confusion_matrix
from .curves import LossCurveDisplay
from .diagram import NetworkDisplay
from .directions import filter_normalised_direction
from .gradients import GradientNormDisplay
from .landscape import LossLandscapeDisplay
from .weights import WeightHistogramDisplay

__all__ = [
    "ActivationDisplay",
    "DecisionBoundaryDisplay",
    "GradientNormDisplay",
    "LossCurveDisplay",
    "LossLandscapeDisplay",
    "NetworkDisplay",
    "WeightHistogramDisplay",
    "confusion_matrix",
    "filter_normalised_direction",
]


def __dir__() -> list[str]:
    return __all__
