"""Tests of derivatives, generated for this library's operations and for yours.

`check_derivatives` checks any function of arrays. `check_operation` checks everything that a
declaration of an operation promises. The tests of this library use both.

Examples
--------
>>> import dlgradient as dl
>>> from dlgradient.testing import check_derivatives
>>> check_derivatives(lambda x, y: dl.sin(x) * y, [0.5, 1.5], 2.0)
"""

from dlgradient.testing.checks import Bound, bind, check_derivatives
from dlgradient.testing.layer_checks import LayerCheck, LayerChecks
from dlgradient.testing.operations import Check, check_operation, operation_checks
from dlgradient.testing.oracles import (
    CheckError,
    central_difference,
    compare,
    inner,
    random_direction,
)
from dlgradient.testing.samples import Case, Error, Maker, case, error_cases, maker, sample_cases

__all__ = [
    "Bound",
    "Case",
    "Check",
    "CheckError",
    "Error",
    "LayerCheck",
    "LayerChecks",
    "Maker",
    "bind",
    "case",
    "central_difference",
    "check_derivatives",
    "check_operation",
    "compare",
    "error_cases",
    "inner",
    "maker",
    "operation_checks",
    "random_direction",
    "sample_cases",
]
