"""One class per user mistake, all under `DlgradientError`.

Every message has the same parts: the function, the argument (with its path in a container), the
shape and dtype that were found, what was expected, and the fix. Its last line is the address of the
section about the class. ``tools/errors_page.py`` writes that page, ``docs/errors.md``, from the
docstrings below. Each shows a mistake and the fix, and the tests execute both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "ChangedArrayError",
    "ComplexValueError",
    "DlgradientError",
    "FormatClashError",
    "FormatError",
    "IndexingError",
    "IntegerVariableError",
    "InvalidArgumentError",
    "InvalidFileError",
    "LeavingTraceError",
    "MatrixError",
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


# Where the site is, also in `[project.urls]` of pyproject.toml.
DOCUMENTATION = "https://dlgradient.readthedocs.io/en/stable/"


def located(text: str, page: str) -> str:
    """Return the message of an exception of Python, with the address of a page as its last line."""
    return f"{text}\nSee {DOCUMENTATION}{page}"


class DlgradientError(Exception):
    """The base class of all errors of this package.

    Each class is also a subclass of a built-in exception. So code that does not know this package
    catches it too.

    Attributes
    ----------
    page : str
        The section of the documentation about this class.

    Examples
    --------
    >>> import dlgradient as dl
    >>> issubclass(dl.NonScalarError, dl.DlgradientError), issubclass(dl.NonScalarError, ValueError)
    (True, True)
    >>> dl.NonScalarError.page
    'https://dlgradient.readthedocs.io/en/stable/errors.html#nonscalarerror'
    """

    page: str = f"{DOCUMENTATION}errors.html#dlgradienterror"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__:  # a class of a user has the page of the class it extends
            cls.page = f"{DOCUMENTATION}errors.html#{cls.__name__.lower()}"

    def __str__(self) -> str:
        # Not part of `args`, so that a pickled error does not get the line twice.
        return f"{super().__str__()}\nSee {self.page}"


class OutsideDlfevalError(DlgradientError, RuntimeError):
    """A derivative was requested outside `dlfeval`.

    Operations are recorded only while `dlfeval` evaluates a function. Outside it, a dlarray is
    only a value, and nothing is known about how it was made.

    Examples
    --------
    The mistake: the gradient is requested after the value has been computed.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlgradient((x**2).sum(), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.OutsideDlfevalError: dlgradient: no dlfeval is running, so nothing is
    traced; ...

    The fix: write a function that computes both, and evaluate it with `dlfeval`.

    >>> def value_and_gradient(x):
    ...     y = (x**2).sum()
    ...     return y, dl.dlgradient(y, x)
    >>> y, g = dl.dlfeval(value_and_gradient, x)
    >>> g.tolist()
    [2.0, 4.0]
    """


class NotDlarrayError(DlgradientError, TypeError):
    """An argument is not a dlarray, nor a container of dlarrays.

    Examples
    --------
    The mistake: the variable is a NumPy array, which is never traced.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(x**2), x), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.NotDlarrayError: dlgradient: y must be a dlarray, not float64; ...

    The fix: pass a dlarray to `dlfeval`.

    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(x**2), x), dl.dlarray(x)).tolist()
    [2.0, 4.0]
    """


class NotTracedError(DlgradientError, ValueError):
    """A dlarray belongs to no open trace, so nothing is known about how it was made.

    It was created inside the function, or it left the trace (`extractdata`, `item`). Or an earlier
    `dlfeval` stored it, whose trace is closed.

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


