"""Kinds of arguments: what an argument may be, what it becomes, and the error of anything else.

The annotation of an argument says its kind, and nothing else does: ``axis: AxisLike``,
``keepdims: bool``, ``mode: Literal["zeros", "border"]``, ``epsilon: NonNegative``. Names of kinds
are in `dlgradient.core.types`. An annotation that is no kind, such as ``Any``, accepts everything.

A kind makes one form of what users may write: a word of an option in small letters, a NumPy integer
as a Python integer. A number stays weak next to an array.
"""

from __future__ import annotations

import inspect
import math
import operator
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, NoneType, UnionType
from typing import Any

import numpy as np

from dlgradient.core.formats import valid_format
from dlgradient.core.spelling import nearest
from dlgradient.core.values import is_dlarray
from dlgradient.errors import (
    DlgradientError,
    FormatError,
    InvalidArgumentError,
    NotDlarrayError,
    UnsupportedDtypeError,
)

__all__ = [
    "ANY",
    "ARRAY",
    "AXES",
    "DLARRAY",
    "DTYPE",
    "FORMAT",
    "GENERATOR",
    "MATRIX",
    "ORDER",
    "SHAPE",
    "Kind",
    "integer",
    "integers",
    "kind_of",
    "kinds_of",
    "lengths",
    "number",
    "numbers",
    "parameters_of",
    "scalar",
    "shown",
]

# What a conversion may raise for a value that it refuses.
_REFUSALS = (TypeError, ValueError, OverflowError, AttributeError)
_BOOLS = (bool, np.bool_)
# Tuples: a union would be made at each call.
_NUMBERS = (int, float, complex)
_SEQUENCES = (tuple, list, range)
_MORE = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_LONGEST = 60  # characters of a value in a message


class Kind:
    """A kind of argument.

    Parameters
    ----------
    wanted : str
        What is expected, for the message: "<argument> must be <wanted>, not ...".
    convert : callable
        Returns a value in the form that functions get, or raises for one that it refuses.
    plain : iterable of type
        Types whose values are used without a look. A wrong one fails later, and is then looked at.
    error : type
        Class of the error.
    fix : callable, optional
        Returns what to write instead of a value, or ''.
    arrays : bool
        Whether arrays are among what it accepts. Functions look at those themselves.
    traced : bool
        Whether a traced number is accepted, and so differentiated.
    """

    __slots__ = ("arrays", "convert", "error", "fix", "plain", "traced", "wanted")

    def __init__(
        self,
        wanted: str,
        convert: Callable[[Any], Any],
        *,
        plain: Iterable[type] = (),
        error: type[DlgradientError] = InvalidArgumentError,
        fix: Callable[[Any], str] | None = None,
        arrays: bool = False,
        traced: bool = False,
    ) -> None:
        self.wanted = wanted
        self.convert = convert
        self.plain = frozenset(plain)
        self.error = error
        self.fix = fix
        self.arrays = arrays
        self.traced = traced

    def accepted(self, function: str, argument: str, value: Any) -> Any:
        """Return a value in its plain form, or raise the error that names the argument."""
        try:
            return self.convert(value)
        except _REFUSALS as error:
            fix = self.fixed(value)
            raise self.error(
                f"{function}: {argument} must be {self.wanted}, not {shown(value)}"
                + (f"; {fix}" if fix else "")
            ) from error

    def fixed(self, value: Any) -> str:
        """Return what to write instead of a value that is refused, or ''."""
        return self.fix(value) if self.fix else ""

    def __repr__(self) -> str:
        return f"<Kind {self.wanted}>"


