"""The namespace ``dlgradient.metrics``: what validation and `dlgradient.testnet` compute.

Examples
--------
>>> from dlgradient.metrics import Accuracy
>>> Accuracy().name
'accuracy'
"""

from dlgradient.train.metrics import *
from dlgradient.train.metrics import __all__


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    """Answer the name of a metric that does not exist, such as MATLAB's."""
    from dlgradient.interop.unknown import absent

    absent("metrics", name)
