"""How the parameters of a layer are called and arranged in PyTorch.

A row says which parameters of PyTorch make an attribute of a layer, and both directions of the
conversion. Formats are those of PyTorch: filters × channels × sizes, gates in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgradient import layers
from dlgradient.core.types import Array, Shape
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer

__all__ = ["Row", "rows_of"]


class Row(NamedTuple):
    """One attribute of a layer.

    Attributes
    ----------
    attribute : str
    names : tuple of str
        Of the parameters in PyTorch.
    taken : callable
        ``taken(parameters, shape)`` returns the attribute, for the shape that it has.
    given : callable
        ``given(attribute)`` returns the parameters.
    absent : float, optional
        What the attribute is if the module has no such parameters, as of ``bias=False``.
    joined : bool
        Whether a parameter is several attributes, one below the other.
    """

    attribute: str
    names: tuple[str, ...]
    taken: Callable[[Sequence[Array], Shape], Array] = lambda found, _: found[0]
    given: Callable[[Array], Sequence[Array]] = lambda value: [value]
    absent: float | None = None
    joined: bool = False


def _reversed_axes(value: Array) -> Array:
    """Filters × channels × sizes as sizes × channels × filters, or back."""
    return np.moveaxis(value, (0, 1), (-1, -2))


WEIGHT = Row("weights", ("weight",))
BIAS = Row("bias", ("bias",), absent=0)
FILTERS = Row(
    "weights",
    ("weight",),
    lambda found, _: _reversed_axes(found[0]),
    lambda value: [np.moveaxis(value, (-1, -2), (0, 1))],
)


def _groups_taken(found: Sequence[Array], shape: Shape) -> Array:
    """Sizes × channels × filters × groups of (groups · filters) × channels × sizes."""
    (value,) = found
    each, groups = shape[-2:]
    if value.shape[0] != each * groups:
        return value
    return np.moveaxis(value.reshape(groups, each, *value.shape[1:]), (0, 1, 2), (-1, -2, -3))


def _groups_given(value: Array) -> list[Array]:
    split = np.moveaxis(value, (-1, -2, -3), (0, 1, 2))
    return [split.reshape(-1, *split.shape[2:])]


def _slopes(found: Sequence[Array], shape: Shape) -> Array:
    """PyTorch may have one slope for all channels."""
    return np.broadcast_to(found[0], shape) if found[0].size == 1 else found[0]


SCALE = Row("scale", ("weight",), absent=1)
AFFINE = (Row("offset", ("bias",), absent=0), SCALE)
STATISTICS = (
    Row("trained_mean", ("running_mean",)),
    Row("trained_variance", ("running_var",)),
)


def _recurrent(layer: Layer) -> tuple[Row, ...]:
    """Rows of both directions, one below the other."""
    directions = ("", "_reverse") if isinstance(layer, layers.Bilstm) else ("",)

    def joined(found: Sequence[Array], _: Shape) -> Array:
        return np.concatenate(found)

    def split(value: Array) -> list[Array]:
        return np.split(value, len(directions))

    return (
        Row("weights", tuple([f"weight_ih{d}" for d in directions]), joined, split),
        Row("recurrent_weights", tuple([f"weight_hh{d}" for d in directions]), joined, split),
        Row(
            "bias",
            tuple([f"bias_{of}{d}" for of in ("ih", "hh") for d in directions]),
            _joined_gates if isinstance(layer, layers.Gru) else _summed,
            lambda value: _bias_given(layer, value, len(directions)),
            absent=0,
        ),
    )


def _summed(found: Sequence[Array], _: Shape) -> Array:
    """PyTorch has two biases, of which only the sum matters."""
    half = len(found) // 2
    return np.concatenate([a + b for a, b in zip(found[:half], found[half:], strict=True)])


def _joined_gates(found: Sequence[Array], shape: Shape) -> Array:
    inputs, hidden = found
    if shape[0] == 2 * len(inputs):
        return np.concatenate(found)
    if np.any(hidden[2 * len(hidden) // 3 :]):
        raise InvalidArgumentError(
            "PyTorch's gru has a second bias inside the reset gate; give the layer "
            "reset_gate_mode='recurrent-bias-after-multiplication'"
        )
    return inputs + hidden


def _bias_given(layer: Layer, value: Array, directions: int) -> list[Array]:
    if isinstance(layer, layers.Gru):
        mode = layer.reset_gate_mode
        if mode == "recurrent-bias-after-multiplication":
            return np.split(value, 2)
    halves = np.split(value, directions)
    return [*halves, *[np.zeros_like(half) for half in halves]]


CONVOLUTIONS = (
    layers.Convolution1d,
    layers.Convolution2d,
    layers.Convolution3d,
    layers.TransposedConvolution1d,
    layers.TransposedConvolution2d,
    layers.TransposedConvolution3d,
)
ROWS: tuple[tuple[Any, tuple[Row, ...]], ...] = (
    (layers.FullyConnected, (WEIGHT, BIAS)),
    (layers.Embedding, (WEIGHT,)),
    ((*CONVOLUTIONS, layers.PatchEmbedding), (FILTERS, BIAS)),
    (
        (layers.GroupedConvolution1d, layers.GroupedConvolution2d),
        (Row("weights", ("weight",), _groups_taken, _groups_given), BIAS),
    ),
    (layers.BatchNormalization, (*AFFINE, *STATISTICS)),
    (
        (layers.LayerNormalization, layers.GroupNormalization, layers.InstanceNormalization),
        AFFINE,
    ),
    (layers.RmsNormalization, (SCALE,)),
    (layers.Prelu, (Row("alpha", ("weight",), _slopes),)),
)


def _attention_row(attribute: str, number: int, parameter: str, absent: float | None = None) -> Row:
    """Return the row of a third of the parameters of queries, keys and values."""

    def taken(found: Sequence[Array], shape: Shape) -> Array:
        (value,) = found
        n = shape[0]
        return value[number * n : (number + 1) * n] if len(value) == 3 * n else value

    return Row(attribute, (parameter,), taken, absent=absent, joined=True)


# Of nn.MultiheadAttention.
OF = ("query", "key", "value")
ATTENTION = (
    *[_attention_row(f"{of}_weights", i, "in_proj_weight") for i, of in enumerate(OF)],
    *[_attention_row(f"{of}_bias", i, "in_proj_bias", 0) for i, of in enumerate(OF)],
    Row("output_weights", ("out_proj.weight",)),
    Row("output_bias", ("out_proj.bias",), absent=0),
)


def rows_of(layer: Layer) -> tuple[Row, ...]:
    """Return the rows of a layer; a layer without any has the same names and shapes in PyTorch."""
    if isinstance(layer, layers.Lstm | layers.Gru):
        return _recurrent(layer)
    if isinstance(layer, layers.SelfAttention):
        return ATTENTION
    for kinds, rows in ROWS:
        if isinstance(layer, kinds):
            return rows
    return tuple([Row(name, (name,)) for name in (*layer.learnables, *layer.state)])