class ChangedArrayError(DlgradientError, ValueError):
    """A NumPy array that a derivative needs has changed since the function used it.

    Small arrays next to traced dlarrays are copied. Large ones are locked against writing. But a
    view that was made before, a memoryview, or another library with the same memory can still
    write to them. The passes and rules of your own operations, and the right-hand side of a
    differential equation, may run again for the derivative. So what they read from closures,
    globals and attributes must stay too.

    Examples
    --------
    The mistake: a buffer is filled again, through a view, while its first values are needed.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> buffer = np.ones(20_000)
    >>> view = buffer[:]
    >>> def gradient(x):
    ...     y = (x * buffer).sum()
    ...     view[:] = 2.0
    ...     return dl.dlgradient(y, x)
    >>> dl.dlfeval(gradient, dl.dlarray(np.zeros(20_000)))
    Traceback (most recent call last):
    ...
    dlgradient.errors.ChangedArrayError: dlgradient: an array of shape (20000,) float64 was a
    constant in dlfeval(gradient), and has changed since, through a view or other shared memory, ...

    The fix: make it a dlarray, which has data of its own, or use a copy.

    >>> buffer[:] = 1.0
    >>> def gradient(x):
    ...     y = (x * dl.dlarray(buffer)).sum()
    ...     view[:] = 2.0
    ...     return dl.dlgradient(y, x)
    >>> dl.dlfeval(gradient, dl.dlarray(np.zeros(20_000)))[0].item()
    1.0
    """


class NonScalarError(DlgradientError, ValueError):
    """The value to differentiate is not a scalar.

    Only one number has a gradient. Several numbers have a Jacobian, with one gradient in each row:
    `dljacobian` computes it, and `dlvjp` the gradient of a weighted sum of them.

    Examples
    --------
    The mistake: the value is a vector.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(x**2, x), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.NonScalarError: dlgradient: y is a dlarray of shape (2,) float64; it must be a
    real scalar. Reduce it (y.sum()), or use dlvjp(y, cotangent, x) ...

    The fix: reduce it to a scalar, or give each element a weight.

    >>> dl.dlfeval(lambda x: dl.dlgradient((x**2).sum(), x), x).tolist()
    [2.0, 4.0]
    >>> dl.dlfeval(lambda x: dl.dlvjp(x**2, [1.0, 10.0], x), x).tolist()
    [2.0, 40.0]
    """


class ComplexValueError(DlgradientError, ValueError):
    """A value is complex where only a real one makes sense.

    Complex numbers have no order, so there is no direction in which a complex value increases: the
    value to differentiate must be real. Variables may be complex, unless ``allow_complex=False``.

    Examples
    --------
    The mistake: the value to differentiate is complex.

    >>> import dlgradient as dl
    >>> z = dl.dlarray(1.0 + 2.0j)
    >>> dl.dlfeval(lambda z: dl.dlgradient(z**2, z), z)
    Traceback (most recent call last):
    ...
    dlgradient.errors.ComplexValueError: dlgradient: y is a dlarray of shape () complex128; it must
    be real, as real(y), imag(y) or abs2(y)

    The fix: say which real number you mean.

    >>> dl.dlfeval(lambda z: dl.dlgradient(dl.real(z**2), z), z).item()
    (2-4j)
    """


class IntegerVariableError(DlgradientError, TypeError):
    """A derivative of integers, or with respect to integers, was requested.

    Integers are data, such as indices, counts or classes. They carry no derivative.

    Examples
    --------
    The mistake: the variable holds an array of integers.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> n = np.array([1, 2])
    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x), dl.dlarray(n))
    Traceback (most recent call last):
    ...
    dlgradient.errors.IntegerVariableError: dlgradient: y is a dlarray of shape () int64:
    integers carry no derivative; make it floating point, ...

    The fix: make it floating point.

    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x), dl.dlarray(n.astype(float))).tolist()
    [1.0, 1.0]
    """


