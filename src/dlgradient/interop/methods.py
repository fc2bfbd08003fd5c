"""NumPy's array methods, as a base class of dlarray; each is one of the public functions.

Python finds an inherited method as fast as one of the class itself, and editors and type checkers
see it. There is no ``__getattr__``, which would make every attribute slower. Descriptors raise for
names that users look for and that do not exist, which `dlgradient.interop.counterparts` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Never, NoReturn, Self

import numpy as np

from dlgradient.core.calls import unknown_keyword
from dlgradient.core.types import Axes, AxisLike, DtypeLike, Key, Operand, Shape, TargetDtype, Value
from dlgradient.errors import located
from dlgradient.interop import counterparts
from dlgradient.interop.operands import check_order
from dlgradient.interop.protocol import function
from dlgradient.ops import casting, choice, complex, moments, reduce, rounding, search, shape

__all__ = ["ArrayMethods"]

if TYPE_CHECKING:
    import builtins
    from typing import Protocol, TypeAlias

    class _SupportsArray(Protocol):
        def __array__(self) -> np.ndarray[Any, Any]: ...

    # What operators take: no text and no None, which a type checker then reports.
    Arithmetic: TypeAlias = (
        builtins.complex
        | np.ndarray[Any, Any]
        | np.generic
        | list[Any]
        | tuple[Any, ...]
        | _SupportsArray
    )


class _Missing:
    """An attribute that does not exist, and what to write instead."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> NoReturn:
        fix = counterparts.attribute(self.name)
        text = f"dlarray has no attribute {self.name!r}; {fix}"
        raise AttributeError(located(text, counterparts.attribute_page(self.name)), name=self.name)

    def __set__(self, instance: Any, value: Any) -> NoReturn:  # x.requires_grad = True
        self.__get__(instance)


class _Listed(type):
    """The class of `ArrayMethods`: `dir` lists no attribute that only raises."""

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name not in counterparts.ATTRIBUTES]


