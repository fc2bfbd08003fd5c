"""Pooling of arrays with a format: maxima and means over windows, and the inverse of maxima.

Windows slide over the spatial dimensions, or over those that ``pool_format`` names. All other
dimensions, also channels, are a batch.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Errors, Maker, case
from dlgradient.core.types import Axes, Counts, Format, Operand, Params, Shape, ShapeLike, Value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.pooling.windowed import place, window_argmax, window_max, window_sum
from dlgradient.nn.shared.arguments import (
    as_array,
    finished,
    format_of,
    formatted,
    in_order,
)
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.nn.shared.windows import (
    Padding,
    Pairs,
    for_each,
    from_images,
    pooled_axes,
    real_like,
    sliding,
    to_images,
)
from dlgradient.ops.moments import mean
from dlgradient.ops.reduce import max
from dlgradient.rules import derived

__all__ = ["avgpool", "maxpool", "maxunpool"]

PoolSize: TypeAlias = Counts | Literal["global"]


# -- maxima --------------------------------------------------------------------------------------


@derived(
    domain="real", samples=lambda m: _max_samples(m), errors=lambda m: _pool_errors("maxpool")(m)
)
def maxpool(
    x: Operand,
    pool_size: PoolSize,
    *,
    pool_format: Format = None,
    stride: Counts = 1,
    dilation_factor: Counts = 1,
    padding: Padding = 0,
    return_indices: bool = False,
    data_format: Format = None,
) -> Value:
    """Maximum over windows.

    Parameters
    ----------
    x : array
        Real, with dimensions in any order. All dimensions that are not pooled are a batch.
    pool_size : int, sequence of int or "global"
        Sizes of the window; one for all dimensions, or one for each. "global": the whole array, so
        the pooled dimensions get size one.
    pool_format : str, optional
        Labels of the dimensions to pool over, as "SS", "T" or "ST", in the order of the other
        arguments; the spatial ones by default.
    stride : int or sequence of int
        Distance between windows.
    dilation_factor : int or sequence of int
        Distance between the elements in a window.
    padding : int, sequence of int, matrix of two rows or "same"
        A number for both ends of every dimension, or one for each dimension; or a row for before
        and a row for after. "same" gives sizes ceil(size / stride), with an odd one at the end.
        Padding is never the maximum, and no window may have all its elements in it.
    return_indices : bool
        Whether to return the places of the maxima too.
    data_format : str, optional
        Format of an unlabelled ``x``; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of ``x``.
    indices : dlarray of int64, if `return_indices`
        The index of each maximum among the elements of the pooled dimensions, in C order; of equal
        ones the first. `maxunpool` takes them. They carry no derivative.

    Raises
    ------
    FormatError
        If ``x`` has no format, or lacks the dimensions to pool over.
    ShapeMismatchError
        If the window is larger than the array.
    InvalidArgumentError
        If an option is not valid.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    avgpool : means over windows
    maxunpool : values put back where they were the maxima
    adaptivemaxpool : maxima over windows, by the size of the result

    Notes
    -----
    Equally large elements of a window share its cotangent equally.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> y, indices = dl.maxpool(x, 2, stride=2, return_indices=True)
    >>> y.tolist(), indices.tolist()
    ([[3.0], [2.0]], [[1], [2]])

    Source: MATLAB ``maxpool``.
    """
    refuse_complex("maxpool", x=x)
    array, strip = formatted("maxpool", x, data_format)
    axes = pooled_axes("maxpool", array, pool_format)
    everything = _is_global("maxpool", pool_size, stride, padding)
    if everything and not return_indices:
        # One reduction: a window as large as the array would be worked on place by place.
        return finished(max(array, axis=axes, keepdims=True), strip)
    if everything:
        pool_size = tuple([array.shape[i] for i in axes])
    geometry, _ = _geometry("maxpool", array, axes, pool_size, stride, dilation_factor, padding)
    images, layout = to_images(array, axes)
    y = finished(from_images(window_max(images, geometry=geometry), layout), strip)
    if not return_indices:
        return y
    return y, finished(from_images(window_argmax(images, geometry=geometry), layout), strip)


def _max_samples(m: Maker) -> list[Case]:
    tied = np.array([[1.0, 3.0], [3.0, 2.0]])
    halves = [[0, 0.5], [0.5, 0]]
    return [
        case(m.real(4, 2, 2), 2, data_format="SCB"),
        case(m.real(2, 1, 3, 5), (2, 3), data_format="BCSS", stride=2, padding="same"),
        case(m.real(3, 4, 1), (3, 2), data_format="SSC", padding=[[1, 0], [0, 1]]),
        case(m.real(2, 5), 2, data_format="CT", pool_format="T", stride=3),
        case(m.real(2, 3, 2), pool_size="global", data_format="SSC"),
        case(m.real(2, 2, 3, 2), (1, 2, 2), data_format="SSSB"),
        case(m.real(5, 2), 2, data_format="SC", stride=2, return_indices=True),
        case(m.real(3, 2, 0), 2, data_format="SCB"),
        case(tied, 2, data_format="SS", kink=True, gradient={"x": halves}),
        case(
            tied,
            pool_size="global",
            data_format="SS",
            kink=True,
            gradient={"x": [[0, 0.5], [0.5, 0]]},
        ),
    ]


@derived(samples=lambda m: _unpool_samples(m), errors=lambda m: _unpool_errors(m))
def maxunpool(
    x: Operand,
    indices: Operand,
    output_size: Counts,
    *,
    pool_format: Format = None,
    data_format: Format = None,
) -> Value:
    """Put maxima back where `maxpool` found them; other elements are zero.

    Parameters
    ----------
    x : array
        With the shape of a result of `maxpool`.
    indices : array of int
        The indices that ``maxpool(..., return_indices=True)`` returned, with the labels of ``x`` in
        any order, or unlabelled. If windows overlap, an
        index may occur several times. The last element with it stays, and only that one has a
        derivative.
    output_size : tuple of int
        Shape of the array that was pooled, or, if it has other dimensions too, only the sizes of
        the pooled ones, spatial ones first.
    pool_format : str, optional
        Labels of the dimensions that were pooled; the spatial ones by default.
    data_format : str, optional
        Format of an unlabelled ``x``; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    ShapeMismatchError
        If shapes do not match.
    InvalidArgumentError
        If an index is outside the output sizes, or not an integer.

    See Also
    --------
    maxpool : maxima over windows
    dltranspconv : transposed convolution

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> y, indices = dl.maxpool(x, 2, stride=2, return_indices=True)
    >>> dl.maxunpool(y, indices, x.shape).tolist()
    [[0.0], [3.0], [2.0], [0.0]]

    Source: MATLAB ``maxunpool``; PyTorch ``max_unpool2d``.
    """
    array, strip = formatted("maxunpool", x, data_format)
    axes = pooled_axes("maxunpool", array, pool_format)
    numbers = as_array("maxunpool", "indices", indices)
    if numbers.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"maxunpool: indices of dtype {numbers.dtype} must be integers, the second result of "
            "maxpool(..., return_indices=True)"
        )
    numbers = in_order("maxunpool", "indices", numbers, format_of(array), "those of x")
    if numbers.shape != array.shape:
        raise ShapeMismatchError(
            f"maxunpool: indices of shape {numbers.shape} must have the shape of x, {array.shape}"
        )
    size = _output_sizes(array, axes, output_size)
    images, layout = to_images(array, axes)
    numbers, _ = to_images(numbers, axes)
    return finished(from_images(place(images, numbers, size=size), layout), strip)


def _output_sizes(x: Value, axes: Axes, output_size: ShapeLike) -> Shape:
    given = tuple(int(n) for n in np.asarray(output_size).reshape(-1))
    if len(given) == len(axes) < x.ndim:
        return given
    rest = [i for i in range(x.ndim) if i not in axes]
    if len(given) != x.ndim or any(given[i] != x.shape[i] for i in rest):
        raise ShapeMismatchError(
            f"maxunpool: output_size={output_size!r} must be {len(axes)} sizes, or a shape that "
            f"differs from that of x, {x.shape}, in the pooled dimensions {axes} only"
        )
    return tuple([given[i] for i in axes])


def _unpool_samples(m: Maker) -> list[Case]:
    indices = np.array([[0, 3], [2, 1]])
    return [
        case(m.real(2, 2), indices, (4, 2), data_format="SC"),
        case(m.real(1, 2, 2), indices[None], (1, 2, 4), data_format="BCT", pool_format="T"),
        case(m.real(2, 1, 2), np.array([[[0, 6]], [[3, 9]]]), (3, 4), data_format="SCS"),
        case(m.real(3, 2), np.array([[1, 2], [1, 0], [1, 0]]), 3, data_format="SC"),
        case(m.complex(2, 2), indices, 4, data_format="SC"),
    ]


def _unpool_errors(m: Maker) -> list[Error]:
    x, indices = m.real(2, 1), np.array([[0], [3]])
    sc: Params = {"data_format": "SC"}
    return [
        Error(case(x, indices, 3, **sc), InvalidArgumentError, "lies outside.*from 0 to 3"),
        Error(case(x, indices[:1], 4, **sc), ShapeMismatchError, r"indices of shape \(1, 1\)"),
        Error(case(x, indices * 0.5, 4, **sc), InvalidArgumentError, "float64"),
        Error(case(x, indices, (4, 2), **sc), ShapeMismatchError, r"output_size=\(4, 2\)"),
    ]


# -- means ---------------------------------------------------------------------------------------


@derived(samples=lambda m: _avg_samples(m), errors=lambda m: _avg_errors(m))
def avgpool(
    x: Operand,
    pool_size: PoolSize,
    *,
    pool_format: Format = None,
    stride: Counts = 1,
    dilation_factor: Counts = 1,
    padding: Padding = 0,
    padding_value: float | Literal["mean"] = 0,
    data_format: Format = None,
) -> Value:
    """Mean over windows.

    Parameters
    ----------
    x : array
        With dimensions in any order. All dimensions that are not pooled are a batch.
    pool_size : int, sequence of int or "global"
        Sizes of the window; one for all dimensions, or one for each. "global": the whole array, so
        the pooled dimensions get size one.
    pool_format : str, optional
        Labels of the dimensions to pool over, as "SS", "T" or "ST", in the order of the other
        arguments; the spatial ones by default.
    stride : int or sequence of int
        Distance between windows.
    dilation_factor : int or sequence of int
        Distance between the elements in a window.
    padding : int, sequence of int, matrix of two rows or "same"
        As in `maxpool`.
    padding_value : number or "mean"
        The value of padding. "mean": padding does not count; each mean is that of the elements of
        the array in the window.
    data_format : str, optional
        Format of an unlabelled ``x``; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format, or lacks the dimensions to pool over.
    ShapeMismatchError
        If the window is larger than the array.
    InvalidArgumentError
        If an option is not valid.

    See Also
    --------
    maxpool : maxima over windows
    adaptiveavgpool : means over windows, by the size of the result
    dlconv : convolution

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> dl.avgpool(x, 2, stride=2).tolist()
    [[2.0], [1.0]]

    Source: MATLAB ``avgpool``.
    """
    array, strip = formatted("avgpool", x, data_format)
    axes = pooled_axes("avgpool", array, pool_format)
    if _is_global("avgpool", pool_size, stride, padding):
        return finished(mean(array, axis=axes, keepdims=True), strip)
    geometry, pads = _geometry("avgpool", array, axes, pool_size, stride, dilation_factor, padding)
    images, layout = to_images(array, axes)
    total = window_sum(images, geometry=geometry)
    whole = prod(geometry.window)
    # Zeros of padding add nothing to a sum.
    if not (padding_value and np.any(pads)):
        y = total * (1 / whole)
    else:
        # The number of elements of the array in each window.
        along = [geometry.elements(axis) for axis in range(len(axes))]
        inside = np.asarray(reduce(np.multiply.outer, along))
        if padding_value == "mean":
            y = total * real_like(1 / inside, array)
        else:
            y = (total + real_like((whole - inside) * padding_value, array)) * (1 / whole)
    return finished(from_images(y, layout), strip)


def _avg_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 2, 2), 2, data_format="SCB"),
        case(m.real(2, 1, 3, 5), (2, 3), data_format="BCSS", stride=2, padding="same"),
        case(
            m.real(3, 4, 1),
            (3, 2),
            data_format="SSC",
            padding=[[1, 0], [0, 1]],
            padding_value="mean",
        ),
        case(m.real(3, 2), 3, data_format="SC", padding=1, padding_value=2.0),
        case(m.complex(2, 5), 2, data_format="CT", pool_format="T", stride=3),
        case(m.real(2, 3, 2), pool_size="global", data_format="SSC"),
        case(m.real(2, 2, 3, 2), (1, 2, 2), data_format="SSSB"),
        case(m.real(3, 2, 0), 2, data_format="SCB"),
    ]


def _avg_errors(m: Maker) -> list[Error]:
    wrong = case(m.real(3, 2), 2, data_format="SC", padding=1, padding_value="edge")
    return [
        *_pool_errors("avgpool")(m),
        Error(wrong, InvalidArgumentError, "padding_value must be .*'mean', not 'edge'"),
    ]


# -- arguments -----------------------------------------------------------------------------------


def _is_global(function: str, pool_size: PoolSize, stride: Counts, padding: Padding) -> bool:
    if not isinstance(pool_size, str):
        return False
    if isinstance(padding, str) or np.any(np.asarray(padding)) or np.any(np.asarray(stride) != 1):
        raise InvalidArgumentError(
            f"{function}: pool_size='global' takes neither stride nor padding, as its window is "
            "everything"
        )
    return True


def _geometry(
    function: str,
    x: Value,
    axes: Axes,
    pool_size: PoolSize,
    stride: Counts,
    dilation: Counts,
    padding: Padding,
) -> tuple[Geometry, Pairs]:
    """Return how windows slide over `axes`, and the padding.

    It is the elements of a window that must not all lie in the padding. Its extent may, where
    dilation leaves gaps.
    """
    window = for_each(function, "pool_size", pool_size, len(axes))
    geometry, pads = sliding(function, x, axes, window, stride, dilation, padding)
    if np.any(pads):
        _check_padding(function, geometry, padding)
    return geometry, pads


def _check_padding(function: str, geometry: Geometry, padding: Padding) -> None:
    """Refuse windows without an element of the array: they have no maximum and no mean."""
    for axis, size in enumerate(geometry.sizes):
        found = geometry.elements(axis)
        if not found.all():
            first = int(np.flatnonzero(found == 0)[0])
            raise InvalidArgumentError(
                f"{function}: with padding={padding!r}, window {first} along the pooled dimension "
                f"{axis} lies in the padding alone: its {geometry.window[axis]} elements are "
                f"{geometry.dilation[axis]} apart, and none is one of the {size} of x; use less "
                "padding, or a smaller dilation_factor"
            )


def _pool_errors(name: str) -> Errors:
    def errors(m: Maker) -> list[Error]:
        x = m.real(3, 2)
        sc: Params = {"data_format": "SC"}
        return [
            Error(case(x, 2), FormatError, f"{name}: x of shape"),
            Error(case(x, 2, data_format="TC"), FormatError, "pool_format='T'"),
            Error(case(x, 2, pool_format="B", **sc), FormatError, "pool_format='B'"),
            Error(case(x, 2, pool_format="T", **sc), FormatClashError, "slides over 'T'"),
            Error(case(x, 4, **sc), ShapeMismatchError, r"\(4,\).*does not fit.*\(3,\)"),
            Error(case(x, 2, padding=2, **sc), InvalidArgumentError, "padding=2, window 0.*alone"),
            Error(
                case(x[:2], 2, padding="same", dilation_factor=3, **sc),
                InvalidArgumentError,
                "window 0 along.*elements are 3 apart, and none is one of the 2 of x",
            ),
            Error(
                case(x, 2, padding="causal", **sc),
                InvalidArgumentError,
                "padding must be .*not 'causal'",
            ),
            Error(case(x, (2, 2), **sc), InvalidArgumentError, "pool_size=.* has 2 entries"),
            Error(
                case(x, pool_size="all", **sc),
                InvalidArgumentError,
                "pool_size must be .*'global', not 'all'",
            ),
            Error(
                case(x, pool_size="global", stride=2, **sc), InvalidArgumentError, "neither stride"
            ),
        ]

    return errors
