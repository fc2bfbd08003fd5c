"""NumPy's array methods, as a base class of dlarray; each is one of the public functions.

Python finds an inherited method as fast as one of the class itself, and editors and type checkers
see it. There is no ``__getattr__``, which would make every attribute slower. Descriptors raise for
names that users look for and that do not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from dlgradient.core.calls import FUNCTIONS, unknown_keyword
from dlgradient.interop.table import function

__all__ = ["ArrayMethods"]


class _Missing:
    """An attribute that does not exist, and what to use instead."""

    __slots__ = ("fix", "name")

    def __init__(self, fix: str) -> None:
        self.fix = fix
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> NoReturn:
        raise AttributeError(f"dlarray has no attribute {self.name!r}; {self.fix}")


_VALUE = "a dlarray is a value and is never changed by a method; "
_LEAVE = "it would leave the trace; use extractdata(x), which is a NumPy array, a constant"


class ArrayMethods:  # noqa: PLW1641 - __eq__ is elementwise; dlarray has no hash
    """The methods of `numpy.ndarray` that make sense for a differentiable value.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum().item(), x.sum(axis=0).tolist(), x.reshape(4).max().item()
    (10.0, [4.0, 6.0], 4.0)
    """

    __slots__ = ()

    # -- reductions ------------------------------------------------------------------------------

    def sum(
        self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, **unknown: Any
    ) -> Self:
        """Sum of elements over `axis`, of all of them by default."""
        if axis is None and dtype is None and not keepdims and not unknown:
            out: Self = FUNCTIONS["sum"](self)
            return out
        return self._reduced("sum", axis, keepdims, unknown, dtype)

    def prod(
        self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, **unknown: Any
    ) -> Self:
        """Product of elements over `axis`, of all of them by default."""
        return self._reduced("prod", axis, keepdims, unknown, dtype)

    def mean(
        self, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, **unknown: Any
    ) -> Self:
        """Arithmetic mean over `axis`, of all elements by default."""
        return self._reduced("mean", axis, keepdims, unknown, dtype)

    def max(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Largest element over `axis`; ties share the derivative equally."""
        return self._reduced("max", axis, keepdims, unknown)

    def min(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Smallest element over `axis`; ties share the derivative equally."""
        return self._reduced("min", axis, keepdims, unknown)

    def all(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Whether all elements over `axis` are true."""
        return self._reduced("all", axis, keepdims, unknown)

    def any(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Whether some element over `axis` is true."""
        return self._reduced("any", axis, keepdims, unknown)

    def argmax(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Index of the largest element over `axis`; it carries no derivative."""
        return self._reduced("argmax", axis, keepdims, unknown)

    def argmin(self, axis: Any = None, *, keepdims: bool = False, **unknown: Any) -> Self:
        """Index of the smallest element over `axis`; it carries no derivative."""
        return self._reduced("argmin", axis, keepdims, unknown)

    def var(
        self,
        axis: Any = None,
        dtype: Any = None,
        *,
        ddof: float = 0,
        correction: float | None = None,
        keepdims: bool = False,
        **unknown: Any,
    ) -> Self:
        """Variance over `axis`; the divisor is the number of elements minus `correction`."""
        correction = ddof if correction is None else correction
        return self._reduced("var", axis, keepdims, unknown, dtype, correction=correction)

    def std(
        self,
        axis: Any = None,
        dtype: Any = None,
        *,
        ddof: float = 0,
        correction: float | None = None,
        keepdims: bool = False,
        **unknown: Any,
    ) -> Self:
        """Standard deviation over `axis`: the square root of `var`."""
        correction = ddof if correction is None else correction
        return self._reduced("std", axis, keepdims, unknown, dtype, correction=correction)

    def _reduced(
        self,
        name: str,
        axis: Any,
        keepdims: bool,
        unknown: dict[str, Any],
        dtype: Any = None,
        **params: Any,
    ) -> Self:
        if unknown:
            have = ("axis", "dtype", "keepdims", *params)
            raise unknown_keyword(f"dlarray.{name}", next(iter(unknown)), have)
        x = self if dtype is None else self.astype(dtype)
        out: Self = FUNCTIONS[name](x, axis=axis, keepdims=keepdims, **params)
        return out

    def cumsum(self, axis: int | None = None, dtype: Any = None) -> Self:
        """Cumulative sums along `axis`; without it, of all elements in C order."""
        out: Self = function(np.cumsum, (self, axis, dtype), {})
        return out

    def cumprod(self, axis: int | None = None, dtype: Any = None) -> Self:
        """Cumulative products along `axis`; without it, of all elements in C order."""
        out: Self = function(np.cumprod, (self, axis, dtype), {})
        return out

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Sum of a diagonal."""
        out: Self = function(np.trace, (self, offset, axis1, axis2), {})
        return out

    # -- shapes ----------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Self:
        """The same elements in C order: ``x.reshape(2, 3)``, ``x.reshape((2, -1))``."""
        if len(shape) == 1 and isinstance(shape[0], tuple | list):
            shape = tuple(shape[0])
        out: Self = FUNCTIONS["reshape"](self, shape=shape)
        return out

    def ravel(self) -> Self:
        """The same elements in one dimension, in C order."""
        out: Self = FUNCTIONS["reshape"](self, shape=(-1,))
        return out

    def flatten(self) -> Self:
        """The same elements in one dimension, in C order."""
        return self.ravel()

    def transpose(self, *axes: Any) -> Self:
        """Reorder the dimensions; without `axes`, reverse them."""
        order: Any = axes or None
        if len(axes) == 1 and isinstance(axes[0], tuple | list | None):
            order = axes[0]
        out: Self = function(np.transpose, (self, order), {})
        return out

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Exchange two dimensions."""
        out: Self = function(np.swapaxes, (self, axis1, axis2), {})
        return out

    def squeeze(self, axis: Any = None) -> Self:
        """Remove dimensions of size one: all of them, or those of `axis`."""
        out: Self = function(np.squeeze, (self, axis), {})
        return out

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Elements with equal indices in two dimensions, as the last dimension."""
        out: Self = function(np.diagonal, (self, offset, axis1, axis2), {})
        return out

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Repeat elements along `axis`; without it, all elements in C order."""
        out: Self = function(np.repeat, (self, repeats, axis), {})
        return out

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """Elements along `axis`; without it, of all elements in C order."""
        out: Self = function(np.take, (self, indices, axis), {})
        return out

    # -- elementwise -----------------------------------------------------------------------------

    def round(self, decimals: int = 0) -> Self:
        """Round to decimals; the derivative is zero."""
        out: Self = function(np.round, (self, decimals), {})
        return out

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Limit values to an interval; the derivative outside it, and at a bound, is zero."""
        out: Self = FUNCTIONS["clip"](self, min, max)
        return out

    def conj(self) -> Self:
        """Complex conjugate."""
        out: Self = FUNCTIONS["conj"](self)
        return out

    def conjugate(self) -> Self:
        """Complex conjugate."""
        return self.conj()

    def astype(self, dtype: Any, *, copy: bool = True) -> Self:  # noqa: ARG002 - a value is never changed, so never copied
        """Convert to a dtype."""
        out: Self = FUNCTIONS["astype"](self, dtype=dtype)
        return out

    def copy(self) -> Self:
        """Return the array: it is a value, and assigning to one name does not change another."""
        out: Self = function(np.copy, (self,), {})
        return out

    def dot(self, other: Any) -> Self:
        """Product with a sum over the last axis, as `numpy.dot`."""
        out: Self = function(np.dot, (self, other), {})
        return out

    def nonzero(self) -> tuple[Self, ...]:
        """Indices of the elements that are not zero; they carry no derivative."""
        out: tuple[Self, ...] = function(np.nonzero, (self,), {})
        return out

    def argsort(self, axis: int | None = -1) -> Self:
        """Indices that would sort along `axis`; they carry no derivative."""
        out: Self = function(np.argsort, (self, axis), {})
        return out

    def searchsorted(self, v: Any, side: str = "left") -> Self:
        """Indices where values belong in this sorted array; they carry no derivative."""
        out: Self = function(np.searchsorted, (self, v, side), {})
        return out

    # -- names that are looked for ---------------------------------------------------------------

    sort = _Missing(f"{_VALUE}use x[x.argsort()] for one dimension")
    fill = _Missing(f"{_VALUE}use x[...] = v")
    put = _Missing(f"{_VALUE}use x[i] = v")
    resize = _Missing(f"{_VALUE}use x.reshape(shape)")
    partition = _Missing(f"{_VALUE}use x[x.argsort()] for one dimension")
    compress = _Missing("use a mask, x[condition]")
    choose = _Missing("use where(condition, x, y)")
    view = _Missing("use x.astype(dtype), or real(x) and imag(x)")
    strides = _Missing("use extractdata(x).strides")
    flags = _Missing("use extractdata(x).flags")
    tobytes = _Missing(_LEAVE)
    tofile = _Missing(_LEAVE)
    numpy = _Missing(_LEAVE)
    detach = _Missing("a constant of the same value is dlarray(extractdata(x))")
    backward = _Missing("use dlgradient(y, x) inside a function that dlfeval evaluates")
    grad = _Missing("gradients are returned: g = dlgradient(y, x)")
    requires_grad = _Missing("what dlfeval is given is traced; nothing needs to be marked")
    dim = _Missing("use x.ndim")
    numel = _Missing("use x.size")
    permute = _Missing("use x.transpose(...)")
    length = _Missing("use len(x)")

    # -- operators: `dlgradient.engine.array` binds them; type checkers read this -----------------

    if TYPE_CHECKING:

        def __getitem__(self, key: Any, /) -> Self: ...
        def __add__(self, other: Any, /) -> Self: ...
        def __radd__(self, other: Any, /) -> Self: ...
        def __sub__(self, other: Any, /) -> Self: ...
        def __rsub__(self, other: Any, /) -> Self: ...
        def __mul__(self, other: Any, /) -> Self: ...
        def __rmul__(self, other: Any, /) -> Self: ...
        def __truediv__(self, other: Any, /) -> Self: ...
        def __rtruediv__(self, other: Any, /) -> Self: ...
        def __floordiv__(self, other: Any, /) -> Self: ...
        def __rfloordiv__(self, other: Any, /) -> Self: ...
        def __mod__(self, other: Any, /) -> Self: ...
        def __rmod__(self, other: Any, /) -> Self: ...
        def __pow__(self, other: Any, /) -> Self: ...
        def __rpow__(self, other: Any, /) -> Self: ...
        def __matmul__(self, other: Any, /) -> Self: ...
        def __rmatmul__(self, other: Any, /) -> Self: ...
        def __and__(self, other: Any, /) -> Self: ...
        def __rand__(self, other: Any, /) -> Self: ...
        def __or__(self, other: Any, /) -> Self: ...
        def __ror__(self, other: Any, /) -> Self: ...
        def __xor__(self, other: Any, /) -> Self: ...
        def __rxor__(self, other: Any, /) -> Self: ...
        def __lt__(self, other: Any, /) -> Self: ...
        def __le__(self, other: Any, /) -> Self: ...
        def __gt__(self, other: Any, /) -> Self: ...
        def __ge__(self, other: Any, /) -> Self: ...
        def __eq__(self, other: object, /) -> Self: ...  # type: ignore[override]
        def __ne__(self, other: object, /) -> Self: ...  # type: ignore[override]
        def __neg__(self) -> Self: ...
        def __pos__(self) -> Self: ...
        def __abs__(self) -> Self: ...
        def __invert__(self) -> Self: ...
