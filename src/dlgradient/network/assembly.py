"""Where the arrays of layers are: in the tables of their network, in the order of a call.

A layer in a graph has none; its attributes are None. A network that such a layer holds has a graph
and a plan, but no arrays either: they are parts of the tables of the outermost network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.reading import read
from dlgradient.core.types import Array, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import Normalizing
from dlgradient.layers.layer import Layer, Source
from dlgradient.layers.layout import Layout
from dlgradient.layers.nested import held_networks, prefix_of
from dlgradient.network.graph import Graph
from dlgradient.network.plan import Plan, Step, place_results
from dlgradient.network.table import ParameterTable, value_of

__all__ = ["Arrays", "arrays_of", "initialized_layers", "prepared", "values_of"]


class Arrays(NamedTuple):
    """The arrays of a layer, taken out of it.

    Attributes
    ----------
    learnables, state : dict
        By ``"layer/parameter"``.
    wrapped : dict
        As attributes of the layer, dlarrays.
    emptied : Layer
        The layer without them.
    """

    learnables: dict[str, Array]
    state: dict[str, Array]
    wrapped: dict[str, Any]
    emptied: Layer


def arrays_of(name: str, layer: Layer) -> Arrays:
    """Take the arrays out of a layer."""
    nets = dict(held_networks(layer))
    learnables: dict[str, Array] = {}
    state: dict[str, Array] = {}
    wrapped: dict[str, Any] = {}
    for table, attributes in ((learnables, layer.learnables), (state, layer.state)):
        for attribute in attributes:
            if attribute in nets:
                net = nets[attribute]
                if not net.initialized:
                    raise InvalidArgumentError(
                        f"initialize must initialise the network {attribute}: "
                        f"self.{attribute} = self.{attribute}.initialize(x.example())"
                    )
                prefix = f"{name}/{prefix_of(layer, attribute)}"
                learnables.update({f"{prefix}{k}": _raw(v) for k, v in net.learnables.items()})
                state.update({f"{prefix}{k}": _raw(v) for k, v in net.state.items()})
            else:
                value = _initial(layer, attribute)
                table[f"{name}/{attribute}"] = value
                wrapped[attribute] = wrap(value, None)
    empty: dict[str, Any] = {n: net.emptied() for n, net in nets.items()}
    return Arrays(
        learnables,
        state,
        wrapped,
        layer._bound({**dict.fromkeys(wrapped), **empty, "_source": None}),
    )


def values_of(
    name: str, layer: Layer, learnables: ParameterTable, state: ParameterTable
) -> dict[str, Any]:
    """Return attributes of a layer from the tables of its network."""
    nets = held_networks(layer)
    values: dict[str, Any] = {
        attribute: table[name, attribute]
        for table, names in ((learnables, layer.learnables), (state, layer.state))
        for attribute in names
        if f"{name}/{attribute}" in table
    }
    for attribute, net in nets:
        prefix = f"{name}/{prefix_of(layer, attribute)}"
        keys = [[f"{prefix}{key}" for key in table] for table in (net.learnables, net.state)]
        if all(k in learnables for k in keys[0]) and all(k in state for k in keys[1]):
            values[attribute] = net.holding(
                [learnables[k] for k in keys[0]], [state[k] for k in keys[1]]
            )
    return values


def keep_values(layer: Layer, before: Mapping[str, Any]) -> None:
    """Give a layer the values back that it had before it was initialised again.

    The state may have another shape for another input, and is new then.
    """
    for attribute, value in before.items():
        new: Any = getattr(layer, attribute, None)
        if not hasattr(value, "shape") or new is value:
            continue
        if np.shape(new) == np.shape(value):
            setattr(layer, attribute, value)
        elif attribute in layer.learnables:
            raise ShapeMismatchError(
                f"{attribute} has shape {np.shape(value)}; the input needs {np.shape(new)}"
            )


def initialized_layers(graph: Graph, xs: Sequence[Value], source: Source) -> Graph:
    """Return a graph whose layers have values, for examples of the inputs of the network."""
    plan = Plan(graph, (), ())
    values: list[Any] = [None] * len(plan.numbers)
    values[: len(plan.inputs)] = xs
    ready = dict(graph.layers)
    for step in plan.steps:
        operands = [values[i] for i in step.sources]
        ready[step.owner] = prepared(plan, step, ready[step.owner], operands, values, source)
    return replace(graph, layers=ready)


def prepared(
    plan: Plan,
    step: Step,
    layer: Layer,
    operands: Sequence[Value],
    values: list[Any],
    source: Source,
) -> Layer:
    """Return a layer that has values for its operands, and put its results among `values`."""
    layer = layer._bound({"_source": source})
    # The examples are zeros, of which a function may warn.
    with plan.explaining(step, operands), np.errstate(all="ignore"):
        names = (*layer.learnables, *layer.state)
        before = {n: getattr(layer, n, None) for n in names}
        layer.initialize(*[Layout.of(x) for x in operands])
        keep_values(layer, before)
        bound = layer._bound(arrays_of(step.owner, layer).wrapped)
        lacking = isinstance(bound, Normalizing) and bound.lacks()
        place_results(step, operands[0] if lacking else bound.predict(*operands), values)
    return layer


def _raw(x: Any) -> Array:
    value: Array = read(x)
    return value


def _initial(layer: Layer, attribute: str) -> Array:
    value = getattr(layer, attribute, None)
    if value is None:
        raise InvalidArgumentError(f"initialize must set {attribute}, which is still None")
    return value_of(value, attribute)
