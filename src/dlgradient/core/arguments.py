"""Arguments of a call: completed and checked by their kinds, and the errors of wrong calls.

Every error names the function, the argument, what was found, what was expected, and the fix.
Operations check their parameters in their call paths; every other public function is decorated with
`checked`. The annotations of its signature say the kinds (`dlgradient.core.kinds`).

A good call pays for one look at the type of each parameter that it gives. What fails later is
looked at again when it has failed.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import wraps
from typing import Any

import numpy as np

from dlgradient.core.domain import complex_operand
from dlgradient.core.kinds import ANY, kinds_of, parameters_of, shown
from dlgradient.core.reading import is_followed, is_traced
from dlgradient.core.slips import meant_by_array, meant_by_keyword, meant_by_position, option_words
from dlgradient.core.types import Array, Function, Key, Op, P, Params, R, RawValue, Shape, Value
from dlgradient.core.values import PYTHON_SCALARS, is_dlarray
from dlgradient.errors import (
    ComplexValueError,
    DlgradientError,
    FormatClashError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnknownKeywordError,
    traced_parameter,
)

__all__ = [
    "SLIPS",
    "checked",
    "checked_parameters",
    "explained",
    "index_error",
    "lost_format",
    "refuse_call",
    "sequence_of",
    "spelt",
    "split_arguments",
    "unknown_keyword",
]

# What wrong arguments make a function raise. Not a FloatingPointError, which a user asks for.
SLIPS = (
    TypeError, ValueError, LookupError, AttributeError,
    OverflowError, ZeroDivisionError, BufferError,
)  # fmt: skip
# Keywords of a function that an error lists although it knows which one is meant.
LISTED = 12

_OUTSIDE = "out of bounds"  # in NumPy's words for an index that does not exist
# Whose frames a traceback may have for an error to be this library's, and not of a user's function.
_OURS = {"dlgradient", "numpy", "scipy", "optree", *sys.stdlib_module_names} - {"__main__"}


# -- operations ----------------------------------------------------------------------------------


def split_arguments(
    op: Op, args: tuple[Value, ...], given: Params
) -> tuple[tuple[Value, ...], Params]:
    """Split the arguments of a call into operands and parameters, which may follow by position."""
    operands, extra = args[: len(op.operands)], args[len(op.operands) :]
    named = dict(zip(op.positional, extra, strict=False))
    if len(operands) < len(op.operands) or len(extra) > len(named) or named.keys() & given.keys():
        positional = (*op.operands, *op.positional)
        fix = meant_by_position(positional, op.params, op.kinds or op.read_kinds(), args)
        fix = fix or meant_by_array(op.shown, args[-1] if args else None)
        raise UnknownKeywordError(
            f"{op.shown}: takes {', '.join(positional)} by position, {len(args)} arguments were "
            "given"
            + (f" and {', '.join(given)} by name" if given else "")
            + f"; its keywords are {', '.join(op.params) or 'none'}"
            + (f"; {fix}" if fix else "")
        )
    return operands, {**named, **given}


def checked_parameters(op: Op, given: Params, array_type: type[Value]) -> Params:
    """Complete the parameters of a call; none of them may be a traced `array_type`."""
    params = {**op.params, **given}
    if len(params) != len(op.params):
        unknown = next(name for name in given if name not in op.params)
        raise unknown_keyword(op.shown, unknown, op.params)
    for name in op.required:
        if name not in given:
            raise UnknownKeywordError(f"{op.shown}: the keyword argument {name} is missing")
    kinds = op.kinds or op.read_kinds()
    for name, value in given.items():
        if type(value) not in kinds[name].plain:
            if type(value) is array_type and is_traced(value):
                raise traced_parameter(op.shown, name, kinds[name].fixed(value))
            try:
                params[name] = kinds[name].accepted(op.shown, name, value)
            except DlgradientError as error:
                fix = meant_by_array(op.shown, value)
                if not fix:
                    raise
                raise type(error)(f"{error.args[0]}; {fix}") from error.__cause__
    return params


def refuse_call(op: Op, args: tuple[Value, ...], given: Params, array_type: type[Value]) -> None:
    """Raise the error for wrong arguments of an operation without parameters."""
    if len(args) != len(op.operands):
        split_arguments(op, args, given)
    checked_parameters(op, given, array_type)


def sequence_of(op: Op, arrays: Iterable[Value]) -> tuple[Value, ...]:
    """Return the operands of a variadic operation: a sequence, or an array along its first axis."""
    try:
        if not isinstance(arrays, str | bytes):
            return tuple(arrays)
    except TypeError:
        pass  # no sequence either
    raise InvalidArgumentError(
        f"{op.shown}: {op.operands[0]} must be a sequence of arrays, not "
        f"{type(arrays).__name__}; write {op.shown}([x, y])"
    )


def unknown_keyword(function: str, name: str, accepted: Iterable[str]) -> UnknownKeywordError:
    """Return the error for a keyword that does not exist, with a suggestion."""
    meant = meant_by_keyword(name, accepted)
    accepted = sorted(accepted)
    fix = f"; {meant}" if meant else ""
    # The fix would be lost among the fifty options of `training_options`.
    is_short = not meant or len(accepted) <= LISTED
    have = f" (it has: {', '.join(accepted) or 'none'})" if is_short else ""
    return UnknownKeywordError(f"{function}: unknown keyword {name!r}{fix}{have}")


def explained(op: Op, values: Sequence[RawValue], params: Params, error: Exception) -> Exception:
    """Turn an exception of a kernel into one that names the function and its operands."""
    if isinstance(error, DlgradientError):
        return error
    if op.domain == "real" and (outside := complex_operand(op, values)):
        return outside
    for name, kind in (op.kinds or op.read_kinds()).items():
        try:
            kind.accepted(op.shown, name, params[name])
        except DlgradientError as wrong:
            return wrong
    what = "; ".join(f"{op.operand_name(i)}: {_description(v)}" for i, v in enumerate(values))
    shown = ", ".join(f"{k}={v!r}" for k, v in params.items() if not isinstance(v, np.ndarray))
    text = f"{op.shown}: {error} [{what}{'; ' + shown if shown else ''}]"
    if "broadcast" in str(error) or "mismatch" in str(error) or "align" in str(error):
        return ShapeMismatchError(
            f"{text}. {_if_product(op, values)}The operands must have equal sizes, or size one, in "
            "every dimension that they share; reshape, expand_dims or permute_dims brings them "
            "together"
        )
    if isinstance(error, TypeError) and any(np.iscomplexobj(v) for v in values):
        return ComplexValueError(
            f"{text}. It is defined for real operands; take real(x), imag(x) or abs(x)"
        )
    # An axis that does not exist is both an index and a wrong value.
    index = isinstance(error, IndexError) and not isinstance(error, ValueError)
    return (IndexingError if index else InvalidArgumentError)(text)


def index_error(x: Array, key: Key, error: IndexError) -> IndexingError:
    """Return the error for an index that does not fit an array."""
    zero = "; the first index is 0, the last one the size less 1" if _OUTSIDE in str(error) else ""
    return IndexingError(
        f"indexing a dlarray of shape {x.shape} {x.dtype} with {key!r}: {error}{zero}"
    )


def _if_product(op: Op, values: Sequence[RawValue]) -> str:
    """Return what to write if the operands of a product by elements are those of matrices."""
    shapes = [np.shape(v) for v in values]
    if op.shown != "multiply" or [len(s) for s in shapes] != [2, 2] or shapes[0][1] != shapes[1][0]:
        return ""
    return "For the product of matrices write x @ y. "


def _description(value: RawValue) -> str:
    if type(value) in PYTHON_SCALARS:
        return f"Python {type(value).__name__}"
    array: Array = value
    return f"shape {array.shape} {array.dtype}"


def lost_format(op: Op, fmt: str, shape: Shape) -> FormatClashError:
    """Return the error for a format that does not name every dimension of a result."""
    return FormatClashError(
        f"{op.shown}: an operand of format {fmt!r} was combined by position with an unlabelled "
        f"one of more dimensions, which gives shape {shape}; give the unlabelled operand a format "
        "with dlarray(x, fmt), or drop the other one with stripdims"
    )


# -- other functions -----------------------------------------------------------------------------


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function that is no operation: wrong arguments are answered by name.

    An exception of a function that the user gave, such as the right-hand side of a differential
    equation, is left as it is.

    Examples
    --------
    >>> @checked
    ... def halved(x, *, keep: bool = False):
    ...     return x / 2
    >>> halved(3, keep="yes")
    Traceback (most recent call last):
    ...
    dlgradient.errors.InvalidArgumentError: halved: keep must be True or False, not 'yes'
    >>> halved(3, Keep=True)
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnknownKeywordError: halved: unknown keyword 'Keep'; write keep= (it has: ...)
    """
    signature = _Signature(function)
    operands = signature.operands

    @wraps(function)
    def call(*args: P.args, **given: P.kwargs) -> R:
        try:
            if given or len(args) > operands:
                args, given = signature.converted(args, given)  # type: ignore[assignment]
                return function(*args, **given)
            return function(*args)  # type: ignore[call-arg]
        except (DlgradientError, *SLIPS) as error:
            answer = signature.named(args).answer(args, given, error)
            if answer is error:
                raise
            raise answer from error

    return call


