"""Layers with a backward pass of their own: how a network calls them.

The layer becomes a `DifferentiableFunction` of its inputs and its learnables, so what holds for
that holds here: the passes may be any code, and a backward pass that is written in functions of
dlarrays is differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from dlgradient.core.calls import wrap
from dlgradient.core.reading import read
from dlgradient.core.types import Cotangent, Format, RawValue, Shape, Value
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.engine.context import Context
from dlgradient.engine.custom import DifferentiableFunction
from dlgradient.errors import FormatClashError, RuleError
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import held_networks

__all__ = ["call_with_backward", "has_backward"]


def has_backward(layer: Layer) -> bool:
    """Return whether a layer has a backward pass of its own."""
    return type(layer).backward is not Layer.backward


def call_with_backward(layer: Layer, operands: Sequence[Value], *, training: bool) -> Any:
    """Return the results of a layer, whose backward pass gives their derivatives."""
    held = [name for name, _ in held_networks(layer)]
    if held:
        raise RuleError(
            f"{type(layer).__name__}: a layer with a backward pass of its own cannot hold "
            f"networks ({', '.join(held)}); call a DifferentiableFunction instead"
        )
    kind: Any = _class_of(type(layer).__name__)
    passes = kind(layer, [x._format for x in operands], training)
    found = passes(*operands, *[getattr(layer, name) for name in layer.learnables])
    layer.__dict__.update(passes.found["state"])
    return found


@cache
def _class_of(name: str) -> type[DifferentiableFunction]:
    """Return the class of passes of a layer, by whose name errors call it."""
    return type(name, (_Passes,), {})


class _Passes(DifferentiableFunction):
    """The passes of one call of a layer."""

    def __init__(self, layer: Layer, formats: Sequence[Format], training: bool) -> None:
        self.layer = layer
        self.formats = tuple(formats)
        self.training = training
        self.found: dict[str, Any] = {}

    def forward(self, context: Context, *arrays: RawValue, **_: Any) -> Any:
        """Run the layer on arrays that are not traced."""
        layer = self._with(arrays)
        # A state that is traced, because an earlier call in this trace set it, is a constant here.
        layer.__dict__.update({n: dlarray(extractdata(getattr(layer, n))) for n in layer.state})
        xs = self._inputs(arrays)
        results = layer.forward(*xs) if self.training else layer.predict(*xs)
        several = isinstance(results, tuple)
        ys = [y if type(y) is dlarray else dlarray(y) for y in (results if several else [results])]
        values = [read(y) for y in ys]
        self.found["formats"] = tuple([y._format for y in ys])
        self.found["state"] = {name: layer.__dict__[name] for name in layer.state}
        context.save(*arrays, *values)
        return tuple(values) if several else values[0]

    def backward(self, context: Context, *gs: Cotangent) -> Any:
        """Run the backward pass of the layer."""
        formats = self.found["formats"]
        saved = [x if type(x) is dlarray else wrap(x, None) for x in context.saved]
        layer = self._with(saved)
        ys = saved[len(saved) - len(gs) :]
        found = layer.backward(
            self._inputs(saved),
            tuple([dlarray(y, fmt) for y, fmt in zip(ys, formats, strict=True)]),
            tuple([dlarray(g, fmt) for g, fmt in zip(gs, formats, strict=True)]),
        )
        gradients = list(found) if isinstance(found, tuple | list) else [found]
        for i, (c, fmt) in enumerate(zip(gradients, self.formats, strict=False)):
            if type(c) is dlarray and c._format not in (None, fmt):
                raise FormatClashError(
                    f"{type(self).__name__}: backward returned a gradient of format {c._format!r} "
                    f"for input {i}, whose format is {fmt!r}; use permute_dims"
                )
        return gradients

    def _with(self, arrays: Sequence[Any]) -> Layer:
        names = self.layer.learnables
        given = arrays[len(self.formats) :]
        values = [x if type(x) is dlarray else wrap(x, None) for x in given[: len(names)]]
        return self.layer._bound(dict(zip(names, values, strict=True)))

    def _inputs(self, arrays: Sequence[Any]) -> tuple[Value, ...]:
        return tuple([dlarray(x, fmt) for x, fmt in zip(arrays, self.formats, strict=False)])

    def result_format(
        self,
        formats: tuple[Format, ...],
        shapes: tuple[Shape, ...],
    ) -> Format | tuple[Format, ...]:
        """Return the formats that the layer gave its results."""
        del formats, shapes
        found: tuple[Format, ...] = self.found["formats"]
        return found
