"""The namespace ``dlgradient.metrics``: what validation and `dlgradient.testnet` compute.

Examples
--------
>>> from dlgradient.metrics import Accuracy
>>> Accuracy().name
'accuracy'
"""

from dlgradient.train.metrics import *
from dlgradient.train.metrics import __all__
