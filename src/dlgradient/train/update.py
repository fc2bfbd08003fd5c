"""Update functions: one step of an optimiser, and any function, applied to every learnable.

Learnables are a dlarray, a NumPy array, or any container of them: list, tuple, dict, namedtuple,
dataclass, Layer/Parameter/Value table. Gradients and the state of an optimiser are containers of
the same structure. Nothing is changed in place: learnables and state are returned in new
containers.

The formulas are written in public functions, and run on raw arrays where nothing is traced. So a
step of an optimiser can itself be differentiated in a `dlfeval`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.calls import FUNCTIONS, open_node, wrap
from dlgradient.engine.array import dlarray
from dlgradient.errors import (
    FormatClashError,
    IntegerVariableError,
    InvalidArgumentError,
    NotDlarrayError,
    ShapeMismatchError,
)

__all__ = ["adamupdate", "dlupdate", "rmspropupdate", "sgdmupdate"]


# -- several containers --------------------------------------------------------------------------


def map_together(
    name: str, function: Callable[..., Any], labels: Sequence[str], values: Sequence[Any], path: str
) -> Any:
    """Apply ``function(path, *leaves)`` to the leaves of containers of one structure.

    Parameters
    ----------
    name : str
        The public function, for errors.
    function : callable
    labels : sequence of str
        Names of the containers, for errors.
    values : sequence
        The containers; the others have the structure of the first.
    path : str
        Their path in the outer container.
    """
    first = values[0]
    kind = type(first)
    if kind is list or kind is tuple:
        for label, value in zip(labels, values, strict=True):
            if type(value) is not kind or len(value) != len(first):
                raise _structure(name, path, labels[0], first, label, value)
        return kind(
            [
                map_together(name, function, labels, items, f"{path}[{i}]")
                for i, items in enumerate(zip(*values, strict=True))
            ]
        )
    if kind is dict:
        for label, value in zip(labels, values, strict=True):
            if type(value) is not dict or value.keys() != first.keys():
                raise _structure(name, path, labels[0], first, label, value)
        return {
            key: map_together(name, function, labels, [v[key] for v in values], f"{path}[{key!r}]")
            for key in first
        }
    if tree.is_leaf(first):
        for label, value in zip(labels, values, strict=True):
            if value is None or not tree.is_leaf(value):
                raise _structure(name, path, labels[0], first, label, value)
        return function(path, *values)
    return _map_others(name, function, labels, values, path)


def _map_others(
    name: str, function: Callable[..., Any], labels: Sequence[str], values: Sequence[Any], path: str
) -> Any:
    """Do as `map_together`, for containers that only optree knows; None is one, and empty."""
    first = values[0]
    leaves, rebuild = tree.flatten(first)
    places = tree.paths(first, path)
    columns = [leaves]
    for label, value in zip(labels[1:], values[1:], strict=True):
        inside, _ = tree.flatten(value)
        if len(inside) != len(leaves) or tree.paths(value, path) != places:
            raise _structure(name, path, labels[0], first, label, value)
        columns.append(inside)
    return rebuild([function(at, *row) for at, *row in zip(places, *columns, strict=True)])


def _structure(
    name: str, path: str, label: str, first: Any, other_label: str, other: Any
) -> InvalidArgumentError:
    where = f" at {path}" if path else ""
    return InvalidArgumentError(
        f"{name}: {other_label} must have the structure of {label}; {label}{where} is "
        f"{_described(first)}, {other_label}{where} is {_described(other)}"
    )


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with the keys {list(value)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None:
        return "None"
    shape = f" of shape {value.shape}" if hasattr(value, "shape") else ""
    return f"a {type(value).__name__}{shape}"


def _member(result: Any, pick: int) -> Any:
    """Take one member of every `_Several` in a container."""
    return tree.map_leaves(lambda leaf: leaf.values[pick], result)


class _Several:
    """The results for one leaf; a tuple would count as a container."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values


