"""NumPy's functions and methods on a dlarray: functions of `dlgradient.ops` answer them.

``np.sin(x)``, ``np.concatenate([x, y])``, ``np.add.reduce(x)`` and ``x.sum(axis=0)`` on a dlarray
all call the function of this package with the same meaning, and are traced. A function without a
counterpart raises at the call and says what to write. Nothing is converted to a NumPy array
behind the user's back, because its derivative would silently be lost.
"""

from dlgradient.interop import (
    compute,
    elementary,
    matrices,
    rearrange,
    selection,
    statistics,
    values,
)
from dlgradient.interop.methods import ArrayMethods
from dlgradient.interop.protocol import function, ufunc
from dlgradient.interop.table import supported

__all__ = [
    "ArrayMethods",
    "compute",
    "elementary",
    "function",
    "matrices",
    "rearrange",
    "selection",
    "statistics",
    "supported",
    "ufunc",
    "values",
]
