"""The data types and constants of the array-API standard, as NumPy has them."""

import numpy as _np  # noqa: ICN001 - `from ... import *` leaves it out

bool = _np.bool  # noqa: A001 - the name of the standard
int8, int16, int32, int64 = _np.int8, _np.int16, _np.int32, _np.int64
uint8, uint16, uint32, uint64 = _np.uint8, _np.uint16, _np.uint32, _np.uint64
float32, float64 = _np.float32, _np.float64
complex64, complex128 = _np.complex64, _np.complex128

e, pi, inf, nan, newaxis = _np.e, _np.pi, _np.inf, _np.nan, _np.newaxis
