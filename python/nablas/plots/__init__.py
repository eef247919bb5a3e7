"""Pictures of networks and of their training, with matplotlib, as scikit-learn's Displays.

Each class computes from data with a ``from_…`` method, draws on ``ax`` (a new one by default), and
returns itself: the numbers, ``ax_``, ``figure_`` and the artists can be used further, and ``plot``
draws again elsewhere.
"""

from .activations import ActivationDisplay
from .boundary import DecisionBoundaryDisplay
from .confusion import confusion_matrix
from .curves import LossCurveDisplay
from .diagram import NetworkDisplay
from .gradients import GradientNormDisplay
from .landscape import LossLandscapeDisplay, filter_normalised_direction
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
