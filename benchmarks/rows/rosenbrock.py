"""The Rosenbrock function at one point: the cost of an operation is all there is."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness.contestants import Maker, everybody
from harness.result import Result
from harness.row import Context, Row


def _rosenbrock(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _makers() -> dict[str, Maker]:
    start = np.array([-1.0, 2.0])

    def by_hand() -> Any:
        a, b = start
        r, s = b - a**2, 1 - a
        return 100 * r**2 + s**2, np.array([-400 * a * r - 2 * s, 200 * r])

    return everybody(lambda _: _rosenbrock, start, by_hand)


def _run(context: Context) -> Result:
    figures = context.timed(_makers(), seconds=10)
    result = Result("rosenbrock", "value and gradient at one point, float64", "s", figures)
    result.ask("torch", 1 / 3, "≤ 1/3 of torch")
    result.ask("autograd", 1 / 6, "≤ 1/6 of autograd")
    return result


ROSENBROCK = Row("rosenbrock", _run, _makers)
