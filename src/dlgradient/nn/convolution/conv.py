"""Convolution and transposed convolution of arrays with a format.

Unlabelled weights have MATLAB's layout, (*filter sizes, channels, filters[, groups]) for `dlconv`
and (*filter sizes, filters, channels[, groups]) for `dltranspconv`. With a format, their dimensions
are in any order: the filter slides over ``S`` and ``T``, ``C`` are the channels, the first ``U``
the filters and the second ``U`` the groups.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.formats import checked_format
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axis, Counts, Format, Operand, Params, Shape, Value
from dlgradient.core.values import PYTHON_SCALARS, WEAK_SCALARS
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.convolution.trilinear import biased_convolve, convolve, deconvolve
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    finished,
    format_of,
    formatted,
    in_order,
)
from dlgradient.nn.shared.geometry import Geometry, reach_of
from dlgradient.nn.shared.windows import (
    Edges,
    Padding,
    checked_sizes,
    for_each,
    from_images,
    labels_in_order,
    padded,
    paddings,
    slid_axes,
    sliding,
    to_images,
)
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import expand_dims, reshape
from dlgradient.rules import derived

__all__ = ["dlconv", "dltranspconv"]


@derived(samples=lambda m: _conv_samples(m), errors=lambda m: _conv_errors(m))
def dlconv(
    x: Operand,
    weights: Operand,
    bias: Operand = 0,
    *,
    stride: Counts = 1,
    dilation_factor: Counts = 1,
    padding: Padding | Literal["causal"] = 0,
    padding_value: complex | Edges = 0,
    data_format: Format = None,
    weights_format: Format = None,
    bias_format: Format = None,
) -> Value:
    """Convolve over the spatial dimensions, or over time if the weights have 'T'.

    For each observation, filter f and place o, the result is

        y[f, o] = bias[f] + Σ x[c, stride·o + dilation·k - padding] w[f, c, k]

    summed over channels c and places k in the filter. This is a cross-correlation, as usual in deep
    learning. With groups, a filter uses only the channels of its group. Groups of one channel make
    a channel-wise (depth-wise) convolution.

    Parameters
    ----------
    x : array
        With channels ``C`` and one to three dimensions ``S``, or ``T``, in any order. All other
        dimensions are a batch.
    weights : array
        Unlabelled, of shape (filter sizes, channels of a group, filters of a group[, groups]): a
        size for each dimension ``S``. With a format, in any order:
        the filter slides over ``S`` and ``T``, ``C`` are the channels, the first ``U`` the filters,
        the second ``U`` the groups.
    bias : array
        A number; or one for each filter, where those of a group are adjacent; or of shape (filters
        of a group, groups).
    stride, dilation_factor : int or sequence of int
        One for all dimensions that the filter slides over, or one for each, spatial ones first.
    padding : int, sequence of int, matrix of two rows, "same" or "causal"
        A number for both ends of every dimension, or one for each dimension; or a row for before
        and a row for after. "same" gives sizes ceil(size / stride), with an odd one at the end.
        "causal" pads only the beginning of ``T``.
    padding_value : number or str
        The number to pad with. Or "symmetric-include-edge", "symmetric-exclude-edge" or
        "replicate", for values of the array.
    data_format, weights_format, bias_format : str, optional
        Formats of unlabelled arrays. With `data_format`, the result is unlabelled.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format or no channels, or the weights do not name what the filter slides
        over.
    ShapeMismatchError
        If channels, filters, bias and sizes do not match.
    InvalidArgumentError
        If an option is not valid.

    See Also
    --------
    dltranspconv : transposed convolution
    fullyconnect : matrix product of the channels, and a bias
    avgpool : means over windows

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0], [4.0], [7.0]], "SC")
    >>> y = dl.dlconv(x, [[[-1.0]], [[1.0]]], 0)
    >>> y.tolist(), dl.dims(y)
    ([[1.0], [2.0], [3.0]], 'SC')

    Source: MATLAB ``dlconv``.
    """
    array, strip = formatted("dlconv", x, data_format, weights, bias)
    channel = _channel_axis("dlconv", array)
    w, slid = _weights("dlconv", array, weights, weights_format, "CU")
    groups, filters, channels, *window = w.shape
    _check_channels("dlconv", array, w, array.shape[channel])
    if isinstance(padding, str) and padding == "causal" and slid != "T":
        raise InvalidArgumentError(
            "dlconv: padding='causal' is for weights that slide over 'T' only, these slide over "
            f"{slid!r}; give padding as a matrix of two rows"
        )
    axes = slid_axes(array, slid)
    geometry, pads = sliding(
        "dlconv", array, axes, tuple(window), stride, dilation_factor, padding, groups
    )
    images, layout = to_images(array, axes, (channel,))
    if isinstance(padding_value, str) or padding_value != 0:
        # Zeros are part of the geometry and cost nothing; other values need a larger array.
        images = padded(images, pads, padding_value)
        geometry = replace(geometry, sizes=images.shape[2:], start=(0,) * len(axes))
    kernel = reshape(w, shape=(groups * filters, channels, *window))
    b = _bias("dlconv", array, bias, bias_format, groups, groups * filters)
    # The bias is added while a chunk of results is in the cache.
    if np.ndim(b):
        y = biased_convolve(images, kernel, b, geometry=geometry)
    else:
        y = convolve(images, kernel, geometry=geometry)
        if type(b) not in PYTHON_SCALARS or b:
            y = y + b
    return finished(from_images(y, layout), strip)


def _conv_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 2, 2), m.real(3, 2, 3), m.real(3), data_format="SCB"),
        case(m.real(2, 3, 3, 4), m.real(2, 2, 3, 2), m.real(2), data_format="BCSS", padding="same"),
        case(
            m.real(5, 4, 1),
            m.real(2, 2, 1, 2),
            m.real(1, 2),
            data_format="SCB",
            stride=2,
            dilation_factor=2,
            padding=[[1], [2]],
            padding_value=1.5,
        ),
        case(
            m.real(2, 3, 2),
            m.real(2, 2, 2),
            1.5,
            data_format="CTB",
            weights_format="TCU",
            padding="causal",
        ),
        case(
            m.real(3, 1),
            m.real(3, 1, 2),
            data_format="SC",
            padding=2,
            padding_value="symmetric-exclude-edge",
        ),
        case(m.real(2, 2, 2, 1), m.real(1, 2, 2, 1, 2), 0, data_format="SSSC"),
        case(m.complex(3, 2), m.complex(2, 2, 1), m.complex(1), data_format="SC"),
        case(m.real(3, 2, 0), m.real(2, 2, 2), m.real(2), data_format="SCB"),
    ]


def _conv_errors(m: Maker) -> list[Error]:
    x, w = m.real(4, 2, 1), m.real(2, 2, 3)
    scb: Params = {"data_format": "SCB"}
    return [
        Error(case(x, w), FormatError, r"dlconv: x of shape \(4, 2, 1\) .*data_format="),
        Error(case(x, w, data_format="TCB"), FormatError, "weights_format='TCU'"),
        Error(case(x, w, data_format="SBU"), FormatError, "'SBU' has no channels"),
        Error(case(x, m.real(2, 3, 3), **scb), ShapeMismatchError, "has 2 channels.*for 3"),
        Error(case(x, m.real(2, 2), **scb), ShapeMismatchError, r"weights of shape \(2, 2\)"),
        Error(case(x, w, m.real(2), **scb), ShapeMismatchError, "2 elements, there are 3 filters"),
        Error(case(x, m.real(5, 2, 3), **scb), ShapeMismatchError, r"\(5,\).*does not fit.*\(4,\)"),
        Error(
            case(x, w, padding="full", **scb),
            InvalidArgumentError,
            "padding must be 'same'.*'causal', not 'full'",
        ),
        Error(
            case(x, w, padding=[1, 2], **scb), InvalidArgumentError, r"has 2 entries.*1 dimension"
        ),
        Error(
            case(x, w, stride=0, **scb), InvalidArgumentError, "stride must be .*at least 1.*not 0"
        ),
        Error(
            case(x, w, padding_value="wrap", padding=1, **scb),
            InvalidArgumentError,
            "padding_value must be .*'replicate', not 'wrap'",
        ),
        Error(case(x, w, padding="causal", **scb), InvalidArgumentError, "causal.*'T'"),
    ]


@derived(samples=lambda m: _transposed_samples(m), errors=lambda m: _transposed_errors(m))
def dltranspconv(
    x: Operand,
    weights: Operand,
    bias: Operand = 0,
    *,
    stride: Counts = 1,
    dilation_factor: Counts = 1,
    cropping: Padding = 0,
    data_format: Format = None,
    weights_format: Format = None,
    bias_format: Format = None,
) -> Value:
    """Transposed convolution, which makes arrays larger: the adjoint of `dlconv` plus a bias.

    Every element x[c, i] adds x[c, i] w[f, c, k] to y[f, stride·i + dilation·k - cropping]. The
    result has the sizes stride·(size - 1) + dilation·(filter size - 1) + 1, minus the cropping.

    Parameters
    ----------
    x : array
        With channels ``C`` and one to three dimensions ``S``, or ``T``, in any order. All other
        dimensions are a batch.
    weights : array
        Unlabelled, of shape (filter sizes, filters of a group, channels of a group[, groups]).
        With a format, in any order: the filter slides over ``S`` and ``T``, ``C`` are the channels,
        the first ``U`` the filters, the second ``U`` the groups.
    bias : array
        A number; or one for each filter, where those of a group are adjacent; or of shape (filters
        of a group, groups).
    stride, dilation_factor : int or sequence of int
        One for all dimensions that the filter slides over, or one for each, spatial ones first.
    cropping : int, sequence of int, matrix of two rows or "same"
        What to cut off, in the forms of padding; "same" gives sizes size · stride.
    data_format, weights_format, bias_format : str, optional
        Formats of unlabelled arrays. With `data_format`, the result is unlabelled.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format or no channels, or the weights do not name what the filter slides
        over.
    ShapeMismatchError
        If channels, filters, bias and sizes do not match, or nothing is left.
    InvalidArgumentError
        If an option is not valid.

    See Also
    --------
    dlconv : convolution
    dlresize : resize an image
    maxunpool : values put back where they were the maxima

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0]], "SC")
    >>> dl.dltranspconv(x, [[[1.0]], [[10.0]]], 0, stride=2).tolist()
    [[1.0], [10.0], [2.0], [20.0]]

    Source: MATLAB ``dltranspconv``.
    """
    array, strip = formatted("dltranspconv", x, data_format, weights, bias)
    channel = _channel_axis("dltranspconv", array)
    w, slid = _weights("dltranspconv", array, weights, weights_format, "UC")
    groups, filters, channels, *window = w.shape
    _check_channels("dltranspconv", array, w, array.shape[channel])
    axes = slid_axes(array, slid)
    images, layout = to_images(array, axes, (channel,))
    steps = for_each("dltranspconv", "stride", stride, len(axes))
    gaps = for_each("dltranspconv", "dilation_factor", dilation_factor, len(axes))
    geometry = _cropped(cropping, images.shape[2:], tuple(window), steps, gaps, groups)
    # The kernel is that of the convolution whose adjoint this is: channels and filters are
    # exchanged.
    kernel = permute_dims(w, axes=(0, 2, 1, *range(3, w.ndim)))
    kernel = reshape(kernel, shape=(groups * channels, filters, *window))
    y = deconvolve(images, kernel, geometry=geometry)
    b = _bias("dltranspconv", array, bias, bias_format, groups, y.shape[1])
    if np.ndim(b):
        b = reshape(b, shape=(-1, *[1] * len(axes)))
    if type(b) not in PYTHON_SCALARS or b:
        y = y + b
    return finished(from_images(y, layout), strip)


def _transposed_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2, 2), m.real(3, 3, 2), m.real(3), data_format="SCB"),
        case(m.real(1, 2, 2, 3), m.real(2, 3, 2, 2), m.real(2), data_format="BCSS", stride=2),
        case(
            m.real(3, 4, 1),
            m.real(3, 1, 2, 2),
            m.real(2),
            data_format="SCB",
            stride=2,
            dilation_factor=2,
            cropping=[[1], [2]],
        ),
        case(m.real(2, 3), m.real(2, 1, 2), data_format="CT", weights_format="TUC"),
        case(m.real(3, 1), m.real(4, 2, 1), data_format="SC", stride=3, cropping="same"),
        case(m.real(2, 1), m.real(1, 1, 1), data_format="SC", stride=2, cropping="same"),
        case(m.complex(3, 2), m.complex(2, 1, 2), m.complex(1), data_format="SC"),
        case(m.real(3, 2, 0), m.real(2, 2, 2), m.real(2), data_format="SCB"),
    ]


def _transposed_errors(m: Maker) -> list[Error]:
    x, w = m.real(3, 2, 1), m.real(2, 3, 2)
    scb: Params = {"data_format": "SCB"}
    return [
        Error(case(x, m.real(2, 2, 3), **scb), ShapeMismatchError, "has 2 channels.*for 3"),
        Error(case(x, w, cropping=3, **scb), ShapeMismatchError, "cropping.*nothing"),
        Error(
            case(x, w, cropping="causal", **scb),
            InvalidArgumentError,
            "cropping must be 'same'.*not 'causal'",
        ),
        Error(case(x, w, m.real(2), **scb), ShapeMismatchError, "there are 3 filters"),
    ]


# -- operands ------------------------------------------------------------------------------------


def _channel_axis(function: str, x: Value) -> Axis:
    axes = axes_of(x, "C")
    if not axes:
        raise FormatError(
            f"{function}: x of shape {x.shape} with the format {x._format!r} has no channels; "
            "label a dimension 'C', one of size one if need be"
        )
    return axes[0]


def _parameter(function: str, x: Value, name: str, p: Operand, fmt: Format) -> Value:
    """Return weights or a bias as a dlarray, with its format or the given one."""
    array = as_array(function, name, p, x)
    if fmt is None:
        return array
    if array._format is not None and array._format != fmt.upper():
        raise FormatClashError(
            f"{function}: {name} has the format {array._format!r}, {name}_format says {fmt!r}; "
            f"omit {name}_format"
        )
    return labelled(array, checked_format(fmt, array.shape, f"{function}: {name}"))


def _weights(
    function: str, x: Value, weights: Operand, fmt: Format, layout: str
) -> tuple[Value, str]:
    """Return weights as (groups, filters, channels, *sizes), and the labels they slide over.

    `layout` is the order after the filter sizes of unlabelled weights.
    """
    w = _parameter(function, x, "weights", weights, fmt)
    if w._format is None:
        w = labelled(w, _usual_format(function, x, w, layout))
    fmt = format_of(w)
    slid = labels_in_order(fmt)
    units = axes_of(w, "U")
    if "B" in fmt or "C" not in fmt or len(units) not in (1, 2) or not slid:
        raise FormatClashError(
            f"{function}: weights of shape {w.shape} have the format {fmt!r}; it must have 'C' for "
            "the channels, 'U' for the filters, another 'U' for groups, and 'S' or 'T' for the "
            f"dimensions to convolve over, as in '{slid or 'SS'}{layout}'"
        )
    checked_sizes(function, x, slid)
    order = (*units[1:], units[0], *axes_of(w, "C"), *slid_axes(w, slid))
    w = unlabelled(w)
    if order != tuple(range(w.ndim)):
        w = permute_dims(w, axes=order)
    return (expand_dims(w, axis=0) if len(units) == 1 else w), slid


_NAMES = {"CU": "channels, filters", "UC": "filters, channels"}


def _usual_format(function: str, x: Value, w: Value, layout: str) -> str:
    """Return the format of unlabelled weights: they slide over the spatial dimensions of `x`."""
    spatial = format_of(x).count("S")
    if not spatial:
        raise FormatError(
            f"{function}: x of shape {x.shape} with the format {x._format!r} has no spatial "
            "dimension; to convolve over 'T' give the weights a format, for instance "
            f"weights_format='T{layout}'"
        )
    if w.ndim not in (spatial + 2, spatial + 3):
        raise ShapeMismatchError(
            f"{function}: weights of shape {w.shape} must have {spatial + 2} dimensions, or "
            f"{spatial + 3} with groups, for x of shape {x.shape} with {spatial} spatial "
            f"dimensions: (*filter sizes, {_NAMES[layout]}[, groups])"
        )
    return "S" * spatial + layout + "U" * (w.ndim == spatial + 3)


def _check_channels(function: str, x: Value, w: Value, found: int) -> None:
    groups, _, channels, *_ = w.shape
    if found != groups * channels:
        raise ShapeMismatchError(
            f"{function}: x of shape {x.shape} with the format {x._format!r} has {found} channels, "
            f"the weights are for {groups * channels} ({groups} groups of {channels}); the number "
            "of channels must be that of x, in each group that of x divided by the number of groups"
        )


def _bias(function: str, x: Value, bias: Operand, fmt: Format, groups: int, filters: int) -> Value:
    """Return a bias of any form as a number, or as one dimension with one for each filter."""
    if type(bias) in WEAK_SCALARS:
        return bias.item() if type(bias) is np.float64 else bias
    b = _parameter(function, x, "bias", bias, fmt)
    if b._format and sum(n != 1 for n in b.shape) > 1:
        b = in_order(function, "bias", b, "CU", "filters of a group, groups")
    b = unlabelled(b)
    # One number for all filters broadcasts, whatever its shape.
    if b.size == 1 and filters != 1:
        return reshape(b, shape=())
    if b.size != filters:
        raise ShapeMismatchError(
            f"{function}: bias of shape {b.shape} has {b.size} elements, there are {filters} "
            "filters; give one number, or one for each filter"
        )
    sizes = tuple([n for n in b.shape if n != 1])
    if len(sizes) > 1:
        # One column for each group; filters of a group are adjacent.
        if sizes != (filters // groups, groups):
            raise ShapeMismatchError(
                f"{function}: bias of shape {b.shape} must have shape ({filters},) or "
                f"(filters of a group, groups) = ({filters // groups}, {groups})"
            )
        b = permute_dims(reshape(b, shape=sizes), axes=(1, 0))
    return reshape(b, shape=(filters,))


def _cropped(
    cropping: Padding, sizes: Shape, window: Shape, stride: Shape, dilation: Shape, groups: int
) -> Geometry:
    """Return the geometry of the convolution whose adjoint has results of `sizes`."""
    reach = reach_of(window, dilation)
    whole = tuple(
        [s * (n - 1) + r if n else 0 for n, r, s in zip(sizes, reach, stride, strict=True)]
    )
    if isinstance(cropping, str) and cropping == "same":
        # If the filter is smaller than the stride, there are too few, and zeros follow.
        size = tuple([n * s for n, s in zip(sizes, stride, strict=True)])
        start = tuple([max(r - s, 0) // 2 for r, s in zip(reach, stride, strict=True)])
    else:
        crop = paddings("dltranspconv", "cropping", cropping, sizes, reach, stride)
        size = tuple([n and n - a - b for n, (a, b) in zip(whole, crop, strict=True)])
        start = tuple([a for a, _ in crop])
    if min(size) < 0 or (min(size) == 0 and min(sizes) > 0):
        raise ShapeMismatchError(
            f"dltranspconv: cropping={np.asarray(cropping).tolist()} leaves nothing of sizes "
            f"{whole}; crop less"
        )
    return Geometry(size, window, sizes, stride, dilation, start, groups)
