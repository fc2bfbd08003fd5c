"""What programs know of a network: its parts, and what was recorded of its calls."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Self

from dlgradient.layers.layer import Source
from dlgradient.network.graph import Graph
from dlgradient.network.plan import Plan
from dlgradient.network.table import ParameterTable, looks_at_vectors, parts_of_tables
from dlgradient.program.structure import Looks, Parts

__all__ = ["Recorded"]

# What networks of one program have in common; the first three are the key of `_program_parts`.
_SAME = ("_graph", "_plan", "_source", "_learnables.columns", "_state.columns")


class Recorded:
    """The methods of networks that programs ask."""

    _graph: Graph
    _plan: Plan | None
    _learnables: ParameterTable
    _state: ParameterTable
    _source: Source | None

    def _changed(self, **attributes: Any) -> Self:
        raise NotImplementedError

    @property
    def programs(self) -> dict[Any, Any]:
        """What others have recorded of calls of this network; others of its layers have it too."""
        assert self._plan is not None
        return self._plan.programs

    @property
    def forgets(self) -> bool:
        """Whether `reset_state` changes anything."""
        return self._plan is not None and bool(self._plan.forgetful)

    @property
    def spans(self) -> dict[Any, Any]:
        """Which learnables have which factors, as updates have asked for it; empty at first."""
        assert self._plan is not None
        return self._plan.spans

    def _program_parts(self) -> Parts:
        """Return what a recorded program must know of a network: its state too."""
        key = self._graph, self._plan, self._source
        return parts_of_tables(key, self._learnables, self._state, self._changed)

    def _program_looks(self) -> Looks:
        """Return how the entry of a program looks at a network."""
        same = [(f"{{}}.{name}", attrgetter(name)(self)) for name in _SAME]
        members = "{0}._learnables.arrays()" + " + {0}._state.arrays()" * (len(self._state) > 0)
        tables = (("{}._learnables", self._learnables), ("{}._state", self._state))
        vectors = looks_at_vectors([(name, table) for name, table in tables if len(table)])
        return Looks(same, members, vectors, self._program_parts().build)
