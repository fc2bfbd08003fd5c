"""Pooling into a given number of windows, whose sizes cover the array.

Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.samples import Error, case
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.shared.arguments import finished, formatted
from dlgradient.nn.shared.windows import from_images, integers, pooled_axes, real_like, to_images
from dlgradient.rules import derived

__all__ = ["adaptiveavgpool", "adaptivemaxpool"]

Sizes = tuple[int, ...]


def _bounds(n: int, count: int) -> list[tuple[int, int]]:
    """Return where each of `count` windows that cover `n` elements begins and ends."""
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def _adaptive(
    function: str, x: Any, output_size: Any, pool_format: str | None
) -> tuple[Sizes, Sizes]:
    axes = pooled_axes(function, x, pool_format)
    size = integers(function, "output_size", output_size, len(axes))
    if any(x.shape[i] == 0 for i in axes):
        raise ShapeMismatchError(
            f"{function}: x of shape {x.shape} has no elements along the pooled dimensions {axes}"
        )
    return axes, size


def _adaptive_samples(m: Any) -> list[Any]:
    return [
        case(m.real(5, 2), 2, data_format="SC"),
        case(m.real(2, 4, 3), (2, 2), data_format="BSS"),
        case(m.real(1, 3), 5, data_format="CT", pool_format="T"),
        case(m.real(3, 0), 2, data_format="SB"),
    ]


def _adaptive_errors(m: Any) -> list[Any]:
    sc: dict[str, Any] = {"data_format": "SC"}
    return [
        Error(
            case(m.real(3, 2), 0, **sc), InvalidArgumentError, "output_size=0 must be at least 1"
        ),
        Error(case(m.real(0, 2), 1, **sc), ShapeMismatchError, "no elements along"),
    ]


@derived(samples=_adaptive_samples, errors=_adaptive_errors)
def adaptiveavgpool(
    x: Any, output_size: Any, *, pool_format: str | None = None, data_format: str | None = None
) -> Any:
    """Mean over a given number of windows, whose sizes cover the array.

    Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m).

    Parameters
    ----------
    x : array
        With dimensions in any order.
    output_size : int or sequence of int
        Sizes of the pooled dimensions of the result.
    pool_format : str, optional
        Labels of the dimensions to pool over; the spatial ones by default.
    data_format : str, optional
        Format of an unlabelled ``x``; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has no elements along a pooled dimension.
    InvalidArgumentError
        If a size is not positive.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 3.0, 2.0], "S")
    >>> dl.adaptiveavgpool(x, 2).tolist()
    [2.0, 2.5]

    Source: MATLAB ``adaptiveAveragePooling2dLayer``.
    """
    x, strip = formatted("adaptiveavgpool", x, data_format)
    axes, size = _adaptive("adaptiveavgpool", x, output_size, pool_format)
    y, memory = to_images(x, axes)
    for count in size:
        # The third dimension is contracted, and its result is the last. After one round, the order
        # is as before.
        n = y.shape[2]
        weights = np.zeros((n, count))
        for i, (first, last) in enumerate(_bounds(n, count)):
            weights[first:last, i] = 1 / (last - first)
        y = FUNCTIONS["tensordot"](y, real_like(weights, x), axes=([2], [0]))
    return finished(from_images(y, memory), strip)


@derived(
    samples=lambda m: [
        *_adaptive_samples(m),
        case(
            np.ones((2, 2)), 1, data_format="SS", kink=True, gradient={"x": np.full((2, 2), 0.25)}
        ),
    ],
    errors=_adaptive_errors,
)
def adaptivemaxpool(
    x: Any, output_size: Any, *, pool_format: str | None = None, data_format: str | None = None
) -> Any:
    """Maximum over a given number of windows, whose sizes cover the array.

    Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m). Equally
    large elements of a window share its cotangent equally.

    Parameters
    ----------
    x : array
        Real, with dimensions in any order.
    output_size : int or sequence of int
        Sizes of the pooled dimensions of the result.
    pool_format : str, optional
        Labels of the dimensions to pool over; the spatial ones by default.
    data_format : str, optional
        Format of an unlabelled ``x``; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has no elements along a pooled dimension.
    InvalidArgumentError
        If a size is not positive.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 3.0, 2.0], "S")
    >>> dl.adaptivemaxpool(x, 2).tolist()
    [3.0, 3.0]

    Source: MATLAB ``maxpool``, with the windows of ``adaptiveAveragePooling2dLayer``.
    """
    x, strip = formatted("adaptivemaxpool", x, data_format)
    axes, size = _adaptive("adaptivemaxpool", x, output_size, pool_format)
    y, memory = to_images(x, axes)
    inside = np.ones((), np.bool_)
    for i, count in enumerate(size):
        # Every window is as long as the longest, in a new dimension; elements beyond its end are
        # masked below.
        axis = 2 + 2 * i
        bounds = _bounds(y.shape[axis], count)
        longest = max(last - first for first, last in bounds)
        indices = np.array([[first + k for k in range(longest)] for first, _ in bounds])
        valid = np.array([[first + k < last for k in range(longest)] for first, last in bounds])
        y = FUNCTIONS["take"](y, np.minimum(indices, y.shape[axis] - 1), axis=axis)
        inside = inside[..., None, None] & valid
    y = FUNCTIONS["where"](inside, y, -np.inf)
    y = FUNCTIONS["max"](y, axis=tuple([3 + 2 * i for i in range(len(size))]))
    return finished(from_images(y, memory), strip)
