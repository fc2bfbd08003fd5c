"""Update functions: one step of an optimiser, and any function, applied to every learnable.

Learnables are a dlarray, a NumPy array, or any container of them: list, tuple, dict, namedtuple,
dataclass, Layer/Parameter/Value table. Gradients and the state of an optimiser are containers of
the same structure. Nothing is changed in place: learnables and state are returned in new
containers.

The formulas are written in public functions, and run on raw arrays where nothing is traced. So a
step of an optimiser can itself be differentiated in a `dlfeval`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from dlgradient.core.arguments import checked
from dlgradient.core.kinds import integer, number
from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError
from dlgradient.train.computing import root
from dlgradient.train.containers import Container, Results, map_together, take_result
from dlgradient.train.factors import factors_of
from dlgradient.train.step import Factor, Formula, update_leaves

__all__ = ["adamupdate", "dlupdate", "rmspropupdate", "sgdmupdate"]

_C = TypeVar("_C")  # an array or a container; states have the structure of the learnables
# The number of a step, which may be an array in an accelerated function.
Iteration: TypeAlias = Annotated[int | dlarray, integer(1, traced=True)]
# Hyperparameters; a traced one is differentiated.
Number: TypeAlias = Annotated[float | dlarray, number(0, traced=True)]
Rate: TypeAlias = Annotated[float | dlarray, number(0, below=1, traced=True)]


def update_all(
    name: str,
    formula: Formula,
    parameters: Container,
    gradients: Container,
    states: dict[str, Container],
    *,
    decays: bool = False,
    whole: bool = False,
) -> tuple[Container, ...]:
    """Apply a formula to all learnables.

    Parameters
    ----------
    name : str
        Public function, for errors.
    formula : callable
    parameters, gradients : container
    states : dict
        The container of each state by its name; None, or MATLAB's ``[]``, before the first step.
    decays : bool
        Whether it uses the factors of the L2 regularisation.
    whole : bool
        Whether it needs each learnable as it is, and not elements of any.

    Returns
    -------
    tuple of containers
        New learnables, then new states.
    """
    if hasattr(type(parameters), "_container_kind"):  # so networks are loaded
        found: tuple[Container, ...] = _buffers().update_table(
            name, formula, parameters, gradients, states, decays=decays, whole=whole
        )
        return found
    factors = factors_of(parameters, decays=decays)
    return update_leaves(name, formula, parameters, gradients, states, factors)


@cache  # an import statement costs some microseconds of each step
def _buffers() -> Any:
    """Return the module of updates of networks, which are loaded where there are some."""
    from dlgradient.train import buffers

    return buffers


@checked
def dlupdate(fun: Callable[..., Any], parameters: Container, /, *others: Container) -> Container:
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

    See Also
    --------
    adamupdate : update by Adam
    sgdmupdate : update by gradient descent with momentum

    Examples
    --------
    >>> weights = {"w": dl.dlarray([1.0, 2.0]), "b": dl.dlarray(4.0)}
    >>> gradients = {"w": dl.dlarray([0.5, 0.5]), "b": dl.dlarray(1.0)}
    >>> dl.dlupdate(lambda w, g: g + 0.1 * w, weights, gradients)["b"].item()
    1.4
    >>> single = dl.dlupdate(lambda w: dl.astype(w, "float32"), weights)
    >>> single["w"].dtype
    dtype('float32')

    Source: MATLAB ``dlupdate``.
    """
    # How many results `fun` returns for each array; -1 if no tuple.
    counts: set[int] = set()

    def apply(_path: str, *leaves: object) -> Results:
        result = fun(*leaves)
        if type(result) is not tuple:
            counts.add(-1)
            return Results((result,))
        counts.add(len(result))
        return Results(result)

    labels = ["parameters", *[f"others[{i}]" for i in range(len(others))]]
    found = map_together("dlupdate", apply, labels, [parameters, *others], "")
    if len(counts) > 1:
        raise InvalidArgumentError(
            "dlupdate: fun returns tuples of different lengths for different arrays "
            f"({', '.join('no tuple' if c < 0 else str(c) for c in sorted(counts))}); it must "
            "return as many results for each"
        )
    count = next(iter(counts), -1)
    return (
        take_result(found, 0) if count < 0 else tuple([take_result(found, i) for i in range(count)])
    )


