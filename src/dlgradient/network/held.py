"""What a layer that holds a network asks of it."""

from __future__ import annotations

from typing import Any, Self

from dlgradient.layers.input import AnyInput
from dlgradient.layers.layer import Source
from dlgradient.network.graph import Graph
from dlgradient.network.table import ParameterTable

__all__ = ["Held"]


class Held:
    """The methods of networks that layers call."""

    _graph: Graph
    _learnables: ParameterTable
    _state: ParameterTable
    _source: Source | None

    def _changed(self, **attributes: Any) -> Self:
        """Return a shallow copy with other attributes."""
        raise NotImplementedError

    def takes_example(self, number: int) -> bool:
        """Return whether `initialize` needs an example of an input."""
        name, port = self._graph.open_inputs()[number]
        return bool(port) or not isinstance(self._graph.layers[name], AnyInput)

    def emptied(self) -> Self:
        """Return a network without arrays, for a layer in a graph."""
        tables = [ParameterTable.of(t.columns) for t in (self._learnables, self._state)]
        return self._changed(_learnables=tables[0], _state=tables[1], _source=None)

    def holding(
        self, learnables: list[Any], state: list[Any], source: Source | None = None
    ) -> Self:
        """Return a network with other arrays."""
        return self._changed(
            _learnables=ParameterTable.of(self._learnables.columns, learnables),
            _state=ParameterTable.of(self._state.columns, state),
            _source=source,
        )

    def order(self) -> list[str]:
        """Return the names of the layers in the order of a call."""
        return self._graph.order()
