"""Encodings of positions: sinusoidal, and by rotation."""

from __future__ import annotations

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Count, Dtype, Format, Operand, Positive, Size, Value
from dlgradient.core.values import as_value
from dlgradient.errors import (
    ComplexValueError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import (
    axes_of,
    finished,
    format_of,
    formatted,
    in_order,
    rearranged,
    restored,
)
from dlgradient.ops.join import concat, stack
from dlgradient.ops.shape import expand_dims, reshape
from dlgradient.ops.trigonometry import cos, sin
from dlgradient.rules import derived

__all__ = ["rotaryencoding", "sinusoidalencoding"]


def _rates(size: int, base: float, dtype: Dtype) -> Array:
    """Return the angle of each of size / 2 pairs of channels for a step of one position."""
    return (float(base) ** (-np.arange(0, size, 2) / max(size, 1))).astype(dtype)


def _angles(function: str, argument: str, positions: Operand, size: int, base: float) -> Value:
    if size % 2:
        raise InvalidArgumentError(
            f"{function}: {argument} is {size}; it must be even, for pairs of sine and cosine"
        )
    given: Value
    if type(positions) is calls.dlarray:
        given = unlabelled(positions)
    else:
        given = as_value(positions, f"{function}: positions")
    dtype = given.dtype if given.dtype.kind == "f" else np.dtype(np.float64)
    return expand_dims(given, axis=-1) * _rates(int(size), base, dtype)


@derived(
    domain="real",
    samples=lambda m: _sinusoidalencoding_samples(m),
    errors=lambda m: _sinusoidalencoding_errors(m),
)
def sinusoidalencoding(
    positions: Operand, num_channels: Size, *, base: Positive = 10000.0
) -> Value:
    """Sines and cosines of positions, with geometrically growing wave lengths.

    Channel 2i is sin(p / base^(2i/n)), channel 2i + 1 is cos(p / base^(2i/n)), of n channels.

    Parameters
    ----------
    positions : dlarray or array_like
        Real numbers; integers give double precision. A format is dropped.
    num_channels : int
        n, even.
    base : float
        Ratio by which the wave lengths grow.

    Returns
    -------
    dlarray or array
        With the channels in a new last dimension; unlabelled.

    Raises
    ------
    InvalidArgumentError
        If `num_channels` is odd or negative, or `base` not positive.
    ComplexValueError
        If positions are complex.

    See Also
    --------
    rotaryencoding : positions as rotations of channels
    attention : weighted means of values, by queries and keys

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.sinusoidalencoding([0.0, 1.0], 2).round(decimals=4).tolist()
    [[0.0, 1.0], [0.8415, 0.5403]]

    Source: MATLAB ``sinusoidalPositionEncodingLayer``.
    """
    refuse_complex("sinusoidalencoding", positions=positions)
    angles = _angles("sinusoidalencoding", "num_channels", positions, num_channels, base)
    pairs = stack([sin(angles), cos(angles)], axis=-1)
    return reshape(pairs, (*pairs.shape[:-2], 2 * pairs.shape[-2]))


def _sinusoidalencoding_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), num_channels=4),
        case(m.real(2, 2), num_channels=2, base=50.0),
        case(m.real(0), num_channels=2),
    ]


def _sinusoidalencoding_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), num_channels=3), InvalidArgumentError, "is 3; it must be even"),
        Error(case(m.real(3), num_channels=2, base=0), InvalidArgumentError, "base.*0"),
    ]


