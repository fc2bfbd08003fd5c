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
    """Base class of every error this package raises on purpose.

    Each class is also a subclass of the built-in exception of its kind, so that code which knows
    nothing of this package still catches it.

    Examples
    --------
    >>> import dlgradient as dl
    >>> issubclass(dl.NonScalarError, dl.DlgradientError), issubclass(dl.NonScalarError, ValueError)
    (True, True)
    """


class OutsideDlfevalError(DlgradientError, RuntimeError):
    """A derivative was asked for outside `dlfeval`.

    Operations are recorded only while `dlfeval` evaluates a function. Outside it, a dlarray is a
    plain value, and nothing is known about how it was made.

    Examples
    --------
    The mistake: the value is computed, and then the gradient is asked for.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlgradient((x**2).sum(), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.OutsideDlfevalError: dlgradient: no dlfeval is running, so nothing is
    traced; ...

    The fix: a function that computes both, evaluated by `dlfeval`.

    >>> def value_and_gradient(x):
    ...     y = (x**2).sum()
    ...     return y, dl.dlgradient(y, x)
    >>> y, g = dl.dlfeval(value_and_gradient, x)
    >>> g.tolist()
    [2.0, 4.0]
    """


class NotDlarrayError(DlgradientError, TypeError):
    """An argument must be a dlarray (or a container of dlarrays) and is not.

    Examples
    --------
    The mistake: the variable is a NumPy array, which cannot be traced.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(x**2), x), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.NotDlarrayError: dlgradient: y must be a dlarray, not float64; ...

    The fix: make it a dlarray before `dlfeval`.

    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(x**2), x), dl.dlarray(x)).tolist()
    [2.0, 4.0]
    """


class NotTracedError(DlgradientError, ValueError):
    """A dlarray carries no trace that is open, so nothing is known about where it came from.

    It was created inside the function, or it left the trace (`extractdata`, `item`), or it was
    stored in an earlier `dlfeval`, whose trace has ended.

    Examples
    --------
    The mistake: the variable is created inside the function.

    >>> import dlgradient as dl
    >>> def gradient(a):
    ...     x = dl.dlarray([1.0, 2.0])
    ...     return dl.dlgradient((a * x).sum(), x)
    >>> dl.dlfeval(gradient, dl.dlarray(3.0))
    Traceback (most recent call last):
    ...
    dlgradient.errors.NotTracedError: dlgradient: x is a dlarray of shape (2,) float64 that is
    not traced: it was created inside the function, ...

    The fix: pass it to `dlfeval`, at any depth of a list, a dict or another container.

    >>> def gradient(a, x):
    ...     return dl.dlgradient((a * x).sum(), x)
    >>> dl.dlfeval(gradient, dl.dlarray(3.0), dl.dlarray([1.0, 2.0])).tolist()
    [3.0, 3.0]
    """


class NonScalarError(DlgradientError, ValueError):
    """The value to differentiate is not a scalar.

    A gradient belongs to one number. Of several numbers there is a gradient each (the Jacobian), or
    the gradient of a weighted sum of them (`dlvjp`).

    Examples
    --------
    The mistake: a vector is differentiated.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(x**2, x), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.NonScalarError: dlgradient: y is a dlarray of shape (2,) float64; it must be a
    real scalar. Reduce it (y.sum()), or use dlvjp(y, cotangent, x) ...

    The fix: reduce it, or give each element a weight.

    >>> dl.dlfeval(lambda x: dl.dlgradient((x**2).sum(), x), x).tolist()
    [2.0, 4.0]
    >>> dl.dlfeval(lambda x: dl.dlvjp(x**2, [1.0, 10.0], x), x).tolist()
    [2.0, 40.0]
    """


class ComplexValueError(DlgradientError, ValueError):
    """A complex value stands where only a real one has a meaning.

    There is no direction of steepest ascent of a complex number, so the value to differentiate is
    real. Variables may be complex, unless ``allow_complex=False`` says that they must not.

    Examples
    --------
    The mistake: a complex value is differentiated.

    >>> import dlgradient as dl
    >>> z = dl.dlarray(1.0 + 2.0j)
    >>> dl.dlfeval(lambda z: dl.dlgradient(z**2, z), z)
    Traceback (most recent call last):
    ...
    dlgradient.errors.ComplexValueError: dlgradient: y is a dlarray of shape () complex128; it must
    be real, as real(y), imag(y) or abs(y)**2

    The fix: say which real number is meant.

    >>> dl.dlfeval(lambda z: dl.dlgradient(dl.real(z**2), z), z).item()
    (2-4j)
    """


