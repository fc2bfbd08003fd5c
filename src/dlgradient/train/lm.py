"""The solver "lm", of Levenberg and Marquardt: the least sum of squares of the errors.

A step solves a linear problem of least squares: the errors along a line, with a damping that keeps
the step short. Its matrix is the exact Jacobian of the errors: by forward mode for each number that
is learned, or by reverse mode for each error, whichever are fewer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.reading import read
from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.forward import dljvp
from dlgradient.engine.gradient import dlvjp
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.network import dlnetwork
from dlgradient.nn.losses.arguments import Loss
from dlgradient.ops.choice import where
from dlgradient.ops.shape import reshape
from dlgradient.train.full_batch import FullBatch
from dlgradient.train.gradients import penalty
from dlgradient.train.loss import Batch, Evaluation
from dlgradient.train.options import TrainingOptions
from dlgradient.train.training import Row, Step, Training
from dlgradient.train.vectors import flatten, unflatten

__all__ = ["LevenbergMarquardt"]

SQUARES = ("mse", "mean-squared-error", "l2loss")
# No smaller one: it could become zero, and could not grow again.
LEAST_DAMPING = 1e-20


class _Point(NamedTuple):
    """What the data say about a network, and about those near it.

    The sum of loss and regularisation near it is that of the squares of ``errors + jacobian @ d``.
    """

    net: dlnetwork
    found: Evaluation
    errors: Array
    jacobian: Array

    @property
    def gradient(self) -> Array:
        return 2 * self.jacobian.T @ self.errors


class LevenbergMarquardt(FullBatch):
    """Damped steps of Gauss and Newton; a damping that is too small is increased until one helps.

    Attributes
    ----------
    damping : float
        What is added to the diagonal of the approximate Hessian of the loss.
    """

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self.damping = float(options.initial_damping_factor)
        self.point: _Point | None = None

    def saved(self) -> dict[str, Any]:
        """Return the damping; the Jacobian is computed again, and is the same."""
        return {"damping": self.damping}

    def restore(self, saved: dict[str, Any], net: dlnetwork) -> None:
        """Take the damping of a checkpoint."""
        del net
        self.damping = float(saved["damping"])

    def check(self, training: Training, batch: Batch) -> str:
        """Refuse what is no sum of squares of real errors, and what no solver of all data takes."""
        _check(training)
        return super().check(training, batch)

    def improved(self, training: Training, batch: Batch) -> Step:
        """Take the step of the smallest damping that lowers the loss."""
        point = self.point
        if point is None or point.net is not training.net:
            point = self._point(training, training.net, batch)
        new, length = self._search(training, point, batch)
        if new is not None:
            point = self._point(training, new, batch)
        self.point = point
        row: Row = {
            "loss": float(point.found.loss),
            "gradient_norm": float(np.linalg.norm(point.gradient)),
            "step_norm": length,
        }
        reason = self.reached(row) if new is not None else "Max damping factor reached"
        return Step(point.net, row, point.found.ys, reason)

    def _search(
        self, training: Training, point: _Point, batch: Batch
    ) -> tuple[dlnetwork | None, float]:
        """Return the network after a step that lowers the loss, if there is one, and its length."""
        options = self.options
        start = np.asarray(flatten(point.net)).astype(float)
        q, r = np.linalg.qr(point.jacobian)
        errors = q.T @ point.errors
        before = float(point.found.loss) + penalty(point.net, self.l2)
        while self.damping <= options.max_damping_factor:
            step = _damped(r, errors, self.damping)
            new = unflatten(start + step, point.net)
            value = self._value(training, new, batch) if np.isfinite(step).all() else np.inf
            if value < before:
                self.damping = max(self.damping * options.damping_decrease_factor, LEAST_DAMPING)
                return new, float(np.linalg.norm(step))
            self.damping *= options.damping_increase_factor
        return None, 0.0

    def _value(self, training: Training, net: dlnetwork, batch: Batch) -> float:
        """Return loss and regularisation of a network."""
        objective = self.without_chance(training.objective)
        loss, _, _ = objective.forward(net, batch, objective.mask(batch))
        return float(loss) + penalty(net, self.l2)

    def _point(self, training: Training, net: dlnetwork, batch: Batch) -> _Point:
        """Return errors and Jacobian at a network, scaled so that their squares are the loss."""
        objective = self.without_chance(training.objective)
        factors = net.learn_rate_factors()
        free = [i for i, factor in enumerate(factors.values()) if factor]

        def linearized(net: dlnetwork) -> tuple[Any, ...]:
            mask = objective.mask(batch)
            loss, state, ys = objective.forward(net, batch, mask)
            both = Loss(objective.name, ys[0], batch[objective.inputs], None, mask=mask)
            errors = both.y - both.t
            if both.mask is not None:
                errors = where(both.mask, errors, 0)
            errors = reshape(stripdims(errors), (-1,))
            xs = [net.learnables.arrays()[i] for i in free]
            return loss, state, ys, errors, _jacobian(errors, xs)

        loss, state, ys, errors, part = dlfeval(linearized, net)
        raw = np.asarray(errors).astype(float)
        # What the loss divides the sum of squares by.
        square = float(raw @ raw)
        scale = float(loss) / square if square else 1.0
        sizes = [np.size(x) for x in net.learnables.values()]
        columns = np.repeat([i in free for i in range(len(sizes))], sizes)
        jacobian = np.zeros((len(raw), len(columns)))
        jacobian[:, columns] = part
        rows, weights = self._regularization(net, columns)
        jacobian = np.concatenate([np.sqrt(scale) * jacobian, rows])
        whole = np.concatenate([np.sqrt(scale) * raw, weights])
        net = net.with_learnables(net.learnables)
        net.state = state
        return _Point(net, Evaluation(loss, net.learnables, state, ys), whole, jacobian)

    def _regularization(self, net: dlnetwork, columns: Array) -> tuple[Array, Array]:
        """Return rows of the Jacobian and errors whose squares are the regularisation."""
        sizes = [np.size(x) for x in net.learnables.values()]
        factors = np.sqrt(np.repeat(list(net.l2_factors().values()), sizes) * self.l2 / 2)
        used = factors > 0
        weights = factors * np.asarray(flatten(net)).astype(float)
        return (np.diag(factors) * columns)[used], weights[used]


def _jacobian(errors: Value, xs: list[dlarray]) -> Array:
    """Return the derivatives of traced errors by all elements of some arrays, as a matrix."""
    count = sum(x.size for x in xs)
    if errors.size < count:
        rows = []
        for seed in np.eye(errors.size, dtype=errors.dtype):
            found = dlvjp(errors, seed, *xs, retain_data=True)
            found = found if isinstance(found, tuple) else (found,)
            rows.append(np.concatenate([np.ravel(np.asarray(read(g))) for g in found]))
        return np.asarray(rows, float).reshape(errors.size, count)
    columns = [
        np.asarray(read(dljvp(errors, x, seed.reshape(x.shape))))
        for x in xs
        for seed in np.eye(x.size, dtype=x.dtype)
    ]
    return np.asarray(columns, float).T


def _damped(r: Array, errors: Array, damping: float) -> Array:
    """Return the step d that makes |errors + r d|² + damping |d|² / 2 least."""
    n = r.shape[1]
    # Orthogonal factors: the condition of the product r' r is the square of that of r.
    q, triangle = np.linalg.qr(np.concatenate([r, np.sqrt(damping / 2) * np.eye(n)]))
    try:
        step: Array = np.linalg.solve(triangle, -(q[: len(errors)].T @ errors))
    except np.linalg.LinAlgError:  # a damping that is nothing next to r
        return np.full(n, np.inf)
    return step


def _check(training: Training) -> None:
    objective = training.objective
    if not objective.is_named or objective.name not in SQUARES:
        raise InvalidArgumentError(
            f"trainnet: the solver 'lm' makes a sum of squares small, so its loss is 'mse' or "
            f"'l2loss', not {objective.name!r}; 'lbfgs' takes any loss"
        )
    for key, value in training.net.learnables.items():
        if value.dtype.kind == "c":
            raise InvalidArgumentError(
                f"trainnet: the solver 'lm' needs real learnables, and {key!r} is {value.dtype}; "
                "'lbfgs' takes complex ones"
            )
