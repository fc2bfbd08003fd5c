"""The steps of a call of a network, one for each layer, found once for a graph."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

from dlgradient.core.types import Value
from dlgradient.errors import DlgradientError, InvalidArgumentError
from dlgradient.layers.backward import call_with_backward, has_backward
from dlgradient.layers.layer import Layer, Source
from dlgradient.layers.layout import Layout
from dlgradient.layers.nested import Shared, held_networks, prefix_of
from dlgradient.network.chains import Chain, chains_of
from dlgradient.network.graph import Graph, Port
from dlgradient.network.table import Columns

__all__ = ["Plan", "Step"]


class Held(NamedTuple):
    """A network that a layer holds: attribute, itself, and where its arrays are in the tables."""

    attribute: str
    net: Any
    learnables: slice
    state: slice


class Step(NamedTuple):
    """One layer of a call.

    Attributes
    ----------
    name : str
    owner : str
        The name that its arrays have in the tables; another one if the layer is used again.
    layer : Layer
    learnables, state : tuple of (str, int)
        Attributes, and the numbers of their arrays in the tables.
    held : tuple of Held
        Its networks.
    sources, targets : tuple of int
        Numbers of the operands and the results among the values of a call.
    draws : bool
        Whether training differs from inference, and so may draw random numbers.
    own : bool
        Whether it has a backward pass of its own.
    forgets : bool
        Whether it has a `reset_state` of its own.
    """

    name: str
    owner: str
    layer: Layer
    learnables: tuple[tuple[str, int], ...]
    state: tuple[tuple[str, int], ...]
    held: tuple[Held, ...]
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    draws: bool
    own: bool
    forgets: bool


class Plan:
    """The steps of a call.

    Attributes
    ----------
    steps : list of Step
    forgetful : list of Step
        Those of layers whose state is a memory, which a reset forgets.
    inputs, outputs : list of (str, str)
        Ports of the network.
    numbers : dict
        The number of the value of each output port; of an input of the network under the port.
    factors : dict
        Factors of the learn rate and of the L2 regularisation, once they were asked for.
    spans : dict
        Which learnables have which factors, as updates have asked for it.
    free : Columns or None
        Columns of the table of what is not frozen, once it was asked for.
    chains : dict
        Layers that are computed together, for the numbers of the values that are wanted.
    programs : dict
        What others have recorded of calls. A copy, and a pickle, has none.
    """

    def __init__(self, graph: Graph, learnables: Sequence[str], state: Sequence[str]) -> None:
        self.inputs = graph.open_inputs()
        self.outputs = graph.open_outputs()
        self.numbers: dict[Port, int] = {port: i for i, port in enumerate(self.inputs)}
        position = {key: i for i, key in enumerate(learnables)}
        position_of_state = {key: i for i, key in enumerate(state)}
        self.factors: dict[str, dict[str, float]] = {}
        self.spans: dict[Any, Any] = {}
        self.free: Columns | None = None
        self.chains: dict[tuple[int, ...], dict[int, Chain]] = {}
        self.programs: dict[Any, Any] = {}
        self.steps: list[Step] = []
        self.forgetful: list[Step] = []
        for name in graph.order():
            layer = graph.layers[name]
            sources = [
                self.numbers[graph.sources.get((name, p), (name, p))] for p in layer.input_names
            ] or [self.numbers[name, ""]]
            targets = []
            for port in layer.output_names:
                self.numbers[name, port] = len(self.numbers)
                targets.append(self.numbers[name, port])
            if isinstance(layer, Shared):
                layer = graph.layers[layer.layer]
            owner = layer.name
            self.steps.append(
                Step(
                    name,
                    owner,
                    layer,
                    _places(owner, layer.learnables, position),
                    _places(owner, layer.state, position_of_state),
                    _held(owner, layer, position, position_of_state),
                    tuple(sources),
                    tuple(targets),
                    type(layer).forward is not Layer.forward,
                    has_backward(layer),
                    type(layer).reset_state is not Layer.reset_state,
                )
            )

        self.forgetful = [step for step in self.steps if step.forgets]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "programs": {}, "spans": {}}

    def run(
        self,
        xs: Sequence[Value],
        learnables: Sequence[Value],
        state: list[Value],
        source: Source | None,
        *,
        training: bool,
        wanted: Sequence[int] | None = None,
    ) -> list[Any]:
        """Return the values of a call; the new state is written into `state`.

        Those that are not `wanted` may be None, or overwritten; by default all are.
        """
        values: list[Any] = [None] * len(self.numbers)
        values[: len(xs)] = xs
        chains = {} if training or wanted is None else self._chains(wanted)
        computed = 0  # steps after this one that are done
        for number, step in enumerate(self.steps):
            if computed:
                computed -= 1
                continue
            layer = step.layer
            if step.learnables or step.state or step.held or step.own or (training and step.draws):
                attributes: dict[str, Any] = {n: learnables[i] for n, i in step.learnables}
                for n, i in step.state:
                    attributes[n] = state[i]
                for n, net, learned, carried in step.held:
                    attributes[n] = net.holding(learnables[learned], state[carried], source)
                attributes["_source"] = source
                layer = layer._bound(attributes)
            operands = [values[i] for i in step.sources]
            chain = chains.get(number)
            found = None if chain is None else chain.compute(layer, operands[0])
            if chain is not None and found is not None:
                values[chain.target], computed = found, chain.steps - 1
                continue
            with self.explaining(step, operands):
                if step.own:
                    found = call_with_backward(layer, operands, training=training)
                else:
                    found = layer.forward(*operands) if training else layer.predict(*operands)
                place_results(step, found, values)
            for n, i in step.state:
                state[i] = layer.__dict__[n]
            for n, _, _, carried in step.held:
                state[carried] = layer.__dict__[n].state.arrays()
        return values

    def _chains(self, wanted: Sequence[int]) -> dict[int, Chain]:
        key = tuple(wanted)
        if key not in self.chains:
            self.chains[key] = chains_of(self.steps, wanted)
        return self.chains[key]

    def explaining(self, step: Step, operands: Sequence[Value]) -> _Explaining:
        """Return a context in which an error names the layer and what it got."""
        return _Explaining(self, step, operands)

    def where(self, step: Step, operands: Sequence[Value]) -> str:
        """Return a description of a layer and what it got."""
        found = " and ".join(str(Layout.of(x)) for x in operands if hasattr(x, "shape"))
        number = 1 + [s.name for s in self.steps].index(step.name)
        return (
            f"layer {step.name!r} ({type(step.layer).__name__}, {number} of {len(self.steps)}), "
            f"whose input has {found}"
        )


class _Explaining:
    """A context in which an error names a layer; a generator would cost more than some layers."""

    __slots__ = ("operands", "plan", "step")

    def __init__(self, plan: Plan, step: Step, operands: Sequence[Value]) -> None:
        self.plan, self.step, self.operands = plan, step, operands

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        where = self.plan.where(self.step, self.operands)
        if isinstance(error, DlgradientError):
            raise type(error)(f"{where}: {error.args[0]}") from error.__cause__
        error.add_note(f"in {where}")


def place_results(step: Step, found: Any, values: list[Any]) -> None:
    """Put the result or the results of a layer among the values of a call."""
    targets = step.targets
    several = isinstance(found, tuple | list)
    if len(targets) == 1 and not several:
        values[targets[0]] = found
        return
    if len(targets) == 1 or not several or len(found) != len(targets):
        results = f"a {type(found).__name__} of {len(found)} results" if several else "one result"
        outputs = f"{len(targets)} output{'s' * (len(targets) > 1)}"
        raise InvalidArgumentError(
            f"layer {step.name!r} ({type(step.layer).__name__}): it returned {results}, and has "
            f"{outputs}, {', '.join(step.layer.output_names)}; name all outputs in output_names, "
            "and set a state as self.name = value"
        )
    for i, value in zip(targets, found, strict=True):
        values[i] = value


def _held(
    name: str, layer: Layer, position: dict[str, int], position_of_state: dict[str, int]
) -> tuple[Held, ...]:
    found = []
    for attribute, net in held_networks(layer):
        prefix = f"{name}/{prefix_of(layer, attribute)}"
        parts = []
        for keys, places in ((net.learnables, position), (net.state, position_of_state)):
            numbers = [places[prefix + key] for key in keys if prefix + key in places]
            first = numbers[0] if numbers else 0
            parts.append(slice(first, first + len(numbers)))
        found.append(Held(attribute, net, *parts))
    return tuple(found)


def _places(
    name: str, attributes: Sequence[str], position: dict[str, int]
) -> tuple[tuple[str, int], ...]:
    keys = [(a, position.get(f"{name}/{a}")) for a in attributes]
    return tuple([(a, i) for a, i in keys if i is not None])