class FormatError(DlgradientError, ValueError):
    """A data format does not describe the array.

    A format has one label for each dimension: ``S`` spatial, ``C`` channel, ``B`` batch, ``T`` time
    or ``U`` unspecified. Only ``S`` and ``U`` may repeat.

    Examples
    --------
    The mistake: a format of two labels for three dimensions.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> dl.dlarray(np.ones((2, 3, 4)), "CB")
    Traceback (most recent call last):
    ...
    dlgradient.errors.FormatError: dlarray: data format 'CB' names 2 dimensions but the array has 3,
    shape (2, 3, 4); give one label for each dimension ...

    The fix: give each dimension a label.

    >>> dl.dims(dl.dlarray(np.ones((2, 3, 4)), "CBT"))
    'CBT'
    """


class FormatClashError(DlgradientError, ValueError):
    """Two data formats do not match, or an operation does not accept a format.

    Examples
    --------
    The mistake: a matrix product of arrays with a format, which does not say what the result's is.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> w = dl.dlarray(np.ones((2, 3)), "CB")
    >>> w @ np.ones((3, 2))
    Traceback (most recent call last):
    ...
    dlgradient.errors.FormatClashError: matmul: needs ... operands, the formats are 'CB',
    None; ...

    The fix: remove the format, and give the result a format.

    >>> dl.dims(dl.dlarray(dl.stripdims(w) @ np.ones((3, 2)), "CB"))
    'CB'
    """


class ShapeMismatchError(DlgradientError, ValueError):
    """The shapes of operands do not match each other, or do not suit the operation.

    Examples
    --------
    The mistake: two elements are added to three.

    >>> import dlgradient as dl
    >>> a, b = dl.dlarray([1.0, 2.0]), dl.dlarray([1.0, 2.0, 3.0])
    >>> a + b
    Traceback (most recent call last):
    ...
    dlgradient.errors.ShapeMismatchError: add: operands could not be broadcast together ...

    The fix, if you mean all sums of two elements: add a dimension of size one, which is repeated.

    >>> (a[:, None] + b).shape
    (2, 3)
    """


class IndexingError(DlgradientError, IndexError):
    """An index does not suit the array.

    Examples
    --------
    The mistake: indices start at zero, so the index of the third element is 2.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0, 3.0])
    >>> x[3]
    Traceback (most recent call last):
    ...
    dlgradient.errors.IndexingError: indexing a dlarray of shape (3,) float64 with 3: index 3 is out
    of bounds for axis 0 with size 3; the first index is 0, the last one the size less 1

    The fix: start at zero, or count from the end with negative indices.

    >>> x[2].item(), x[-1].item()
    (3.0, 3.0)
    """


class MatrixError(DlgradientError, np.linalg.LinAlgError):
    """A matrix does not have what is asked of it: an inverse, a Cholesky factor, a real logarithm.

    It is also a `numpy.linalg.LinAlgError`, so code that is written for NumPy catches it.

    Examples
    --------
    The mistake: the inverse of a singular matrix.

    >>> import dlgradient as dl
    >>> A = dl.dlarray([[1.0, 2.0], [2.0, 4.0]])
    >>> dl.linalg.inv(A)
    Traceback (most recent call last):
    ...
    dlgradient.errors.MatrixError: inv: x, of shape (2, 2), is singular, so no inverse exists; take
    lstsq or pinv, or add a small multiple of the identity

    The fix: another function, or another matrix.

    >>> dl.linalg.pinv(A).round(decimals=6).tolist()
    [[0.04, 0.08], [0.08, 0.16]]
    """


class InvalidArgumentError(DlgradientError, ValueError):
    """A parameter (an axis, a dtype, a shape, an option) is not valid for these operands.

    Examples
    --------
    The mistake: four elements cannot be arranged in three columns.

    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 2.0, 3.0, 4.0])
    >>> dl.reshape(x, (-1, 3))
    Traceback (most recent call last):
    ...
    dlgradient.errors.InvalidArgumentError: reshape: cannot reshape array of size 4 into shape ...

    The fix: a number of columns that divides four.

    >>> dl.reshape(x, (-1, 2)).shape
    (2, 2)
    """


