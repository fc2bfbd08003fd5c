"""The context of a call: what a forward pass of a user gives to the backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.types import Operand, Params, RawValue
from dlgradient.core.user_code import forward_outputs, note_output, read_only
from dlgradient.errors import RuleError, located

__all__ = ["Context", "description", "has_no_derivative"]


class Context:
    """What a forward pass gives to the backward pass.

    Attributes
    ----------
    saved : sequence
        The values given to `save`: raw arrays, or dlarrays if the backward pass is itself
        differentiated.
    params : dict
        Keyword arguments of the call.
    needs_gradient : tuple of bool
        For each argument, whether a gradient is needed; None may be returned for the others.

    Other attributes may be set in the forward pass, to values that have no derivative: integers,
    strings, shapes, arrays of integers or booleans, and tuples of these. Arrays are copied.
    """

    __slots__ = ("_constants", "_saved", "needs_gradient", "params")

    def __init__(self, params: Params, needs_gradient: tuple[bool, ...]) -> None:
        object.__setattr__(self, "_constants", {})
        object.__setattr__(self, "_saved", ())
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "needs_gradient", needs_gradient)

    def save(self, *values: Operand | None) -> None:
        """Save arrays for the backward pass.

        Parameters
        ----------
        *values : array or None
            Arguments, keyword arguments or results of the forward pass, or other arrays that it
            computed, as they are when it ends. Through the latter there are no second derivatives.
        """
        object.__setattr__(self, "_saved", values)

    @property
    def saved(self) -> tuple[RawValue, ...]:
        """The saved values."""
        return object.__getattribute__(self, "_saved")  # type: ignore[no-any-return]

    def __setattr__(self, name: str, value: object) -> None:
        if name in Context.__slots__ or name == "saved":
            raise RuleError(f"context.{name} cannot be set; keep arrays with context.save(...)")
        if not has_no_derivative(value):
            raise RuleError(
                f"context.{name}: {description(value)} may depend on the arguments, and its "
                "derivative would be lost; keep it with context.save(...), or, if it does "
                "not depend on them, as an attribute of the function, set when it is made, or as "
                "a keyword argument, which context.params has"
            )
        self._constants[name] = tree.map_leaves(_own, value)

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_constants")[name]
        except KeyError:
            text = f"the forward pass set no context.{name}"
            raise AttributeError(located(text, "reference/custom.html"), name=name) from None


def _own(value: object) -> object:
    if not isinstance(value, np.ndarray):
        return value
    note_output(value, forward_outputs)
    return read_only(value.copy())


def has_no_derivative(value: object) -> bool:
    """Return whether a value is certain to have no derivative."""
    if value is None or isinstance(value, bool | int | str | bytes | slice | type | np.dtype):
        return True
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biu"
    if isinstance(value, tuple | list):
        return all(map(has_no_derivative, value))
    if isinstance(value, dict):
        return all(map(has_no_derivative, value.values()))
    return False


def description(value: object) -> str:
    """Return what a value is, for a message."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of shape {value.shape} {value.dtype}"
    return f"a {type(value).__name__}"
