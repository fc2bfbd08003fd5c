"""All contestants must agree before they are timed; a wrong answer is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class WrongAnswerError(Exception):
    """A contestant computes something other than hand-written NumPy."""


def flat(result: Any) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays of a result of any contestant."""
    if isinstance(result, tuple | list):
        for part in result:
            yield from flat(part)
    elif hasattr(result, "detach"):
        yield result.detach().numpy()
    else:
        yield np.asarray(result)


def checksum(result: Any) -> float:
    """Return the sum of all absolute values of a result."""
    return sum(float(np.abs(a).sum(dtype=float)) for a in flat(result))


def check(
    makers: dict[str, Callable[[], Callable[[], Any]]],
    *,
    reference: str = "numpy",
    rtol: float = 1e-9,
    atol: float = 1e-11,
) -> None:
    """Raise `WrongAnswerError` unless the first result of every contestant is the reference's.

    Parameters
    ----------
    makers : dict
        For each contestant a function that returns its call, with a new state.
    reference : str
        The contestant whose result counts.
    rtol, atol : float
        Tolerances, relative to the largest element of each array.
    """
    expected = [np.array(a) for a in flat(makers[reference]()())]
    for name, make in makers.items():
        found = list(flat(make()()))
        if len(found) != len(expected):
            raise WrongAnswerError(f"{name}: {len(found)} results instead of {len(expected)}")
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                raise WrongAnswerError(
                    f"{name}: result {i} is {a.shape} {a.dtype} instead of {b.shape} {b.dtype}"
                )
            error = np.max(np.abs(a - b), initial=0)
            # Written so that NaN fails.
            if not error <= atol + rtol * np.max(np.abs(b), initial=0):
                raise WrongAnswerError(f"{name}: result {i} is off by {error}")
