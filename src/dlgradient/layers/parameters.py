"""The options of learnables that many layers have: given values, initialiser, factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Literal, TypeAlias

from dlgradient.core.types import NonNegative, Operand, Shape
from dlgradient.layers.layer import Layer

__all__ = ["Bias", "Initializer", "Offset", "RecurrentWeights", "Scale", "Weights"]

Initializer: TypeAlias = (
    Literal["glorot", "he", "narrow-normal", "ones", "orthogonal", "unit-forget-gate", "zeros"]
    | Callable[[Shape], Operand]
)


class Weights(Layer):
    """Options of the learnable ``weights``."""

    weights: Operand | None = field(default=None, kw_only=True)
    weights_initializer: Initializer = field(default="glorot", kw_only=True)
    weights_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    weights_l2_factor: NonNegative = field(default=1.0, kw_only=True)


class Bias(Layer):
    """Options of the learnable ``bias``, which has no L2 regularisation by default."""

    bias: Operand | None = field(default=None, kw_only=True)
    bias_initializer: Initializer = field(default="zeros", kw_only=True)
    bias_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    bias_l2_factor: NonNegative = field(default=0.0, kw_only=True)


class RecurrentWeights(Layer):
    """Options of the learnable ``recurrent_weights``."""

    recurrent_weights: Operand | None = field(default=None, kw_only=True)
    recurrent_weights_initializer: Initializer = field(default="orthogonal", kw_only=True)
    recurrent_weights_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    recurrent_weights_l2_factor: NonNegative = field(default=1.0, kw_only=True)


class Offset(Layer):
    """Options of the learnable ``offset`` of a normalisation."""

    offset: Operand | None = field(default=None, kw_only=True)
    offset_initializer: Initializer = field(default="zeros", kw_only=True)
    offset_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    offset_l2_factor: NonNegative = field(default=1.0, kw_only=True)


class Scale(Layer):
    """Options of the learnable ``scale`` of a normalisation."""

    scale: Operand | None = field(default=None, kw_only=True)
    scale_initializer: Initializer = field(default="ones", kw_only=True)
    scale_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    scale_l2_factor: NonNegative = field(default=1.0, kw_only=True)