def spelt(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that looks at its arguments itself: keywords it lacks are answered.

    It serves calls of networks, whose errors name layers already, and which `checked` would slow.

    Examples
    --------
    >>> @spelt
    ... def predict(x, *, outputs=None):
    ...     return x
    >>> predict(3, Outputs="fc")
    Traceback (most recent call last):
    ...
    dlgradient.errors.UnknownKeywordError: predict: unknown keyword 'Outputs'; write outputs= ...
    """

    @wraps(function)
    def call(*args: P.args, **given: P.kwargs) -> R:
        try:
            return function(*args, **given)
        except TypeError:
            known = _keywords(inspect.signature(function))
            strange = next((name for name in given if name not in known), None)
            if strange is None:
                raise
            raise unknown_keyword(function.__name__, strange, known) from None

    return call


def _keywords(signature: inspect.Signature) -> list[str]:
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature.parameters.values() if p.kind in named and p.name != "self"]


class _Signature:
    """The arguments of a function: their names and kinds, read at the first call that needs them.

    Attributes
    ----------
    operands : int
        Number of leading arguments that the function looks at itself: arrays, and any further
        ones of ``*xs``.
    plain : dict
        Names of arguments, and the types that need no look; None before the first call.
    """

    __slots__ = (
        *("constructs", "function", "kinds", "last", "name", "operands", "plain", "positional"),
        "signature",
    )

    def __init__(self, function: Function) -> None:
        self.function = function
        # A class is called by its name.
        self.constructs = function.__name__ == "__init__"
        self.name: str = (
            function.__qualname__.rpartition(".")[0] if self.constructs else function.__name__
        )
        self.plain: dict[str, frozenset[type]] | None = None
        kinds = inspect.Parameter
        parameters = parameters_of(function)
        self.positional = [
            name
            for name, kind, _ in parameters
            if kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        ]
        # Texts, since an import must not evaluate some hundred annotations.
        texts = [str(function.__annotations__.get(name)) for name in self.positional]
        several = any(kind == kinds.VAR_POSITIONAL for _, kind, _ in parameters)
        self.operands = next(
            (i for i, text in enumerate(texts) if not text.startswith(("Operand", "Dlarray"))),
            sys.maxsize if several else len(texts),
        )

    def named(self, args: tuple[Any, ...]) -> _Signature:
        """Return the signature of a call: a constructor may be one that a class has inherited."""
        name = type(args[0]).__name__ if self.constructs and args else self.name
        if name == self.name:
            return self
        new = copy(self)
        new.name = name
        return new

    def _read(self) -> dict[str, frozenset[type]]:
        self.signature = inspect.signature(self.function)
        found = kinds_of(self.function)
        parameters = self.signature.parameters.values()
        self.kinds = {p.name: found.get(p.name, ANY) for p in parameters}
        self.plain = {name: kind.plain for name, kind in self.kinds.items()}
        self.last: list[Any] = [self] * len(self.positional)
        return self.plain

    def converted(
        self, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments in the form of their kinds."""
        plain = self.plain or self._read()
        for name, value in given.items():
            if name not in plain or type(value) not in plain[name]:
                given[name] = self._accepted(name, value)
        if len(args) > self.operands:
            rest = args[len(self.positional) :]
            found = []
            for i, (name, value) in enumerate(zip(self.positional, args, strict=False)):
                # A loop gives the same number again and again: it was accepted as it is.
                taken = value if value is self.last[i] else self._accepted(name, value)
                if taken is value and type(value) is float:
                    self.last[i] = value
                found.append(taken)
            args = (*found, *rest)
        return args, given

    def _accepted(self, name: str, value: Any) -> Any:
        kind = self.kinds.get(name)
        if kind is None:  # the call below fails, unless it takes any keyword
            return value
        if type(value) in kind.plain or (kind.arrays and type(value) is not str):
            return value
        if is_dlarray(value) and kind.traced and value.size == 1 and is_followed(value):
            return value
        if is_dlarray(value) and is_traced(value):
            raise traced_parameter(self.name, name, kind.fixed(value))
        return kind.accepted(self.name, name, value)

    def _strange(self, given: Iterable[str]) -> str | None:
        """Return a keyword that the function does not take, or None."""
        kinds = [p.kind for p in self.signature.parameters.values()]
        if inspect.Parameter.VAR_KEYWORD in kinds:
            return None
        return next((name for name in given if name not in self.kinds), None)

    def answer(self, args: tuple[Any, ...], given: dict[str, Any], error: Exception) -> Exception:
        """Return the error that a user sees: the same one if it is clear, or of a user's function.

        Otherwise one that names this function, and the argument that is wrong.
        """
        if _of_user(error):
            return error
        if self.plain is None:
            self._read()
        known = _keywords(self.signature)
        strange = self._strange(given)
        if strange:
            return unknown_keyword(self.name, strange, known)
        words = option_words(known, args)
        if words:
            return UnknownKeywordError(f"{self.name}: {words}")
        kind: type[DlgradientError] = InvalidArgumentError
        text = str(error)
        if isinstance(error, DlgradientError):
            text, kind = str(error.args[0]), type(error)
            # "x" is one of "xs".
            names = "|".join(f"{name}?" if name.endswith("s") else name for name in self.kinds)
            named = re.search(rf"\b({names})\b", text.removeprefix(self.name))
            if named and text.startswith(self.name):
                return error
        elif isinstance(error, IndexError) and not isinstance(error, ValueError):
            kind = IndexingError
        wrong = self._wrong_argument(args, given)
        if wrong is not None:
            return wrong
        bound = self.signature.bind(*args, **given).arguments
        found = "; ".join(
            f"{name}: {shown(value)}" for name, value in bound.items() if name != "self"
        )
        return kind(f"{self.name}: {text.removeprefix(f'{self.name}: ')} [{found}]")

    def _wrong_argument(
        self, args: tuple[Any, ...], given: dict[str, Any]
    ) -> DlgradientError | None:
        """Return the error for arguments that do not fit the signature, or for one of them."""
        try:
            bound = self.signature.bind(*args, **given).arguments
        except TypeError as error:
            known = _keywords(self.signature)
            fix = meant_by_position(self.positional, known, self.kinds, args)
            positional = [name for name in self.positional if name != "self"]
            return UnknownKeywordError(
                f"{self.name}: {error}; it takes {', '.join(positional) or 'none'} by "
                f"position, and the keywords {', '.join(known) or 'none'}"
                + (f"; {fix}" if fix else "")
            )
        for name, value in bound.items():
            several = self.signature.parameters[name].kind == inspect.Parameter.VAR_POSITIONAL
            for member in value if several else (value,):
                try:
                    self.kinds[name].accepted(self.name, name, member)
                except DlgradientError as error:
                    return error
        return None


def _of_user(error: BaseException) -> bool:
    """Return whether an exception was raised in a function that is not of this library."""
    # In another process, a function of the user or a source of data was read; frames are not sent.
    if type(error.__cause__).__name__ == "_RemoteTraceback":
        return True
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "dlgradient")
        if module.partition(".")[0] not in _OURS:
            return True
        trace = trace.tb_next
    return False
