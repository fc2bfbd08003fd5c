"""`dlarray`: a value, an optional data format and an optional node.

The value is a raw array that nothing outside ever changes. The format names its dimensions. The
node, inside `dlfeval`, says how the value was made. Operators and methods are the public functions
of `dlgradient.ops`: each has one implementation.

A dlarray has value semantics: ``x[i] = v`` makes a new value and rebinds ``x`` to it, and is
differentiable. While a trace is open, a raw array that it saved is copied, or locked against
writing.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import Any, Literal, Never, NoReturn, TypeAlias, final

import numpy as np

from dlgradient import interop
from dlgradient.core import display
from dlgradient.core.arguments import checked, unknown_keyword
from dlgradient.core.calls import FUNCTIONS, placed, shallow_copy, unlabelled
from dlgradient.core.conversion import as_array
from dlgradient.core.declaration import OPS
from dlgradient.core.formats import checked_format, valid_format
from dlgradient.core.kinds import DLARRAY
from dlgradient.core.ownership import is_temporary
from dlgradient.core.paths import make_operator
from dlgradient.core.reading import decided, is_traced, read
from dlgradient.core.types import Dlarray, Format, Operand, RawValue
from dlgradient.core.values import is_dlarray, is_python_integer
from dlgradient.engine.temporary import lost_assignment
from dlgradient.errors import (
    FormatClashError,
    LeavingTraceError,
    UnknownKeywordError,
    UnsupportedDtypeError,
    located,
)
from dlgradient.interop.unknown import of_scipy
from dlgradient.ops.index import set_item

Label: TypeAlias = Literal["S", "C", "B", "T", "U"]

__all__ = ["dims", "dlarray", "extractdata", "finddim", "isdlarray", "stripdims"]


_ABSENT = object()
_OF_PYTHON = "errors.html#exceptions-of-python"
_NUMBERS = frozenset({int, list, range, tuple})  # data that may be integers of Python


def _wrong_call(unknown: dict[str, Any]) -> UnknownKeywordError:
    """Return the error for arguments that `dlarray` does not have."""
    if unknown:
        return unknown_keyword("dlarray", next(iter(unknown)), ["data", "fmt"])
    return UnknownKeywordError("dlarray: takes data and fmt; write dlarray(x) or dlarray(x, 'SCB')")


# What to write instead of a conversion to a NumPy array, by who converts.
_TRACED_FORMS = {
    "": "for numpy.array([x, y]), numpy.r_[x, y] or numpy.mean([x, y]) write dl.dlarray([x, y]), "
    "dl.concat([x, y]) or dl.mean(dl.dlarray([x, y])), which are traced; use functions of "
    "dlgradient, or NumPy's of dlarrays; for z[i] = x make z a dlarray, z = dl.zeros(n), or "
    "dl.stack([x, y]); or take extractdata(x) for a constant",
    "pandas": "for table @ x, table.dot(x) or series @ x write dl.matmul(table, x) or "
    "dl.matmul(series, x), which are traced; or take extractdata(x) for a constant",
}


@final
class dlarray(interop.ArrayMethods):  # noqa: N801 - the established name
    """An array for automatic differentiation.

    Parameters
    ----------
    data : array_like or dlarray
        Full array of float32, float64, complex64, complex128 or bool; a scalar or a nested
        sequence. Integers are allowed, as data that carry no derivative. The data are copied. A
        dlarray stays traced, also as a member of a sequence.
    fmt : str, optional
        Data format: one label for each dimension, of ``S`` spatial, ``C`` channel, ``B`` batch,
        ``T`` time, ``U`` unspecified. It replaces the format of a dlarray. Labels after the last
        dimension make dimensions of size one. Last dimensions of size one need no label: they are
        dropped.

    Raises
    ------
    UnsupportedDtypeError
        For object, sparse, datetime, float16 and other data.
    FormatError
        If `fmt` does not describe the array.

    See Also
    --------
    dlfeval : evaluate a function and trace it
    extractdata : values as a NumPy array, constants for a derivative
    asarray : dlarray of data, without a copy where possible
    dims : data format of an array

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    dlarray([[1., 2.],
             [3., 4.]], 'CB')
    >>> dl.dlarray([[1.0], [2.0]], "C"), dl.dlarray(3.0, "CB")
    (dlarray([1., 2.], 'C'), dlarray([[3.]], 'CB'))

    Source: MATLAB ``dlarray``.
    """

    __slots__ = ("__weakref__", "_format", "_node", "_value")
    # With pandas' data on the left of an operator too, the result is a dlarray.
    __pandas_priority__ = 5000

    _value: Any
    _format: str | None
    _node: Any

    def __init__(
        self, data: Any = _ABSENT, fmt: str | None = None, *more: Never, **unknown: Never
    ) -> None:
        if data is _ABSENT or more or unknown:
            raise _wrong_call(unknown)
        if type(data) is not dlarray:
            given, data = data, as_array(data, "dlarray: data", copy=True)
            if type(given) in _NUMBERS and data.dtype.kind in "iu" and is_python_integer(given):
                data = data.astype(np.float64)
        if type(data) is not dlarray:
            self._value = data
            self._node = None
        else:
            self._value = data._value
            self._node = data._node
            self._format = data._format
            if fmt is None:
                return
        if isinstance(fmt, str) and len(fmt) not in (0, self._value.ndim):
            self._fit(len(fmt))
        self._format = checked_format(fmt, self._value.shape, "dlarray", "fmt")

    def _fit(self, ndim: int) -> None:
        """Add trailing dimensions of size one, or drop such ones, to have `ndim` labels."""
        shape = self.shape
        if all(n == 1 for n in shape[ndim:]):
            shape = shape[:ndim] + (1,) * (ndim - len(shape))
            fitting = FUNCTIONS["reshape"](unlabelled(self), shape)
            self._value, self._node = fitting._value, fitting._node

    # -- properties ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""
        return self._value.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._value.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self._value.nbytes  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._value.itemsize  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        """The device that holds the data, as in the array-API standard."""
        return "cpu"

    @property
    def T(self) -> dlarray:  # noqa: N802 - NumPy's name
        """The array with its dimensions reversed."""
        return FUNCTIONS["permute_dims"](self, axes=tuple(range(self.ndim))[::-1])  # type: ignore[no-any-return]

    @property
    def mT(self) -> dlarray:  # noqa: N802 - the array-API standard's name
        """The array with its last two dimensions exchanged."""
        return FUNCTIONS["matrix_transpose"](self)  # type: ignore[no-any-return]

    @property
    def real(self) -> dlarray:
        """Real part."""
        return FUNCTIONS["real"](self)  # type: ignore[no-any-return]

    @property
    def imag(self) -> dlarray:
        """Imaginary part."""
        return FUNCTIONS["imag"](self)  # type: ignore[no-any-return]

    @property
    def flat(self) -> Iterator[dlarray]:
        """The elements in C order."""
        return iter(FUNCTIONS["reshape"](self, shape=(-1,)))

    # -- indexing --------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        if is_temporary(sys.getrefcount(self)):
            error = lost_assignment(self, sys._getframe(1))
            if error is not None:
                raise error
        set_item(self, key, value)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(located("len() of a dlarray without dimensions", _OF_PYTHON))
        return int(self.shape[0])

    def __iter__(self) -> Iterator[dlarray]:
        if not self.ndim:
            raise TypeError(located("iteration over a dlarray without dimensions", _OF_PYTHON))
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    # -- leaving the trace -----------------------------------------------------------------------

    def item(self, *index: Any) -> Any:
        """Return one element as a Python scalar; it is a constant for every derivative."""
        if self._node is not None:
            return decided(_item, self, *index)
        return self._value.item(*index)

    def tolist(self) -> Any:
        """Return the elements as nested lists; they are constants for every derivative."""
        return read(self).tolist()

    def _refuse(self, doing: str, fix: str) -> NoReturn:
        raise LeavingTraceError(
            f"{doing} would take a traced dlarray of shape {self.shape} {self.dtype} out of its "
            f"trace, and its derivative would silently be lost; {fix}"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if is_traced(self):
            # For `table @ x`, pandas asks for the values only.
            frame = sys._getframe(1)
            asks = frame.f_globals.get("__name__", "").partition(".")[0]
            fix = of_scipy(frame) or _TRACED_FORMS.get(asks, _TRACED_FORMS[""])
            self._refuse("Conversion to a NumPy array", fix)
        if copy is False:
            view = np.asarray(read(self), dtype=dtype, copy=False).view()
            view.flags.writeable = False
            return view
        return np.array(read(self), dtype=dtype)

    def _scalar(self, kind: type) -> Any:
        if is_traced(self):
            # SciPy asks for the number that a traced function returned to it.
            fix = of_scipy(sys._getframe(2)) or (
                "keep the dlarray, as in sin(x) for math.sin(x); for z[i] = x make z a dlarray, "
                "z = dl.zeros(n), or dl.stack([x, y]); or use x.item() for a constant"
            )
            self._refuse(f"{kind.__name__}()", fix)
        value = read(self)
        if value.ndim:
            # As NumPy 2.4; before, it warns, and np.float64(x) loses the shape of one element.
            text = f"{kind.__name__}() of a dlarray of shape {value.shape}, which has dimensions"
            raise TypeError(located(f"{text}; for its only element write x.item()", _OF_PYTHON))
        return kind(value)

    def __float__(self) -> float:
        return self._scalar(float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return self._scalar(int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._scalar(complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        if is_traced(self):
            self._refuse("Use as an index or a size", "use x.item() or extractdata(x)")
        if self.ndim or self.dtype.kind not in "iu":
            raise UnsupportedDtypeError(
                f"use as an index or a size: a dlarray of shape {self.shape} {self.dtype} is not "
                "one integer; write int(x), or extractdata(x).astype(int) for an array"
            )
        return operator.index(self.item())

    def __round__(self, decimals: int | None = None) -> Any:
        return self.round(decimals or 0)

    def __divmod__(self, other: Any) -> Any:
        quotient = self // other  # Python asks the other object, or raises
        return quotient, self % other

    def __rdivmod__(self, other: Any) -> Any:
        quotient = other // self
        return quotient, other % self

    def __bool__(self) -> bool:
        # A condition is not a value: control flow needs concrete values, as in any Python program.
        if self._node is not None:
            return decided(bool, self)
        return bool(self._value)

    # -- NumPy's protocols -----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return interop.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return interop.function(func, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        import dlgradient

        return dlgradient

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if is_traced(self):
            self._refuse("Export by DLPack", "use extractdata(x) for a constant")
        if copy is False and not self.ndim:
            text = "a dlarray without dimensions has no memory to share; omit copy=False"
            raise BufferError(located(text, _OF_PYTHON))
        # A consumer may write into what it gets, and a dlarray is a value. So it gets a copy, or a
        # read-only view, which old consumers cannot take.
        array = self.__array__(copy=False if copy is False else None)
        return array.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # kDLCPU

    # -- text ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return display.expression(read(self), self._format, is_traced(self))

    def __str__(self) -> str:
        return display.text(read(self), self._format)

    def __format__(self, spec: str) -> str:
        return display.formatted(read(self), spec)

    def _repr_html_(self) -> str:
        return display.html(read(self), self._format)

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> dlarray:
        return shallow_copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dlarray:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        if is_traced(self):
            self._refuse("Pickling", "pickle extractdata(x), or what dlfeval returns")
        return dlarray, (read(self), self._format)


# The signature that users see, without what catches wrong calls.
dlarray.__signature__ = Signature(  # type: ignore[attr-defined]
    [
        Parameter("data", Parameter.POSITIONAL_OR_KEYWORD, annotation="Operand"),
        Parameter("fmt", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="Format"),
    ]
)


def dims(x: Dlarray) -> str:
    """Return the data format of a dlarray, '' if it has none.

    See Also
    --------
    finddim : axes that have a label
    stripdims : the same values unlabelled
    dlarray : array for automatic differentiation

    Examples
    --------
    >>> dims(dlarray([[1.0]], "CB"))
    'CB'

    Source: MATLAB ``dims``.
    """
    if not is_dlarray(x):
        DLARRAY.accepted("dims", "x", x)
    return x._format or ""


@checked
def finddim(x: Dlarray, label: Label) -> tuple[int, ...]:
    """Return the axes of the dimensions that have the label `label`.

    See Also
    --------
    dims : data format of an array
    stripdims : the same values unlabelled

    Examples
    --------
    >>> finddim(dlarray([[[1.0]]], "SSC"), "S")
    (0, 1)

    Source: MATLAB ``finddim`` (axes start at zero).
    """
    return tuple(i for i, c in enumerate(dims(x)) if c == label)


@checked
def stripdims(x: Dlarray, fmt: Format = None) -> dlarray:
    """Return the same values unlabelled; a traced array stays traced.

    Parameters
    ----------
    x : dlarray
    fmt : str, optional
        The order to bring the dimensions to, if `x` has a format. It has all labels of `x`; those
        that only it has become dimensions of size one.

    Returns
    -------
    dlarray

    Raises
    ------
    FormatClashError
        If `fmt` lacks a label of `x`.

    See Also
    --------
    dims : data format of an array
    finddim : axes that have a label
    extractdata : values as a NumPy array, constants for a derivative

    Examples
    --------
    >>> dims(stripdims(dlarray([[1.0]], "CB")))
    ''
    >>> stripdims(dlarray([[1.0, 2.0]], "CB"), "BCT").shape
    (2, 1, 1)

    Source: MATLAB ``stripdims``.
    """
    if not is_dlarray(x):
        DLARRAY.accepted("stripdims", "x", x)
    if not fmt or x._format is None:
        return unlabelled(x)
    try:
        return unlabelled(placed(x, valid_format(fmt)))
    except FormatClashError as error:
        raise FormatClashError(
            f"stripdims: fmt {fmt!r} has not all labels of x of shape {x.shape} and format "
            f"{x._format!r}; give each of them, in the wanted order"
        ) from error


def extractdata(x: Operand) -> Any:
    """Return the values as an independent NumPy array; they are constants for every derivative.

    See Also
    --------
    stripdims : the same values unlabelled
    isdlarray : whether a value is a dlarray
    dlarray : array for automatic differentiation

    Examples
    --------
    >>> extractdata(dlarray([1.0, 2.0]))
    array([1., 2.])

    Source: MATLAB ``extractdata``.
    """
    if type(x) is not dlarray:
        return x
    value = read(x)
    return np.array(value) if x.ndim else value


def isdlarray(x: Operand) -> bool:
    """Return whether `x` is a dlarray.

    See Also
    --------
    extractdata : values as a NumPy array, constants for a derivative
    asarray : dlarray of data, without a copy where possible

    Examples
    --------
    >>> isdlarray(dlarray(1.0)), isdlarray(1.0)
    (True, False)

    Source: MATLAB ``isdlarray``.
    """
    return type(x) is dlarray


def _item(value: RawValue, *index: Any) -> Any:
    return value.item(*index)


def _reversed(function: Any) -> Any:
    def reflected(self: Any, other: Any) -> Any:
        return function(other, self)

    return reflected


def _bind_operators() -> None:
    unary = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}
    binary = {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "truediv": "divide",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "pow": "pow",
        "matmul": "matmul",
        "and": "bitwise_and",
        "or": "bitwise_or",
        "xor": "bitwise_xor",
        "lshift": "bitwise_left_shift",
        "rshift": "bitwise_right_shift",
    }
    compare = {
        "eq": "equal",
        "ne": "not_equal",
        "lt": "less",
        "le": "less_equal",
        "gt": "greater",
        "ge": "greater_equal",
    }
    dlarray.__getitem__ = FUNCTIONS["getitem"]  # type: ignore[method-assign]
    for name, function in unary.items():
        setattr(dlarray, f"__{name}__", FUNCTIONS[function])
    for name, function in binary.items():
        path = make_operator(OPS[function])
        setattr(dlarray, f"__{name}__", path)
        setattr(dlarray, f"__r{name}__", _reversed(path))
    for name, function in compare.items():
        setattr(dlarray, f"__{name}__", make_operator(OPS[function]))


_bind_operators()