def dlupdate(fun: Callable[..., Any], parameters: Any, /, *others: Any) -> Any:
    """Apply a function to every array of a container.

    Parameters
    ----------
    fun : callable
        ``fun(p, *a)`` of one array from each container. If it returns a tuple, so does `dlupdate`.
    parameters : dlarray, array or container
        Any nesting of list, tuple, dict, namedtuple, dataclass and Layer/Parameter/Value tables.
    *others
        Containers of the same structure; their leaves may be any objects.

    Returns
    -------
    container or tuple of containers
        The results, in the structure of `parameters`. If `fun` returns tuples, one container for
        each of their members.

    Raises
    ------
    InvalidArgumentError
        If the structure of a container differs from `parameters`; the message gives the path.

    Examples
    --------
    >>> import dlgradient as dl
    >>> weights = {"w": dl.dlarray([1.0, 2.0]), "b": dl.dlarray(4.0)}
    >>> gradients = {"w": dl.dlarray([0.5, 0.5]), "b": dl.dlarray(1.0)}
    >>> dl.dlupdate(lambda w, g: g + 0.1 * w, weights, gradients)["b"].item()
    1.4
    >>> single = dl.dlupdate(lambda w: dl.astype(w, "float32"), weights)
    >>> single["w"].dtype
    dtype('float32')

    Source: MATLAB ``dlupdate``.
    """
    if not callable(fun):
        raise NotDlarrayError(
            f"dlupdate: fun must be a function, not {type(fun).__name__}; write "
            "dlupdate(fun, parameters)"
        )
    counts: set[int] = set()

    def apply(_path: str, *leaves: Any) -> Any:
        result = fun(*leaves)
        if type(result) is not tuple:
            counts.add(-1)
            return _Several((result,))
        counts.add(len(result))
        return _Several(result)

    labels = ["parameters", *[f"others[{i}]" for i in range(len(others))]]
    found = map_together("dlupdate", apply, labels, [parameters, *others], "")
    if len(counts) > 1:
        raise InvalidArgumentError(
            "dlupdate: fun returns tuples of different lengths for different arrays "
            f"({', '.join('no tuple' if c < 0 else str(c) for c in sorted(counts))}); it must "
            "return as many results for each"
        )
    count = next(iter(counts), -1)
    return _member(found, 0) if count < 0 else tuple([_member(found, i) for i in range(count)])


# -- one step ------------------------------------------------------------------------------------

Rule = Callable[..., tuple[Any, ...]]


def _step(
    name: str, rule: Rule, parameters: Any, gradients: Any, states: dict[str, Any]
) -> tuple[Any, ...]:
    """Apply `rule(p, g, *states)` to all parameters; it returns the new values of p and states."""
    labels = ["parameters", "gradients"]
    columns = [parameters, gradients]
    for label, state in states.items():
        if state is not None:
            labels.append(label)
            columns.append(state)
    given = [state is not None for state in states.values()]

    def update(path: str, p: Any, g: Any, *old: Any) -> _Several:
        where = f" at {path}" if path else ""
        _check(name, f"parameters{where}", p)
        for label, value in zip(labels[1:], (g, *old), strict=True):
            _check_like(name, f"{label}{where}", value, f"parameters{where}", p)
        rest = iter(old)
        held = [next(rest) if there else None for there in given]
        return _Several(_update_leaf(rule, p, g, held))

    found = map_together(name, update, labels, columns, "")
    return tuple([_member(found, i) for i in range(1 + len(states))])


def _update_leaf(rule: Rule, p: Any, g: Any, states: Sequence[Any]) -> tuple[Any, ...]:
    """Update one learnable: raw values in, and dlarrays of its format out, unless it is traced."""
    fmt = p._format if type(p) is dlarray else None
    p, g, *held = [_open(x) for x in (p, g, *states)]
    if p.dtype.kind != "c":
        g = FUNCTIONS["real"](g) if g.dtype.kind == "c" else g
        results = rule(p, _like(g, p), *[0.0 if s is None else s for s in held])
    else:
        results = _by_parts(rule, p, g, held)
    return tuple([_finished(r, p.dtype, fmt) for r in results])


def _by_parts(rule: Rule, p: Any, g: Any, states: Sequence[Any]) -> tuple[Any, ...]:
    """Update real and imaginary part as two real learnables, and so the states."""
    re, im = FUNCTIONS["real"], FUNCTIONS["imag"]
    complex_p = FUNCTIONS["astype"](g, p.dtype) if g.dtype != p.dtype else g
    parts = [
        rule(part(p), part(complex_p), *[0.0 if s is None else part(s) for s in states])
        for part in (re, im)
    ]
    return tuple([FUNCTIONS["complex"](a, b) for a, b in zip(*parts, strict=True)])


def _open(x: Any) -> Any:
    """Return the raw value of an array that is not traced, and a traced one unlabelled."""
    if type(x) is not dlarray:
        return x if x is None or isinstance(x, np.generic) else np.asarray(x)
    node = open_node(x)
    return x._value if node is None else wrap(x._value, node)


def _like(g: Any, p: Any) -> Any:
    return g if g.dtype == p.dtype else FUNCTIONS["astype"](g, p.dtype)


def _finished(value: Any, dtype: Any, fmt: str | None) -> Any:
    if value.dtype != dtype:
        value = FUNCTIONS["astype"](value, dtype)
    if type(value) is dlarray:
        return wrap(value._value, value._node, fmt)
    return wrap(value, None, fmt)


