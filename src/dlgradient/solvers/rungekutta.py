"""Runge-Kutta methods: one step, and steps chosen by an estimate of their error.

Everything here is written in operations, so it runs on raw arrays and on traced dlarrays. Only
values decide on the sizes of steps, which are constants for a derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.reading import raw
from dlgradient.core.samples import case
from dlgradient.errors import InvalidArgumentError
from dlgradient.rules import linear

__all__ = ["DORMAND_PRINCE", "EULER", "RUNGE_KUTTA", "Method", "Options", "Steps", "integrate"]

# A step may shrink or grow by these factors at most, and aims at an error below the tolerance.
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0


def _weighted_sum_adjoint(g: Any, weights: Sequence[float]) -> list[Any]:
    return [w * g for w in weights]


@linear(
    vjp=_weighted_sum_adjoint,
    format="align",
    samples=lambda m: [
        case([m.real(3), m.real(3)], weights=(0.5, -2.0)),
        case([m.real(), m.real(), m.real()], weights=(1.0, 2.0, 0.25)),
        case([m.complex(2, 2), m.real(2, 2)], weights=(1.0, 3.0)),
        case([m.real(0, 2), m.real(0, 2)], weights=(1.0, 3.0)),
    ],
)
def weighted_sum(arrays: Any, /, *, weights: Sequence[float]) -> Any:
    """Return Σᵢ wᵢ xᵢ of arrays of one shape: one operation for a stage of a Runge-Kutta step."""
    total = weights[0] * arrays[0]
    for w, x in zip(weights[1:], arrays[1:], strict=True):
        total = total + w * x
    return total


def _along(y: Any, h: float, weights: Sequence[float], ks: Sequence[Any]) -> Any:
    """Return y + h Σ wᵢ kᵢ."""
    used = [(h * w, k) for w, k in zip(weights, ks, strict=False) if w]
    return weighted_sum([y, *[k for _, k in used]], weights=(1.0, *[w for w, _ in used]))


# -- methods -------------------------------------------------------------------------------------


class Method:
    """A Runge-Kutta method: its coefficients.

    Attributes
    ----------
    nodes, stages, weights
        Of the tableau: the times, the rows of the matrix, and the weights of the result.
    error : tuple or None
        Weights of the error estimate. The last stage is then the slope at the end.
    dense : array or None
        Polynomials of the weights inside a step, a row for each stage.
    order : int
        One more than the order of the error estimate.
    """

    def __init__(
        self,
        nodes: Sequence[float],
        stages: Sequence[Sequence[float]],
        weights: Sequence[float],
        order: int,
        error: Sequence[float] | None = None,
        dense: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self.nodes, self.stages, self.weights = nodes, stages, weights
        self.order, self.error = order, error
        self.dense = None if dense is None else tuple(tuple(row) for row in dense)

    def step(self, f: Any, t: float, h: float, y: Any, first: Any = None) -> tuple[Any, list[Any]]:
        """Return the state at the end of a step, and the slopes of all stages."""
        ks = [f(t, y) if first is None else first]
        for c, row in zip(self.nodes[1:], self.stages[1:], strict=True):
            ks.append(f(t + c * h, _along(y, h, row, ks)))
        new = _along(y, h, self.weights, ks)
        # The slope at the end: it enters the error estimate, and is the first one of the next step.
        if self.error is not None:
            ks.append(f(t + h, new))
        return new, ks

    def inside(self, y: Any, h: float, ks: Sequence[Any], part: float) -> Any:
        """Return the state inside a step, at `part` of its length."""
        powers = [part ** (i + 1) for i in range(4)]
        weights = [
            math.fsum(p * q for p, q in zip(row, powers, strict=True)) for row in self.dense or ()
        ]
        return _along(y, h, weights, ks)


EULER = Method((0.0,), ((),), (1.0,), 1)
RUNGE_KUTTA = Method(
    (0.0, 0.5, 0.5, 1.0),
    ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    4,
)
# Dormand and Prince (1980); the polynomials are those of Shampine (1986).
DORMAND_PRINCE = Method(
    (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0),
    (
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    5,
    error=(-71 / 57600, 0.0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40),
    dense=(
        (
            1.0,
            -8048581381 / 2820520608,
            8663915743 / 2820520608,
            -12715105075 / 11282082432,
        ),
        (0.0, 0.0, 0.0, 0.0),
        (
            0.0,
            131558114200 / 32700410799,
            -68118460800 / 10900136933,
            87487479700 / 32700410799,
        ),
        (0.0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (
            0.0,
            127303824393 / 49829197408,
            -318862633887 / 49829197408,
            701980252875 / 199316789632,
        ),
        (0.0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0.0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
)


class Options:
    """How steps are chosen."""

    def __init__(self, method: Method, first: Any, largest: Any, rtol: float, atol: float) -> None:
        self.method, self.first = method, first
        self.largest = math.inf if largest is None else largest
        self.rtol, self.atol = rtol, atol
        # Steps that are tried, at most; None for any number.
        self.most: int | None = None
        # How many elements at the front of the state affect the size of steps; None for all.
        self.counted: int | None = None

    def _norm(self, x: Any, scale: Any) -> float:
        # With the tolerance 0, a state of 0 has the error 0, not 0/0.
        parts = np.abs(np.ravel(x) / np.where((scale == 0) & (x == 0), 1, scale).ravel())
        # The largest: a mean hides the error of the one element that moves, among many at rest.
        return float(np.max(parts[: self.counted], initial=0.0))

    def ratio(self, error: Any, before: Any, after: Any) -> float:
        """Return the size of an error, in tolerances."""
        scale = self.atol + self.rtol * np.maximum(np.abs(before), np.abs(after))
        return self._norm(error, scale)

    def first_step(self, f: Any, t: float, y: Any, k: Any, length: float) -> float:
        """Return the given first step, or that of Hairer, Nørsett and Wanner, with its sign."""
        if self.first is not None:
            return math.copysign(min(self.first, abs(length), self.largest), length)
        value, slope = raw(y), raw(k)
        scale = self.atol + self.rtol * np.abs(value)
        d0, d1 = self._norm(value, scale), self._norm(slope, scale)
        h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
        h0 = min(h0, abs(length))
        probe = wrap(value + math.copysign(h0, length) * slope, None)
        second = raw(f(t + math.copysign(h0, length), probe)) - slope
        d2 = self._norm(second, scale) / h0
        steepest = max(d1, d2)
        # The error of a step grows with h⁵.
        h1 = max(1e-6, h0 * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** (1 / 5)
        return math.copysign(min(100 * h0, h1, abs(length), self.largest), length)


Steps = list[tuple[float, float]]


def integrate(
    f: Callable[[float, Any], Any], times: Sequence[float], y: Any, options: Options
) -> tuple[list[Any], Steps, list[Any]]:
    """Solve from times[0] on; return states at the other times, steps, and states before them."""
    if options.method.error is None:
        return replay(f, times, y, options.method, _equal_steps(times, options.largest))
    t, end, forward = times[0], times[-1], times[-1] >= times[0]
    method = options.method
    k = f(t, y)
    if not (np.isfinite(raw(y)).all() and np.isfinite(raw(k)).all()):
        raise InvalidArgumentError(
            f"dlode45: the state or its slope at t = {t:g} is not finite; look at y0 and odefun, "
            "and in an adjoint pass at the loss"
        )
    h = options.first_step(f, t, y, k, end - t)
    outs: list[Any] = []
    steps: Steps = []
    states: list[Any] = []
    for tried in count():
        if len(outs) == len(times) - 1:
            break
        if options.most is not None and tried >= options.most:
            raise InvalidArgumentError(
                f"dlode45: after {tried} steps, the last of size {abs(h):.1e}, the solution has "
                f"reached t = {t:g} of {end:g} (max_steps={options.most}); give a larger max_steps "
                "or larger tolerances, or look at odefun: the equation may be stiff"
            )
        # A rest shorter than rounding would be a step of its own.
        last = abs(end - t) <= abs(h) * (1 + 1e-12)
        h = end - t if last else h
        # Negated, so that a step of NaN is refused too.
        if not abs(h) >= 16 * np.spacing(abs(t)):
            raise InvalidArgumentError(
                f"dlode45: the step at t = {t:g} became too small for the tolerances "
                f"(relative_tolerance={options.rtol:g}, absolute_tolerance={options.atol:g}); the "
                "solution may be singular there, or the equation stiff"
            )
        new, ks = method.step(f, t, h, y, k)
        error = h * sum([w * raw(x) for w, x in zip(method.error or (), ks, strict=True) if w])
        ratio = options.ratio(error, raw(y), raw(new))
        # Negated, so that an error of NaN is too large.
        if not ratio <= 1:
            h *= max(_SHRINK, _SAFETY * ratio ** (-1 / method.order)) if ratio < math.inf else 0.1
            continue
        steps.append((t, h))
        states.append(y)
        # The last time exactly: t + (end - t) may round to another number.
        t_new = end if last else t + h
        outs += _outputs(method, times, len(outs), (t, t_new), h, y, new, ks, forward=forward)
        grow = _GROW if ratio == 0 else min(_GROW, _SAFETY * ratio ** (-1 / method.order))
        t, y, k = t_new, new, ks[-1]
        h = math.copysign(min(abs(h) * max(grow, _SHRINK), options.largest), h)
    return outs, steps, states


def _outputs(
    method: Method,
    times: Sequence[float],
    done: int,
    step: tuple[float, float],
    h: float,
    y: Any,
    new: Any,
    ks: Sequence[Any],
    *,
    forward: bool,
) -> list[Any]:
    """Return the states at the times that lie in a step, after the first `done`."""
    found = []
    for time in times[done + 1 :]:
        if time == step[1]:
            found.append(new)
        elif time < step[1] if forward else time > step[1]:
            found.append(method.inside(y, h, ks, (time - step[0]) / h))
        else:
            break
    return found


def _equal_steps(times: Sequence[float], largest: float) -> Steps:
    steps = []
    for a, b in pairwise(times):
        # A quotient that rounds up to just above a whole number must not give one step more.
        parts = max(1, math.ceil(abs(b - a) / largest * (1 - 1e-12)))
        steps += [(a + i * (b - a) / parts, (b - a) / parts) for i in range(parts)]
    return steps


def replay(
    f: Any, times: Sequence[float], y: Any, method: Method, steps: Steps
) -> tuple[list[Any], Steps, list[Any]]:
    """Do as `integrate`, with known steps."""
    outs: list[Any] = []
    states = []
    k = None
    for i, (t, h) in enumerate(steps):
        states.append(y)
        new, ks = method.step(f, t, h, y, k)
        outs += reached(method, times, steps, i, len(outs), y, new, ks)
        y, k = new, ks[-1] if method.error is not None else None
    return outs, steps, states


def reached(
    method: Method,
    times: Sequence[float],
    steps: Steps,
    i: int,
    done: int,
    y: Any,
    new: Any,
    ks: Sequence[Any],
) -> list[Any]:
    """Return the states at the times that lie in step `i`."""
    t, h = steps[i]
    end = steps[i + 1][0] if i + 1 < len(steps) else times[-1]
    return _outputs(method, times, done, (t, end), h, y, new, ks, forward=h >= 0)
