"""NumPy meets dlarray: its functions, answered with those of `dlgradient.ops`, and its methods.

``np.sin(x)``, ``np.concatenate([x, y])``, ``np.add.reduce(x)`` and ``x.sum(axis=0)`` on a dlarray
all end in the one function of this package that has the same meaning, and are traced like it. What
has no counterpart raises at the call and names the nearest function that has one: nothing is
converted to a NumPy array behind the user's back, because its derivative would silently be lost.
"""

from dlgradient.interop import translate as functions
from dlgradient.interop import values
from dlgradient.interop.methods import ArrayMethods
from dlgradient.interop.table import function, supported, ufunc

__all__ = ["ArrayMethods", "function", "functions", "supported", "ufunc", "values"]
