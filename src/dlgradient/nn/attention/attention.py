"""Attention with several heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import placement
from dlgradient.core.samples import Error, case
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnsupportedDtypeError,
)
from dlgradient.nn.attention.kernels import attend, masked_matmul, probabilities
from dlgradient.nn.shared.arguments import formatted
from dlgradient.ops.join import repeat
from dlgradient.ops.shape import expand_dims, permute_dims, reshape, squeeze
from dlgradient.rules import derived

__all__ = ["attention"]


def _opened(name: str, x: Any, data_format: str | None, like: str | None) -> tuple[Any, str, bool]:
    """Return an operand as batch, steps, channels; its format; whether it had none."""
    given = x._format if type(x) is calls.dlarray else None
    x, strip = formatted("attention", x, (data_format or like) if given is None else data_format)
    fmt: str = x._format
    steps = [c for c in fmt if c in "STU"]
    if "C" not in fmt or len(steps) != 1:
        raise FormatError(
            f"attention: {name} of shape {x.shape} has the format {fmt!r}; it must have a channel "
            "dimension 'C' and one dimension to attend over, 'T', 'S' or 'U', and may have 'B'; "
            "bring several spatial dimensions into one with reshape"
        )
    if x.dtype.kind == "c":
        raise UnsupportedDtypeError(
            f"attention: {name} of shape {x.shape} has dtype {x.dtype}; it must be real"
        )
    order, new = placement(fmt, f"B{steps[0]}C")
    values = calls.wrap(x._value, x._node)
    if order != tuple(range(len(order))):
        values = permute_dims(values, axes=order)
    return (expand_dims(values, axis=new) if new else values), fmt, strip


def _heads(name: str, x: Any, num_heads: int, option: str = "num_heads") -> Any:
    """Divide channels: batch, heads, steps, channels of a head."""
    batch, steps, channels = x.shape
    if channels % num_heads:
        raise ShapeMismatchError(
            f"attention: {name} has {channels} channels, which cannot be divided into "
            f"{option}={num_heads} of one size"
        )
    split = reshape(x, (batch, steps, num_heads, channels // num_heads))
    return permute_dims(split, axes=(0, 2, 1, 3))


def _booleans(name: str, mask: Any) -> Any:
    value = np.asarray(mask._value if type(mask) is calls.dlarray else mask)
    if value.dtype.kind != "b":
        if not np.all((value == 0) | (value == 1)):
            raise InvalidArgumentError(
                f"attention: {name} of shape {value.shape} {value.dtype} must be bool, or zeros "
                "and ones: what may be attended to; numbers to add to the scores go into bias="
            )
        value = value != 0
    return value


def _padding(mask: Any, fmt: str, batch: int, keys: int) -> Any:
    """Keys that may be attended to: batch, one, one, keys."""
    value = _booleans("padding_mask", mask)
    given = value.shape
    own = getattr(mask, "_format", None)
    if own is None:
        own = fmt if value.ndim == len(fmt) else fmt.replace("C", "")
    steps = next(c for c in fmt if c in "STU")
    try:
        order, new = placement(own, f"B{steps}C")
        value = np.expand_dims(value.transpose(order), new)[..., 0]
    except (FormatClashError, ValueError, IndexError):
        value = np.zeros((0, 0), bool)
    if value.shape[0] not in (1, batch) or value.shape[1] != keys:
        raise ShapeMismatchError(
            f"attention: padding_mask has shape {given}; it must have the dimensions of the keys, "
            f"{fmt!r} without C: {keys} keys and a batch of {batch}"
        )
    return value[:, None, None, :]


def _mask(attention_mask: Any, padding: Any, shape: tuple[int, ...]) -> Any:
    """Both masks in one, with four dimensions; None for none."""
    mask = None
    if isinstance(attention_mask, str):
        if attention_mask not in ("none", "causal"):
            raise InvalidArgumentError(
                "attention: attention_mask must be 'none', 'causal' or an array, not "
                f"{attention_mask!r}"
            )
        if attention_mask == "causal":
            mask = np.tri(shape[2], shape[3], dtype=bool)[None, None]
    elif attention_mask is not None:
        value = _booleans("attention_mask", attention_mask)
        mask = value.reshape((1,) * (4 - value.ndim) + value.shape) if value.ndim < 4 else value
        if mask.ndim != 4 or any(n not in (1, m) for n, m in zip(mask.shape, shape, strict=True)):
            raise ShapeMismatchError(
                f"attention: attention_mask has shape {value.shape}; it must broadcast to batch, "
                f"heads, queries, keys: {shape}"
            )
    if padding is None:
        return mask
    return padding if mask is None else mask & padding


def _samples(m: Any) -> list[Any]:
    def operands(*shape: int) -> list[Any]:
        return [m.real(*shape) for _ in range(3)]

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
        case(
            m.real(2, 4), m.real(3, 2), m.real(3, 2), num_heads=4, num_key_value_heads=2,
            data_format="TC", softcap=0.5,
        ),
        case(*operands(0, 3, 2), num_heads=2, data_format="BTC"),
    ]  # fmt: skip


@derived(
    samples=_samples,
    errors=lambda m: [
        Error(
            case(m.real(3, 4), m.real(3, 4), m.real(3, 4), num_heads=3, data_format="TC"),
            ShapeMismatchError,
            "q has 4 channels.*num_heads=3",
        ),
        Error(
            case(m.real(3, 4), m.real(2, 4), m.real(3, 4), num_heads=1, data_format="TC"),
            ShapeMismatchError,
            "2 keys.*3 values",
        ),
        Error(
            case(
                m.real(3, 6), m.real(3, 4), m.real(3, 4), num_heads=3, num_key_value_heads=2,
                data_format="TC",
            ),
            InvalidArgumentError,
            "num_key_value_heads=2.*num_heads=3",
        ),
        Error(
            case(
                m.real(3, 4), m.real(3, 4), m.real(3, 4), num_heads=1, data_format="TC", softcap=-1
            ),
            InvalidArgumentError,
            "softcap.*-1",
        ),
        Error(
            case(m.real(3, 4), m.real(3, 4), m.real(3, 4), num_heads=1, data_format="BC"),
            FormatError,
            "q .*'BC'.*'T'",
        ),
        Error(
            case(
                m.real(3, 4), m.real(3, 4), m.real(3, 4), num_heads=1, data_format="TC",
                attention_mask="future",
            ),
            InvalidArgumentError,
            "'causal'.*'future'",
        ),
    ],
)  # fmt: skip
def attention(  # noqa: PLR0913 - queries, keys, values, and what may be attended to
    q: Any,
    k: Any,
    v: Any,
    num_heads: Any,
    *,
    num_key_value_heads: Any = None,
    scale: Any = "auto",
    softcap: float = 0.0,
    attention_mask: Any = "none",
    padding_mask: Any = None,
    bias: Any = None,
    dropout_probability: float = 0.0,
    generator: np.random.Generator | int | None = None,
    return_scores: bool = False,
    data_format: str | None = None,
) -> Any:
    """Values weighted by how well queries and keys agree, softmax(s q kᵀ) v, in several heads.

    A query that may attend to nothing has the result zero, and zero derivatives. What a mask
    excludes may be anything, even NaN: it reaches neither the result nor the gradients.

    Parameters
    ----------
    q, k, v : dlarray or array_like
        Queries, keys and values: real, with channels C, one dimension T, S or U to attend over,
        and perhaps a batch B, in any order. As many keys as values; heads of q and k of equal
        channels. Unformatted k and v are laid out as q.
    num_heads : int
        Number of equal parts that the channels are divided into.
    num_key_value_heads : int, optional
        Number of heads of k and v, if it is less: a divisor of `num_heads`. Neighbouring heads of
        q share one of k and v (grouped-query attention).
    scale : float or "auto"
        s; by default 1 / √(channels of a head of k).
    softcap : float
        If not 0, scaled products p become c tanh(p / c) with c = softcap.
    attention_mask : {"none", "causal"} or array_like
        "causal": a query attends to keys up to its own position. An array of bool, or of zeros and
        ones, is true where may be attended, and broadcasts to batch, heads, queries, keys.
    padding_mask : array_like, optional
        True for keys that are no padding; the dimensions of k without C.
    bias : dlarray or array_like, optional
        Added to the scaled products before the softmax; differentiable; broadcasts to batch, heads,
        queries, keys. Where it is -inf it is a mask.
    dropout_probability : float
        Probability with which a weight is set to zero; the others are divided by 1 - probability.
    generator : numpy.random.Generator or int, optional
        Where dropout draws from, or its seed.
    return_scores : bool
        Whether the weights are returned too.
    data_format : str, optional
        Labels of the dimensions of unformatted operands; the result is then unformatted too.

    Returns
    -------
    y : dlarray
        In the format of q, with the channels of v.
    scores : dlarray
        If `return_scores`: batch, heads, queries, keys, unformatted.

    Raises
    ------
    FormatError
        If an operand has no format, no channels, or not one dimension to attend over.
    ShapeMismatchError
        If operands or masks do not fit each other, or the channels not the heads.
    InvalidArgumentError
        If an option has an impossible value.

    Examples
    --------
    >>> import dlgradient as dl
    >>> q = dl.dlarray([[1.0, 0.0], [0.0, 1.0]], "TC")
    >>> dl.attention(q, q, q, 1, scale=1e3, attention_mask="causal").tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Source: MATLAB ``attention``; ONNX ``Attention``.
    """
    if isinstance(num_heads, bool) or not isinstance(num_heads, int | np.integer) or num_heads < 1:
        raise InvalidArgumentError(
            f"attention: num_heads must be a positive integer, not {num_heads!r}"
        )
    if not 0 <= dropout_probability < 1:
        raise InvalidArgumentError(
            "attention: dropout_probability must be at least 0 and below 1, it is "
            f"{dropout_probability!r}"
        )
    num_heads, shared = int(num_heads), _shared(num_key_value_heads, num_heads)
    if not 0 <= softcap < np.inf:
        raise InvalidArgumentError(
            f"attention: softcap must be a positive number, or 0 for none, not {softcap!r}"
        )
    q, fmt, strip = _opened("q", q, data_format, None)
    k, key_format, _ = _opened("k", k, data_format, fmt)
    v, _, _ = _opened("v", v, data_format, fmt)
    _check_batches_and_keys(q, k, v)
    q = _heads("q", q, num_heads)
    k, v = (_shared_heads(name, x, num_heads, shared) for name, x in (("k", k), ("v", v)))
    _check_channels(q, k)
    if scale == "auto":
        scale = 1 / max(k.shape[3], 1) ** 0.5
    elif isinstance(scale, str):
        raise InvalidArgumentError(f"attention: scale must be a number or 'auto', not {scale!r}")
    shape = (*q.shape[:3], k.shape[2])
    padding = None
    if padding_mask is not None:
        padding = _padding(padding_mask, key_format, shape[0], shape[3])
    mask = _mask(attention_mask, padding, shape)
    if bias is None and not (dropout_probability or return_scores or softcap):
        y, _ = attend(q, k, v, scale=scale, mask=mask)
        return _closed(y, fmt, strip)
    bias = _bias(bias, shape)
    mask = _without_excluded(mask, bias)
    scores = probabilities(q, k, scale, mask, bias, softcap)
    if dropout_probability:
        kept = np.random.default_rng(generator).random(shape) >= dropout_probability
        scores = scores * (kept / (1 - dropout_probability)).astype(scores.dtype)
    y = _closed(masked_matmul(scores, v, mask=mask), fmt, strip)
    return (y, scores) if return_scores else y


def _shared(count: Any, num_heads: int) -> int:
    """Number of heads of keys and values."""
    if count is None:
        return num_heads
    integer = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not integer or count < 1 or num_heads % count:
        raise InvalidArgumentError(
            f"attention: num_key_value_heads={count!r} must be a divisor of num_heads={num_heads}"
        )
    return int(count)


def _shared_heads(name: str, x: Any, num_heads: int, shared: int) -> Any:
    """Divide channels into the heads there are, and repeat each for the queries that share it."""
    if shared == num_heads:
        return _heads(name, x, num_heads)
    return repeat(_heads(name, x, shared, "num_key_value_heads"), num_heads // shared, axis=1)


def _without_excluded(mask: Any, bias: Any) -> Any:
    """Mask without what a bias of -inf excludes."""
    value = np.asarray(bias._value if type(bias) is calls.dlarray else bias)
    if bias is None or not np.isneginf(value).any():
        return mask
    allowed = ~np.isneginf(value)
    allowed = allowed.reshape((1,) * (4 - allowed.ndim) + allowed.shape)
    return allowed if mask is None else mask & allowed


def _check_batches_and_keys(q: Any, k: Any, v: Any) -> None:
    if not q.shape[0] == k.shape[0] == v.shape[0]:
        sizes = f"{q.shape[0]}, {k.shape[0]} and {v.shape[0]}"
        raise ShapeMismatchError(
            f"attention: q, k and v have batches of {sizes}; they must be equal"
        )
    if k.shape[1] != v.shape[1]:
        raise ShapeMismatchError(
            f"attention: k has {k.shape[1]} keys and v {v.shape[1]} values; each key must have one"
        )


def _check_channels(q: Any, k: Any) -> None:
    if q.shape[3] != k.shape[3]:
        raise ShapeMismatchError(
            f"attention: each head of q has {q.shape[3]} channels, of k {k.shape[3]}; they must be "
            "equal: the channels of q and k in the proportion of their numbers of heads"
        )


def _bias(bias: Any, shape: tuple[int, ...]) -> Any:
    if bias is None:
        return None
    if type(bias) is calls.dlarray:
        bias = calls.wrap(bias._value, bias._node)
    try:
        fits = np.broadcast_shapes(np.shape(bias), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeMismatchError(
            f"attention: bias has shape {np.shape(bias)}; it must broadcast to batch, heads, "
            f"queries, keys: {shape}"
        )
    return bias


def _closed(y: Any, fmt: str, strip: bool) -> Any:
    """Bring heads side by side, and a result to the format of the queries."""
    batch, heads, queries, size = y.shape
    y = reshape(permute_dims(y, axes=(0, 2, 1, 3)), (batch, queries, heads * size))
    if "B" not in fmt:
        y = squeeze(y, axis=0)
    inner = [c for c in "BTC" if c != "B" or "B" in fmt]
    order = tuple(inner.index("T" if c in "STU" else c) for c in fmt)
    if order != tuple(range(len(order))):
        y = permute_dims(y, axes=order)
    return calls.wrap(y._value, y._node, None if strip else fmt)
