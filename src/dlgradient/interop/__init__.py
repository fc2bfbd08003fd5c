"""NumPy's functions and methods on a dlarray: functions of `dlgradient.ops` answer them.

``np.sin(x)``, ``np.concatenate([x, y])``, ``np.add.reduce(x)`` and ``x.sum(axis=0)`` on a dlarray
all call the function of this package with the same meaning, and are traced. A function without a
counterpart raises at the call and names the nearest one. Nothing is converted to a NumPy array
behind the user's back, because its derivative would silently be lost.
"""

from dlgradient.interop import translate as functions
from dlgradient.interop import values
from dlgradient.interop.methods import ArrayMethods
from dlgradient.interop.table import function, supported, ufunc

__all__ = ["ArrayMethods", "function", "functions", "supported", "ufunc", "values"]