class ArrayMethods(metaclass=_Listed):  # noqa: PLW1641 - __eq__ is elementwise; dlarray has no hash
    """The methods of `numpy.ndarray` that make sense for a differentiable value.

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum().item(), x.sum(axis=0).tolist(), x.reshape(4).max().item()
    (10.0, [4.0, 6.0], 4.0)
    """

    __slots__ = ()

    # -- reductions ------------------------------------------------------------------------------

    def sum(
        self,
        axis: AxisLike = None,
        dtype: DtypeLike = None,
        *,
        keepdims: bool = False,
        **unknown: Never,
    ) -> Value:
        """Sum of elements over `axis`, of all of them by default."""
        if axis is None and dtype is None and not keepdims and not unknown:
            return reduce.sum(self)
        return self._reduced(reduce.sum, axis, keepdims, unknown, dtype)

    def prod(
        self,
        axis: AxisLike = None,
        dtype: DtypeLike = None,
        *,
        keepdims: bool = False,
        **unknown: Never,
    ) -> Value:
        """Product of elements over `axis`, of all of them by default."""
        return self._reduced(reduce.prod, axis, keepdims, unknown, dtype)

    def mean(
        self,
        axis: AxisLike = None,
        dtype: DtypeLike = None,
        *,
        keepdims: bool = False,
        **unknown: Never,
    ) -> Value:
        """Arithmetic mean over `axis`, of all elements by default."""
        return self._reduced(moments.mean, axis, keepdims, unknown, dtype)

    def max(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Largest element over `axis`; ties share the derivative equally."""
        return self._reduced(reduce.max, axis, keepdims, unknown)

    def min(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Smallest element over `axis`; ties share the derivative equally."""
        return self._reduced(reduce.min, axis, keepdims, unknown)

    def all(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Whether all elements over `axis` are true."""
        return self._reduced(search.all, axis, keepdims, unknown)

    def any(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Whether some element over `axis` is true."""
        return self._reduced(search.any, axis, keepdims, unknown)

    def argmax(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Index of the largest element over `axis`; it carries no derivative."""
        return self._reduced(search.argmax, axis, keepdims, unknown)

    def argmin(self, axis: AxisLike = None, *, keepdims: bool = False, **unknown: Never) -> Value:
        """Index of the smallest element over `axis`; it carries no derivative."""
        return self._reduced(search.argmin, axis, keepdims, unknown)

    def var(
        self,
        axis: AxisLike = None,
        dtype: DtypeLike = None,
        *,
        ddof: float = 0,
        correction: float | None = None,
        keepdims: bool = False,
        **unknown: Never,
    ) -> Value:
        """Variance over `axis`; the divisor is the number of elements minus `correction`."""
        correction = ddof if correction is None else correction
        return self._reduced(moments.var, axis, keepdims, unknown, dtype, correction=correction)

    def std(
        self,
        axis: AxisLike = None,
        dtype: DtypeLike = None,
        *,
        ddof: float = 0,
        correction: float | None = None,
        keepdims: bool = False,
        **unknown: Never,
    ) -> Value:
        """Standard deviation over `axis`: the square root of `var`."""
        correction = ddof if correction is None else correction
        return self._reduced(moments.std, axis, keepdims, unknown, dtype, correction=correction)

    def _reduced(
        self,
        reduction: Callable[..., Value],
        axis: AxisLike,
        keepdims: bool,
        unknown: Mapping[str, object],
        dtype: DtypeLike = None,
        **params: Any,
    ) -> Value:
        if unknown:
            have = ("axis", "dtype", "keepdims", *params)
            raise unknown_keyword(f"dlarray.{reduction.__name__}", next(iter(unknown)), have)
        x = self if dtype is None else self.astype(dtype)
        return reduction(x, axis=axis, keepdims=keepdims, **params)

    def cumsum(self, axis: int | None = None, dtype: DtypeLike = None) -> Value:
        """Cumulative sums along `axis`; without it, of all elements in C order."""
        return function(np.cumsum, (self, axis, dtype), {})

    def cumprod(self, axis: int | None = None, dtype: DtypeLike = None) -> Value:
        """Cumulative products along `axis`; without it, of all elements in C order."""
        return function(np.cumprod, (self, axis, dtype), {})

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
        """Sum of a diagonal."""
        return function(np.trace, (self, offset, axis1, axis2), {})

    # -- shapes ----------------------------------------------------------------------------------

    def reshape(self, *sizes: int | Shape, order: str = "C") -> Value:
        """The same elements in C order: ``x.reshape(2, 3)``, ``x.reshape((2, -1))``."""
        check_order(order)
        given: Any = sizes[0] if len(sizes) == 1 else sizes
        return shape.reshape(self, shape=given)

    def ravel(self, order: str = "C") -> Value:
        """The same elements in one dimension, in C order."""
        check_order(order)
        return shape.reshape(self, shape=(-1,))

    def flatten(self, order: str = "C") -> Value:
        """The same elements in one dimension, in C order."""
        return self.ravel(order)

    def transpose(self, *axes: int | Axes | None) -> Value:
        """Reorder the dimensions; without `axes`, reverse them."""
        order: Any = axes or None
        if len(axes) == 1 and isinstance(axes[0], tuple | list | None):
            order = axes[0]
        return function(np.transpose, (self, order), {})

    def swapaxes(self, axis1: int, axis2: int) -> Value:
        """Exchange two dimensions."""
        return function(np.swapaxes, (self, axis1, axis2), {})

    def squeeze(self, axis: AxisLike = None) -> Value:
        """Remove dimensions of size one: all of them, or those of `axis`."""
        return function(np.squeeze, (self, axis), {})

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
        """Elements with equal indices in two dimensions, as the last dimension."""
        return function(np.diagonal, (self, offset, axis1, axis2), {})

    def repeat(self, repeats: Operand, axis: int | None = None) -> Value:
        """Repeat elements along `axis`; without it, all elements in C order."""
        return function(np.repeat, (self, repeats, axis), {})

    def take(self, indices: Operand, axis: int | None = None) -> Value:
        """Elements along `axis`; without it, of all elements in C order."""
        return function(np.take, (self, indices, axis), {})

    # -- elementwise -----------------------------------------------------------------------------

    def round(self, decimals: int = 0) -> Value:
        """Round to decimals; the derivative is zero."""
        return rounding.round(self, decimals)

    def clip(self, min: Operand = None, max: Operand = None) -> Value:
        """Limit values to an interval; the derivative outside it, and at a bound, is zero."""
        return choice.clip(self, min, max)

    def conj(self) -> Value:
        """Complex conjugate."""
        return complex.conj(self)

    def conjugate(self) -> Value:
        """Complex conjugate."""
        return self.conj()

    def astype(self, dtype: TargetDtype, *, copy: bool = True) -> Value:
        """Convert to a dtype."""
        return casting.astype(self, dtype=dtype, copy=copy)

    def copy(self) -> Value:
        """Copy: the data are shared until an assignment to the elements of one of the two."""
        return function(np.copy, (self,), {})

    def dot(self, other: Operand) -> Value:
        """Product with a sum over the last axis, as `numpy.dot`."""
        return function(np.dot, (self, other), {})

    def nonzero(self) -> Value:
        """Indices of the elements that are not zero; they carry no derivative."""
        return function(np.nonzero, (self,), {})

    def argsort(self, axis: int | None = -1) -> Value:
        """Indices that would sort along `axis`; they carry no derivative."""
        return function(np.argsort, (self, axis), {})

    def searchsorted(self, v: Operand, side: str = "left") -> Value:
        """Indices where values belong in this sorted array; they carry no derivative."""
        return function(np.searchsorted, (self, v, side), {})

    def __dir__(self) -> list[str]:
        return dir(type(self))

    # -- operators: `dlgradient.engine.array` binds them; type checkers read this -----------------

    if TYPE_CHECKING:
        strides: Any  # kernels have them of raw arrays

        def __getitem__(self, key: Key, /) -> Self: ...
        def __add__(self, other: Arithmetic, /) -> Self: ...
        def __radd__(self, other: Arithmetic, /) -> Self: ...
        def __sub__(self, other: Arithmetic, /) -> Self: ...
        def __rsub__(self, other: Arithmetic, /) -> Self: ...
        def __mul__(self, other: Arithmetic, /) -> Self: ...
        def __rmul__(self, other: Arithmetic, /) -> Self: ...
        def __truediv__(self, other: Arithmetic, /) -> Self: ...
        def __rtruediv__(self, other: Arithmetic, /) -> Self: ...
        def __floordiv__(self, other: Arithmetic, /) -> Self: ...
        def __rfloordiv__(self, other: Arithmetic, /) -> Self: ...
        def __mod__(self, other: Arithmetic, /) -> Self: ...
        def __rmod__(self, other: Arithmetic, /) -> Self: ...
        def __pow__(self, other: Arithmetic, /) -> Self: ...
        def __rpow__(self, other: Arithmetic, /) -> Self: ...
        def __matmul__(self, other: Arithmetic, /) -> Self: ...
        def __rmatmul__(self, other: Arithmetic, /) -> Self: ...
        def __and__(self, other: Arithmetic, /) -> Self: ...
        def __rand__(self, other: Arithmetic, /) -> Self: ...
        def __or__(self, other: Arithmetic, /) -> Self: ...
        def __ror__(self, other: Arithmetic, /) -> Self: ...
        def __xor__(self, other: Arithmetic, /) -> Self: ...
        def __rxor__(self, other: Arithmetic, /) -> Self: ...
        def __lshift__(self, other: Any, /) -> Self: ...
        def __rlshift__(self, other: Any, /) -> Self: ...
        def __rshift__(self, other: Any, /) -> Self: ...
        def __rrshift__(self, other: Any, /) -> Self: ...
        def __lt__(self, other: Arithmetic, /) -> Self: ...
        def __le__(self, other: Arithmetic, /) -> Self: ...
        def __gt__(self, other: Arithmetic, /) -> Self: ...
        def __ge__(self, other: Arithmetic, /) -> Self: ...
        def __eq__(self, other: object, /) -> Self: ...  # type: ignore[override]
        def __ne__(self, other: object, /) -> Self: ...  # type: ignore[override]
        def __neg__(self) -> Self: ...
        def __pos__(self) -> Self: ...
        def __abs__(self) -> Self: ...
        def __invert__(self) -> Self: ...


for _name in counterparts.ATTRIBUTES:
    setattr(ArrayMethods, _name, _Missing(_name))
