"""Attention with several heads."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import (
    Array,
    Count,
    Decay,
    Dlarray,
    Format,
    Generator,
    NonNegative,
    Operand,
    Params,
    Shape,
    Value,
)
from dlgradient.core.values import WEAK_SCALARS
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.attention.kernels import attend
from dlgradient.nn.attention.masked_products import masked_matmul, probabilities
from dlgradient.nn.shared.arguments import (
    as_array,
    format_of,
    formatted,
    is_formatted,
    raw_value,
    rearranged,
    restored,
    scalar,
)
from dlgradient.nn.shared.batches import uniform
from dlgradient.ops.join import repeat
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived

__all__ = ["attention"]


@derived(domain="real", samples=lambda m: _samples(m), errors=lambda m: _errors(m))
def attention(  # noqa: PLR0913 - queries, keys, values, and what may be attended to
    q: Operand,
    k: Operand,
    v: Operand,
    num_heads: Count,
    *,
    num_key_value_heads: Count | None = None,
    scale: float | Dlarray | Literal["auto"] = "auto",
    softcap: NonNegative = 0.0,
    attention_mask: Literal["none", "causal"] | Operand | None = "none",
    padding_mask: Operand | None = None,
    bias: Operand | None = None,
    dropout_probability: Decay = 0.0,
    generator: Generator = None,
    return_scores: bool = False,
    data_format: Format = None,
) -> Value:
    """Values weighted by how well queries match keys, softmax(s q kᵀ) v, in several heads.

    A query that may attend to nothing has the result zero, and zero derivatives. A key or value
    that a mask excludes affects neither the result nor the gradients, even if it is NaN.

    Parameters
    ----------
    q, k, v : dlarray or array_like
        Queries, keys and values: real, with channels C, one dimension T, S or U to attend over, and
        an optional batch B, in any order. There are as many keys as values, and heads of q and k
        have equally many channels. Unlabelled k and v have the dimensions of q.
    num_heads : int
        Number of heads, into which the channels are divided equally.
    num_key_value_heads : int, optional
        Number of heads of k and v, a divisor of `num_heads`, if there are fewer. Adjacent heads of
        q then share a head of k and v (grouped-query attention).
    scale : float, dlarray or "auto"
        s; by default 1 / √(channels of a head of k). A dlarray without dimensions has a derivative.
    softcap : float
        If not 0, a scaled product p becomes c tanh(p / c) with c = softcap.
    attention_mask : {"none", "causal"} or array_like
        "causal": a query attends to keys up to its own position. An array of bool, or of zeros and
        ones, is true where a query may attend to a key. Its dimensions are keys, queries and, where
        it varies, heads and batch; each has the size of that, or one.
    padding_mask : array_like, optional
        True for keys that are not padding; it has the dimensions of k without C.
    bias : dlarray or array_like, optional
        Added to the scaled products before the softmax. It is differentiable, and broadcasts to
        batch, heads, queries, keys. An element of -inf masks its key.
    dropout_probability : float
        Probability with which a weight is set to zero; the others are divided by 1 - probability.
    generator : numpy.random.Generator or int, optional
        Source of randomness for dropout, or a seed.
    return_scores : bool
        Whether to return the weights too.
    data_format : str, optional
        Labels of the dimensions of unlabelled operands. If q is one, the result is unlabelled too.

    Returns
    -------
    y : dlarray
        In the format of q, with the channels of v.
    scores : dlarray
        If `return_scores`: batch, heads, queries, keys, unlabelled.

    Raises
    ------
    FormatError
        If an operand has no format, no channels, or not one dimension to attend over.
    ShapeMismatchError
        If operands or masks do not match each other, or channels do not match heads.
    InvalidArgumentError
        If an option has an invalid value.
    ComplexValueError
        If an operand or the bias is complex.

    See Also
    --------
    softmax : exponentials with the sum one
    rotaryencoding : positions as rotations of channels
    sinusoidalencoding : positions as sines and cosines

    Examples
    --------
    >>> import dlgradient as dl
    >>> q = dl.dlarray([[1.0, 0.0], [0.0, 1.0]], "TC")
    >>> dl.attention(q, q, q, 1, scale=1e3, attention_mask="causal").tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Source: MATLAB ``attention``; ONNX ``Attention``.
    """
    refuse_complex("attention", q=q, k=k, v=v, bias=bias)
    shared = _shared_count(num_key_value_heads, num_heads)
    # It is the format of the operands that have none; if all have one, it must agree with them.
    strict = data_format is not None and all(map(is_formatted, (q, k, v)))
    queries, fmt, strip = _rows("q", q, data_format, strict, k, v, bias)
    like = fmt if data_format is None else data_format
    keys, key_format, _ = _rows("k", k, like, strict, queries)
    values, _, _ = _rows("v", v, like, strict, queries)
    _check_batches_and_keys(queries, keys, values)
    queries = _heads("q", queries, num_heads)
    keys, values = (
        _shared_heads(name, x, num_heads, shared) for name, x in (("k", keys), ("v", values))
    )
    _check_channels(queries, keys)
    factor = _factor(scale, keys.shape[3])
    if type(factor) is not float:  # traced
        queries, factor = queries * factor, 1.0
    shape = (*queries.shape[:3], keys.shape[2])
    padding = None
    if padding_mask is not None:
        padding = _padding(padding_mask, key_format, shape[0], shape[3])
    mask = _mask(attention_mask, padding, shape)
    if bias is None and not (dropout_probability or return_scores or softcap):
        y, _ = attend(queries, keys, values, scale=factor, mask=mask)
        return _joined(y, fmt, strip)
    bias = _bias(bias, queries, shape)
    mask = _exclude_by_bias(mask, bias)
    scores = probabilities(queries, keys, factor, mask, bias, softcap)
    if dropout_probability:
        rng = np.random.default_rng(generator)
        remaining = uniform(rng, shape, 0, given=generator) >= dropout_probability
        scores = scores * (remaining / (1 - dropout_probability)).astype(scores.dtype)
    result = _joined(masked_matmul(scores, values, mask=mask), fmt, strip)
    return (result, scores) if return_scores else result


def _samples(m: Maker) -> list[Case]:
    def operands(*shape: int) -> list[Array]:
        return [m.real(*shape) for _ in range(3)]

    shared: Params = {"num_heads": 4, "num_key_value_heads": 2}
    return [
        case(*operands(3, 4, 2), num_heads=2, data_format="TCB"),
        case(*operands(2, 3, 2), num_heads=1, data_format="BSC", attention_mask="causal"),
        case(*operands(3, 2), num_heads=2, data_format="UC", bias=0.25, scale=0.3),
        case(
            *operands(2, 3, 2),
            num_heads=1,
            data_format="BTC",
            padding_mask=np.array([[True, True, False], [False, False, False]]),
            return_scores=True,
        ),
        case(m.real(2, 4), m.real(3, 2), m.real(3, 2), **shared, data_format="TC", softcap=0.5),
        case(
            *operands(3, 2), num_heads=1, data_format="TC", attention_mask=np.tri(3, dtype=bool).T
        ),
        case(*operands(0, 3, 2), num_heads=2, data_format="BTC"),
    ]


def _errors(m: Maker) -> list[Error]:
    def wrong(num_heads: int = 1, data_format: str = "TC", q: int = 4, **options: Any) -> Case:
        operands = m.real(3, q), m.real(3, 4), m.real(3, 4)
        return case(*operands, num_heads=num_heads, data_format=data_format, **options)

    fewer = case(m.real(3, 4), m.real(2, 4), m.real(3, 4), num_heads=1, data_format="TC")
    return [
        Error(wrong(3), ShapeMismatchError, "q has 4 channels.*num_heads=3"),
        Error(fewer, ShapeMismatchError, "2 keys.*3 values"),
        Error(
            wrong(3, q=6, num_key_value_heads=2),
            InvalidArgumentError,
            "num_key_value_heads=2.*num_heads=3",
        ),
        Error(wrong(softcap=-1), InvalidArgumentError, "softcap.*-1"),
        Error(wrong(data_format="BC"), FormatError, "q .*'BC'.*'T'"),
        Error(wrong(attention_mask="future"), InvalidArgumentError, "'causal'.*'future'"),
    ]


# -- operands ------------------------------------------------------------------------------------


def _rows(
    name: str, x: Operand, data_format: Format, strict: bool, *others: Operand | None
) -> tuple[Value, str, bool]:
    """Return an operand as batch, steps, channels; its format; whether it had none."""
    if is_formatted(x) and not strict:
        data_format = None
    array, strip = formatted("attention", x, data_format, *others)
    fmt = array._format or ""
    steps = [c for c in fmt if c in "STU"]
    if "C" not in fmt or len(steps) != 1:
        raise FormatError(
            f"attention: {name} of shape {array.shape} has the format {fmt!r}; it must have a "
            "channel dimension 'C' and one dimension to attend over, 'T', 'S' or 'U', and may have "
            "'B'; bring several spatial dimensions into one with reshape"
        )
    return rearranged(array, fmt, f"B{steps[0]}C"), fmt, strip


def _joined(y: Value, fmt: str, strip: bool) -> Value:
    """Join the heads, and bring a result to the format of the queries."""
    batch, heads, queries, size = y.shape
    y = reshape(permute_dims(y, axes=(0, 2, 1, 3)), (batch, queries, heads * size))
    steps = next(c for c in fmt if c in "STU")
    return labelled(restored(y, f"B{steps}C", fmt), None if strip else fmt)


def _factor(scale: Value | float | str, channels: int) -> Value:
    if isinstance(scale, str):
        return 1 / max(channels, 1) ** 0.5
    found = scalar("attention", "scale", scale)
    return found if type(found) is calls.dlarray else float(found)


def _heads(name: str, x: Value, num_heads: int, option: str = "num_heads") -> Value:
    """Divide channels into heads: batch, heads, steps, channels of a head."""
    batch, steps, channels = x.shape
    if channels % num_heads:
        raise ShapeMismatchError(
            f"attention: {name} has {channels} channels, which cannot be divided into "
            f"{option}={num_heads} of one size"
        )
    split = reshape(x, (batch, steps, num_heads, channels // num_heads))
    return permute_dims(split, axes=(0, 2, 1, 3))


def _shared_count(count: int | None, num_heads: int) -> int:
    """Number of heads of keys and values."""
    if count is None:
        return num_heads
    if num_heads % count:
        raise InvalidArgumentError(
            f"attention: num_key_value_heads={count!r} must be a divisor of num_heads={num_heads}"
        )
    return count


def _shared_heads(name: str, x: Value, num_heads: int, shared: int) -> Value:
    """Divide channels into their heads, and repeat each for the queries that share it."""
    if shared == num_heads:
        return _heads(name, x, num_heads)
    return repeat(_heads(name, x, shared, "num_key_value_heads"), num_heads // shared, axis=1)


def _check_batches_and_keys(q: Value, k: Value, v: Value) -> None:
    if not q.shape[0] == k.shape[0] == v.shape[0]:
        sizes = f"{q.shape[0]}, {k.shape[0]} and {v.shape[0]}"
        raise ShapeMismatchError(
            f"attention: q, k and v have batches of {sizes}; they must be equal"
        )
    if k.shape[1] != v.shape[1]:
        raise ShapeMismatchError(
            f"attention: k has {k.shape[1]} keys and v {v.shape[1]} values; each key must have one"
        )


def _check_channels(q: Value, k: Value) -> None:
    if q.shape[3] != k.shape[3]:
        raise ShapeMismatchError(
            f"attention: each head of q has {q.shape[3]} channels, of k {k.shape[3]}; they must be "
            "equal: the channels of q and k in the proportion of their numbers of heads"
        )


# -- masks and bias ------------------------------------------------------------------------------


def _booleans(name: str, mask: Operand) -> Array:
    value = raw_value(mask)
    if value.dtype.kind != "b":
        if not np.all((value == 0) | (value == 1)):
            raise InvalidArgumentError(
                f"attention: {name} of shape {value.shape} {value.dtype} must be bool, or zeros "
                "and ones: what may be attended to; numbers to add to the scores go into bias="
            )
        value = value != 0
    return value


def _padding(mask: Operand, fmt: str, batch: int, keys: int) -> Array:
    """Return which keys may be attended to: batch, one, one, keys."""
    value = _booleans("padding_mask", mask)
    given = value.shape
    own = getattr(mask, "_format", None)
    if own is None:
        own = fmt if value.ndim == len(fmt) else fmt.replace("C", "")
    steps = next(c for c in fmt if c in "STU")
    shape: Shape = ()
    if len(own) == value.ndim:
        with suppress(FormatClashError, IndexError):
            value = raw_value(rearranged(value, own, f"B{steps}C"))[..., 0]
            shape = value.shape
    if shape not in ((1, keys), (batch, keys)):
        raise ShapeMismatchError(
            f"attention: padding_mask has shape {given}; it must have the dimensions of the keys, "
            f"{fmt!r} without C: {keys} keys and a batch of {batch}"
        )
    return value[:, None, None, :]


def _mask(
    attention_mask: str | Operand | None, padding: Array | None, shape: Shape
) -> Array | None:
    """Combine both masks into one with four dimensions; None for none."""
    mask = None
    if isinstance(attention_mask, str):
        if attention_mask == "causal":
            mask = np.tri(shape[2], shape[3], dtype=bool)[None, None]
    elif attention_mask is not None:
        order = "keys, queries, heads, batch"
        _check_unlabelled("attention_mask", attention_mask, order)
        value = _booleans("attention_mask", attention_mask)
        mask = value.reshape(value.shape + (1,) * (4 - value.ndim)).T
        if mask.ndim != 4 or any(n not in (1, m) for n, m in zip(mask.shape, shape, strict=True)):
            raise ShapeMismatchError(
                f"attention: attention_mask has shape {value.shape}; it must have the sizes of "
                f"{order}, {shape[::-1]}, or one, and may lack the last ones"
            )
    if padding is None:
        return mask
    return padding if mask is None else mask & padding


def _bias(bias: Operand | None, q: Value, shape: Shape) -> Value | None:
    if bias is None or type(bias) in WEAK_SCALARS:
        return bias
    _check_unlabelled("bias", bias, "batch, heads, queries, keys")
    try:
        fits = np.broadcast_shapes(np.shape(bias), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeMismatchError(
            f"attention: bias has shape {np.shape(bias)}; it must broadcast to batch, heads, "
            f"queries, keys: {shape}"
        )
    return as_array("attention", "bias", bias, q)


def _check_unlabelled(name: str, x: Operand, order: str) -> None:
    """Refuse a format where labels cannot say which dimension is which."""
    if is_formatted(x):
        raise FormatClashError(
            f"attention: {name} of shape {np.shape(x)} has the format {format_of(x)!r}; it is read "
            f"by position, as {order}: bring it to this order and take its labels off with "
            "stripdims"
        )


def _exclude_by_bias(mask: Array | None, bias: Value | None) -> Array | None:
    """Exclude from a mask what a bias of -inf excludes."""
    if bias is None:
        return mask
    allowed: Array = ~np.isneginf(raw_value(bias))
    if allowed.all():
        return mask
    allowed = allowed.reshape((1,) * (4 - allowed.ndim) + allowed.shape)
    return allowed if mask is None else mask & allowed
