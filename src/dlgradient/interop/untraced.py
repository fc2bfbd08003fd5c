"""NumPy's functions without a traced form, on dlarrays that are not traced: on the values.

There is no derivative to lose, so NumPy computes. It sees read-only views: a dlarray is a value,
and no function writes into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import wrap
from dlgradient.core.reading import read
from dlgradient.core.types import Operand, RawValue, Value
from dlgradient.core.values import is_supported
from dlgradient.errors import UnknownKeywordError

__all__ = ["on_values"]


def on_values(
    name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Value:
    """Call a function of NumPy with values instead of dlarrays; arrays it makes become dlarrays.

    A later traced form of the function then changes no type. The result has no format.
    """
    out = kwargs.get("out")
    if calls.dlarray in map(type, out if type(out) is tuple else (out,)):
        raise UnknownKeywordError(
            f"{name}: out is a dlarray, which is a value and is not written into; write "
            f"z = {name}(...)"
        )
    result = func(*[_readable(a) for a in args], **{key: _readable(a) for key, a in kwargs.items()})
    return _wrapped(result, (*args, *(out if type(out) is tuple else (out,))))


def _readable(value: Operand) -> Any:
    """Return a value with every dlarray in it, at any depth of list and tuple, as a view."""
    if type(value) is calls.dlarray:
        array: RawValue = read(value)
        if type(array) is np.ndarray:
            array = array.view()
            array.flags.writeable = False
        return array
    if type(value) in (list, tuple):
        return type(value)([_readable(v) for v in value])
    return value


def _wrapped(result: Any, given: Iterable[object]) -> Any:
    """Return a result with its arrays as dlarrays; the arrays that the user gave stay."""
    if isinstance(result, list | tuple):
        members = [_wrapped(r, given) for r in result]
        return result._make(members) if hasattr(result, "_make") else type(result)(members)
    if not isinstance(result, np.ndarray | np.generic) or not is_supported(result.dtype):
        return result
    if any(result is a for a in given):
        return result
    if isinstance(result, np.ndarray):
        # A read-only view shows a dlarray's own value. Another view may show an array of the user,
        # who may write into it.
        shared = result.base is not None and result.flags.writeable
        result = np.array(result) if shared else result
        result = result if result.ndim else result[()]
    return wrap(result, None)
