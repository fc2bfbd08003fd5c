"""Attention layers."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Literal

from dlgradient.core.types import Count, Decay, NonNegative, Operand, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import ShapeMismatchError
from dlgradient.layers.dense import channel_product
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout, format_of
from dlgradient.layers.parameters import Initializer
from dlgradient.nn.attention.attention import attention
from dlgradient.ops.shape import squeeze

__all__ = ["Attention", "SelfAttention"]


class _Attending(Layer):
    """What layers of attention share: heads, masks, dropout, and further inputs and outputs."""

    num_heads: Count
    has_padding_mask_input: bool = field(default=False, kw_only=True)
    has_scores_output: bool = field(default=False, kw_only=True)
    attention_mask: Literal["none", "causal"] = field(default="none", kw_only=True)
    dropout_probability: Decay = field(default=0.0, kw_only=True)
    operands: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.has_padding_mask_input:
            self.input_names = (*self.operands, "mask")
        else:
            self.input_names = self.operands
        if self.has_scores_output:
            self.output_names = ("out", "scores")

    def projected(self, *xs: Value) -> tuple[Value, Value, Value]:
        """Return queries, keys and values."""
        raise NotImplementedError

    def factor(self) -> Any:
        """Return what scores are multiplied by."""
        return "auto"

    def result(self, y: Value) -> Value:
        """Return the result for joined heads."""
        return y

    def predict(self, *xs: Value) -> Any:
        """Return the result, and the scores if they are an output."""
        return self._attend(xs, {})

    def forward(self, *xs: Value) -> Any:
        """Return the same with random scores set to zero."""
        if not self.dropout_probability:
            return self._attend(xs, {})
        dropout = {"dropout_probability": self.dropout_probability, "generator": self.generator}
        return self._attend(xs, dropout)

    def _attend(self, xs: tuple[Value, ...], options: dict[str, Any]) -> Any:
        q, k, v = self.projected(*xs[: len(self.operands)])
        found = attention(
            q,
            k,
            v,
            self.num_heads,
            scale=self.factor(),
            attention_mask=self.attention_mask,
            padding_mask=_without_channels(xs[-1]) if self.has_padding_mask_input else None,
            return_scores=self.has_scores_output,
            **options,
        )
        y, *scores = found if self.has_scores_output else (found,)
        y = self.result(y)
        return (y, *scores) if scores else y


def _without_channels(mask: Value) -> Value:
    """Return a mask without the dimension 'C', which has size one."""
    fmt = mask._format or ""
    return squeeze(mask, axis=fmt.index("C")) if "C" in fmt else mask


class Attention(_Attending):
    """Values weighted by how well queries match keys, softmax(s q kᵀ) v, in several heads.

    Its inputs are "query", "key", "value", and "mask" if it has one.

    Parameters
    ----------
    num_heads : int
    scale : float or "auto"
        s; by default 1 / √(channels of a head of the keys).
    has_padding_mask_input : bool
        Whether there is an input "mask", true for keys that are not padding.
    has_scores_output : bool
        Whether the weights are an output "scores": batch, heads, queries, keys, unlabelled.
    attention_mask : {"none", "causal"}
        "causal": a query attends to keys up to its own position.
    dropout_probability : float
        Probability with which training sets a weight to zero.

    Examples
    --------
    >>> q = dl.dlarray(np.zeros((5, 4, 2)), "TCB")
    >>> kv = dl.dlarray(np.zeros((7, 4, 2)), "TCB")
    >>> dl.layers.Attention(2).predict(q, kv, kv).shape
    (5, 4, 2)

    Source: MATLAB ``attentionLayer``.
    """

    scale: NonNegative | Literal["auto"] = field(default="auto", kw_only=True)
    operands: ClassVar[tuple[str, ...]] = ("query", "key", "value")

    def projected(self, *xs: Value) -> tuple[Value, Value, Value]:
        """Return queries, keys and values, which are the inputs."""
        q, k, v = xs
        return q, k, v

    def factor(self) -> Any:
        """Return the scale."""
        return self.scale


class SelfAttention(_Attending):
    """Attention of a sequence to itself: queries, keys, values and result have weights to learn.

    Parameters
    ----------
    num_heads : int
    num_key_channels : int
        Channels of queries and keys, of all heads.
    num_value_channels : int or "auto"
        Channels of values, of all heads; by default `num_key_channels`.
    output_size : int or "auto"
        Channels of the result; by default those of the input.
    has_padding_mask_input : bool
        Whether there is an input "mask", true for steps that are not padding.
    has_scores_output : bool
        Whether the weights are an output "scores": batch, heads, queries, keys, unlabelled.
    attention_mask : {"none", "causal"}
        "causal": a step attends to those up to its own.
    dropout_probability : float
        Probability with which training sets a weight to zero.
    query_weights, key_weights, value_weights, output_weights : array, optional
        Initial values: outputs × inputs.
    query_bias, key_bias, value_bias, output_bias : array, optional
        Initial values.
    weights_initializer, bias_initializer : str or callable
        Of all weights, and of all biases.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(6), dl.layers.SelfAttention(2, 4)])
    >>> net.predict(np.zeros((10, 6, 3))).shape
    (10, 6, 3)

    Source: MATLAB ``selfAttentionLayer``.
    """

    num_key_channels: Count
    num_value_channels: Count | Literal["auto"] = field(default="auto", kw_only=True)
    output_size: Count | Literal["auto"] = field(default="auto", kw_only=True)
    query_weights: Operand | None = field(default=None, kw_only=True)
    key_weights: Operand | None = field(default=None, kw_only=True)
    value_weights: Operand | None = field(default=None, kw_only=True)
    output_weights: Operand | None = field(default=None, kw_only=True)
    query_bias: Operand | None = field(default=None, kw_only=True)
    key_bias: Operand | None = field(default=None, kw_only=True)
    value_bias: Operand | None = field(default=None, kw_only=True)
    output_bias: Operand | None = field(default=None, kw_only=True)
    weights_initializer: Initializer = field(default="glorot", kw_only=True)
    weights_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    weights_l2_factor: NonNegative = field(default=1.0, kw_only=True)
    bias_initializer: Initializer = field(default="zeros", kw_only=True)
    bias_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    bias_l2_factor: NonNegative = field(default=0.0, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = (
        "query_weights", "key_weights", "value_weights", "output_weights",
        "query_bias", "key_bias", "value_bias", "output_bias",
    )  # fmt: skip
    operands: ClassVar[tuple[str, ...]] = ("in",)
    short: ClassVar[str] = "selfattention"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        inputs, keys = layouts[0].size_of("C"), self.num_key_channels
        values = keys if self.num_value_channels == "auto" else int(self.num_value_channels)
        outputs = inputs if self.output_size == "auto" else int(self.output_size)
        for name, n in (("num_key_channels", keys), ("num_value_channels", values)):
            if n % self.num_heads:
                raise ShapeMismatchError(
                    f"{name} is {n}, which num_heads, {self.num_heads}, does not divide"
                )
        sizes = {"query": (keys, inputs), "key": (keys, inputs), "value": (values, inputs)}
        sizes["output"] = (outputs, values)
        weights = {f"{name}_weights": Fresh(shape) for name, shape in sizes.items()}
        return {**weights, **{f"{name}_bias": Fresh(shape[:1]) for name, shape in sizes.items()}}

    def projected(self, *xs: Value) -> tuple[Value, Value, Value]:
        """Return queries, keys and values."""
        (x,) = xs
        return (
            channel_product(x, self.query_weights, self.query_bias),
            channel_product(x, self.key_weights, self.key_bias),
            channel_product(x, self.value_weights, self.value_bias),
        )

    def result(self, y: Value) -> Value:
        """Return output weights times the joined heads."""
        return channel_product(dlarray(y, format_of(y)), self.output_weights, self.output_bias)
