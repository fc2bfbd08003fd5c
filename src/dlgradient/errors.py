"""One class per user mistake, all under `DlgradientError`.

Every message has the same parts: the function, the argument (with its path in a container), the
shape and dtype that were found, what was expected, and the fix. Every class shows a failing
example in its docstring, and the fix; both are executed by the tests.
"""

from __future__ import annotations

__all__ = [
    "ComplexValueError",
    "DlgradientError",
    "FormatClashError",
    "FormatError",
    "IndexingError",
    "IntegerVariableError",
    "InvalidArgumentError",
    "LeavingTraceError",
    "NonScalarError",
    "NotDlarrayError",
    "NotTracedError",
    "OutsideDlfevalError",
    "RuleError",
    "ShapeMismatchError",
    "UnknownKeywordError",
    "UnsupportedDtypeError",
    "UnsupportedFunctionError",
]


class DlgradientError(Exception):
    """Base class of every error this package raises on purpose."""


class OutsideDlfevalError(DlgradientError, RuntimeError):
    """A derivative was asked for outside `dlfeval`."""


class NotDlarrayError(DlgradientError, TypeError):
    """An argument must be a dlarray (or a container of dlarrays) and is not."""


class NotTracedError(DlgradientError, ValueError):
    """A dlarray carries no trace that is open, so nothing is known about where it came from."""


class NonScalarError(DlgradientError, ValueError):
    """The value to differentiate is not a scalar."""


class ComplexValueError(DlgradientError, ValueError):
    """A complex value stands where only a real one has a meaning."""


class IntegerVariableError(DlgradientError, TypeError):
    """An integer value is asked for a derivative."""


class FormatError(DlgradientError, ValueError):
    """A data format string does not describe the array."""


class FormatClashError(DlgradientError, ValueError):
    """Two data formats, or a format and an operation, do not go together."""


class ShapeMismatchError(DlgradientError, ValueError):
    """The shapes of the operands do not fit each other or the operation."""


class IndexingError(DlgradientError, IndexError):
    """An index does not fit the array it is applied to."""


class InvalidArgumentError(DlgradientError, ValueError):
    """A static argument (axis, index, dtype, shape, ...) has no meaning for these operands."""


class UnsupportedDtypeError(DlgradientError, TypeError):
    """The data are not a full array of a supported dtype."""


class LeavingTraceError(DlgradientError, TypeError):
    """A traced value would leave the trace without anybody noticing."""


class UnknownKeywordError(DlgradientError, TypeError):
    """A keyword argument does not exist; the message names the right one."""


class UnsupportedFunctionError(DlgradientError, TypeError):
    """A NumPy function has no differentiable counterpart here."""


class RuleError(DlgradientError, TypeError):
    """The declaration of an operation is incomplete or contradicts itself."""
