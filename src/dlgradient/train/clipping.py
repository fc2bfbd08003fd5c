"""Gradients that are no larger than a limit: of each element, of each array, of all together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Positive, Value
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.network.table import ParameterTable
from dlgradient.ops.choice import clip, maximum, where
from dlgradient.ops.complex import abs as magnitude
from dlgradient.ops.complex import abs2, complex, imag, real
from dlgradient.ops.create import ones_like
from dlgradient.ops.join import stack
from dlgradient.ops.logical import logical_and
from dlgradient.ops.powers import root_of_squares
from dlgradient.ops.reduce import max as greatest
from dlgradient.ops.reduce import sum
from dlgradient.train.containers import map_together
from dlgradient.train.step import check_parameter

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value"]

_C = TypeVar("_C")


@checked
def clip_by_value(gradients: _C, limit: Positive) -> _C:
    """Limit each element of gradients to ``[-limit, limit]``.

    Real and imaginary part of a complex element are limited each.

    Parameters
    ----------
    gradients : dlarray, array or container
        As `dlgradient` returns them.
    limit : float

    Returns
    -------
    container
        Of the same structure.

    See Also
    --------
    clip_by_norm : keeps the direction of each array
    clip_by_global_norm : keeps the direction of all together

    Examples
    --------
    >>> dl.clip_by_value({"w": dl.dlarray([3.0, -40.0]), "b": dl.dlarray(0.5)}, 1)
    {'w': dlarray([ 1., -1.]), 'b': dlarray(0.5)}

    Source: PyTorch ``clip_grad_value_``; TensorFlow ``clip_by_value``.
    """
    vectors = _vectors("clip_by_value", gradients)
    if vectors is not None:
        return _of(gradients, [_between(g, limit) for g in vectors])
    return _each("clip_by_value", lambda g: _between(g, limit), gradients)


def _between(g: Value, limit: float) -> Value:
    if g.dtype.kind == "c":
        return complex(clip(real(g), -limit, limit), clip(imag(g), -limit, limit))
    return clip(g, -limit, limit)


@checked
def clip_by_norm(gradients: _C, limit: Positive) -> _C:
    """Scale each array of gradients whose Euclidean norm is larger than a limit.

    g ← g · limit / max(‖g‖, limit), for every array g.

    Parameters
    ----------
    gradients : dlarray, array or container
        As `dlgradient` returns them.
    limit : float

    Returns
    -------
    container
        Of the same structure.

    See Also
    --------
    clip_by_global_norm : one factor for all arrays
    clip_by_value : limits each element

    Examples
    --------
    >>> dl.clip_by_norm({"w": dl.dlarray([3.0, 4.0]), "b": dl.dlarray(0.5)}, 1)
    {'w': dlarray([0.6, 0.8]), 'b': dlarray(0.5)}

    Source: TensorFlow ``clip_by_norm``; MATLAB's "l2norm" in ``trainingOptions``.
    """
    vectors = _vectors("clip_by_norm", gradients)
    if vectors is None:
        return _each("clip_by_norm", lambda g: g * _factor(_norm(g), limit), gradients)
    new = [g.copy() for g in vectors]
    for group, start, stop in gradients.columns.places:  # type: ignore[attr-defined]
        part = new[group][start:stop]
        part *= _factor(_norm(part), limit)
    return _of(gradients, new)


@checked
def clip_by_global_norm(gradients: _C, limit: Positive) -> _C:
    """Scale gradients, if the Euclidean norm of all their elements is larger than a limit.

    g ← g · limit / max(N, limit), for every array g. N² is the sum of the squares of all arrays.

    Parameters
    ----------
    gradients : dlarray, array or container
        As `dlgradient` returns them.
    limit : float

    Returns
    -------
    container
        Of the same structure; all arrays have one factor, so the direction stays.

    See Also
    --------
    clip_by_norm : a factor for each array
    clip_by_value : limits each element

    Examples
    --------
    >>> dl.clip_by_global_norm({"w": dl.dlarray([3.0, 4.0]), "b": dl.dlarray(12.0)}, 6.5)
    {'w': dlarray([1.5, 2. ]), 'b': dlarray(6.)}

    Source: PyTorch ``clip_grad_norm_``; Optax and TensorFlow ``clip_by_global_norm``; MATLAB's
    "global-l2norm" in ``trainingOptions``.
    """
    vectors = _vectors("clip_by_global_norm", gradients)
    if vectors is not None:
        factor = _factor(math.hypot(*map(_norm, vectors)), limit)
        return gradients if factor == 1 else _of(gradients, [g * factor for g in vectors])
    norms: list[Value] = []
    _each("clip_by_global_norm", lambda g: norms.append(_norm(g)), gradients)
    are_numbers = all(type(norm) is float for norm in norms)
    factor = _factor(math.hypot(*norms) if are_numbers else _norm(stack(norms)), limit)
    return _each("clip_by_global_norm", lambda g: g * factor, gradients)


def _each(name: str, function: Callable[[Value], Any], gradients: _C) -> _C:
    """Apply a function to each array of a container."""

    def apply(path: str, g: Value) -> Any:
        check_parameter(name, f"gradients at {path}" if path else "gradients", g)
        return function(g)

    return map_together(name, apply, ["gradients"], [gradients], "")  # type: ignore[no-any-return]


def _norm(g: Value) -> Value:
    """Return the Euclidean norm, also where the squares would overflow or vanish."""
    if type(g) is np.ndarray:
        squares = float(np.vdot(g, g).real)
        tiny, huge = np.finfo(g.dtype).smallest_normal, np.finfo(g.dtype).max
        if tiny < squares < huge:
            return math.sqrt(squares)
    if type(g) is dlarray and g.size:  # in operations, so that a recorded step can be replayed
        largest = greatest(magnitude(g))
        inside = logical_and(largest > 0, largest < math.inf)
        scale: Value = where(inside, largest, ones_like(largest))
        return scale * root_of_squares(sum(abs2(g / scale)))
    # A number of Python has the dtype of no array, so the dtype of the gradients stays.
    scale = float(np.max(np.abs(extractdata(g)), initial=0.0))
    if not 0 < scale < math.inf:
        scale = 1.0
    norm = scale * root_of_squares(sum(abs2(g / scale)))
    return norm if type(g) is dlarray else float(norm)


def _factor(norm: Value, limit: float) -> Value:
    return limit / (max(norm, limit) if type(norm) is float else maximum(norm, limit))


def _vectors(name: str, gradients: object) -> list[Array] | None:
    """Return the vectors of a table that is not traced; None for other containers."""
    if gradients is None:  # an empty container, but here a mistake
        check_parameter(name, "gradients", gradients)
    return gradients.buffers() if type(gradients) is ParameterTable else None


def _of(gradients: object, vectors: Sequence[Value]) -> _C:  # type: ignore[type-var]
    columns = gradients.columns  # type: ignore[attr-defined]
    return ParameterTable.of(columns, buffers=list(vectors))  # type: ignore[return-value, arg-type]
