"""`check_derivatives`: compare both modes of differentiation with differences, at every order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.types import Params, Value
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.forward import dljvp
from dlgradient.engine.gradient import dlvjp
from dlgradient.errors import InvalidArgumentError, NotTracedError
from dlgradient.testing.oracles import (
    STEP,
    CheckError,
    central_difference,
    compare,
    inner,
    noise,
    random_direction,
)

__all__ = ["Bound", "bind", "check_derivatives"]

MODES = ("vjp", "jvp")
# For the adjoint identity, which is exact but for rounding.
_EXACT = 1e-9


class Bound:
    """A call in which only the variables are free.

    Attributes
    ----------
    values : list
        The floating-point and complex arrays among the arguments, at any depth.
    names : list of str
        Their names, for messages.
    """

    def __init__(
        self,
        function: Callable[..., Value],
        args: Sequence[Value],
        params: Params,
        names: Sequence[str] | None = None,
    ) -> None:
        self.function = function
        self.params = params
        self.leaves, self.rebuild = tree.flatten(list(args))
        self.positions = [i for i, leaf in enumerate(self.leaves) if _is_variable(leaf)]
        self.values = [_raw(self.leaves[i]) for i in self.positions]
        self.formats = [
            self.leaves[i]._format if type(self.leaves[i]) is dlarray else None
            for i in self.positions
        ]
        given = names
        if given is None or len(given) != len(self.leaves):
            given = tree.paths(list(args), "args")
        self.names = [given[i] for i in self.positions]

    def __call__(self, *variables: Value) -> Value:
        """Call the function with other values of its variables."""
        leaves = list(self.leaves)
        for i, x in zip(self.positions, variables, strict=True):
            leaves[i] = x
        return self.function(*self.rebuild(leaves), **self.params)

    def arrays(self, values: Sequence[Value] | None = None) -> list[Value]:
        """Make dlarrays of the variables, with their formats."""
        chosen = self.values if values is None else values
        return [dlarray(v, fmt) for v, fmt in zip(chosen, self.formats, strict=True)]


def _is_variable(leaf: Value) -> bool:
    return isinstance(leaf, np.ndarray | np.generic | dlarray) and leaf.dtype.kind in "fc"


def _raw(x: Value) -> Value:
    return x._value if type(x) is dlarray else x


def bind(
    function: Callable[..., Value],
    args: Sequence[Value],
    params: Params | None = None,
    names: Sequence[str] | None = None,
) -> Bound:
    """Fix everything in a call but its variables.

    Parameters
    ----------
    function : callable
        A function of arrays.
    args : sequence
        Its arguments: arrays, containers of arrays, and any others, which are constants.
    params : dict, optional
        Its keyword arguments.
    names : sequence of str, optional
        Names of the arguments.

    Returns
    -------
    Bound
        ``bound(*variables)``; the variables are the arrays of floating-point or complex dtype.

    See Also
    --------
    check_derivatives : compare derivatives of a function with differences

    Examples
    --------
    >>> import numpy as np
    >>> from dlgradient.testing import bind
    >>> bound = bind(np.where, [np.array([True, False]), np.ones(2), np.zeros(2)])
    >>> bound.names, bound(2.0, 3.0)
    (['args[1]', 'args[2]'], array([2., 3.]))
    """
    return Bound(function, args, params or {}, names)


def outputs(result: Value) -> list[Value]:
    """Return the dlarrays with a derivative in the result of a function."""
    leaves, _ = tree.flatten(result)
    return [y for y in leaves if type(y) is dlarray and y.dtype.kind in "fc"]


def evaluate(fun: Callable[..., Value], values: Sequence[Value]) -> list[Value]:
    """Evaluate a function of dlarrays at raw values; return raw values."""
    with np.errstate(all="ignore"):  # a point outside the domain has its own message
        arrays = dlfeval(lambda *xs: outputs(fun(*xs)), *[dlarray(v) for v in values])
    return [extractdata(y) for y in arrays]


def pull(
    ys: Sequence[Value], gs: Sequence[Value], xs: Sequence[Value], **options: Any
) -> list[Value]:
    """Return the sum of the vector-Jacobian products of results; zeros where none depends on xs."""
    total: list[Value] = [None] * len(xs)
    for y, g in zip(ys, gs, strict=True):
        try:
            product = dlvjp(y, g, *xs, **options)
        except NotTracedError:  # a result that is a constant
            continue
        several = product if len(xs) > 1 else (product,)
        total = [c if b is None else b + c for b, c in zip(total, several, strict=True)]
    return [
        dlarray(np.zeros(x.shape, x.dtype), x._format) if c is None else c
        for c, x in zip(total, xs, strict=True)
    ]


def push(ys: Sequence[Value], x: Value, tangent: Value) -> list[Value]:
    """Return the Jacobian-vector products of results with respect to one variable."""
    found = []
    for y in ys:
        try:
            found.append(extractdata(dljvp(y, x, tangent)))
        except NotTracedError:  # a result that is a constant
            found.append(np.zeros(y.shape, y.dtype))
    return found


def pull_back(fun: Callable[..., Value], count: int) -> Callable[..., Value]:
    """Return the gradient map of `fun`: a function of its `count` variables and the cotangents."""

    def gradient_map(*args: Value) -> list[Value]:
        xs, gs = args[:count], args[count:]
        return pull(outputs(fun(*xs)), gs, xs, enable_higher_derivatives=True)

    return gradient_map


def check_derivatives(
    fun: Callable[..., Value],
    *args: Value,
    order: int = 2,
    modes: Sequence[str] = MODES,
    rtol: float = 1e-6,
    name: str = "",
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> None:
    """Check the derivatives of a function of arrays against central differences.

    The directions t and g are random, and real or complex like their arrays:

    * forward mode: J t is the central difference in direction t;
    * reverse mode: Re⟨t, J* g⟩ is Re⟨central difference, g⟩;
    * the adjoint identity Re⟨J t, g⟩ = Re⟨t, J* g⟩, to rounding;
    * for `order` two and more, the same for the gradient map (x, g) ↦ J(x)* g, which is traced with
      ``enable_higher_derivatives``, and so on.

    Parameters
    ----------
    fun : callable
        ``fun(*args)`` is called with dlarrays, and returns a dlarray or a container of dlarrays.
    *args : array_like
        The point. The variables are arrays and dlarrays of floating-point or complex dtype, at any
        depth of a container, and lists of such numbers. Everything else is constant. Use double
        precision.
    order : int
        Highest order of derivatives to check.
    modes : sequence of {"vjp", "jvp"}
        What to check; the adjoint identity needs both.
    rtol : float
        Tolerance for differences, relative to the largest element.
    name : str
        The first word of messages; by default the name of `fun`.
    names : sequence of str, optional
        Names of the arguments in messages.
    seed : int
        Seed of the directions.

    Raises
    ------
    InvalidArgumentError
        If there is nothing to check: no argument is a variable, or no result is a dlarray.
    CheckError
        If two numbers that must be equal differ. The message names the function, the order, the
        argument and both numbers.

    See Also
    --------
    check_operation : check all that a declaration promises
    central_difference : derivative along a direction by differences

    Examples
    --------
    >>> import dlgradient as dl
    >>> from dlgradient.testing import check_derivatives
    >>> check_derivatives(lambda x: dl.exp(x) * x, dl.dlarray([0.5, 1.5]))
    >>> def wrong(x):
    ...     return x * dl.dlarray(x.item())  # item() leaves the trace
    >>> check_derivatives(wrong, dl.dlarray(3.0))
    Traceback (most recent call last):
        ...
    dlgradient.testing.oracles.CheckError: wrong, order 1, argument args[0]: ...
    """
    title = name or getattr(fun, "__name__", "function")
    bound = bind(fun, [dlarray(a) if _are_numbers(a) else a for a in args], names=names)
    if not bound.values:
        raise InvalidArgumentError(
            f"check_derivatives: no argument of {title} is a floating-point array, so there is "
            f"nothing to check; args has {_kinds(args)}. Make a variable of numbers, as "
            "dlarray([0.5, 1.5])"
        )
    _check_result(title, dlfeval(bound, *bound.arrays()))
    current: Callable[..., Value] = bound
    values: list[Value] = [np.array(v)[()] for v in bound.values]
    labels = list(bound.names)
    formats = list(bound.formats)
    rng = np.random.default_rng(seed)

    for level in range(1, order + 1):
        function = _formatted(current, formats)
        ys = evaluate(function, values)
        gs = [random_direction(rng, y.shape, y.dtype) for y in ys]
        _check_order(f"{title}, order {level}", function, values, ys, gs, labels, modes, rtol, rng)
        current = pull_back(current, len(values))
        values = [*values, *gs]
        formats = [*formats, *[None] * len(gs)]
        labels = [
            *labels,
            *[f"cotangent {j}" if len(gs) > 1 else "cotangent" for j in range(len(gs))],
        ]


def _are_numbers(x: Value) -> bool:
    """Return whether a value is a nested list of floating-point or complex numbers."""
    if isinstance(x, list | tuple):
        return bool(x) and all(isinstance(a, float | complex) or _are_numbers(a) for a in x)
    return False


def _kinds(args: Sequence[Value]) -> str:
    return ", ".join(dict.fromkeys([type(leaf).__name__ for leaf in tree.flatten(list(args))[0]]))


def _check_result(title: str, result: Value) -> None:
    leaves, _ = tree.flatten(result)
    if leaves and not any(type(leaf) is dlarray for leaf in leaves):
        raise InvalidArgumentError(
            f"check_derivatives: {title} must return a dlarray, or a container of dlarrays, not "
            f"{_kinds(leaves)}: float(x), x.item() and extractdata(x) lose the derivative"
        )


def _formatted(fun: Callable[..., Value], formats: Sequence[str | None]) -> Callable[..., Value]:
    """Return `fun` of unlabelled variables, which get their formats inside the trace."""
    if not any(formats):
        return fun
    return lambda *xs: fun(*[dlarray(x, f) for x, f in zip(xs, formats, strict=True)])


def _check_order(
    title: str,
    fun: Callable[..., Value],
    values: Sequence[Value],
    ys: Sequence[Value],
    gs: Sequence[Value],
    names: Sequence[str],
    modes: Sequence[str],
    rtol: float,
    rng: np.random.Generator,
) -> None:
    """Check the first derivatives of `fun` at `values`, where it is `ys`."""
    ts = [random_direction(rng, np.shape(v), np.asarray(v).dtype) for v in values]

    def both(*xs: Value) -> Value:
        results = outputs(fun(*xs))
        pulled = pull(results, gs, xs, retain_data=True) if "vjp" in modes else []
        pushed = (
            [push(results, x, t) for x, t in zip(xs, ts, strict=True)] if "jvp" in modes else []
        )
        return pulled, pushed

    pulled, pushed = dlfeval(both, *[dlarray(v) for v in values])
    # Where the result is zero, differences are sums of products of steps, and not quite zero.
    size = max([float(np.max(np.abs(y), initial=0)) for y in ys], default=0.0) + STEP**2
    for i, name in enumerate(names):
        where = f"{title}, argument {name}"
        direction = [t if j == i else np.zeros_like(t) for j, t in enumerate(ts)]
        difference = central_difference(lambda *xs: evaluate(fun, xs), values, direction)
        for d in difference:
            if not np.all(np.isfinite(d)):
                raise CheckError(
                    f"{where}: central differences are not finite ({d}); the point is at the edge "
                    "of the domain, so it is a kink or no sample"
                )
        with _along(ts[i], gs):
            weight = sum([float(np.sum(np.abs(d))) for d in difference]) + noise(size) / rtol
            if pushed:
                for j, (found, d) in enumerate(zip(pushed[i], difference, strict=True)):
                    label = f"jvp of result {j}" if len(ys) > 1 else "jvp"
                    scale = noise(size) / rtol
                    compare(where, label, found, "central differences", d, rtol=rtol, scale=scale)
            if pulled:
                c = extractdata(pulled[i])
                found = inner(ts[i], c)
                expected = sum([inner(d, g) for d, g in zip(difference, gs, strict=True)])
                compare(
                    where, "vjp", found, "central differences", expected, rtol=rtol, scale=weight
                )
                if pushed:
                    expected = sum([inner(p, g) for p, g in zip(pushed[i], gs, strict=True)])
                    scale = weight + float(np.sum(np.abs(c)))
                    compare(where, "vjp", found, "jvp", expected, rtol=_EXACT, scale=scale)


@contextmanager
def _along(t: Value, gs: Sequence[Value]) -> Iterator[None]:
    """Add to the error of a comparison what the numbers in it are products with."""
    try:
        yield
    except CheckError as error:
        shown = ", ".join(np.array2string(np.asarray(g), precision=4, threshold=16) for g in gs)
        direction = np.array2string(np.asarray(t), precision=4, threshold=16)
        raise CheckError(
            f"{error}; in the direction t = {direction}, for the cotangent g = {shown}"
        ) from None