@checked
def sgdmupdate(
    parameters: _C,
    gradients: _C,
    velocity: _C | None = None,
    learning_rate: Number = 0.01,
    momentum: Rate = 0.9,
) -> tuple[_C, _C]:
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
        The v that the last step returned; None before the first, or ``[]``.
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

    See Also
    --------
    adamupdate : update by Adam
    rmspropupdate : update by RMSProp
    dlupdate : apply a function to the leaves of containers

    Examples
    --------
    >>> p, v = dl.sgdmupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([10.0, 0.0]))
    >>> p, v = dl.sgdmupdate(p, dl.dlarray([10.0, 0.0]), v)
    >>> p.tolist(), v.tolist()
    ([0.71, 2.0], [-0.19, 0.0])

    Source: MATLAB ``sgdmupdate``; with a constant learning rate the steps of PyTorch's ``SGD``.
    """
    formula = sgdm_formula(learning_rate, momentum)
    found = update_all("sgdmupdate", formula, parameters, gradients, {"velocity": velocity})
    return found[0], found[1]


def sgdm_formula(rate: Number, momentum: Rate) -> Formula:
    """Return the formula of gradient descent with momentum."""

    def formula(factor: Factor, p: Value, g: Value, v: Value) -> tuple[Value, ...]:
        v = momentum * v - (factor.rate * rate) * g
        return p + v, v

    return formula


@checked
def adamupdate(
    parameters: _C,
    gradients: _C,
    average: _C | None = None,
    average_sq: _C | None = None,
    iteration: Iteration = 1,
    learning_rate: Number = 0.001,
    gradient_decay: Rate = 0.9,
    sq_gradient_decay: Rate = 0.999,
    epsilon: Number = 1e-8,
) -> tuple[_C, _C, _C]:
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
        The m and s that the last step returned; None before the first, or ``[]``.
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

    See Also
    --------
    sgdmupdate : update by gradient descent with momentum
    rmspropupdate : update by RMSProp
    dlupdate : apply a function to the leaves of containers

    Examples
    --------
    >>> p, m, s = {"w": dl.dlarray([1.0, 2.0])}, None, None
    >>> for iteration in (1, 2):
    ...     g = {"w": 2 * p["w"]}
    ...     p, m, s = dl.adamupdate(p, g, m, s, iteration, 0.1)
    >>> p["w"].round(decimals=4).tolist()
    [0.8004, 1.8002]

    Source: MATLAB ``adamupdate``; PyTorch's ``Adam``.
    """
    formula = adam_formula(iteration, learning_rate, gradient_decay, sq_gradient_decay, epsilon)
    states = {"average": average, "average_sq": average_sq}
    found = update_all("adamupdate", formula, parameters, gradients, states)
    return found[0], found[1], found[2]


def adam_formula(
    iteration: Iteration, rate: Number, beta1: Rate, beta2: Rate, epsilon: Number
) -> Formula:
    """Return the formula of Adam in one iteration."""
    # The averages begin at zero; both corrections are numbers, computed once for all learnables.
    step = rate / (1 - beta1**iteration)
    correction = (1 - beta2**iteration) ** 0.5

    def formula(factor: Factor, p: Value, g: Value, m: Value, s: Value) -> tuple[Value, ...]:
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g * g)
        return p - (factor.rate * step) * (m / (root(s) / correction + epsilon)), m, s

    return formula


@checked
def rmspropupdate(
    parameters: _C,
    gradients: _C,
    average_sq: _C | None = None,
    learning_rate: Number = 0.001,
    sq_gradient_decay: Rate = 0.9,
    epsilon: Number = 1e-8,
) -> tuple[_C, _C]:
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
        The s that the last step returned; None before the first, or ``[]``.
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

    See Also
    --------
    adamupdate : update by Adam
    sgdmupdate : update by gradient descent with momentum
    dlupdate : apply a function to the leaves of containers

    Examples
    --------
    >>> p, s = dl.rmspropupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([4.0, 1.0]))
    >>> p.round(decimals=6).tolist(), s.round(decimals=6).tolist()
    ([0.996838, 1.996838], [1.6, 0.1])

    Source: MATLAB ``rmspropupdate``; PyTorch's ``RMSprop``.
    """
    formula = rmsprop_formula(learning_rate, sq_gradient_decay, epsilon)
    states = {"average_sq": average_sq}
    found = update_all("rmspropupdate", formula, parameters, gradients, states)
    return found[0], found[1]


def rmsprop_formula(rate: Number, beta: Rate, epsilon: Number) -> Formula:
    """Return the formula of RMSProp."""

    def formula(factor: Factor, p: Value, g: Value, s: Value) -> tuple[Value, ...]:
        s = beta * s + (1 - beta) * (g * g)
        return p - (factor.rate * rate) * (g / (root(s) + epsilon)), s

    return formula
