"""Convolution and transposed convolution of formatted arrays.

Weights without a format have MATLAB's layout, (*filter sizes, channels, filters[, groups]) for
`dlconv` and (*filter sizes, filters, channels[, groups]) for `dltranspconv`. With a format, their
dimensions stand in any order: ``S`` and ``T`` slide, ``C`` are the channels, the first ``U`` the
filters and the second ``U`` the groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.formats import checked_format
from dlgradient.core.samples import Error, case
from dlgradient.core.values import PYTHON_SCALARS, as_value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.convolution.trilinear import biased_convolve, convolve, deconvolve
from dlgradient.nn.shared.arguments import axes_of, finished, formatted
from dlgradient.nn.shared.windows import (
    checked_sizes,
    from_images,
    integers,
    labels_in_order,
    padded,
    paddings,
    reach_of,
    result_sizes,
    slid_axes,
    to_images,
)
from dlgradient.rules import derived

__all__ = ["dlconv", "dltranspconv"]


def _array(function: str, name: str, a: Any, fmt: str | None) -> Any:
    """Return a parameter as a dlarray, with the format it has or is given."""
    if type(a) is not calls.dlarray:
        a = wrap(as_value(a, f"{function}: {name}"), None)
    if fmt is None:
        return a
    if a._format is not None and a._format != fmt.upper():
        raise FormatClashError(
            f"{function}: {name} has the format {a._format!r}, {name}_format says {fmt!r}; leave "
            f"{name}_format away"
        )
    return wrap(a._value, a._node, checked_format(fmt, a.shape, f"{function}: {name}"))


def _weights(function: str, x: Any, weights: Any, fmt: str | None, layout: str) -> tuple[Any, str]:
    """Return weights as (groups, filters, channels, *sizes), and the labels they slide over.

    `layout` is the order behind the filter sizes of weights without a format.
    """
    w = _array(function, "weights", weights, fmt)
    fmt = w._format
    if fmt is None:
        spatial = x._format.count("S")
        if not spatial:
            raise FormatError(
                f"{function}: x of shape {x.shape} with the format {x._format!r} has no spatial "
                "dimension; to convolve over 'T' give the weights a format, for instance "
                f"weights_format='T{layout}'"
            )
        fmt = "S" * spatial + layout + "U" * (w.ndim == spatial + 3)
        if len(fmt) != w.ndim:
            raise ShapeMismatchError(
                f"{function}: weights of shape {w.shape} must have {spatial + 2} dimensions, or "
                f"{spatial + 3} with groups, for x of shape {x.shape} with {spatial} spatial "
                f"dimensions: (*filter sizes, {_NAMES[layout]}[, groups])"
            )
    slid = labels_in_order(fmt)
    if "B" in fmt or "C" not in fmt or fmt.count("U") not in (1, 2) or not slid:
        raise FormatClashError(
            f"{function}: weights of shape {w.shape} have the format {fmt!r}; it must have 'C' for "
            "the channels, 'U' for the filters, another 'U' for groups, and 'S' or 'T' for the "
            f"dimensions to convolve over, as in '{slid or 'SS'}{layout}'"
        )
    checked_sizes(function, x, slid)
    units = [i for i, c in enumerate(fmt) if c == "U"]
    labelled = wrap(w._value, w._node, fmt)
    order = (*units[1:], units[0], fmt.index("C"), *slid_axes(labelled, slid))
    plain = wrap(w._value, w._node)
    if order != tuple(range(w.ndim)):
        plain = FUNCTIONS["permute_dims"](plain, axes=order)
    if len(units) == 1:
        plain = FUNCTIONS["expand_dims"](plain, axis=0)
    return plain, slid


_NAMES = {"CU": "channels, filters", "UC": "filters, channels"}


def _bias(function: str, bias: Any, fmt: str | None, groups: int, filters: int) -> Any:
    """Return a bias in any form as a number, or as one for each filter in one dimension."""
    if type(bias) in PYTHON_SCALARS:
        return bias
    b = _array(function, "bias", bias, fmt)
    plain = wrap(b._value, b._node)
    if plain.size == 1 and filters != 1:
        return FUNCTIONS["reshape"](plain, shape=())
    if plain.size != filters:
        raise ShapeMismatchError(
            f"{function}: bias of shape {b.shape} has {plain.size} elements, there are {filters} "
            "filters; give one number, or one for each filter"
        )
    sizes = tuple([n for n in plain.shape if n != 1])
    if len(sizes) > 1:
        # One column for each group; filters of a group are neighbours.
        if sizes != (filters // groups, groups):
            raise ShapeMismatchError(
                f"{function}: bias of shape {b.shape} must have shape ({filters},) or "
                f"(filters of a group, groups) = ({filters // groups}, {groups})"
            )
        plain = FUNCTIONS["reshape"](plain, shape=sizes)
        plain = FUNCTIONS["permute_dims"](plain, axes=(1, 0))
    return FUNCTIONS["reshape"](plain, shape=(filters,))


def _channels(function: str, x: Any) -> tuple[int, ...]:
    axes = axes_of(x, "C")
    if not axes:
        raise FormatError(
            f"{function}: x of shape {x.shape} with the format {x._format!r} has no channels; "
            "label a dimension 'C', one of size one if need be"
        )
    return axes


def _check_channels(function: str, x: Any, w: Any, found: int, expected: int) -> None:
    if found != expected:
        raise ShapeMismatchError(
            f"{function}: x of shape {x.shape} with the format {x._format!r} has {found} channels, "
            f"the weights are for {expected} ({w.shape[0]} groups of {expected // w.shape[0]}); "
            "the number of channels must be that of x, in each group that of x divided by the "
            "number of groups"
        )


def _conv_samples(m: Any) -> list[Any]:
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


def _conv_errors(m: Any) -> list[Any]:
    x, w = m.real(4, 2, 1), m.real(2, 2, 3)
    scb: dict[str, Any] = {"data_format": "SCB"}
    return [
        Error(case(x, w), FormatError, r"dlconv: x of shape \(4, 2, 1\) .*data_format="),
        Error(case(x, w, data_format="TCB"), FormatError, "weights_format='TCU'"),
        Error(case(x, w, data_format="SBU"), FormatError, "'SBU' has no channels"),
        Error(case(x, m.real(2, 3, 3), **scb), ShapeMismatchError, "has 2 channels.*for 3"),
        Error(case(x, m.real(2, 2), **scb), ShapeMismatchError, r"weights of shape \(2, 2\)"),
        Error(case(x, w, m.real(2), **scb), ShapeMismatchError, "2 elements, there are 3 filters"),
        Error(case(x, m.real(5, 2, 3), **scb), ShapeMismatchError, r"\(5,\).*does not fit.*\(4,\)"),
        Error(
            case(x, w, padding="full", **scb), InvalidArgumentError, "padding='full' is not known"
        ),
        Error(
            case(x, w, padding=[1, 2], **scb), InvalidArgumentError, r"has 2 entries.*1 dimension"
        ),
        Error(case(x, w, stride=0, **scb), InvalidArgumentError, "stride=0 must be at least 1"),
        Error(
            case(x, w, padding_value="wrap", padding=1, **scb),
            InvalidArgumentError,
            "padding_value='wrap'.*'replicate'",
        ),
        Error(case(x, w, padding="causal", **scb), InvalidArgumentError, "causal.*'T'"),
    ]


@derived(samples=_conv_samples, errors=_conv_errors)
def dlconv(
    x: Any,
    weights: Any,
    bias: Any = 0,
    *,
    stride: Any = 1,
    dilation_factor: Any = 1,
    padding: Any = 0,
    padding_value: Any = 0,
    data_format: str | None = None,
    weights_format: str | None = None,
    bias_format: str | None = None,
) -> Any:
    """Convolve over the spatial dimensions, or over time where the weights say so.

    For each observation, filter f and place o,

        y[f, o] = bias[f] + Σ x[c, stride·o + dilation·k - padding] w[f, c, k]

    over channels c and places k in the filter, a cross-correlation, as everywhere in deep learning.
    With groups, filter f sees the channels of its group only; groups of one channel make a
    channel-wise (depth-wise) convolution.

    Parameters
    ----------
    x : array
        With channels ``C`` and one to three dimensions ``S``, or ``T``, in any order. All other
        dimensions are a batch.
    weights : array
        Without a format of shape (*filter sizes, channels of a group, filters of a group[,
        groups]); the filter slides over ``S``. With a format in any order: ``S`` and ``T`` slide,
        ``C`` channels, first ``U`` filters, second ``U`` groups.
    bias : array
        A number; or one for each filter, those of a group being neighbours; or of shape (filters of
        a group, groups).
    stride, dilation_factor : int or sequence of int
        One for all or for each dimension that the filter slides over, spatial ones first.
    padding : int, sequence of int, matrix of two rows, "same" or "causal"
        A number for front and behind of every dimension, or one for each; rows for front and
        behind; "same" gives sizes ceil(size / stride), the odd one behind; "causal" pads the front
        of ``T`` only.
    padding_value : number or str
        What to pad with; or "symmetric-include-edge", "symmetric-exclude-edge" or "replicate", for
        values of the array.
    data_format, weights_format, bias_format : str, optional
        Formats of arrays that have none. With `data_format` the result is unformatted.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format or no channels, or the weights do not name what they slide over.
    ShapeMismatchError
        If channels, filters, bias and sizes do not fit.
    InvalidArgumentError
        If an option has no meaning.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0], [4.0], [7.0]], "SC")
    >>> y = dl.dlconv(x, [[[-1.0]], [[1.0]]], 0)
    >>> y.tolist(), dl.dims(y)
    ([[1.0], [2.0], [3.0]], 'SC')

    Source: MATLAB ``dlconv``.
    """
    x, strip = formatted("dlconv", x, data_format)
    channel = _channels("dlconv", x)
    w, slid = _weights("dlconv", x, weights, weights_format, "CU")
    axes = slid_axes(x, slid)
    sizes = tuple([x.shape[i] for i in axes])
    groups, filters, channels, *window = w.shape
    _check_channels("dlconv", x, w, x.shape[channel[0]], groups * channels)
    steps = integers("dlconv", "stride", stride, len(axes))
    dilation = integers("dlconv", "dilation_factor", dilation_factor, len(axes))
    if isinstance(padding, str) and padding == "causal" and slid != "T":
        raise InvalidArgumentError(
            "dlconv: padding='causal' is for weights that slide over 'T' only, these slide over "
            f"{slid!r}; give padding as a matrix of two rows"
        )
    reach = reach_of(tuple(window), dilation)
    pads = paddings("dlconv", "padding", padding, sizes, reach, steps)
    size = result_sizes("dlconv", x.shape, sizes, reach, steps, pads)
    images, memory = to_images(x, axes, channel)
    start = tuple([a for a, _ in pads])
    if isinstance(padding_value, str) or padding_value != 0:
        images = padded("dlconv", images, pads, padding_value)
        start = (0,) * len(axes)
    kernel = FUNCTIONS["reshape"](w, shape=(groups * filters, channels, *window))
    form = {"size": size, "stride": steps, "dilation": dilation, "start": start, "groups": groups}
    b = _bias("dlconv", bias, bias_format, groups, groups * filters)
    if np.ndim(b):
        y = biased_convolve(images, kernel, b, **form)
    else:
        y = convolve(images, kernel, **form)
        if type(b) not in PYTHON_SCALARS or b:
            y = y + b
    return finished(from_images(y, memory), strip)


def _transposed_samples(m: Any) -> list[Any]:
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


def _transposed_errors(m: Any) -> list[Any]:
    x, w = m.real(3, 2, 1), m.real(2, 3, 2)
    scb: dict[str, Any] = {"data_format": "SCB"}
    return [
        Error(case(x, m.real(2, 2, 3), **scb), ShapeMismatchError, "has 2 channels.*for 3"),
        Error(case(x, w, cropping=3, **scb), ShapeMismatchError, "cropping.*nothing"),
        Error(case(x, w, cropping="causal", **scb), InvalidArgumentError, "cropping='causal'"),
        Error(case(x, w, m.real(2), **scb), ShapeMismatchError, "there are 3 filters"),
    ]


@derived(samples=_transposed_samples, errors=_transposed_errors)
def dltranspconv(
    x: Any,
    weights: Any,
    bias: Any = 0,
    *,
    stride: Any = 1,
    dilation_factor: Any = 1,
    cropping: Any = 0,
    data_format: str | None = None,
    weights_format: str | None = None,
    bias_format: str | None = None,
) -> Any:
    """Transposed convolution, which makes arrays larger: the adjoint of `dlconv` plus a bias.

    Every element x[c, i] adds x[c, i] w[f, c, k] to y[f, stride·i + dilation·k - cropping]. The
    result has the sizes stride·(size - 1) + dilation·(filter size - 1) + 1, less the cropping.

    Parameters
    ----------
    x : array
        With channels ``C`` and one to three dimensions ``S``, or ``T``, in any order. All other
        dimensions are a batch.
    weights : array
        Without a format of shape (*filter sizes, filters of a group, channels of a group[,
        groups]). With a format in any order: ``S`` and ``T`` slide, ``C`` channels, first ``U``
        filters, second ``U`` groups.
    bias : array
        A number; or one for each filter, those of a group being neighbours; or of shape (filters of
        a group, groups).
    stride, dilation_factor : int or sequence of int
        One for all or for each dimension that the filter slides over, spatial ones first.
    cropping : int, sequence of int, matrix of two rows or "same"
        What is cut off, in front and behind; "same" gives sizes size · stride.
    data_format, weights_format, bias_format : str, optional
        Formats of arrays that have none. With `data_format` the result is unformatted.

    Returns
    -------
    dlarray
        In the order of ``x``.

    Raises
    ------
    FormatError
        If ``x`` has no format or no channels, or the weights do not name what they slide over.
    ShapeMismatchError
        If channels, filters, bias and sizes do not fit, or nothing is left.
    InvalidArgumentError
        If an option has no meaning.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0]], "SC")
    >>> dl.dltranspconv(x, [[[1.0]], [[10.0]]], 0, stride=2).tolist()
    [[1.0], [10.0], [2.0], [20.0]]

    Source: MATLAB ``dltranspconv``.
    """
    x, strip = formatted("dltranspconv", x, data_format)
    channel = _channels("dltranspconv", x)
    w, slid = _weights("dltranspconv", x, weights, weights_format, "UC")
    axes = slid_axes(x, slid)
    sizes = tuple([x.shape[i] for i in axes])
    groups, filters, channels, *window = w.shape
    _check_channels("dltranspconv", x, w, x.shape[channel[0]], groups * channels)
    steps = integers("dltranspconv", "stride", stride, len(axes))
    dilation = integers("dltranspconv", "dilation_factor", dilation_factor, len(axes))
    reach = reach_of(tuple(window), dilation)
    size, start = _cropped(cropping, sizes, reach, steps)
    images, memory = to_images(x, axes, channel)
    # The core's kernel is that of the convolution whose adjoint this is: channels and filters
    # change places.
    kernel = FUNCTIONS["permute_dims"](w, axes=(0, 2, 1, *range(3, w.ndim)))
    kernel = FUNCTIONS["reshape"](kernel, shape=(groups * channels, filters, *window))
    y = deconvolve(
        images, kernel, size=size, stride=steps, dilation=dilation, start=start, groups=groups
    )
    b = _bias("dltranspconv", bias, bias_format, groups, y.shape[1])
    if np.ndim(b):
        b = FUNCTIONS["reshape"](b, shape=(-1, *[1] * len(axes)))
    if type(b) not in PYTHON_SCALARS or b:
        y = y + b
    return finished(from_images(y, memory), strip)


def _cropped(
    cropping: Any, sizes: tuple[int, ...], reach: tuple[int, ...], steps: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes of the result of a transposed convolution, and what is cut off in front."""
    if isinstance(cropping, str) and cropping == "same":
        # Where the filter is smaller than the stride there are too few, and zeros follow.
        size = tuple([n * s for n, s in zip(sizes, steps, strict=True)])
        return size, tuple([max(r - s, 0) // 2 for r, s in zip(reach, steps, strict=True)])
    crop = paddings("dltranspconv", "cropping", cropping, sizes, reach, steps)
    size = tuple(
        [
            s * (n - 1) + r - a - b if n else 0
            for n, r, s, (a, b) in zip(sizes, reach, steps, crop, strict=True)
        ]
    )
    if min(size) < 0 or (min(size) == 0 and min(sizes) > 0):
        raise ShapeMismatchError(
            f"dltranspconv: cropping={np.asarray(cropping).tolist()} leaves nothing of sizes "
            f"{tuple(s * (n - 1) + r for n, r, s in zip(sizes, reach, steps, strict=True))}; "
            "crop less"
        )
    return size, tuple([a for a, _ in crop])