def _check(name: str, where: str, p: Any) -> None:
    if not hasattr(p, "dtype") or not hasattr(p, "shape"):
        raise NotDlarrayError(
            f"{name}: {where} must be a dlarray or an array, not {type(p).__name__}; keep what is "
            "no learnable parameter in a container of its own"
        )
    if p.dtype.kind not in "fc":
        raise IntegerVariableError(
            f"{name}: {where} has shape {p.shape} and dtype {p.dtype}, which carries no "
            "derivative; make it floating point, or keep it out of the parameters"
        )


def _check_like(name: str, where: str, value: Any, parameter: str, p: Any) -> None:
    _check(name, where, value)
    if value.shape != p.shape:
        raise ShapeMismatchError(
            f"{name}: {where} has shape {value.shape}, {parameter} has shape {p.shape}; they must "
            "be equal. Give the gradients dlgradient returned for these parameters, and the state "
            "the last update returned"
        )
    if type(value) is dlarray and type(p) is dlarray:
        formats = value._format, p._format
        if None not in formats and formats[0] != formats[1]:
            raise FormatClashError(
                f"{name}: {where} has the format {formats[0]!r}, {parameter} has {formats[1]!r}; "
                "permute_dims brings one to the order of the other"
            )


def _number(name: str, label: str, value: Any, *, below: float | None = None) -> Any:
    """Return a hyperparameter as a Python number, whose dtype is weak, or a traced dlarray."""
    if type(value) is dlarray and value.size == 1:
        if open_node(value) is not None:
            return value
        value = value.item()
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name}: {label} must be a number, not {type(value).__name__} {value!r}"
        ) from error
    if not number >= 0 or (below is not None and not number < below):
        limits = "not negative" if below is None else f"at least 0 and less than {below:g}"
        raise InvalidArgumentError(f"{name}: {label} is {number!r}; it must be {limits}")
    return number


def sgdmupdate(
    parameters: Any,
    gradients: Any,
    velocity: Any = None,
    learning_rate: Any = 0.01,
    momentum: Any = 0.9,
) -> tuple[Any, Any]:
    """One step of stochastic gradient descent with momentum.

    v ← momentum v − learning_rate g and p ← p + v, for every learnable p with gradient g. Both
    parts of a complex learnable are updated; a real one uses the real part of its gradient.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    velocity : container, optional
        The v that the last step returned; None before the first.
    learning_rate : float
    momentum : float
        At least 0 and less than 1.

    Returns
    -------
    parameters, velocity : container
        New dlarrays in the structure of `parameters`, with its shapes, dtypes and formats. Nothing
        is changed in place.

    Raises
    ------
    InvalidArgumentError
        If structures differ, or a number is out of range.
    ShapeMismatchError, FormatClashError
        If a gradient or a velocity does not match its learnable; the message gives the path.
    NotDlarrayError, IntegerVariableError
        If a leaf is not an array of floating-point or complex dtype.

    Examples
    --------
    >>> import dlgradient as dl
    >>> p, v = dl.sgdmupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([10.0, 0.0]))
    >>> p, v = dl.sgdmupdate(p, dl.dlarray([10.0, 0.0]), v)
    >>> p.tolist(), v.tolist()
    ([0.71, 2.0], [-0.19, 0.0])

    Source: MATLAB ``sgdmupdate``; with a constant learning rate the steps of PyTorch's ``SGD``.
    """
    rate = _number("sgdmupdate", "learning_rate", learning_rate)
    decay = _number("sgdmupdate", "momentum", momentum, below=1.0)

    def rule(p: Any, g: Any, v: Any) -> tuple[Any, ...]:
        v = decay * v - rate * g
        return p + v, v

    found = _step("sgdmupdate", rule, parameters, gradients, {"velocity": velocity})
    return found[0], found[1]


