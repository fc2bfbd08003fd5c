"""L-BFGS: a step along a direction that the steps before have shaped, of a length that is searched.

All learnables are one vector in double precision here; a complex one counts as its two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.calls import wrap
from dlgradient.core.reading import raw as raw_of
from dlgradient.core.records import record
from dlgradient.core.types import Array, Count, Positive
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError
from dlgradient.train.factors import factors_of
from dlgradient.train.step import check_parameter

__all__ = ["lbfgs_state", "lbfgsupdate"]

_C = TypeVar("_C")
LineSearch: TypeAlias = Literal["weak-wolfe", "strong-wolfe", "backtracking"]
# A step must lower the loss by this part of what the slope promises, and the slope to this part.
DECREASE, CURVATURE = 1e-4, 0.9


@record("lbfgs_state", frozen=True)
class lbfgs_state(AnswersByName):  # noqa: N801 - the established name
    """The state of `lbfgsupdate`: what it remembers, and how the last step went.

    Parameters
    ----------
    history_size : int
        How many steps shape the direction; 3 to 20 are usual.
    initial_inverse_hessian_factor : float
        The inverse Hessian is this multiple of the identity before the first step.

    Attributes
    ----------
    loss : float or None
    gradients : container or None
        At the learnables that the last step returned.
    gradients_norm, step_norm : float or None
    line_search_status : {"", "completed", "failed"}
    additional_loss_function_outputs : tuple
    step_history, gradients_difference_history : tuple of numpy.ndarray
        The newest is the last; all learnables are one vector.

    See Also
    --------
    lbfgsupdate : the step.

    Examples
    --------
    >>> dl.lbfgs_state(history_size=5).line_search_status
    ''

    Source: MATLAB ``lbfgsState``.
    """

    history_size: Count = 10
    initial_inverse_hessian_factor: Positive = 1.0
    loss: float | None = field(default=None, init=False)
    gradients: Any = field(default=None, init=False, repr=False)
    gradients_norm: float | None = field(default=None, init=False)
    step_norm: float | None = field(default=None, init=False)
    line_search_status: str = field(default="", init=False)
    additional_loss_function_outputs: tuple[Any, ...] = field(default=(), init=False, repr=False)
    step_history: tuple[Array, ...] = field(default=(), init=False, repr=False)
    gradients_difference_history: tuple[Array, ...] = field(default=(), init=False, repr=False)

    @property
    def inverse_hessian_factor(self) -> float:
        """The multiple of the identity that the next step begins with."""
        if not self.step_history:
            return self.initial_inverse_hessian_factor
        s, y = self.step_history[-1], self.gradients_difference_history[-1]
        return float(s @ y / (y @ y))

    def _after(self, **changes: Any) -> lbfgs_state:
        new = replace(self)
        for name in ("step_history", "gradients_difference_history"):
            changes.setdefault(name, getattr(self, name))
        for name, value in changes.items():
            object.__setattr__(new, name, value)
        return new


@dataclass(frozen=True)
class _Point:
    """Learnables, and what the loss function says about them."""

    parameters: Any
    x: Array
    loss: float
    gradients: Any
    g: Array
    others: tuple[Any, ...]


@checked
def lbfgsupdate(
    parameters: _C,
    loss_fcn: Callable[[_C], Any],
    state: lbfgs_state | None = None,
    *,
    line_search_method: LineSearch = "weak-wolfe",
    max_num_line_search_iterations: Count = 20,
    num_loss_function_outputs: Count = 2,
) -> tuple[_C, lbfgs_state]:
    """One step of the limited-memory method of Broyden, Fletcher, Goldfarb and Shanno (L-BFGS).

    The loss must be a function of the learnables alone, with the same data at every step: the state
    remembers the loss and the gradients at the learnables that it returned.

    Parameters
    ----------
    parameters : dlarray, array, network or container
    loss_fcn : callable
        ``loss_fcn(parameters)`` returns loss, gradients and further outputs, as
        ``lambda net: dl.dlfeval(model_loss, net, x, targets)``.
    state : lbfgs_state, optional
        What the last step returned; None before the first.
    line_search_method : {"weak-wolfe", "strong-wolfe", "backtracking"}
        What a step must do: lower the loss, and meet a slope that is less steep downwards; or less
        steep in both directions; or lower the loss only.
    max_num_line_search_iterations : int
    num_loss_function_outputs : int
        How many outputs `loss_fcn` has.

    Returns
    -------
    parameters : container
        In the structure of `parameters`. If the search failed, those with the lowest loss.
    state : lbfgs_state

    Raises
    ------
    InvalidArgumentError
        If `loss_fcn` returns something else, or the first loss is not finite.

    Notes
    -----
    In networks, learnables with the factor 0 of the learn rate stay as they are. Other factors have
    no meaning here.

    See Also
    --------
    lbfgs_state : what the state tells.
    adamupdate : for data in mini-batches.

    Examples
    --------
    >>> def model_loss(x):
    ...     y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    ...     return y, dl.dlgradient(y, x)
    >>> x, state = dl.dlarray([-1.0, 2.0]), dl.lbfgs_state()
    >>> for _ in range(80):
    ...     x, state = dl.lbfgsupdate(x, lambda x: dl.dlfeval(model_loss, x), state)
    >>> x.round(decimals=6).tolist()
    [1.0, 1.0]

    Source: MATLAB ``lbfgsupdate``; Nocedal and Wright, Numerical Optimization, chapters 3 and 7.
    """
    state = lbfgs_state() if state is None else state
    loss = _Loss(parameters, loss_fcn, num_loss_function_outputs)
    start = loss.remembered(state) or loss.at(loss.start)
    if not np.isfinite(start.loss) or not np.isfinite(start.g).all():
        raise InvalidArgumentError(
            f"lbfgsupdate: loss_fcn returns the loss {start.loss} at parameters, and it and the "
            "gradients must be finite; begin elsewhere, or look for the operation that overflows"
        )
    direction = loss.free * _direction(start.g, state)
    if direction @ start.g >= 0:  # what was remembered is of no use here
        state = state._after(step_history=(), gradients_difference_history=())
        direction = -start.g * state.inverse_hessian_factor
    found, status = _search(
        loss, start, direction, line_search_method, max_num_line_search_iterations
    )
    s, y = found.x - start.x, found.g - start.g
    steps, differences = state.step_history, state.gradients_difference_history
    # A loss that curves downwards would make the inverse Hessian indefinite.
    if s @ y > np.finfo(float).eps * (y @ y):
        size = state.history_size
        steps, differences = (*steps, s)[-size:], (*differences, y)[-size:]
    new = state._after(
        loss=found.loss,
        gradients=found.gradients,
        gradients_norm=float(np.linalg.norm(found.g)),
        step_norm=float(np.linalg.norm(s)),
        line_search_status=status,
        additional_loss_function_outputs=found.others,
        step_history=steps,
        gradients_difference_history=differences,
    )
    object.__setattr__(new, "_x", found.x)
    return found.parameters, new


class _Loss:
    """A loss function of a vector."""

    def __init__(self, parameters: Any, function: Callable[..., Any], outputs: int) -> None:
        self.parameters = parameters
        self.function = function
        self.outputs = outputs
        self.leaves, self.rebuild = tree.flatten(parameters)
        paths = tree.paths(parameters, "")
        for path, leaf in zip(paths, self.leaves, strict=True):
            check_parameter("lbfgsupdate", f"parameters at {path}" if path else "parameters", leaf)
        if any(type(leaf) is not dlarray for leaf in self.leaves):
            self.leaves = [
                a if type(a) is dlarray else wrap(np.asarray(a), None) for a in self.leaves
            ]
            self.parameters = self.rebuild(self.leaves)
        self.start = _vector(self.leaves)
        factors = factors_of(parameters, decays=False)
        sizes = [_vector([leaf]).size for leaf in self.leaves]
        frozen = [path in factors and factors[path].rate == 0 for path in paths]
        self.free: Array = np.repeat([0.0 if f else 1.0 for f in frozen], sizes)

    def remembered(self, state: lbfgs_state) -> _Point | None:
        """Return what the state knows about the learnables; None if they are others."""
        x = getattr(state, "_x", None)
        if state.loss is None or x is None or not np.array_equal(x, self.start):
            return None
        g = self.free * _vector(tree.flatten(state.gradients)[0], self.leaves)
        others = state.additional_loss_function_outputs
        return _Point(self.parameters, self.start, state.loss, state.gradients, g, others)

    def at(self, x: Array) -> _Point:
        """Evaluate the function."""
        leaves = self.leaves if x is self.start else _arrays(x, self.leaves)
        parameters = self.parameters if x is self.start else self.rebuild(leaves)
        found = self.function(parameters)
        if not isinstance(found, tuple) or len(found) != self.outputs:
            has = f"a tuple of {len(found)}" if isinstance(found, tuple) else type(found).__name__
            raise InvalidArgumentError(
                f"lbfgsupdate: loss_fcn must return a tuple of {self.outputs}, loss and gradients "
                f"first, not {has}; num_loss_function_outputs= is for further outputs"
            )
        loss, gradients, *others = found
        given = tree.flatten(gradients)[0]
        shapes = [getattr(a, "shape", None) for a in given]
        if shapes != [a.shape for a in self.leaves]:
            raise InvalidArgumentError(
                f"lbfgsupdate: loss_fcn returns gradients of the shapes {shapes}; parameters have "
                f"{[a.shape for a in self.leaves]}. Return dlgradient(loss, parameters)"
            )
        # The learnables are rounded to their dtypes, so this is where the loss was found.
        rounded = _vector(leaves)
        g = self.free * _vector(given, self.leaves)
        return _Point(parameters, rounded, float(loss), gradients, g, tuple(others))


def _direction(g: Array, state: lbfgs_state) -> Array:
    """Return minus the inverse Hessian times the gradient, by the two loops."""
    pairs = list(zip(state.step_history, state.gradients_difference_history, strict=True))
    if pairs and len(pairs[0][0]) != len(g):
        raise InvalidArgumentError(
            f"lbfgsupdate: state is of {len(pairs[0][0])} numbers, parameters have {len(g)}; "
            "begin with lbfgs_state()"
        )
    q = -g
    factors = []
    for s, y in reversed(pairs):
        a = (s @ q) / (s @ y)
        q = q - a * y
        factors.append(a)
    q = q * state.inverse_hessian_factor
    for (s, y), a in zip(pairs, reversed(factors), strict=True):
        q = q + (a - (y @ q) / (s @ y)) * s
    return q


def _search(
    loss: _Loss, start: _Point, direction: Array, method: LineSearch, count: int
) -> tuple[_Point, str]:
    """Search along a line by bisection; return a point, and "completed" or "failed"."""
    slope = float(direction @ start.g)
    if slope == 0:
        return start, "completed"
    low, high, t = 0.0, np.inf, 1.0
    best = start
    for _ in range(count):
        point = loss.at(start.x + t * direction)
        ahead = float(direction @ point.g)
        fits = point.loss <= start.loss + DECREASE * t * slope and np.isfinite(point.g).all()
        if fits and point.loss < best.loss:
            best = point
        steep = method != "backtracking" and ahead < CURVATURE * slope
        rising = method == "strong-wolfe" and ahead > -CURVATURE * slope
        if not fits or (rising and not steep):
            high = t
        elif steep:
            low = t
        else:
            return point, "completed"
        t = (low + high) / 2 if high < np.inf else 2 * t
        # Steps that change nothing, and those that end nowhere, are no use.
        if t in (low, high) or not np.isfinite(t) or np.array_equal(point.x, start.x):
            break
    return best, "failed"


def _vector(arrays: list[Any], like: list[Any] | None = None) -> Array:
    """Return arrays as one real vector; a real learnable has the real part of its gradient."""
    parts = []
    for i, a in enumerate(arrays):
        raw = np.asarray(raw_of(a))
        wide = (raw if like is None else like[i]).dtype.kind == "c"
        if not wide:
            raw = raw.real
        flat = np.ravel(raw).astype(complex if wide else float)
        parts.append(flat.view(float) if wide else flat)
    return np.concatenate([np.zeros(0), *parts])


def _arrays(x: Array, like: list[Any]) -> list[Any]:
    """Return a vector as arrays of the shapes, dtypes and formats of others."""
    found = []
    start = 0
    for a in like:
        wide = a.dtype.kind == "c"
        part = x[start : start + a.size * (1 + wide)]
        start += len(part)
        raw = (part.copy().view(complex) if wide else part).astype(a.dtype).reshape(a.shape)
        found.append(wrap(raw, None, a._format if type(a) is dlarray else None))
    return found
