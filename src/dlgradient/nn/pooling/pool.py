"""Pooling of formatted arrays: maxima and means over windows, and the inverse of maxima.

Windows slide over the spatial dimensions, or over those that ``pool_format`` names; everything
else, channels too, is a batch.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.samples import Error, case
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.pooling.windowed import place, window_argmax, window_max, window_sum
from dlgradient.nn.shared.arguments import finished, floating, formatted
from dlgradient.nn.shared.windows import (
    from_images,
    integers,
    paddings,
    pooled_axes,
    reach_of,
    real_like,
    result_sizes,
    to_images,
)
from dlgradient.rules import derived

__all__ = ["avgpool", "maxpool", "maxunpool"]

Sizes = tuple[int, ...]


def _is_global(function: str, pool_size: Any, stride: Any, padding: Any) -> bool:
    if not isinstance(pool_size, str):
        return False
    if pool_size != "global":
        raise InvalidArgumentError(
            f"{function}: pool_size={pool_size!r} is not known; give 'global', an integer, or one "
            "for each dimension"
        )
    plain = not isinstance(padding, str) and not np.any(np.asarray(padding))
    if not plain or np.any(np.asarray(stride) != 1):
        raise InvalidArgumentError(
            f"{function}: pool_size='global' takes neither stride nor padding, as its window is "
            "everything"
        )
    return True


def _geometry(
    function: str, x: Any, axes: Sizes, pool_size: Any, stride: Any, dilation: Any, padding: Any
) -> tuple[dict[str, Sizes], Any]:
    """Parameters of the operations on windows, and the padding."""
    sizes = tuple([x.shape[i] for i in axes])
    window = integers(function, "pool_size", pool_size, len(axes))
    steps = integers(function, "stride", stride, len(axes))
    gaps = integers(function, "dilation_factor", dilation, len(axes))
    reach = reach_of(window, gaps)
    if isinstance(padding, str) and padding != "same":
        raise InvalidArgumentError(
            f"{function}: padding={padding!r} is not known; give 'same', an integer, one for each "
            "dimension, or a matrix of two rows (in front, behind)"
        )
    pads = paddings(function, "padding", padding, sizes, reach, steps)
    if any(max(pair) >= r for pair, r in zip(pads, reach, strict=True)):
        raise InvalidArgumentError(
            f"{function}: padding={padding!r} must be smaller than the window of sizes {reach}, "
            "so that no window lies in the padding alone"
        )
    size = result_sizes(function, x.shape, sizes, reach, steps, pads)
    start = tuple([a for a, _ in pads])
    geometry = {
        "size": size,
        "window": window,
        "stride": steps,
        "dilation": gaps,
        "start": start,
    }
    return geometry, pads


# -- maxima --------------------------------------------------------------------------------------


def _max_samples(m: Any) -> list[Any]:
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


def _pool_errors(name: str) -> Any:
    def errors(m: Any) -> list[Any]:
        x = m.real(3, 2)
        sc: dict[str, Any] = {"data_format": "SC"}
        return [
            Error(case(x, 2), FormatError, f"{name}: x of shape"),
            Error(case(x, 2, data_format="TC"), FormatError, "pool_format='T'"),
            Error(case(x, 2, pool_format="B", **sc), FormatError, "pool_format='B'"),
            Error(case(x, 2, pool_format="T", **sc), FormatClashError, "slides over 'T'"),
            Error(case(x, 4, **sc), ShapeMismatchError, r"\(4,\).*does not fit.*\(3,\)"),
            Error(case(x, 2, padding=2, **sc), InvalidArgumentError, "padding=2 must be smaller"),
            Error(case(x, 2, padding="causal", **sc), InvalidArgumentError, "padding='causal'"),
            Error(case(x, (2, 2), **sc), InvalidArgumentError, "pool_size=.* has 2 entries"),
            Error(
                case(x, pool_size="all", **sc), InvalidArgumentError, "pool_size='all'.*'global'"
            ),
            Error(
                case(x, pool_size="global", stride=2, **sc), InvalidArgumentError, "neither stride"
            ),
        ]

    return errors


def _max_errors(m: Any) -> list[Any]:
    return [
        *_pool_errors("maxpool")(m),
        Error(case(m.complex(3, 2), 2, data_format="SC"), ComplexValueError, "no order"),
    ]


@derived(samples=_max_samples, errors=_max_errors)
def maxpool(
    x: Any,
    pool_size: Any,
    *,
    pool_format: str | None = None,
    stride: Any = 1,
    dilation_factor: Any = 1,
    padding: Any = 0,
    return_indices: bool = False,
    data_format: str | None = None,
) -> Any:
    """Maximum over windows.

    Parameters
    ----------
    x : array
        Real, with dimensions in any order. All dimensions that are not pooled are a batch.
    pool_size : int, sequence of int or "global"
        Sizes of the window; one for all dimensions, or one for each. "global": everything, so
        that the pooled dimensions get size one.
    pool_format : str, optional
        Labels of the dimensions to pool over, as "SS", "T" or "ST", in the order of the other
        arguments; the spatial ones by default.
    stride : int or sequence of int
        Distance of windows.
    dilation_factor : int or sequence of int
        Distance of the elements in a window.
    padding : int, sequence of int, matrix of two rows or "same"
        A number for front and behind of every dimension, or one for each; rows for front and
        behind; "same" gives sizes ceil(size / stride), the odd one behind. Padding is never the
        maximum.
    return_indices : bool
        Whether to return where the maxima are too.
    data_format : str, optional
        Format of an ``x`` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of ``x``.
    indices : dlarray of int64, if `return_indices`
        For each maximum its number among the elements of the pooled dimensions, in C order; of
        equal ones the first. For `maxunpool`. They carry no derivative.

    Raises
    ------
    FormatError
        If ``x`` has no format, or not the dimensions to pool over.
    ShapeMismatchError
        If the window is larger than the array.
    InvalidArgumentError
        If an option has no meaning.
    ComplexValueError
        If ``x`` is complex.

    Notes
    -----
    Elements of a window that are equally large share its cotangent equally.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> y, indices = dl.maxpool(x, 2, stride=2, return_indices=True)
    >>> y.tolist(), indices.tolist()
    ([[3.0], [2.0]], [[1], [2]])

    Source: MATLAB ``maxpool``.
    """
    x, strip = formatted("maxpool", x, data_format)
    axes = pooled_axes("maxpool", x, pool_format)
    everything = _is_global("maxpool", pool_size, stride, padding)
    if everything and not return_indices:
        return finished(FUNCTIONS["max"](x, axis=axes, keepdims=True), strip)
    if everything:
        pool_size = tuple([x.shape[i] for i in axes])
    geometry, _ = _geometry("maxpool", x, axes, pool_size, stride, dilation_factor, padding)
    images, memory = to_images(x, axes)
    y = finished(from_images(window_max(images, **geometry), memory), strip)
    if not return_indices:
        return y
    return y, finished(from_images(window_argmax(images, **geometry), memory), strip)


def _unpool_samples(m: Any) -> list[Any]:
    indices = np.array([[0, 3], [2, 1]])
    return [
        case(m.real(2, 2), indices, (4, 2), data_format="SC"),
        case(m.real(1, 2, 2), indices[None], (1, 2, 4), data_format="BCT", pool_format="T"),
        case(m.real(2, 1, 2), np.array([[[0, 6]], [[3, 9]]]), (3, 4), data_format="SCS"),
        case(m.real(3, 2), np.array([[1, 2], [1, 0], [1, 0]]), 3, data_format="SC"),
    ]


def _unpool_errors(m: Any) -> list[Any]:
    x, indices = m.real(2, 1), np.array([[0], [3]])
    sc: dict[str, Any] = {"data_format": "SC"}
    return [
        Error(case(x, indices, 3, **sc), InvalidArgumentError, "lies outside.*from 0 to 3"),
        Error(case(x, indices[:1], 4, **sc), ShapeMismatchError, r"indices of shape \(1, 1\)"),
        Error(case(x, indices * 0.5, 4, **sc), InvalidArgumentError, "float64"),
        Error(case(x, indices, (4, 2), **sc), ShapeMismatchError, r"output_size=\(4, 2\)"),
    ]


@derived(samples=_unpool_samples, errors=_unpool_errors)
def maxunpool(
    x: Any,
    indices: Any,
    output_size: Any,
    *,
    pool_format: str | None = None,
    data_format: str | None = None,
) -> Any:
    """Put maxima back where `maxpool` found them, into zeros.

    Parameters
    ----------
    x : array
        Of the shape of a result of `maxpool`.
    indices : array of int
        The indices that ``maxpool(..., return_indices=True)`` returned. Where windows overlap, one
        may stand several times; the last element with it stays, and only that one has a derivative.
    output_size : tuple of int
        Shape of what was pooled, or the sizes of its pooled dimensions only.
    pool_format : str, optional
        Labels of the dimensions that were pooled; the spatial ones by default.
    data_format : str, optional
        Format of an ``x`` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    ShapeMismatchError
        If shapes do not fit.
    InvalidArgumentError
        If an index lies outside of the output sizes, or is no integer.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> y, indices = dl.maxpool(x, 2, stride=2, return_indices=True)
    >>> dl.maxunpool(y, indices, x.shape).tolist()
    [[0.0], [3.0], [2.0], [0.0]]

    Source: MATLAB ``maxunpool``; PyTorch ``max_unpool2d``.
    """
    x, strip = formatted("maxunpool", x, data_format)
    axes = pooled_axes("maxunpool", x, pool_format)
    raw = np.asarray(indices._value if type(indices) is calls.dlarray else indices)
    if raw.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"maxunpool: indices of dtype {raw.dtype} must be integers, the second result of "
            "maxpool(..., return_indices=True)"
        )
    if raw.shape != x.shape:
        raise ShapeMismatchError(
            f"maxunpool: indices of shape {raw.shape} must have the shape of x, {x.shape}"
        )
    size = _output_sizes(x, axes, output_size)
    images, memory = to_images(x, axes)
    numbers, _ = to_images(wrap(raw, None, x._format), axes)
    return finished(from_images(place(images, numbers, size=size), memory), strip)


def _output_sizes(x: Any, axes: Sizes, output_size: Any) -> Sizes:
    given = tuple(int(n) for n in np.asarray(output_size).reshape(-1))
    if len(given) == len(axes):
        return given
    rest = [i for i in range(x.ndim) if i not in axes]
    if len(given) != x.ndim or any(given[i] != x.shape[i] for i in rest):
        raise ShapeMismatchError(
            f"maxunpool: output_size={output_size!r} must be {len(axes)} sizes, or a shape that "
            f"differs from that of x, {x.shape}, in the pooled dimensions {axes} only"
        )
    return tuple([given[i] for i in axes])


# -- means ---------------------------------------------------------------------------------------


def _avg_samples(m: Any) -> list[Any]:
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


def _avg_errors(m: Any) -> list[Any]:
    wrong = case(m.real(3, 2), 2, data_format="SC", padding=1, padding_value="edge")
    return [
        *_pool_errors("avgpool")(m),
        Error(wrong, InvalidArgumentError, "padding_value='edge'.*'mean'"),
    ]


@derived(samples=_avg_samples, errors=_avg_errors)
def avgpool(
    x: Any,
    pool_size: Any,
    *,
    pool_format: str | None = None,
    stride: Any = 1,
    dilation_factor: Any = 1,
    padding: Any = 0,
    padding_value: Any = 0,
    data_format: str | None = None,
) -> Any:
    """Mean over windows.

    Parameters
    ----------
    x : array
        With dimensions in any order. All dimensions that are not pooled are a batch.
    pool_size : int, sequence of int or "global"
        Sizes of the window; one for all dimensions, or one for each. "global": everything, so
        that the pooled dimensions get size one.
    pool_format : str, optional
        Labels of the dimensions to pool over, as "SS", "T" or "ST", in the order of the other
        arguments; the spatial ones by default.
    stride : int or sequence of int
        Distance of windows.
    dilation_factor : int or sequence of int
        Distance of the elements in a window.
    padding : int, sequence of int, matrix of two rows or "same"
        As for `maxpool`.
    padding_value : number or "mean"
        What padding counts as; "mean": it does not count, each mean is that of the elements of
        the array in the window.
    data_format : str, optional
        Format of an ``x`` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format, or not the dimensions to pool over.
    ShapeMismatchError
        If the window is larger than the array.
    InvalidArgumentError
        If an option has no meaning.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [3.0], [2.0], [0.0]], "SC")
    >>> dl.avgpool(x, 2, stride=2).tolist()
    [[2.0], [1.0]]

    Source: MATLAB ``avgpool``.
    """
    x, strip = formatted("avgpool", x, data_format)
    x = floating(x)
    axes = pooled_axes("avgpool", x, pool_format)
    if _is_global("avgpool", pool_size, stride, padding):
        return finished(FUNCTIONS["mean"](x, axis=axes, keepdims=True), strip)
    geometry, pads = _geometry("avgpool", x, axes, pool_size, stride, dilation_factor, padding)
    images, memory = to_images(x, axes)
    total = window_sum(images, **geometry)
    whole = prod(geometry["window"])
    inside = _counts(images.shape[2:], geometry) if np.any(pads) else whole
    if isinstance(padding_value, str):
        if padding_value != "mean":
            raise InvalidArgumentError(
                f"avgpool: padding_value={padding_value!r} is not known; give a number, or 'mean'"
            )
        y = total * (real_like(1 / inside, x) if np.any(pads) else 1 / whole)
    elif padding_value and np.any(pads):
        y = (total + real_like((whole - inside) * padding_value, x)) * (1 / whole)
    else:
        y = total * (1 / whole)
    return finished(from_images(y, memory), strip)


def _counts(sizes: Sizes, geometry: dict[str, Sizes]) -> Any:
    """How many elements of the array are in each window."""
    return window_sum.op.kernel(np.ones((1, 1, *sizes)), **geometry)  # type: ignore[attr-defined]
