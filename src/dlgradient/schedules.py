"""The namespace ``dlgradient.schedules``: how the learn rate changes from epoch to epoch.

Examples
--------
>>> from dlgradient.schedules import Schedule, Warmup
>>> issubclass(Warmup, Schedule)
True
"""

from dlgradient.train.schedules import *
from dlgradient.train.schedules import __all__
