"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.network.onnx.operator import Operator
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in
from dlgradient.network.onnx.windows import with_labels
from dlgradient.nn.normalization.batch_layer import batchnorm, layernorm, rmsnorm
from dlgradient.nn.normalization.groups import crosschannelnorm, groupnorm, instancenorm
from dlgradient.ops.choice import where
from dlgradient.ops.complex import abs as absolute
from dlgradient.ops.moments import mean, var
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import sum as total

__all__: list[str] = []


class BatchNormalization(Operator):
    """Batch normalisation: training normalises by the batch, and moves the statistics."""

    state: ClassVar[tuple[str, ...]] = ("trained_mean", "trained_variance")

    def forward(self, *xs: Value) -> Any:
        """Return x, normalised by its own statistics, and set the state."""
        x, scale, offset, middle, variance = self.gathered(xs)
        decay = 1 - self.attributes.get("momentum", 0.9)
        y, *new = batchnorm(
            dlarray(x, with_labels(x.ndim - 2)),
            offset,
            scale,
            middle,
            variance,
            training=True,
            epsilon=self.attributes.get("epsilon", 1e-5),
            mean_decay=decay,
            variance_decay=decay,
        )
        for name, value in zip(type(self).state, new, strict=True):
            if name in self.carried:
                setattr(self, name, value)
        return self.finished((stripdims(y), *new))


@operator("BatchNormalization", learned="scale offset", layer=BatchNormalization)
def batch_normalization(
    x: Any,
    scale: Any,
    offset: Any,
    trained_mean: Any,
    trained_variance: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Any:
    """Return every channel normalised."""
    found = batchnorm(
        dlarray(x, with_labels(x.ndim - 2)),
        offset,
        scale,
        trained_mean,
        trained_variance,
        training=bool(training_mode),
        epsilon=epsilon,
        mean_decay=1 - momentum,
        variance_decay=1 - momentum,
    )
    return found if not training_mode else (stripdims(found[0]), *found[1:])


@operator("InstanceNormalization", learned="scale offset")
def instance_normalization(x: Any, scale: Any, offset: Any, *, epsilon: float = 1e-5) -> Any:
    """Return every channel of every observation normalised."""
    fmt = with_labels(x.ndim - 2)
    return instancenorm(x, offset, scale, epsilon=epsilon, data_format=fmt)


@operator("GroupNormalization", learned="scale offset")
def group_normalization(
    x: Any, scale: Any, offset: Any, *, epsilon: float = 1e-5, num_groups: int
) -> Any:
    """Return every group of channels of every observation normalised."""
    fmt = with_labels(x.ndim - 2)
    if scale.shape[0] != x.shape[1]:  # before version 21 there is one for each group
        scale, offset = (a.repeat(x.shape[1] // num_groups) for a in (scale, offset))
    return groupnorm(x, num_groups, offset, scale, epsilon=epsilon, data_format=fmt)


def _observations(x: Any, axis: int) -> tuple[str, str]:
    """Return labels in which "spatial-channel" is every dimension from the axis on."""
    normalized = x.ndim - axis_in(axis, x)
    inner = "S" * (normalized - 1) + "C"
    return "U" * (x.ndim - normalized) + inner, inner


@operator("LayerNormalization", learned="scale offset")
def layer_normalization(
    x: Any,
    scale: Any,
    offset: Any = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    outputs: int,
) -> Any:
    """Return every observation normalised; its mean and the inverse of its deviation."""
    labels, inner = _observations(x, axis)
    y = layernorm(
        dlarray(x, labels),
        0.0 if offset is None else dlarray(offset, inner[-offset.ndim :]),
        dlarray(scale, inner[-scale.ndim :]) if scale.ndim else scale,
        epsilon=epsilon,
        operation_dimension="spatial-channel",
    )
    y = stripdims(y)
    if outputs == 1:
        return y
    axes = tuple(range(-len(inner), 0))
    middle, variance = (f(x, axes, keepdims=True) for f in (mean, var))
    return y, middle, 1 / sqrt(variance + epsilon)


@operator("RMSNormalization", learned="scale")
def rms_normalization(x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5) -> Any:
    """Return every observation divided by its root mean square."""
    labels, inner = _observations(x, axis)
    y = rmsnorm(
        dlarray(x, labels),
        dlarray(scale, inner[-scale.ndim :]) if scale.ndim else scale,
        epsilon=epsilon,
        operation_dimension="spatial-channel",
    )
    return stripdims(y)


@operator("LpNormalization")
def norm_normalization(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    """Return x over its norm along an axis; of zeros zeros."""
    norm = total(absolute(x) ** p, axis, keepdims=True) ** (1 / p)
    return x / where(norm == 0, 1, norm)


@operator("LRN")
def cross_channel(
    x: Any, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> Any:
    """Return every element divided by a power of the squares of channels around it."""
    fmt = with_labels(x.ndim - 2)
    return crosschannelnorm(x, size, alpha=alpha, beta=beta, k=bias, data_format=fmt)


@operator("MeanVarianceNormalization")
def mean_variance(x: Any, *, axes: Sequence[int] = (0, 2, 3)) -> Any:
    """Return x less its mean, over its deviation."""
    over = tuple(axes)
    return (x - mean(x, over, keepdims=True)) / (sqrt(var(x, over, keepdims=True)) + 1e-9)
