"""Normalisation over batches and over observations: batchnorm, layernorm, rmsnorm."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.samples import Error, case
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.normalization.arguments import bare, labelled, opened, parameter
from dlgradient.nn.normalization.standardize import standardized
from dlgradient.nn.shared.arguments import axes_of
from dlgradient.ops.powers import sqrt
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived

__all__ = ["batchnorm", "layernorm", "rmsnorm"]


# -- batchnorm -----------------------------------------------------------------------------------


def _batch_samples(m: Any) -> list[Any]:
    channels = (m.real(2), m.positive(2))
    moving = (m.real(2), m.positive(2))
    return [
        case(m.real(3, 2), *channels, data_format="BC", epsilon=0.1),
        case(m.real(2, 3, 2), *channels, data_format="SBC", epsilon=0.1),
        case(m.real(3, 2), *channels, *moving, data_format="BC"),
        case(m.real(2, 3), *channels, *moving, training=True, data_format="CT", epsilon=0.1),
        case(m.real(0, 2), *channels, *moving, training=True, data_format="BC"),
    ]


@derived(
    samples=_batch_samples,
    errors=lambda m: [
        Error(
            case(m.real(3, 2), m.real(3), m.real(2), data_format="BC"), ShapeMismatchError, "offset"
        ),
        Error(case(m.real(3, 2), m.real(2), m.real(2), data_format="BS"), FormatError, "'C'"),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), m.real(2), data_format="BC"),
            InvalidArgumentError,
            "variance",
        ),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), training=False, data_format="BC"),
            InvalidArgumentError,
            "mean and variance",
        ),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), epsilon=-1.0, data_format="BC"),
            InvalidArgumentError,
            "epsilon",
        ),
    ],
)
def batchnorm(
    x: Any,
    offset: Any,
    scale: Any,
    mean: Any = None,
    variance: Any = None,
    *,
    training: bool | None = None,
    epsilon: float = 1e-5,
    mean_decay: float = 0.1,
    variance_decay: float = 0.1,
    data_format: str | None = None,
) -> Any:
    """Normalise every channel over all other dimensions: scale (x - μ) / √(σ² + ε) + offset.

    There are three uses:

    * ``y, mu, variance = batchnorm(x, offset, scale)``: by the statistics of x, which are returned;
    * ``y = batchnorm(x, offset, scale, mean, variance)``: inference, by the given statistics;
    * ``y, mean, variance = batchnorm(x, offset, scale, mean, variance, training=True)``: by the
      statistics of x; returned are the moving ones, decay · (of x) + (1 - decay) · (given).

    Nothing is changed in place. Every result can be differentiated.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar.
    mean, variance : dlarray or array_like, optional
        Statistics, one value for each channel; the variance is the biased one, Σ (x - μ)² / n.
    training : bool, optional
        Whether to normalise by the statistics of x. By default if none are given.
    epsilon : float
        ε.
    mean_decay, variance_decay : float
        Weight of x in the moving statistics.
    data_format : str, optional
        Labels of the dimensions of an unformatted x; y is then unformatted too.

    Returns
    -------
    y : dlarray
        Of the shape and format of x.
    mean, variance : dlarray
        With one dimension, C. Of an x without elements, the given ones, else NaN.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If a parameter has not one value for each channel.
    InvalidArgumentError
        If only one statistic is given, or none for inference; or ε is negative.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 10.0], [3.0, 30.0]], "BC")
    >>> y, mu, variance = dl.batchnorm(x, 0.0, 1.0, epsilon=0)
    >>> y.tolist(), mu.tolist(), variance.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 20.0], [1.0, 100.0])
    >>> dl.batchnorm(x, 0.0, 1.0, mu, variance, epsilon=0).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]

    Source: MATLAB ``batchnorm``.
    """
    x, strip = opened("batchnorm", x, data_format, epsilon)
    if (mean is None) is not (variance is None):
        raise InvalidArgumentError(
            "batchnorm: mean and variance must both be given, or neither; "
            f"{'mean' if mean is None else 'variance'} is missing"
        )
    given = mean is not None
    if training is None:
        training = not given
    if not training and not given:
        raise InvalidArgumentError(
            "batchnorm: inference (training=False) needs mean and variance; give the moving "
            "statistics, or leave training=False away"
        )
    shift = parameter("batchnorm", "offset", offset, x)
    gain = parameter("batchnorm", "scale", scale, x)
    if given:
        mean = parameter("batchnorm", "mean", mean, x)
        variance = parameter("batchnorm", "variance", variance, x)
    if not training:
        rate = gain / sqrt(variance + epsilon)
        # Two passes over x: the rest is as small as the channels.
        return labelled(bare(x) * rate + (shift - mean * rate), x, strip)
    channel = axes_of(x, "C")
    axes = tuple([i for i in range(x.ndim) if i not in channel])
    y, mu, sigma2 = standardized(bare(x), shift, gain, axes=axes, epsilon=epsilon)
    if given and x._value.size:
        mu = mean_decay * mu + (1 - mean_decay) * mean
        sigma2 = variance_decay * sigma2 + (1 - variance_decay) * variance
    elif given:
        mu, sigma2 = 1 * mean, 1 * variance
    return labelled(y, x, strip), _channels(mu, strip), _channels(sigma2, strip)


def _channels(statistic: Any, strip: bool) -> Any:
    """Return a statistic with the channel dimension only."""
    if type(statistic) is not calls.dlarray:
        statistic = calls.wrap(statistic, None)
    flat = reshape(statistic, (statistic._value.size,))
    return flat if strip else calls.wrap(flat._value, flat._node, "C")


# -- layernorm and rmsnorm -----------------------------------------------------------------------

_DIMENSIONS = ("auto", "channel-only", "spatial-channel", "batch-excluded")


def _normalized_labels(function: str, x: Any, dimension: str) -> str:
    """Labels that a normalisation of each observation reduces over."""
    if dimension not in _DIMENSIONS:
        raise InvalidArgumentError(
            f"{function}: operation_dimension must be one of {', '.join(map(repr, _DIMENSIONS))}, "
            f"not {dimension!r}"
        )
    if dimension == "auto":
        dimension = "spatial-channel" if "T" in x._format else "batch-excluded"
    return {"channel-only": "C", "spatial-channel": "SC", "batch-excluded": "SCTU"}[dimension]


def _layer_samples(m: Any) -> list[Any]:
    channels = (m.real(2), m.positive(2))
    return [
        case(m.real(3, 2), *channels, data_format="BC", epsilon=0.1),
        case(m.real(2, 2, 2), *channels, data_format="CTB", epsilon=0.1),
        case(m.real(2, 2, 2), *channels, data_format="SCB", epsilon=0.1),
        case(
            m.real(2, 2, 2),
            *channels,
            data_format="TCB",
            epsilon=0.1,
            operation_dimension="batch-excluded",
        ),
        case(m.real(0, 2), *channels, data_format="BC"),
    ]


@derived(
    samples=_layer_samples,
    errors=lambda m: [
        Error(
            case(m.real(3, 2), m.real(2), m.real(3), data_format="BC"), ShapeMismatchError, "scale"
        ),
        Error(
            case(m.real(3, 2), 0.0, 1.0, data_format="BC", operation_dimension="channel"),
            InvalidArgumentError,
            "'channel-only'.*'channel'",
        ),
    ],
)
def layernorm(
    x: Any,
    offset: Any,
    scale: Any,
    *,
    epsilon: float = 1e-5,
    operation_dimension: str = "auto",
    data_format: str | None = None,
) -> Any:
    """Normalise every observation: scale (x - μ) / √(σ² + ε) + offset.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar; or, formatted, of the sizes of any dimensions that
        are normalised.
    epsilon : float
        ε.
    operation_dimension : {"auto", "channel-only", "spatial-channel", "batch-excluded"}
        What μ and σ² are taken over. "auto" is "spatial-channel" for x with a time dimension, so
        that each step is normalised alone, else "batch-excluded".
    data_format : str, optional
        Labels of the dimensions of an unformatted x; the result is then unformatted too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If offset or scale does not fit.
    InvalidArgumentError
        If `operation_dimension` is unknown, or ε negative.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.layernorm(dl.dlarray([[1.0, 3.0], [10.0, 30.0]], "BC"), 0.0, 1.0, epsilon=0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]

    Source: MATLAB ``layernorm``.
    """
    x, strip = opened("layernorm", x, data_format, epsilon)
    labels = _normalized_labels("layernorm", x, operation_dimension)
    shift = parameter("layernorm", "offset", offset, x, labels)
    gain = parameter("layernorm", "scale", scale, x, labels)
    y, _, _ = standardized(bare(x), shift, gain, axes=axes_of(x, labels), epsilon=epsilon)
    return labelled(y, x, strip)


@derived(
    samples=lambda m: [
        case(m.real(3, 2), m.real(2), data_format="BC", epsilon=0.1),
        case(m.real(2, 2, 2), 1.5, data_format="CTB", epsilon=0.1),
        case(
            m.real(2, 3, 2),
            m.real(3),
            data_format="SCB",
            epsilon=0.1,
            operation_dimension="spatial-channel",
        ),
        case(m.real(0, 2), m.real(2), data_format="BC"),
    ],
    errors=lambda m: [
        Error(
            case(m.real(3, 2), m.real(3), data_format="BC"), ShapeMismatchError, "rmsnorm: scale"
        ),
    ],
)
def rmsnorm(
    x: Any,
    scale: Any,
    *,
    epsilon: float = 1e-5,
    operation_dimension: str = "channel-only",
    data_format: str | None = None,
) -> Any:
    """Divide by the root of the mean square: scale x / √(mean(x²) + ε).

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    scale : dlarray or array_like
        One value for each channel, or a scalar; or, formatted, of the sizes of any dimensions that
        are normalised.
    epsilon : float
        ε.
    operation_dimension : {"channel-only", "spatial-channel", "batch-excluded", "auto"}
        What the mean is taken over, as in `layernorm`.
    data_format : str, optional
        Labels of the dimensions of an unformatted x; the result is then unformatted too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If scale does not fit.
    InvalidArgumentError
        If `operation_dimension` is unknown, or ε negative.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.rmsnorm(dl.dlarray([[1.0, 7.0]], "BC"), 10.0, epsilon=0).tolist()
    [[2.0, 14.0]]

    Source: ONNX ``RMSNormalization``.
    """
    x, strip = opened("rmsnorm", x, data_format, epsilon)
    labels = _normalized_labels("rmsnorm", x, operation_dimension)
    gain = parameter("rmsnorm", "scale", scale, x, labels)
    shift = np.zeros((1,) * x.ndim, x.dtype if x.dtype.kind == "f" else np.float64)
    y, _, _ = standardized(
        bare(x), shift, gain, axes=axes_of(x, labels), epsilon=epsilon, centered=False
    )
    return labelled(y, x, strip)
