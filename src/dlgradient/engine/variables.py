"""What the functions of Jacobians and Hessians share: their arguments and their results.

Inside a function that `dlfeval` evaluates, each of them takes a traced value and its variables, as
`dlgradient` does. Or it takes a function and its argument, and calls `dlfeval` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dlgradient.core import tree
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.graph import Node, tick
from dlgradient.core.trace import current_trace
from dlgradient.core.types import Cotangent, Format, Operand
from dlgradient.engine.array import dlarray
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.gradient import check_open, constant, differentiable, variables
from dlgradient.errors import (
    ComplexValueError,
    InvalidArgumentError,
    NotDlarrayError,
    OutsideDlfevalError,
)

__all__ = [
    "Differentiated",
    "Variables",
    "check_axis",
    "check_real_values",
    "is_function",
    "of_function",
    "reshaped",
    "say",
    "total",
]


# A function of one argument, or a traced value.
Differentiated: TypeAlias = Callable[..., Any] | Operand


class Variables:
    """The variables of one call, and how its results end.

    Parameters
    ----------
    name : str
        The function that users called.
    root : Node
        Of the value to differentiate.
    x : dlarray or container
    higher : bool
        Whether results can be differentiated.

    Attributes
    ----------
    leaves, nodes : list
        The dlarrays in `x`, and their nodes.
    rebuild : callable
        Puts one result for each leaf in the places of the leaves.
    traced : bool
        Whether walks are traced.
    """

    def __init__(self, name: str, root: Node, x: Any, higher: bool) -> None:
        self.name, self.root, self.x, self.higher = name, root, x, higher
        self.leaves, self.rebuild = tree.flatten(x)
        if not self.leaves:
            raise NotDlarrayError(
                f"{name}: there is no dlarray in x, {x!r}; give a variable that is a traced "
                "dlarray, or a container of them"
            )
        self.nodes = variables(name, root, self.leaves, lambda: tree.paths(x, "x"))
        recorder = root.trace.recorder
        self.traced = higher or (recorder is not None and recorder.records)
        if root.trace.held:
            root.trace.check(name)
        self._start = tick() if recorder is not None else 0

    def results(self, values: Sequence[Cotangent], formats: Sequence[Format]) -> list[Any]:
        """Return raw or traced values as the dlarrays that a user gets."""
        trace = self.root.trace
        check_open(self.name, self.root)
        found = []
        for value, fmt in zip(values, formats, strict=True):
            if self.traced:
                traced = value if type(value) is dlarray else wrap(value, None)
                found.append(differentiable(wrap(traced._value, traced._node, fmt), trace))
            else:
                found.append(wrap(value, None, fmt))
        if trace.recorder is not None and self.traced:
            trace.recorder.note_walk(self._start)
            found = found if self.higher else [constant(g) for g in found]
        return found


def is_function(name: str, y: Any) -> bool:
    """Return whether `y` is a function to evaluate; an error says what to do outside `dlfeval`."""
    if callable(y) and not isinstance(y, type):
        return True
    if current_trace() is None and type(y) is dlarray:
        raise OutsideDlfevalError(
            f"{name}: no dlfeval is running, so nothing is traced; give the function and its "
            f"argument, {name}(function, x), or call {name}(y, x) inside a function, and evaluate "
            "that with dlfeval(function, x)"
        )
    return False


def of_function(fun: Any, x: Any, derivative: Callable[..., Any]) -> Any:
    """Return ``derivative(fun(x), x, higher=...)``, evaluated by `dlfeval`.

    Outside of another evaluation, nothing can differentiate the result.
    """
    higher = current_trace() is not None

    def evaluate(x: Any) -> Any:
        return derivative(fun(x), x, higher=higher)

    evaluate.__name__ = getattr(fun, "__name__", type(fun).__name__)
    return dlfeval(evaluate, x)


def check_axis(name: str, u: dlarray, x: Any, axis: int, *, whole: bool = False) -> int:
    """Return the axis of operations, counted from the front; the others are observations.

    With `whole`, a value without observations is also accepted: the sum over them.
    """
    if type(x) is not dlarray:
        raise InvalidArgumentError(
            f"{name}: with axis={axis}, x must be one dlarray, not a {type(x).__name__}; without "
            "axis it may be a container"
        )
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(
            f"{name}: axis={axis} does not exist, x has shape {x.shape}; it counts from 0"
        )
    axis %= x.ndim
    if whole and u.size == 1:
        return axis
    others = x.shape[:axis] + x.shape[axis + 1 :]
    if u.ndim != x.ndim or u.shape[:axis] + u.shape[axis + 1 :] != others:
        raise InvalidArgumentError(
            f"{name}: y has shape {u.shape}, x {x.shape}, axis={axis}; all sizes but that of axis "
            "must be equal, since the other dimensions are independent observations. Without axis, "
            "the derivative is by every element"
        )
    return axis


def reshaped(value: Cotangent, shape: tuple[int, ...]) -> Cotangent:
    """Return a value in another shape."""
    return value if value.shape == shape else FUNCTIONS["reshape"](value, shape)


def check_real_values(name: str, y: dlarray, variables: Variables) -> None:
    """Raise an error if the value or a variable is complex."""
    paths = ["y", *tree.paths(variables.x, "x")]
    for path, x in zip(paths, (y, *variables.leaves), strict=True):
        if x.dtype.kind == "c":
            raise ComplexValueError(
                f"{name}: {path} is a dlarray of shape {x.shape} {x.dtype}; it must be real, so "
                "take real(...) and imag(...) as two arrays"
            )


def total(picked: Cotangent, axis: int | None) -> Cotangent:
    """Return the sum of a diagonal; along an axis, with that dimension of size one."""
    found = FUNCTIONS["sum"](picked, axis=0)
    return found if axis is None else FUNCTIONS["expand_dims"](found, axis)


def say(text: str) -> None:
    """Print what ``explain=True`` asks for."""
    print(text)  # noqa: T201 - it is asked for