def adamupdate(
    parameters: Any,
    gradients: Any,
    average: Any = None,
    average_sq: Any = None,
    iteration: Any = 1,
    learning_rate: Any = 0.001,
    gradient_decay: Any = 0.9,
    sq_gradient_decay: Any = 0.999,
    epsilon: Any = 1e-8,
) -> tuple[Any, Any, Any]:
    """One step of adaptive moment estimation (Adam).

    With the decay rates β₁ and β₂ and the iteration t = 1, 2, ...:

        m ← β₁ m + (1 − β₁) g,   s ← β₂ s + (1 − β₂) g²,
        p ← p − learning_rate · m / (1 − β₁ᵗ) / (√(s / (1 − β₂ᵗ)) + epsilon).

    The real and imaginary part of a complex learnable are two real ones, and so in m and s. A real
    learnable uses the real part of its gradient.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average, average_sq : container, optional
        The m and s that the last step returned; None before the first.
    iteration : int
        Number of this step, from 1.
    learning_rate : float
    gradient_decay, sq_gradient_decay : float
        β₁ and β₂, at least 0 and less than 1.
    epsilon : float
        Prevents a division by zero.

    Returns
    -------
    parameters, average, average_sq : container
        New dlarrays in the structure of `parameters`, with its shapes, dtypes and formats. Nothing
        is changed in place.

    Raises
    ------
    InvalidArgumentError
        If structures differ, or a number is out of range.
    ShapeMismatchError, FormatClashError
        If a gradient or an average does not match its learnable; the message gives the path.
    NotDlarrayError, IntegerVariableError
        If a leaf is not an array of floating-point or complex dtype.

    Examples
    --------
    >>> import dlgradient as dl
    >>> p, m, s = {"w": dl.dlarray([1.0, 2.0])}, None, None
    >>> for iteration in (1, 2):
    ...     g = {"w": 2 * p["w"]}
    ...     p, m, s = dl.adamupdate(p, g, m, s, iteration, 0.1)
    >>> p["w"].round(decimals=4).tolist()
    [0.8004, 1.8002]

    Source: MATLAB ``adamupdate``; PyTorch's ``Adam``.
    """
    name = "adamupdate"
    if not isinstance(iteration, int | np.integer) or isinstance(iteration, bool) or iteration < 1:
        raise InvalidArgumentError(
            f"{name}: iteration is {iteration!r}; it counts the steps from 1, and corrects the "
            "averages, which begin at zero"
        )
    rate = _number(name, "learning_rate", learning_rate)
    beta1 = _number(name, "gradient_decay", gradient_decay, below=1.0)
    beta2 = _number(name, "sq_gradient_decay", sq_gradient_decay, below=1.0)
    small = _number(name, "epsilon", epsilon)
    sqrt = FUNCTIONS["sqrt"]
    step = rate / (1 - beta1 ** int(iteration))
    correction = (1 - beta2 ** int(iteration)) ** 0.5

    def rule(p: Any, g: Any, m: Any, s: Any) -> tuple[Any, ...]:
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g * g)
        return p - step * (m / (sqrt(s) / correction + small)), m, s

    states = {"average": average, "average_sq": average_sq}
    found = _step(name, rule, parameters, gradients, states)
    return found[0], found[1], found[2]


def rmspropupdate(
    parameters: Any,
    gradients: Any,
    average_sq: Any = None,
    learning_rate: Any = 0.001,
    sq_gradient_decay: Any = 0.9,
    epsilon: Any = 1e-8,
) -> tuple[Any, Any]:
    """One step of root mean square propagation (RMSProp).

    s ← β s + (1 − β) g² and p ← p − learning_rate · g / (√s + epsilon). The real and imaginary part
    of a complex learnable are two real ones, and so in s. A real learnable uses the real part of
    its gradient.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average_sq : container, optional
        The s that the last step returned; None before the first.
    learning_rate : float
    sq_gradient_decay : float
        β, at least 0 and less than 1.
    epsilon : float
        Prevents a division by zero.

    Returns
    -------
    parameters, average_sq : container
        New dlarrays in the structure of `parameters`, with its shapes, dtypes and formats. Nothing
        is changed in place.

    Raises
    ------
    InvalidArgumentError
        If structures differ, or a number is out of range.
    ShapeMismatchError, FormatClashError
        If a gradient or an average does not match its learnable; the message gives the path.
    NotDlarrayError, IntegerVariableError
        If a leaf is not an array of floating-point or complex dtype.

    Examples
    --------
    >>> import dlgradient as dl
    >>> p, s = dl.rmspropupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([4.0, 1.0]))
    >>> p.round(decimals=6).tolist(), s.round(decimals=6).tolist()
    ([0.996838, 1.996838], [1.6, 0.1])

    Source: MATLAB ``rmspropupdate``; PyTorch's ``RMSprop``.
    """
    name = "rmspropupdate"
    rate = _number(name, "learning_rate", learning_rate)
    beta = _number(name, "sq_gradient_decay", sq_gradient_decay, below=1.0)
    small = _number(name, "epsilon", epsilon)
    sqrt = FUNCTIONS["sqrt"]

    def rule(p: Any, g: Any, s: Any) -> tuple[Any, ...]:
        s = beta * s + (1 - beta) * (g * g)
        return p - rate * (g / (sqrt(s) + small)), s

    found = _step(name, rule, parameters, gradients, {"average_sq": average_sq})
    return found[0], found[1]
