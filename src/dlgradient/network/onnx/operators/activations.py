"""Activations, and what normalises along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.types import Value
from dlgradient.network.onnx.operator import Operator
from dlgradient.network.onnx.registry import declare, operator
from dlgradient.network.onnx.values import axis_in
from dlgradient.nn.activations import piecewise, smooth
from dlgradient.nn.activations.softmax import log_softmax, softmax
from dlgradient.nn.linear.dropout import dropout
from dlgradient.ops.choice import clip, where
from dlgradient.ops.search import argmax
from dlgradient.ops.shape import reshape

__all__: list[str] = []

SIMPLE = {
    "Mish": smooth.mish,
    "Relu": piecewise.relu,
    "Sigmoid": smooth.sigmoid,
    "Softplus": smooth.softplus,
    "Softsign": smooth.softsign,
}


def _simple(function: Any) -> Any:
    def computed(x: Any) -> Any:
        return function(x)

    return computed


for _name, _function in SIMPLE.items():
    declare(_simple(_function), _name)


@operator("LeakyRelu")
def leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    """Return x if it is positive, else alpha x."""
    return piecewise.leakyrelu(x, alpha)


@operator("PRelu", learned="alpha")
def prelu(x: Any, alpha: Any) -> Any:
    """Return x if it is positive, else alpha x."""
    return piecewise.prelu(x, alpha)


@operator("Elu")
def elu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x if it is positive, else alpha (exp(x) - 1)."""
    return piecewise.elu(x, alpha)


@operator("Celu")
def celu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return an exponential linear unit of another scale."""
    return alpha * piecewise.elu(x / alpha)


@operator("Selu")
def selu(x: Any, *, alpha: float = 1.6732632, gamma: float = 1.0507010) -> Any:
    """Return a scaled exponential linear unit."""
    return gamma * piecewise.elu(x, alpha)


@operator("Gelu")
def gelu(x: Any, *, approximate: str = "none") -> Any:
    """Return x Φ(x)."""
    return smooth.gelu(x, approximation=approximate)  # type: ignore[arg-type]


@operator("HardSigmoid")
def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """Return alpha x + beta, between zero and one."""
    return piecewise.hardsigmoid(x, alpha=alpha, beta=beta)


@operator("HardSwish")
def hard_swish(x: Any) -> Any:
    """Return x times a hard sigmoid."""
    return x * piecewise.hardsigmoid(x, alpha=1 / 6, beta=0.5)


@operator("Swish")
def swish(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x sigmoid(alpha x)."""
    return x * smooth.sigmoid(alpha * x)


@operator("SwiGLU")
def gated(x: Any, gated: Any, *, alpha: float = 1.0) -> Any:
    """Return a swish of x times what it gates."""
    return swish(x, alpha=alpha) * gated


@operator("Shrink")
def shrink(x: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    """Return x moved towards zero, and zero near it."""
    return where(x < -lambd, x + bias, where(x > lambd, x - bias, 0))


@operator("ThresholdedRelu")
def thresholded_relu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x if it is greater than alpha, else zero."""
    return where(x > alpha, x, 0)


@operator("Clip")
def clipped(x: Any, low: Any = None, high: Any = None) -> Any:
    """Return x between two numbers."""
    return clip(x, low, high)


def _along(function: Any, x: Any, axis: int | None, opset: int) -> Any:
    """Apply a function along an axis; before version 13, along all from there on."""
    if opset >= 13:
        return function(x, -1 if axis is None else axis)
    first = axis_in(1 if axis is None else axis, x)
    rows = int(np.prod(x.shape[:first]))
    return reshape(function(reshape(x, (rows, -1)), -1), x.shape)


@operator("Softmax")
def softmax_of(x: Any, *, axis: int | None = None, opset: int) -> Any:
    """Return exp(x) over its sum."""
    return _along(lambda y, a: softmax(y, axis=a), x, axis, opset)


@operator("LogSoftmax")
def log_softmax_of(x: Any, *, axis: int | None = None, opset: int) -> Any:
    """Return the logarithm of a softmax."""
    return _along(lambda y, a: log_softmax(y, axis=a), x, axis, opset)


@operator("Hardmax")
def hardmax(x: Any, *, axis: int | None = None, opset: int) -> Any:
    """Return one where the first maximum is, else zero."""
    return _along(_first_maximum, x, axis, opset)


def _first_maximum(x: Any, axis: int) -> Any:
    steps = np.arange(x.shape[axis]).reshape(
        [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)]
    )
    first = np.asarray(argmax(x, axis, keepdims=True))
    return (steps == first).astype(x.dtype)


class Dropout(Operator):
    """Dropout, which training has and inference has not."""

    def forward(self, *xs: Value) -> Any:
        """Return x with zeros."""
        x, *rest = self.gathered(xs)
        ratio = 0.5 if not rest or rest[0] is None else float(rest[0])
        y = dropout(x, probability=ratio, generator=self.generator)
        return self.finished((y, np.ones(x.shape, bool)))


@operator("Dropout", layer=Dropout)
def no_dropout(x: Any, ratio: Any = None, training: Any = None) -> Any:
    """Return x, and a mask of everything."""
    del ratio, training
    return x, np.ones(x.shape, bool)
