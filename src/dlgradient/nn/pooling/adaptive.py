"""Pooling into a given number of windows, whose sizes cover the array.

Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m).
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Axes, Counts, Format, Operand, Params, Shape, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.pooling.cover import bounds, cover_max
from dlgradient.nn.shared.arguments import finished, formatted
from dlgradient.nn.shared.weighted import Terms, kept_if_small, weighted_sums
from dlgradient.nn.shared.windows import (
    for_each,
    from_images,
    pooled_axes,
    real_like,
    to_images,
)
from dlgradient.rules import derived

__all__ = ["adaptiveavgpool", "adaptivemaxpool"]


@derived(
    samples=lambda m: [*_samples(m), case(m.complex(5, 2), 2, data_format="SC")],
    errors=lambda m: _errors(m),
)
def adaptiveavgpool(
    x: Operand, output_size: Counts, *, pool_format: Format = None, data_format: Format = None
) -> Value:
    """Mean over a given number of windows, whose sizes cover the array.

    Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m).

    Parameters
    ----------
    x : array
        Real or complex, with dimensions in any order.
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

    See Also
    --------
    avgpool : means over windows
    adaptivemaxpool : maxima over windows, by the size of the result
    dlresize : resize an image

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 3.0, 2.0], "S")
    >>> dl.adaptiveavgpool(x, 2).tolist()
    [2.0, 2.5]

    Source: MATLAB ``adaptiveAveragePooling2dLayer``.
    """
    array, strip = formatted("adaptiveavgpool", x, data_format)
    axes, size = _sizes("adaptiveavgpool", array, output_size, pool_format)
    y, layout = to_images(array, axes)
    for axis, count in enumerate(size, start=2):
        terms, counts = _windows(y.shape[axis], count)
        y = weighted_sums(y, terms=terms, axis=axis)
        y = y / real_like(counts.reshape(-1, *[1] * (y.ndim - 1 - axis)), y)
    return finished(from_images(y, layout), strip)


@derived(
    domain="real",
    samples=lambda m: [
        *_samples(m),
        case(
            np.ones((2, 2)),
            1,
            data_format="SS",
            kink=True,
            gradient={"x": np.full((2, 2), 0.25)},
        ),
    ],
    errors=lambda m: _errors(m),
)
def adaptivemaxpool(
    x: Operand, output_size: Counts, *, pool_format: Format = None, data_format: Format = None
) -> Value:
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
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    maxpool : maxima over windows
    adaptiveavgpool : means over windows, by the size of the result

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 3.0, 2.0], "S")
    >>> dl.adaptivemaxpool(x, 2).tolist()
    [3.0, 3.0]

    Source: MATLAB ``maxpool``, with the windows of ``adaptiveAveragePooling2dLayer``.
    """
    refuse_complex("adaptivemaxpool", x=x)
    array, strip = formatted("adaptivemaxpool", x, data_format)
    axes, size = _sizes("adaptivemaxpool", array, output_size, pool_format)
    y, layout = to_images(array, axes)
    return finished(from_images(cover_max(y, size=size), layout), strip)


@kept_if_small
def _windows(n: int, count: int) -> tuple[Terms, Array]:
    """Return the elements of each window, and their numbers."""
    first, last = bounds(n, count)
    return Terms.of_windows(first, last, n), last - first


def _sizes(function: str, x: Value, output_size: Counts, pool_format: Format) -> tuple[Axes, Shape]:
    """Return the dimensions to pool over, and their sizes in the result."""
    axes = pooled_axes(function, x, pool_format)
    size = for_each(function, "output_size", output_size, len(axes))
    if any(x.shape[i] == 0 for i in axes):
        raise ShapeMismatchError(
            f"{function}: x of shape {x.shape} has no elements along the pooled dimensions {axes}"
        )
    return axes, size


def _samples(m: Maker) -> list[Case]:
    return [
        case(m.real(5, 2), 2, data_format="SC"),
        case(m.real(2, 4, 3), (2, 2), data_format="BSS"),
        case(m.real(1, 3), 5, data_format="CT", pool_format="T"),
        case(m.real(3, 0), 2, data_format="SB"),
    ]


def _errors(m: Maker) -> list[Error]:
    sc: Params = {"data_format": "SC"}
    return [
        Error(
            case(m.real(3, 2), 0, **sc),
            InvalidArgumentError,
            "output_size must be .*at least 1.*not 0",
        ),
        Error(case(m.real(0, 2), 1, **sc), ShapeMismatchError, "no elements along"),
    ]