class IntegerVariableError(DlgradientError, TypeError):
    """An integer value is asked for a derivative.

    Integers are data: they may be indices, counts or labels, and an operation that makes them has
    no derivative.

    Examples
    --------
    The mistake: the numbers of the variable happen to be integers.

    >>> import dlgradient as dl
    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x), dl.dlarray([1, 2]))
    Traceback (most recent call last):
    ...
    dlgradient.errors.IntegerVariableError: dlgradient: y is a dlarray of shape () int64:
    integers carry no derivative; make it floating point, ...

    The fix: make it floating point.

    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x), dl.dlarray([1.0, 2.0])).tolist()
    [1.0, 1.0]
    """


class FormatError(DlgradientError, ValueError):
    """A data format string does not describe the array.

    A format has one letter for each dimension, of ``S`` spatial, ``C`` channel, ``B`` batch, ``T``
    time and ``U`` unspecified; only ``S`` and ``U`` may repeat.

    Examples
    --------
    The mistake: two letters for three dimensions.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> dl.dlarray(np.ones((2, 3, 4)), "CB")
    Traceback (most recent call last):
    ...
    dlgradient.errors.FormatError: dlarray: data format 'CB' names 2 dimensions but the array has 3,
    shape (2, 3, 4); give one label for each dimension ...

    The fix:

    >>> dl.dims(dl.dlarray(np.ones((2, 3, 4)), "CBT"))
    'CBT'
    """


class FormatClashError(DlgradientError, ValueError):
    """Two data formats, or a format and an operation, do not go together.

    Examples
    --------
    The mistake: a matrix product of labelled arrays, which does not say which label is summed.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> w = dl.dlarray(np.ones((2, 3)), "CB")
    >>> w @ np.ones((3, 2))
    Traceback (most recent call last):
    ...
    dlgradient.errors.FormatClashError: matmul: needs unformatted operands, the formats are 'CB',
    None; take the labels off with stripdims

    The fix: take the labels off, and put them on the result.

    >>> dl.dims(dl.dlarray(dl.stripdims(w) @ np.ones((3, 2)), "CB"))
    'CB'
    """


class ShapeMismatchError(DlgradientError, ValueError):
    """The shapes of the operands do not fit each other or the operation.

    Examples
    --------
    The mistake: two rows against three columns.

    >>> import dlgradient as dl
    >>> a, b = dl.dlarray([1.0, 2.0]), dl.dlarray([1.0, 2.0, 3.0])
    >>> a + b
    Traceback (most recent call last):
    ...
    dlgradient.errors.ShapeMismatchError: add: operands could not be broadcast together ...

    The fix: a dimension of size one is repeated, so every sum of two of them is

    >>> (a[:, None] + b).shape
    (2, 3)
    """


class IndexingError(DlgradientError, IndexError):
    """An index does not fit the array it is applied to.

    Examples
    --------
    The mistake: positions are counted from zero, so the last of three is 2.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0, 3.0])
    >>> x[3]
    Traceback (most recent call last):
    ...
    dlgradient.errors.IndexingError: indexing a dlarray of shape (3,) float64 with 3: index 3 is out
    of bounds for axis 0 with size 3

    The fix:

    >>> x[2].item(), x[-1].item()
    (3.0, 3.0)
    """


class InvalidArgumentError(DlgradientError, ValueError):
    """A static argument (axis, index, dtype, shape, ...) has no meaning for these operands.

    Examples
    --------
    The mistake: four elements do not make three columns.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0, 3.0, 4.0])
    >>> dl.reshape(x, (-1, 3))
    Traceback (most recent call last):
    ...
    dlgradient.errors.InvalidArgumentError: reshape: cannot reshape array of size 4 into shape ...

    The fix:

    >>> dl.reshape(x, (-1, 2)).shape
    (2, 2)
    """


class UnsupportedDtypeError(DlgradientError, TypeError):
    """The data are not a full array of a supported dtype.

    A dlarray holds float32, float64, complex64, complex128 or bool; and integers, as data that
    carry no derivative. Objects, dates, sparse matrices, float16 and long doubles are refused.

    Examples
    --------
    The mistake: NumPy makes an array of objects of numbers beside None.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> dl.dlarray([1.0, None])
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnsupportedDtypeError: dlarray: data: dtype object of shape (2,) is not
    supported; expected a full array of float32, float64, complex64, complex128 or bool ...

    The fix: say what stands for the missing value.

    >>> dl.dlarray([1.0, np.nan]).dtype
    dtype('float64')
    """