class InvalidFileError(DlgradientError, ValueError):
    """A file is damaged, cut off, or not of the kind that the function reads.

    Files are not believed: sizes are checked before memory is taken, and no code in them runs.

    Examples
    --------
    The mistake: the file is a text.

    >>> import dlgradient as dl
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> path = folder / "notes.txt"
    >>> _ = path.write_text("These are my notes about the network.")
    >>> dl.load(path)
    Traceback (most recent call last):
    ...
    dlgradient.errors.InvalidFileError: ...notes.txt: the header should have ... bytes, ...

    The fix: load what `save` wrote, or a file of safetensors.

    >>> dl.save(folder / "model.safetensors", {"w": dl.dlarray([1.0, 2.0])})
    >>> dl.load(folder / "model.safetensors")
    {'w': dlarray([1., 2.])}
    """


class UnsupportedDtypeError(DlgradientError, TypeError):
    """The data are not a full array of a supported dtype.

    A dlarray holds float32, float64, complex64, complex128 or bool. It also holds integers, which
    carry no derivative. Objects, dates, sparse matrices, float16 and long doubles are refused.

    Examples
    --------
    The mistake: a list contains None, so NumPy makes an array of objects.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> dl.dlarray([1.0, None])
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnsupportedDtypeError: dlarray: data: dtype object of shape (2,) is not
    supported; expected a full array of float32, float64, complex64, complex128 or bool ...

    The fix: use NaN for a missing value.

    >>> dl.dlarray([1.0, np.nan]).dtype
    dtype('float64')
    """


class LeavingTraceError(DlgradientError, TypeError):
    """A traced value would silently leave its trace.

    Where NumPy or Python needs an ordinary number or array, the derivative would be lost, and the
    gradient would be wrong. If you want a constant, say so with `extractdata` or ``x.item()``.

    Examples
    --------
    The mistakes: a traced value is converted to a Python number, or added to a NumPy array in
    place.

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

    The fixes: use a function of NumPy or of this package, and add to a dlarray.

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
    """A keyword does not exist; the message suggests the right one.

    Examples
    --------
    The mistake: keywords of another language or library.

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

    The fix: use the keywords that the message lists.

    >>> dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x, retain_data=True), x).tolist()
    [1.0, 1.0]
    >>> dl.sum(x, axis=0).item()
    3.0
    """


class UnsupportedFunctionError(DlgradientError, TypeError):
    """A NumPy function has no differentiable counterpart here.

    The call raises, because NumPy would convert the traced dlarray to a NumPy array, and its
    derivative would silently be lost. A dlarray that is not traced is computed with.

    Examples
    --------
    The mistake: NumPy's inverse of a tensor, which has no counterpart.

    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> dl.dlfeval(lambda x: np.linalg.tensorinv(x, ind=1), x)
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnsupportedFunctionError: numpy.linalg.tensorinv is not supported on a traced
    dlarray, and a conversion would silently lose the derivative; ...

    The fix: write it with functions that have one. Where you want no derivative, pass a constant.

    >>> dl.dlfeval(dl.linalg.inv, x).shape
    (2, 2)
    >>> dl.dlfeval(lambda x: np.linalg.tensorinv(dl.extractdata(x), ind=1), x).shape
    (2, 2)
    """


class RuleError(DlgradientError, TypeError):
    """The declaration of an operation is incomplete or contradicts itself.

    Most of these errors are raised when the operation is declared, so its author sees them.

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

    The fix: a rule names operands, ``out`` and parameters.

    >>> declarer = elementwise(x=lambda t, x: 2 * t * x, samples=lambda m: [case(m.real(3))])
    """


def traced_parameter(function: str, name: str, fix: str = "") -> LeavingTraceError:
    """Return the error for a traced value where a constant is expected."""
    return LeavingTraceError(
        f"{function}: the parameter {name} is traced, and has no derivative here; give a number, "
        f"or extractdata({name}) if its derivative is not wanted" + (f"; {fix}" if fix else "")
    )
