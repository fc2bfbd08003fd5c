"""Ordinary differential equations: `dlode45`, `dlode4` and `dlode1`.

The right-hand side is a function of dlarrays. ``gradient_mode`` says what is differentiated:

* "direct": the operations of every step, recorded as they run. The sizes of steps are constants.
  Derivatives are of any order, and the trace holds every step.
* "checkpointed": the same derivatives, to rounding. Only the state between steps is saved, and each
  step runs again when the backward pass reaches it.
* "adjoint": the adjoint differential equation, solved backwards in time with the same tolerances.
  Only the results are saved, and gradients are as exact as the tolerances. In "adjoint-seminorm",
  the integrals for the parameters do not affect the size of steps.

In the last two modes, derivatives of higher order are those of "direct".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, labelled, open_node, unlabelled, wrap
from dlgradient.core.kinds import number
from dlgradient.core.reading import raw, read
from dlgradient.core.trace import current_trace
from dlgradient.core.types import Count, Function, NonNegative, Operand, Positive
from dlgradient.core.user_code import note_output
from dlgradient.core.values import as_value
from dlgradient.engine.array import dlarray
from dlgradient.engine.context import Context
from dlgradient.engine.custom import DifferentiableFunction
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.gradient import dlvjp
from dlgradient.errors import (
    DlgradientError,
    FormatClashError,
    InvalidArgumentError,
    LeavingTraceError,
    ShapeMismatchError,
)
from dlgradient.solvers.rungekutta import (
    DORMAND_PRINCE,
    EULER,
    RUNGE_KUTTA,
    Options,
    Steps,
    integrate,
    reached,
    replay,
    weighted_sum,
)

__all__ = ["dlode1", "dlode4", "dlode45"]

StepSize: TypeAlias = Annotated[float, number(above=0, finite=False)]
Mode: TypeAlias = Literal["direct", "checkpointed", "adjoint", "adjoint-seminorm"]


class _Problem:
    """One initial value problem: right-hand side, times, parameters, and how to solve it.

    The dlarrays among the parameters are differentiated. Other leaves of their container are
    constants.
    """

    def __init__(
        self, name: str, odefun: Any, times: Sequence[float], y0: Any, theta: Any, options: Options
    ) -> None:
        self.name, self.odefun, self.times, self.options = name, odefun, times, options
        self.fmt = y0._format if type(y0) is dlarray else None
        self.given = theta is not None
        self.leaves, self.rebuild = tree.flatten(theta)
        self.at = [i for i, leaf in enumerate(self.leaves) if type(leaf) is dlarray]
        self.formats = [self.leaves[i]._format for i in self.at]

    @property
    def parameters(self) -> list[Any]:
        return [self.leaves[i] for i in self.at]

    def hold_constants(self) -> None:
        """Hold the arrays among the parameters, which are read again, as arguments of a call."""
        trace = current_trace()
        if trace is not None:
            self.leaves = [trace.hold(x) if type(x) is np.ndarray else x for x in self.leaves]

    def slope(self, parameters: Sequence[Any]) -> Callable[[float, Any], Any]:
        """Return the right-hand side with these parameters, as a function of t and y."""
        leaves = list(self.leaves)
        for i, p, fmt in zip(self.at, parameters, self.formats, strict=True):
            leaves[i] = labelled(p, fmt) if type(p) is dlarray else wrap(p, None, fmt)
        theta = (self.rebuild(leaves),) if self.given else ()

        def f(t: float, y: Any) -> Any:
            node = y._node if type(y) is dlarray else None
            value = raw(y)
            try:
                found = self.odefun(t, wrap(value, node, self.fmt), *theta)
            except DlgradientError:
                raise
            except Exception as error:
                error.add_note(f"{self.name}: in odefun at t = {t:g}, y of shape {value.shape}")
                raise
            return self._checked(found, value)

        return f

    def _checked(self, found: Any, value: Any) -> Any:
        if type(found) is not dlarray:
            if isinstance(found, np.ndarray):
                note_output(found)
            # A copy: odefun may write its next result into the same array.
            found = wrap(as_value(found, f"{self.name}: the result of odefun", copy=True), None)
        if found.shape != value.shape:
            raise ShapeMismatchError(
                f"{self.name}: odefun returned shape {found.shape} for y of shape {value.shape}; "
                "the derivative with respect to time has the shape of y"
            )
        if self.fmt is not None and found._format not in (None, self.fmt):
            raise FormatClashError(
                f"{self.name}: odefun returned the format {found._format!r} for y of format "
                f"{self.fmt!r}; bring it to the same order with permute_dims"
            )
        if found.dtype.kind == "c" and value.dtype.kind != "c":
            raise InvalidArgumentError(
                f"{self.name}: odefun returned {found.dtype} for y of {value.dtype}; give a "
                "complex y0, or take the real part in odefun"
            )
        if found.dtype != value.dtype:
            found = FUNCTIONS["astype"](found, value.dtype)
        return unlabelled(found)

    def constant_slope(self, parameters: Sequence[Any]) -> Callable[[float, Any], Any]:
        """Return `slope`, checked to depend on nothing traced but y and the parameters."""
        f = self.slope(parameters)

        def checked(t: float, y: Any) -> Any:
            found = f(t, wrap(y, None) if type(y) is not dlarray else y)
            if open_node(found) is not None:
                raise LeavingTraceError(
                    f"{self.name}: odefun uses a traced dlarray that is not in theta, so its "
                    "gradient would be lost; put it into theta, or use gradient_mode='direct'"
                )
            return found

        return checked


def _joined(outs: Sequence[Any], count: int) -> Any:
    return outs[0] if count == 1 else FUNCTIONS["stack"](outs, axis=-1)


# -- gradient modes ------------------------------------------------------------------------------


class _Solution(DifferentiableFunction):
    """States at the times, with a backward pass that does not save what the steps computed."""

    def __init__(self, problem: _Problem, mode: str) -> None:
        self.problem, self.mode = problem, mode
        problem.hold_constants()

    def _user_functions(self) -> tuple[str, Sequence[Function], Sequence[Function]]:
        """Return those of the user: the steps are run again."""
        return f"odefun of {self.problem.name}", (self.problem.odefun,), ()

    def forward(self, context: Context, *xs: Any, **_params: Any) -> Any:
        problem = self.problem
        f = problem.constant_slope(xs[1:])
        outs, steps, states = integrate(f, problem.times, wrap(xs[0], None), problem.options)
        values = [read(y) for y in outs]
        result = values[0] if len(outs) == 1 else np.stack(values, axis=-1)
        between = np.stack([read(y) for y in states]) if self.mode == "checkpointed" else None
        # A copy, since the result itself would be saved as a value that has a derivative.
        kept = None if self.mode == "checkpointed" else np.array(result)
        context.save(*xs, np.array(steps), between, kept)
        return result

    def backward(self, context: Context, *gs: Any) -> Any:
        *xs, steps, states, result = context.saved
        table = raw(steps)
        pairs: Steps = [(float(t), float(h)) for t, h in table]
        if type(gs[0]) is dlarray:
            return self._traced_backward(context, xs, pairs, gs[0])
        if self.mode == "checkpointed":
            return _step_by_step(self.problem, xs, pairs, states, gs[0])
        return _adjoint(self.problem, xs, result, gs[0], whole=self.mode == "adjoint")

    def _traced_backward(self, context: Context, xs: Sequence[Any], steps: Steps, g: Any) -> Any:
        """The backward pass of "direct" mode, traced."""
        problem = self.problem
        # New nodes: y0 may depend on the parameters, and here they are independent variables.
        xs = [weighted_sum([x], weights=(1.0,)) for x in xs]
        f = problem.slope(xs[1:])
        outs, _, _ = replay(f, problem.times, xs[0], problem.options.method, steps)
        y = _joined(outs, len(outs))
        wanted = [i for i, needed in enumerate(context.needs_gradient) if needed]
        found = dlvjp(y, g, [xs[i] for i in wanted], enable_higher_derivatives=True)
        results: list[Any] = [None] * len(xs)
        for i, c in zip(wanted, found, strict=True):
            results[i] = c
        return tuple(results)


def _cotangents(problem: _Problem, g: Any) -> list[Any]:
    count = len(problem.times) - 1
    return [g] if count == 1 else [g[..., i] for i in range(count)]


def _step_by_step(
    problem: _Problem, xs: Sequence[Any], steps: Steps, states: Any, g: Any
) -> tuple[Any, ...]:
    """Run every step again, the last one first, and pull its cotangents back."""
    gs = _cotangents(problem, g)
    method, times = problem.options.method, problem.times
    # Steps are pulled back one by one, so only one of them is traced at a time.
    a = np.zeros_like(xs[0], dtype=np.result_type(xs[0], g))
    totals: list[Any] = [0 * x for x in xs[1:]]
    done = _count_times(problem, steps)

    def pulled(y: Any, parameters: Sequence[Any], i: int, later: Any) -> Any:
        t, h = steps[i]
        new, ks = method.step(problem.slope(parameters), t, h, y)
        outs = reached(method, times, steps, i, done[i], y, new, ks)
        weights = [later, *gs[done[i] : done[i] + len(outs)]]
        joined = FUNCTIONS["stack"]([new, *outs], axis=-1)
        return dlvjp(joined, np.stack(weights, axis=-1), [y, *parameters])

    for i in reversed(range(len(steps))):
        arrays = [wrap(np.asarray(x)[()], None) for x in (states[i], *xs[1:])]
        a, *parts = [
            read(c) for c in dlfeval(lambda *v, i=i, a=a: pulled(v[0], v[1:], i, a), *arrays)
        ]
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    return a, *totals


def _count_times(problem: _Problem, steps: Steps) -> list[int]:
    """Return how many of the times lie before each step."""
    times = problem.times
    forward = times[-1] >= times[0]
    return [sum(b <= t if forward else b >= t for b in times[1:]) for t, _ in steps]


def _adjoint(
    problem: _Problem, xs: Sequence[Any], result: Any, g: Any, *, whole: bool
) -> tuple[Any, ...]:
    """Solve for state, adjoint and the integrals of parameters, backwards from time to time."""
    gs = _cotangents(problem, g)
    ys = _cotangents(problem, result)
    shape, size = np.shape(xs[0]), np.size(xs[0])
    kind = np.result_type(xs[0], g, *xs[1:])
    arrays = [wrap(x, None) for x in xs[1:]]

    def augmented(t: float, state: Any) -> Any:
        flat = raw(state)
        y = flat[:size].reshape(shape)[()]
        # A real state stays real, though it is solved next to a complex adjoint.
        y = y if np.iscomplexobj(xs[0]) or kind.kind != "c" else y.real
        a = flat[size : 2 * size].reshape(shape)[()]

        def pulled(y: Any, *parameters: Any) -> Any:
            slope = problem.slope(parameters)(t, y)
            # A constant right-hand side has no derivative to pull back.
            if open_node(slope) is None:
                return [slope, *[wrap(0 * read(v), None) for v in (y, *parameters)]]
            return [slope, *dlvjp(slope, a, [y, *parameters])]

        slope, *parts = dlfeval(pulled, wrap(y, None), *arrays)
        columns = [read(slope), *[-read(p) for p in parts]]
        return wrap(np.concatenate([np.ravel(c) for c in columns]).astype(kind), None)

    old = problem.options
    options = Options(old.method, old.first, old.largest, old.rtol, old.atol)
    options.most = old.most
    # The integrals do not affect the solution, so their error need not choose the steps.
    options.counted = None if whole else 2 * size
    a = np.zeros(size, kind)
    integrals = np.zeros(sum(np.size(x) for x in xs[1:]), kind)
    # The state begins anew at each output time, so its error backwards in time does not add up.
    for i in reversed(range(len(gs))):
        a = a + np.ravel(gs[i])
        state = np.concatenate([np.ravel(ys[i]).astype(kind), a, integrals])
        span = (problem.times[i + 1], problem.times[i])
        end = read(integrate(augmented, span, wrap(state, None), options)[0][0])
        a, integrals = end[size : 2 * size], end[2 * size :]
    results = [a.reshape(shape)[()]]
    start = 0
    for x in xs[1:]:
        results.append(integrals[start : start + np.size(x)].reshape(np.shape(x))[()])
        start += np.size(x)
    return tuple(results)


# -- what a user calls ---------------------------------------------------------------------------


def _solve(
    name: str, odefun: Any, tspan: Any, y0: Any, theta: Any, mode: str, options: Options
) -> Any:
    times = _times(name, tspan)
    if type(y0) is not dlarray:
        y0 = wrap(as_value(y0, f"{name}: y0", copy=True), None)
    if y0.dtype.kind not in "fc":
        y0 = FUNCTIONS["astype"](y0, np.float64)
    fmt = y0._format
    if fmt is not None and len(times) > 2:
        if "T" in fmt:
            raise FormatClashError(
                f"{name}: y0 has the format {fmt!r}, and the result gets a dimension 'T' for "
                f"{len(times) - 1} times; relabel the dimension of y0, or ask for one time"
            )
        fmt += "T"
    problem = _Problem(name, odefun, times, y0, theta, options)
    plain = unlabelled(y0)
    parameters = [unlabelled(p) for p in problem.parameters]
    if mode == "direct":
        outs, _, _ = integrate(problem.slope(parameters), times, plain, options)
        y = _joined(outs, len(outs))
    else:
        y = _Solution(problem, mode)(plain, *parameters)
    return labelled(y, fmt)


def _times(name: str, tspan: Any) -> list[float]:
    if any(type(t) is dlarray and open_node(t) is not None for t in (tspan, *_items(tspan))):
        raise LeavingTraceError(
            f"{name}: tspan is traced, and times are constants here; for a derivative with respect "
            "to a time, scale odefun with it, or use y' = odefun(t, y) at that time"
        )
    times = [float(t) for t in np.asarray(tspan, np.float64).ravel()]
    steps = np.diff(times)
    rising = np.all(steps > 0) or np.all(steps < 0)
    if len(times) < 2 or not rising or not np.isfinite(times).all():
        raise InvalidArgumentError(
            f"{name}: tspan is {times}; it must be two finite times or more, rising or falling"
        )
    return times


def _items(tspan: Any) -> Sequence[Any]:
    return tspan if isinstance(tspan, list | tuple) else ()


@checked
def dlode45(
    odefun: Callable[..., Any],
    tspan: Operand,
    y0: Operand,
    theta: Any = None,
    *,
    gradient_mode: Mode = "direct",
    initial_step_size: Positive | None = None,
    max_step_size: StepSize | None = None,
    max_steps: Count | None = 100_000,
    relative_tolerance: Positive = 1e-3,
    absolute_tolerance: NonNegative = 1e-6,
) -> Any:
    """Solution of y' = odefun(t, y, theta) by the pair of Dormand and Prince, of orders 5 and 4.

    Steps are chosen so that the estimated error of each is within the tolerances. Results inside a
    step come from a polynomial of order 4, so more times do not cost more steps.

    Parameters
    ----------
    odefun : callable
        ``odefun(t, y, theta)``, written in functions of dlarrays; t is a number. Without theta it
        is called as ``odefun(t, y)``.
    tspan : sequence of float
        The time of y0, and the times to solve for, rising or falling.
    y0 : dlarray or array
        Initial state, of any shape, real or complex.
    theta : optional
        Parameters: dlarrays in any container.
    gradient_mode : {"direct", "checkpointed", "adjoint", "adjoint-seminorm"}
        How gradients are computed: through all operations; through the steps, each run again when
        needed; or by the adjoint equation, solved backwards. In all modes but "direct", theta must
        contain everything traced that odefun uses.
    initial_step_size, max_step_size : float, optional
    max_steps : int or None
        How many steps are tried before an error says how far they came. None is no limit.
    relative_tolerance, absolute_tolerance : float
        The error of each element is measured relative to absolute_tolerance + relative_tolerance ·
        abs(y). The largest one counts.

    Returns
    -------
    dlarray
        For one time to solve for, of the shape and format of `y0`. For more, they are a new last
        dimension, with the label T if `y0` has a format.

    Raises
    ------
    InvalidArgumentError
        If an argument is not valid, or steps become too small or too many.
    ShapeMismatchError, FormatClashError
        If the result of odefun does not match y, or no dimension for the times can be added.
    LeavingTraceError
        If a derivative would be lost: times are traced, or odefun uses a traced value not in theta.

    See Also
    --------
    dlode4 : solve a differential equation with fixed steps of order four
    dlode1 : solve a differential equation with Euler's method

    Examples
    --------
    >>> import dlgradient as dl
    >>> def decay(t, y, theta):
    ...     return -theta * y
    >>> def end_and_gradient(rate):
    ...     y = dl.dlode45(decay, [0, 1], [1.0], rate, relative_tolerance=1e-8)
    ...     return y[0], dl.dlgradient(y[0], rate)
    >>> y, g = dl.dlfeval(end_and_gradient, dl.dlarray(2.0))
    >>> round(y.item(), 6), round(g.item(), 6)  # exp(-2) and -exp(-2)
    (0.135335, -0.135335)

    Source: MATLAB ``dlode45``.
    """
    name = "dlode45"
    options = Options(
        DORMAND_PRINCE, initial_step_size, max_step_size, relative_tolerance, absolute_tolerance
    )
    options.most = max_steps
    return _solve(name, odefun, tspan, y0, theta, gradient_mode, options)


@checked
def dlode1(
    odefun: Callable[..., Any],
    tspan: Operand,
    y0: Operand,
    theta: Any = None,
    *,
    gradient_mode: Mode = "direct",
    step_size: StepSize | None = None,
) -> Any:
    """Solution of y' = odefun(t, y, theta) by Euler's method, with equal steps.

    Parameters
    ----------
    odefun, tspan, y0, theta, gradient_mode
        As in `dlode45`.
    step_size : float, optional
        The largest step; each interval of `tspan` is divided equally. By default it is one step.

    Returns
    -------
    dlarray
        As of `dlode45`.

    Raises
    ------
    InvalidArgumentError, ShapeMismatchError, FormatClashError, LeavingTraceError
        As by `dlode45`.

    See Also
    --------
    dlode4 : solve a differential equation with fixed steps of order four
    dlode45 : solve a differential equation with adaptive steps

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.dlode1(lambda t, y: -y, [0, 1], 1.0, step_size=0.5).item()
    0.25

    Source: MATLAB ``deep.ode.options.ODE1``.
    """
    options = Options(EULER, None, step_size, 1.0, 1.0)
    return _solve("dlode1", odefun, tspan, y0, theta, gradient_mode, options)


@checked
def dlode4(
    odefun: Callable[..., Any],
    tspan: Operand,
    y0: Operand,
    theta: Any = None,
    *,
    gradient_mode: Mode = "direct",
    step_size: StepSize | None = None,
) -> Any:
    """Solution of y' = odefun(t, y, theta) by the classical Runge-Kutta method, with equal steps.

    Parameters
    ----------
    odefun, tspan, y0, theta, gradient_mode
        As in `dlode45`.
    step_size : float, optional
        The largest step; each interval of `tspan` is divided equally. By default it is one step.

    Returns
    -------
    dlarray
        As of `dlode45`.

    Raises
    ------
    InvalidArgumentError, ShapeMismatchError, FormatClashError, LeavingTraceError
        As by `dlode45`.

    See Also
    --------
    dlode45 : solve a differential equation with adaptive steps
    dlode1 : solve a differential equation with Euler's method

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlode4(lambda t, y: -y, [0, 1], 1.0)
    >>> round(y.item(), 6)  # 1 - 1 + 1/2 - 1/6 + 1/24
    0.375

    Source: the method of order 4 of Kutta (1901).
    """
    options = Options(RUNGE_KUTTA, None, step_size, 1.0, 1.0)
    return _solve("dlode4", odefun, tspan, y0, theta, gradient_mode, options)