class LeavingTraceError(DlgradientError, TypeError):
    """A traced value would leave the trace without anybody noticing.

    Where NumPy or Python asks for a plain number or array, the derivative would end silently, and
    the gradient would be wrong. Leaving on purpose is explicit: `extractdata` and ``x.item()`` give
    constants.

    Examples
    --------
    The mistakes: a Python number is made of a traced value; a traced value is assigned into a NumPy
    array, or added to one in place.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> import math
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlfeval(lambda x: math.exp(x[0]), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.LeavingTraceError: float() would take a traced dlarray of shape () float64 out
    of its trace, and its derivative would silently be lost; ...
    >>> def accumulate(x):
    ...     total = np.zeros(2)
    ...     total += x
    ...     return dl.dlgradient(total.sum(), x)
    >>> dl.dlfeval(accumulate, x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.LeavingTraceError: numpy.add: writing into a NumPy array of shape (2,) would
    take a traced dlarray out of its trace, ... for `a += x` write `a = a + x`, ...

    The fixes: a function of NumPy or of this package; a new value, or a dlarray to assign to.

    >>> def exponential(x):
    ...     return dl.dlgradient(np.exp(x[0]), x)
    >>> dl.dlfeval(exponential, dl.dlarray([0.0, 2.0])).tolist()
    [1.0, 0.0]
    >>> def accumulate(x):
    ...     total = dl.dlarray(np.zeros(2))
    ...     total += x
    ...     return dl.dlgradient(total.sum(), x)
    >>> dl.dlfeval(accumulate, x).tolist()
    [1.0, 1.0]
    """


class UnknownKeywordError(DlgradientError, TypeError):
    """A keyword argument does not exist; the message names the right one.

    Examples
    --------
    The mistake: the spelling of another language or library.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x, RetainData=True), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnknownKeywordError: dlgradient: unknown keyword 'RetainData'; write
    retain_data= (it has: ...)
    >>> dl.sum(x, dim=0)
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnknownKeywordError: sum: unknown keyword 'dim'; write axis= (it has: ...)

    The fix:

    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x, retain_data=True), x).tolist()
    [1.0, 1.0]
    >>> dl.sum(x, axis=0).item()
    3.0
    """


class UnsupportedFunctionError(DlgradientError, TypeError):
    """A NumPy function has no differentiable counterpart here.

    It is refused at the call: converting the dlarray to a NumPy array would silently lose its
    derivative.

    Examples
    --------
    The mistake: a function without a counterpart.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> np.kron(x, x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnsupportedFunctionError: numpy.kron is not supported on a dlarray, and a
    conversion would silently lose the derivative; nearest: numpy.outer, ...

    The fix: the same of functions that have one; or, where no derivative is wanted, a constant.

    >>> (x[:, None, :, None] * x[None, :, None, :]).reshape(4, 4).shape
    (4, 4)
    >>> np.kron(dl.extractdata(x), dl.extractdata(x)).shape
    (4, 4)
    """


class RuleError(DlgradientError, TypeError):
    """The declaration of an operation is incomplete or contradicts itself.

    Only authors of operations see it, when their module is loaded, never a user of one.

    Examples
    --------
    The mistake: the rule asks for ``y``, which the operation does not have.

    >>> from dlgradient.core.samples import case
    >>> from dlgradient.rules import elementwise
    >>> @elementwise(x=lambda t, y: 2 * t * y, samples=lambda m: [case(m.real(3))])
    ... def twice_as_steep(x, /):
    ...     return x * x
    Traceback (most recent call last):
    ...
    dlgradient.errors.RuleError: operation twice_as_steep: the rule <lambda> asks for 'y', which is
    neither an operand ('x',), nor one with _like or _wanted, nor out, nor a parameter ()

    The fix: a rule names operands, ``out``, and static parameters.

    >>> declarer = elementwise(x=lambda t, x: 2 * t * x, samples=lambda m: [case(m.real(3))])
    """


def traced_parameter(function: str, name: str) -> LeavingTraceError:
    """Return the error for a variable in the place of a constant."""
    return LeavingTraceError(
        f"{function}: the parameter {name} is traced, and has no derivative here; give a number, "
        f"or extractdata({name}) if its derivative is not wanted"
    )
