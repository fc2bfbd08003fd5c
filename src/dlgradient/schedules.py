"""The namespace ``dlgradient.schedules``: how the learn rate changes from epoch to epoch.

Examples
--------
>>> from dlgradient.schedules import Schedule, Warmup
>>> issubclass(Warmup, Schedule)
True
"""

from dlgradient.train.schedules import *
from dlgradient.train.schedules import __all__


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    """Answer the name of a schedule that does not exist, such as MATLAB's."""
    from dlgradient.interop.unknown import absent

    absent("schedules", name)