@derived(
    samples=lambda m: _rotaryencoding_samples(m),
    errors=lambda m: _rotaryencoding_errors(m),
)
def rotaryencoding(
    x: Operand,
    *,
    positions: Operand | None = None,
    num_heads: Count = 1,
    rotary_channels: Size | None = None,
    base: Positive = 10000.0,
    interleaved: bool = True,
    data_format: Format = None,
) -> Value:
    """Rotate pairs of channels by angles proportional to the position (RoPE).

    Of the n channels of a head, pair i turns by p / base^(2i/n) at position p. So products of
    rotated queries and keys depend only on the difference of their positions.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex, with channels C and one dimension T, S or U of positions.
    positions : array_like, optional
        Real: a number for each position, or, as batch × positions, for each position of each
        observation; by default 0, 1, 2, ... With a format, it has the labels of x but C.
    num_heads : int
        Number of heads, into which the channels are divided equally; all rotate alike.
    rotary_channels : int, optional
        n, if only the first n channels of a head are rotated; by default all.
    base : float
        Ratio by which the wave lengths grow.
    interleaved : bool
        Whether a pair is two adjacent channels, or one channel of each half.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; the result is then unlabelled too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, no channels, or not one dimension of positions.
    ShapeMismatchError
        If there is not one position for each step, or channels do not match heads.
    InvalidArgumentError
        If n is odd or more than a head has, or `base` is not positive.
    ComplexValueError
        If positions are complex.

    See Also
    --------
    sinusoidalencoding : positions as sines and cosines
    attention : weighted means of values, by queries and keys

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 0.0], [1.0, 0.0]], "TC")
    >>> dl.rotaryencoding(x).round(decimals=4).tolist()
    [[1.0, 0.0], [0.5403, 0.8415]]

    Source: ONNX ``RotaryEmbedding``.
    """
    array, strip = formatted("rotaryencoding", x, data_format, positions)
    fmt = array._format or ""
    steps = axes_of(array, "STU")
    if "C" not in fmt or len(steps) != 1:
        raise FormatError(
            f"rotaryencoding: x of shape {array.shape} has the format {fmt!r}; it must have a "
            "channel dimension 'C' and one dimension of positions, 'T', 'S' or 'U'"
        )
    label = fmt[steps[0]]
    rows = rearranged(array, fmt, f"B{label}C")
    batch, count, channels = rows.shape
    if num_heads < 1 or channels % num_heads:
        raise ShapeMismatchError(
            f"rotaryencoding: x has {channels} channels, which cannot be divided into "
            f"num_heads={num_heads} of one size"
        )
    refuse_complex("rotaryencoding", positions=positions)
    dtype = np.finfo(array.dtype).dtype
    if positions is None:
        positions = np.arange(count, dtype=dtype)
    elif type(positions) is not calls.dlarray:
        # Positions that are not traced do not change the precision of x.
        positions = as_value(positions, "rotaryencoding: positions").astype(dtype)
    else:
        order = "B" * ("B" in format_of(positions)) + label
        positions = in_order("rotaryencoding", "positions", positions, order, "batch × positions")
    size = channels // num_heads
    turning = size if rotary_channels is None else rotary_channels
    argument = "the number of channels of a head" if rotary_channels is None else "rotary_channels"
    angles = _angles("rotaryencoding", argument, positions, turning, base)
    if turning > size:
        raise InvalidArgumentError(
            f"rotaryencoding: rotary_channels={turning}, but a head has {size} channels"
        )
    if angles.shape[:-1] not in ((count,), (1, count), (batch, count)):
        raise ShapeMismatchError(
            f"rotaryencoding: positions has shape {np.shape(positions)}; x has {count} positions "
            f"along {label!r} and a batch of {batch}, and each position must have a number"
        )
    y = rotated(rows, cos(angles), sin(angles), num_heads, interleaved)
    return finished(labelled(restored(y, f"B{label}C", fmt), fmt), strip)


def _rotaryencoding_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 4), data_format="TC"),
        case(m.real(4, 2, 3), data_format="CBS", num_heads=2, interleaved=False),
        case(m.real(2, 3, 4), data_format="BTC", positions=[0.5, 2.0, -1.0], base=10.0),
        case(
            m.real(3, 8, 2),
            data_format="TCB",
            positions=[[0, 0, 1], [0, 1, 2]],
            num_heads=2,
            rotary_channels=2,
        ),
        case(m.complex(3, 4), data_format="TC"),
        case(m.real(0, 2, 2), data_format="BTC"),
    ]


def _rotaryencoding_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3, 3), data_format="TC"), InvalidArgumentError, "is 3; it must be even"),
        Error(case(m.real(3, 4), data_format="BC"), FormatError, "'BC'.*'T'"),
        Error(
            case(m.real(3, 4), data_format="TC", positions=m.complex(3)),
            ComplexValueError,
            "positions must be real",
        ),
        Error(
            case(m.real(3, 4), data_format="TC", positions=[1.0, 2.0]),
            ShapeMismatchError,
            r"positions.*\(2,\).*3",
        ),
        Error(case(m.real(3, 4), data_format="TC", num_heads=3), ShapeMismatchError, "num_heads=3"),
        Error(
            case(m.real(3, 4), data_format="TC", rotary_channels=6),
            InvalidArgumentError,
            "rotary_channels=6.*4 channels",
        ),
    ]


def rotated(x: Value, cosines: Value, sines: Value, num_heads: int, interleaved: bool) -> Value:
    """Turn the first channels of each head of x, batch × steps × channels, by the angles.

    Cosines and sines are steps × pairs, or batch × steps × pairs.
    """
    c, s = (expand_dims(a, axis=-2) for a in (cosines, sines))
    half = c.shape[-1]
    split = reshape(x, (*x.shape[:2], num_heads, x.shape[2] // num_heads))
    turning = split[..., : 2 * half]
    if interleaved:
        first, second = turning[..., ::2], turning[..., 1::2]
    else:
        first, second = turning[..., :half], turning[..., half:]
    parts = [first * c - second * s, first * s + second * c]
    turned = (
        reshape(stack(parts, axis=-1), turning.shape) if interleaved else concat(parts, axis=-1)
    )
    if turning.shape != split.shape:
        turned = concat([turned, split[..., 2 * half :]], axis=-1)
    return reshape(turned, x.shape)