def shown(value: Any) -> str:
    """Describe a value for a message, in one line."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, np.generic):
        kind = "a dlarray" if is_dlarray(value) else "an array"
        return f"{kind} of shape {value.shape} {value.dtype}"
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    text = " ".join(repr(value).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    simple = isinstance(value, bool | int | float | complex | str | tuple | list | dict | None)
    name = type(value).__name__
    return text if simple or text.startswith((name, f"<{name}")) else f"{name} {text}"


# -- numbers -------------------------------------------------------------------------------------


def _scalar(value: Any) -> Any:
    """Return a number, or the element of an array without dimensions, as a Python number."""
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, _BOOLS):
        raise TypeError
    if isinstance(value, _NUMBERS):
        return value.item() if isinstance(value, np.generic) else value
    if value.shape == () and value.dtype.kind in "iufc":
        return value.item()
    raise TypeError


def scalar(fix: str = "") -> Kind:
    """Return the kind of numbers, real or complex; `fix` is for arrays."""
    return Kind("a number", _scalar, fix=lambda value: fix if hasattr(value, "shape") else "")


def number(
    least: float = -math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
    finite: bool = True,
    fix: str = "",
    traced: bool = False,
) -> Kind:
    """Return the kind of real numbers in an interval; `fix` is for arrays.

    Examples
    --------
    >>> number(0, below=1).accepted("f", "decay", np.float32(0.5))
    0.5
    >>> number(above=0).wanted
    'a finite number above 0'
    """
    limits = [
        *([f"of at least {least:g}"] if least > -math.inf and most == math.inf else []),
        *([f"from {least:g} to {most:g}"] if most < math.inf else []),
        *([f"above {above:g}"] if above > -math.inf else []),
        *([f"below {below:g}"] if below < math.inf else []),
    ]

    def convert(value: Any) -> Any:
        found = _scalar(value)
        outside = found < least or found > most
        outside = outside or (found <= above > -math.inf) or (found >= below < math.inf)
        strange = not math.isfinite(found) if finite else bool(limits) and math.isnan(found)
        if outside or strange:
            raise ValueError
        return found

    words = " and ".join(limits)
    return Kind(
        f"a {'finite ' if finite else ''}number{' ' if words else ''}{words}",
        convert,
        fix=lambda value: fix if hasattr(value, "shape") else "",
        traced=traced,
    )


def _index(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, _BOOLS):
        raise TypeError
    return operator.index(value)


def _whole(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    return ""


def integer(least: int | None = None, *, traced: bool = False) -> Kind:
    """Return the kind of integers, of at least `least`.

    Examples
    --------
    >>> integer(1).accepted("attention", "num_heads", np.int64(2))
    2
    """

    def convert(value: Any) -> int:
        found = _index(value)
        if least is not None and found < least:
            raise ValueError
        return found

    wanted = "an integer" + ("" if least is None else f" of at least {least}")
    return Kind(wanted, convert, plain=(int,) if least is None else (), fix=_whole, traced=traced)


# -- several numbers -----------------------------------------------------------------------------


def _listed(value: Any) -> Sequence[Any]:
    """Return the members of a sequence or of an array of one dimension."""
    if isinstance(value, _SEQUENCES):
        return value
    if value.ndim == 1:
        return value.tolist()  # type: ignore[no-any-return]
    raise TypeError


def _indices(value: Any) -> tuple[int, ...]:
    return tuple([_index(v) for v in _listed(value)])


def _all_dimensions(value: Any) -> str:
    if isinstance(value, str) and value == "all":
        return "for all dimensions omit it"
    return _whole(value)


def _axes(value: Any) -> Any:
    if value is None:
        return None
    return _indices(value) if isinstance(value, tuple | list) else _index(value)


def _sizes(value: Any) -> Any:
    if type(value) is int:
        return value
    sequence = isinstance(value, _SEQUENCES) or np.ndim(value)
    return _indices(value) if sequence else _index(value)


def lengths(least: int) -> Kind:
    """Return the kind of a sequence of integers of at least `least`."""

    def convert(value: Any) -> tuple[int, ...]:
        found = _indices(value)
        if min(found, default=least) < least:
            raise ValueError
        return found

    return Kind(f"a sequence of integers of at least {least}", convert)


def integers(least: int) -> Kind:
    """Return the kind of one integer for all dimensions, or one for each."""

    def convert(value: Any) -> Any:
        found = _sizes(value)
        if (min(found, default=least) if type(found) is tuple else found) < least:
            raise ValueError
        return found

    wanted = f"an integer of at least {least} (or one for each dimension)"
    return Kind(wanted, convert, fix=_whole)


def numbers(each: Kind) -> Kind:
    """Return the kind of one number for all dimensions, or one for each."""

    def convert(value: Any) -> Any:
        if isinstance(value, list | tuple | range) or np.ndim(value):
            return tuple([each.convert(v) for v in _listed(value)])
        return each.convert(value)

    return Kind(f"{each.wanted} (or one for each dimension)", convert)


def _matrix(value: Any) -> tuple[tuple[int, ...], ...]:
    rows = value.tolist() if hasattr(value, "tolist") else value
    found = tuple([_indices(row) for row in rows])
    if len(found) != 2 or min(min(row, default=0) for row in found) < 0:
        raise ValueError
    return found


MATRIX = Kind("a matrix of two rows, before and after", _matrix)


AXES = Kind(
    "an integer, a tuple of integers or None",
    _axes,
    plain=(int, tuple, NoneType),
    fix=_all_dimensions,
)
ORDER = Kind("a tuple of integers", _indices, plain=(tuple,))
SHAPE = Kind("an integer or a tuple of integers", _sizes, plain=(int, tuple), fix=_whole)


# -- words, types, data ----------------------------------------------------------------------------


def _flag(value: Any) -> bool:
    if isinstance(value, _BOOLS):
        return bool(value)
    raise TypeError


def _true_or_false(value: Any) -> str:
    meant = {0: "False", 1: "True", "off": "False", "on": "True"}
    if isinstance(value, str | int | float) and value in meant:
        return f"write {meant[value]}"
    return ""


def one_of(words: Sequence[Any]) -> Kind:
    """Return the kind of an option with a choice among words, in small or capital letters.

    Examples
    --------
    >>> one_of(["same", "valid"]).accepted("f", "padding", "Same")
    'same'
    """
    exact = frozenset(words)
    folded = {word.lower(): word for word in words}

    def convert(value: Any) -> str:
        if type(value) is str and value in exact:
            return value
        if not isinstance(value, str):
            raise TypeError
        found = folded.get(str(value).lower())
        if found is None:
            raise ValueError
        return found  # type: ignore[no-any-return]

    def fix(value: Any) -> str:
        meant = nearest(value, words) if isinstance(value, str) and value else None
        return f"did you mean {meant!r}?" if meant else ""

    alone = len(words) == 1
    return Kind(f"{'' if alone else 'one of '}{', '.join(map(repr, words))}", convert, fix=fix)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _dtype(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return value
    if not isinstance(value, str | type):
        raise TypeError
    np.dtype(value)
    return value


def _dtype_of(value: Any) -> str:
    return "write x.dtype" if hasattr(value, "dtype") else ""


def _format(value: Any) -> str | None:
    if value is None:
        return None
    return valid_format(_text(value))  # "" is the format of a number, None is not given


def _function(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


def _array(value: Any) -> Any:
    # Functions of arrays look at their operands, with errors that name them. This is for those
    # that failed elsewhere.
    if np.asarray(_raw(value)).dtype.kind not in "biufc":
        raise TypeError
    return value


def _raw(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_raw(member) for member in value]
    return getattr(value, "_value", value)


def _unchanged(value: Any) -> Any:
    # The dtype of NumPy's float64 would not be weak next to an array.
    return value.item() if type(value) is np.float64 else value


def _dlarray(value: Any) -> Any:
    if not is_dlarray(value):
        raise TypeError
    return value


def _called(value: Any) -> str:
    if callable(value):
        return "call it, and give what it returns"
    return ""


def _generator(value: Any) -> Any:
    if value is None or isinstance(value, np.random.Generator):
        return value
    if _index(value) < 0:
        raise ValueError
    return _index(value)


def _made(value: Any) -> str:
    return "make it one with dlarray(x)" if hasattr(value, "shape") else ""


def _none(value: Any) -> None:
    if value is not None:
        raise TypeError


def _sequence(value: Any) -> Any:
    strange = isinstance(value, str | bytes | Mapping)
    if strange or not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
        raise TypeError
    return value


ANY = Kind(
    "anything", _unchanged, plain=(int, float, bool, str, tuple, NoneType, np.ndarray), arrays=True
)
ARRAY = Kind("an array of numbers", _array, error=UnsupportedDtypeError, fix=_called, arrays=True)
DTYPE = Kind(
    "a dtype or its name",
    _dtype,
    plain=(np.dtype,),
    error=UnsupportedDtypeError,
    fix=_dtype_of,
)
FORMAT = Kind(
    "a data format, with one of 'S', 'C', 'B', 'T', 'U' for each dimension",
    _format,
    plain=(NoneType,),
    error=FormatError,
)
DLARRAY = Kind("a dlarray", _dlarray, error=NotDlarrayError, fix=_made, arrays=True)
GENERATOR = Kind(
    "a numpy.random.Generator, a seed (an integer of at least 0) or None",
    _generator,
    plain=(NoneType,),
)
_FLAG = Kind("True or False", _flag, plain=(bool,), fix=_true_or_false)
_FUNCTION = Kind("a function", _function)
_NONE = Kind("None", _none, plain=(NoneType,))
_SEQUENCE = Kind("a sequence", _sequence, plain=(list, tuple))
_TEXT = Kind("a string", _text, plain=(str,))
_BUILTIN = {
    bool: _FLAG,
    int: integer(),
    float: number(),
    complex: scalar(),
    str: _TEXT,
    None: _NONE,
    NoneType: _NONE,
}


# -- from annotations to kinds ---------------------------------------------------------------------


def either(kinds: Sequence[Kind]) -> Kind:
    """Return the kind of what one of several kinds accepts; the first one that does decides."""
    if len(kinds) == 1 or any(kind is ANY for kind in kinds):
        return kinds[0] if len(kinds) == 1 else ANY

    def convert(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.convert(value)
            except _REFUSALS:
                continue
        raise TypeError

    def fix(value: Any) -> str:
        found = [kind.fix(value) for kind in kinds if kind.fix]
        return next((text for text in found if text), "")

    *first, last = [kind.wanted for kind in kinds]
    return Kind(
        f"{', '.join(first)} or {last}",
        convert,
        plain=frozenset().union(*[kind.plain for kind in kinds]),
        error=next((kind.error for kind in kinds if kind is not _NONE), InvalidArgumentError),
        fix=fix,
        arrays=any(kind.arrays for kind in kinds),
    )


def kind_of(annotation: Any) -> Kind:
    """Return the kind that an annotation says.

    Examples
    --------
    >>> kind_of(bool).wanted, kind_of(int | None).wanted
    ('True or False', 'an integer or None')
    """
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Kind):
            return extra
    origin = typing.get_origin(annotation)
    members = typing.get_args(annotation)
    if origin is typing.Union or origin is UnionType:
        return either([kind_of(member) for member in members])
    if origin is typing.Literal:
        return one_of(members)
    if origin is Callable:
        return _FUNCTION
    if origin is Sequence:
        return _SEQUENCE
    return _BUILTIN.get(annotation, ANY) if isinstance(annotation, type | NoneType) else ANY


def kinds_of(function: Any) -> dict[str, Kind]:
    """Return the kind of every argument of a function that has an annotation.

    Annotations are texts, and a name in one of a user may exist for a type checker only.
    """
    plain = inspect.unwrap(function)
    scope = getattr(plain, "__globals__", {})
    kinds = {}
    for name, annotation in getattr(plain, "__annotations__", {}).items():
        try:
            found = eval(annotation, scope) if isinstance(annotation, str) else annotation
        except (NameError, TypeError, AttributeError, SyntaxError):
            continue
        kinds[name] = kind_of(found)
    return kinds


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Return name, kind and default of each parameter, as `inspect.signature` does.

    For plain functions they are read from the code: an import has some hundred of them, and
    `inspect` would take a considerable part of its time.
    """
    plain = inspect.unwrap(function)
    if type(plain) is not FunctionType or plain.__code__.co_flags & _MORE:
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in found]
    code, missing = plain.__code__, inspect.Parameter.empty
    count, first = code.co_argcount, code.co_posonlyargcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_ONLY] * first
    kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * (count - first)
    kinds += [inspect.Parameter.KEYWORD_ONLY] * code.co_kwonlyargcount
    given = plain.__defaults__ or ()
    named = plain.__kwdefaults__ or {}
    defaults = [
        *[missing] * (count - len(given)),
        *given,
        *[named.get(n, missing) for n in names[count:]],
    ]
    return list(zip(names, kinds, defaults, strict=True))
