"""`dlnetwork`: layers in a graph, with the values that they learn and the state that they carry.

A network is a value. `add_layers` and the other edits return a new one. It is also a container of
its learnables: `dlfeval` traces it as an argument, `dlgradient` gives a network of gradients, and
the update functions take both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, final

import numpy as np

from dlgradient.core.arguments import checked, spelt
from dlgradient.core.calls import open_node
from dlgradient.core.members import Kind, Parts
from dlgradient.core.reading import read
from dlgradient.core.records import COPY
from dlgradient.core.types import Array, Dtype, Generator, Operand, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import AnyInput
from dlgradient.layers.layer import Layer, Source
from dlgradient.layers.layout import Layout
from dlgradient.layers.nested import Shared, held_networks, prefix_of
from dlgradient.network.assembly import arrays_of, initialized_layers, values_of
from dlgradient.network.edits import Edits
from dlgradient.network.factors import Factors
from dlgradient.network.graph import Graph, Port, as_layers
from dlgradient.network.held import Held
from dlgradient.network.likeness import same_graph
from dlgradient.network.plan import Plan
from dlgradient.network.plot import draw
from dlgradient.network.recorded import Recorded
from dlgradient.network.report import summary
from dlgradient.network.slips import Slips
from dlgradient.network.table import ParameterTable, replaced_table

__all__ = ["dlnetwork"]


@final
class dlnetwork(Edits, Factors, Held, Slips, Recorded):  # noqa: N801 - the established name
    """A network of layers.

    Parameters
    ----------
    layers : sequence of Layer, Layer or dlnetwork, optional
        They are connected in series. `add_layers` and `connect_layers` make other graphs.
    *examples : dlarray
        For inputs without an input layer: arrays of the sizes and formats that they will have.
    initialize : bool
        Whether to initialise the learnables, if the sizes of all inputs are known.
    output_names : str or sequence of str
        Layers, or outputs of layers, whose results are those of the network; by default outputs
        that nothing is connected to.
    generator : numpy.random.Generator or int, optional
        Source of randomness of the initial values, or a seed.

    Attributes
    ----------
    layers : dict
        Layers by name.
    connections : list of (str, str)
        Endpoints, from and to.
    learnables, state : ParameterTable
        Arrays by ``"layer/parameter"``.
    input_names, output_names : tuple of str
    initialized : bool

    Raises
    ------
    InvalidArgumentError
        If names or connections of layers are wrong.
    DlgradientError
        Of the layer whose input does not fit; the message names it and the sizes.

    Examples
    --------
    >>> net = dl.dlnetwork(
    ...     [
    ...         dl.layers.FeatureInput(2),
    ...         dl.layers.FullyConnected(3),
    ...         dl.layers.Relu(),
    ...     ]
    ... )
    >>> net
    dlnetwork of 3 layers, 9 learnables
      input  FeatureInput(2)
      fc     FullyConnected(3)
      relu   Relu()
    >>> net.predict(np.ones((5, 2))).shape
    (5, 3)

    Source: MATLAB ``dlnetwork``.
    """

    _graph: Graph
    _plan: Plan | None
    _learnables: ParameterTable
    _state: ParameterTable
    # Where random numbers come from in a network that a layer holds, during a call.
    _source: Source | None
    # Layouts and dtypes of the examples of inputs that have no input layer.
    _given: dict[Port, tuple[Layout, Dtype]]

    @checked
    def __init__(
        self,
        layers: Any = (),
        *examples: Operand,
        initialize: bool = True,
        output_names: str | Sequence[str] = (),
        generator: Generator = None,
    ) -> None:
        self._plan = self._source = None
        self._given = {}
        self._learnables = self._state = ParameterTable()
        if isinstance(layers, dlnetwork):
            self.__dict__.update(layers.__dict__)
        else:
            self._graph = Graph().added(as_layers("dlnetwork", layers))
        if output_names:
            self.output_names = output_names
        if initialize and self._graph.layers and (examples or self._knows_inputs()):
            self._initialize(examples, Source.of(generator))

    # -- what it consists of -----------------------------------------------------------------------

    @property
    def layers(self) -> dict[str, Layer]:
        """Layers by name, with their learnables and state as attributes, which cannot be set."""
        found = {name: self.get_layer(name) for name in self._graph.layers}
        for layer in found.values():
            if "_made" in vars(layer):
                vars(layer)["_made"] = COPY
        return found

    @property
    def connections(self) -> list[tuple[str, str]]:
        """Endpoints of all connections, from and to."""
        return [
            (self._graph.endpoint(start, "output"), self._graph.endpoint(end, "input"))
            for end, start in self._graph.sources.items()
        ]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs: input layers, and inputs that nothing is connected to."""
        return tuple([self._graph.endpoint(port, "input") for port in self._graph.open_inputs()])

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs: those that nothing is connected to, until they are assigned."""
        return tuple([self._graph.endpoint(port, "output") for port in self._graph.open_outputs()])

    @output_names.setter
    def output_names(self, names: str | Sequence[str]) -> None:
        texts = [names] if isinstance(names, str) else names
        ports = tuple([self._graph.output_port(text, "output_names") for text in texts])
        self._graph = replace(self._graph, outputs=ports)
        self._replan()

    @property
    def initialized(self) -> bool:
        """Whether the learnables have values."""
        return self._plan is not None

    @property
    def learnables(self) -> ParameterTable:
        """The learnables; assign a table, a mapping or a DataFrame to replace all of them."""
        return self._learnables

    @learnables.setter
    def learnables(self, values: Any) -> None:
        self._learnables = replaced_table(self._learnables, values, "learnables")

    @property
    def state(self) -> ParameterTable:
        """The state; assign what `forward` returned."""
        return self._state

    @state.setter
    def state(self, values: Any) -> None:
        if not isinstance(values, ParameterTable):
            values = ParameterTable(values)
        if values.columns.keys != self._state.columns.keys:
            raise InvalidArgumentError(
                f"state must have the keys {list(self._state)}, not {list(values)}"
            )
        self._state = values

    @spelt
    def get_layer(self, name: str) -> Layer:
        """Return a layer, with its learnables and state as attributes.

        Parameters
        ----------
        name : str
            Its name; ``"outer/inner"`` for a layer of a network that another layer holds.

        Raises
        ------
        InvalidArgumentError
            If there is no layer of this name.
        """
        outer, attribute, inner = self._path(name)
        layer = self._graph.layers[outer]
        layer = layer._bound(values_of(outer, layer, self._learnables, self._state))
        if not attribute:
            return layer
        found: Layer = getattr(layer, attribute).get_layer(inner)
        return found

    def _path(self, name: str) -> tuple[str, str, str]:
        """Return a layer; of a path into it also the attribute of the network, and the rest."""
        outer, _, rest = name.partition("/")
        layer = self._graph.layers[self._graph.known(outer)]
        if not rest:
            return outer, "", ""
        for attribute, _ in held_networks(layer):
            prefix = prefix_of(layer, attribute)
            if rest.startswith(prefix):
                return outer, attribute, rest.removeprefix(prefix)
        raise InvalidArgumentError(
            f"layer {outer!r} ({type(layer).__name__}) holds no network in which {rest!r} could be"
        )

    # -- edits -----------------------------------------------------------------------------------

    def _with(self, graph: Graph) -> dlnetwork:
        """Return a network of another graph; layers that stay keep their values."""
        layers = {
            name: self.get_layer(name) if layer is self._graph.layers.get(name) else layer
            for name, layer in graph.layers.items()
        }
        empty = ParameterTable()
        return self._changed(
            _graph=replace(graph, layers=layers), _plan=None, _learnables=empty, _state=empty
        )

    def _changed(self, **attributes: Any) -> dlnetwork:
        """Return a shallow copy with other attributes."""
        new = object.__new__(dlnetwork)
        new.__dict__.update(self.__dict__)
        new.__dict__.update(attributes)
        return new

    def _regrouped(self, graph: Graph) -> dlnetwork:
        """Return a network of layers that have their values, initialised as this one is."""
        empty = ParameterTable()
        new = self._changed(_graph=graph, _plan=None, _learnables=empty, _state=empty)
        if self.initialized:
            new._assemble(graph)
        return new

    def copy(self) -> dlnetwork:
        """Return a network of its own, which shares the data of the arrays."""
        return self._changed(_learnables=self._learnables.copy(), _state=self._state.copy())

    def __copy__(self) -> dlnetwork:
        return self.copy()

    def reset_state(self) -> dlnetwork:
        """Return a network whose recurrent layers begin anew: with given states, or zeros.

        Layers of a user have a method of this name, if their state is a memory.

        Source: MATLAB ``resetState``.
        """
        if self._plan is None or not self.forgets:
            return self.copy()
        state = list(self._state.arrays())
        for step in self._plan.forgetful:
            layer = self.get_layer(step.owner)
            layer.reset_state()
            for name, i in step.state:
                value = layer.__dict__[name]
                state[i] = value if type(value) is dlarray else dlarray(value)
            for name, _, _, carried in step.held:
                state[carried] = layer.__dict__[name].state.arrays()
        return self._changed(_state=ParameterTable.of(self._state.columns, state))

    # -- initialisation --------------------------------------------------------------------------

    @spelt
    def initialize(self, *examples: Operand, generator: Generator = None) -> dlnetwork:
        """Return a network whose learnables have values.

        Values that layers have already are kept.

        Parameters
        ----------
        *examples : dlarray
            For inputs without an input layer, arrays of their sizes and formats.
        generator : numpy.random.Generator or int, optional
            Source of randomness, or a seed.

        Raises
        ------
        DlgradientError
            Of the layer whose input does not fit; the message names it and the sizes.
        """
        new = self._with(self._graph)
        new._initialize(examples, Source.of(generator))
        return new

    def _knows_inputs(self) -> bool:
        return all(not p for _, p in self._graph.open_inputs())

    def _initialize(self, examples: Sequence[Operand], source: Source) -> None:
        xs = self._examples(examples)
        self._assemble(initialized_layers(self._graph, xs, source))

    def _assemble(self, graph: Graph) -> None:
        """Take the graph of initialised layers, and their arrays into tables."""
        learnables: dict[str, Array] = {}
        state: dict[str, Array] = {}
        layers = dict(graph.layers)
        for name in graph.order():
            layer = layers[name]
            if not isinstance(layer, Shared):
                found = arrays_of(name, layer)
                learnables.update(found.learnables)
                state.update(found.state)
                layers[name] = found.emptied
        self._graph = replace(graph, layers=layers)
        self._learnables = ParameterTable(learnables)
        self._state = ParameterTable(state)
        self._plan = Plan(self._graph, tuple(learnables), tuple(state))

    def _replan(self) -> None:
        """Make the plan of a graph whose layers have other options."""
        if self._plan is not None:
            self._plan = Plan(self._graph, tuple(self._learnables), tuple(self._state))

    def _examples(self, examples: Sequence[Operand]) -> list[Value]:
        given = self._graph.open_inputs()
        ports = [p for i, p in enumerate(given) if self.takes_example(i)]
        if len(examples) > len(ports):
            raise InvalidArgumentError(
                f"dlnetwork: {len(examples) - len(ports)} examples more than inputs without an "
                "input layer"
            )
        arrays = [x if type(x) is dlarray else dlarray(x) for x in examples]
        layouts = [(Layout.of(x), x.dtype) for x in arrays]
        known = {**self._given, **dict(zip(ports, layouts, strict=False))}
        for port in ports:
            if port not in known:
                name = self._graph.endpoint(port, "input")
                raise InvalidArgumentError(
                    f"dlnetwork: the sizes of the input {name!r} are not known; begin with an "
                    "input layer, or give an example: net.initialize(dlarray(x, 'CB'))"
                )
        self._given = {port: known[port] for port in ports}
        return [self._example(port) for port in given]

    def _example(self, port: Port) -> Value:
        layer = self._graph.layers[port[0]]
        if port not in self._given and isinstance(layer, AnyInput):
            return layer.example()
        layout, dtype = self._given[port]
        return dlarray(np.zeros(layout.size, dtype), layout.format)

    # -- calls -----------------------------------------------------------------------------------

    @spelt
    def predict(self, *xs: Operand, outputs: str | Sequence[str] | None = None) -> Any:
        """Return the outputs of the network for inference.

        Parameters
        ----------
        *xs : dlarray or array
            One for each input. Data without a format have that of the input layer.
        outputs : str or sequence of str, optional
            Layers, or outputs of layers, whose results are wanted; by default `output_names`.

        Returns
        -------
        dlarray or array, or tuple
            One for each output. They are without a format if all inputs are without, and arrays if
            all inputs are arrays and nothing is traced.

        Raises
        ------
        DlgradientError
            Of the layer whose input does not fit; the message names it and the sizes.
        """
        return self._call(xs, outputs, None, training=False)[0]

    @spelt
    def forward(
        self,
        *xs: Operand,
        outputs: str | Sequence[str] | None = None,
        generator: Generator = None,
    ) -> tuple[Any, ...]:
        """Return the outputs of the network in training, and its new state.

        Parameters
        ----------
        *xs : dlarray or array
            One for each input. Data without a format have that of the input layer.
        outputs : str or sequence of str, optional
            Layers, or outputs of layers, whose results are wanted; by default `output_names`.
        generator : numpy.random.Generator or int, optional
            Source of randomness of layers such as dropout, or a seed.

        Returns
        -------
        *ys : dlarray or array
            One for each output.
        state : ParameterTable
            Assign it: ``net.state = state``.

        Raises
        ------
        DlgradientError
            Of the layer whose input does not fit; the message names it and the sizes.
        """
        source = self._source if generator is None else None
        found, state = self._call(xs, outputs, source or Source.of(generator), training=True)
        return (*found, state) if isinstance(found, tuple) else (found, state)

    def _call(
        self,
        xs: tuple[Operand, ...],
        outputs: str | Sequence[str] | None,
        source: Source | None,
        *,
        training: bool,
    ) -> tuple[Any, ParameterTable]:
        plan = self._plan
        name = "forward" if training else "predict"
        if plan is None:
            raise InvalidArgumentError(
                f"{name}: the network is not initialised; net = net.initialize(...) does it"
            )
        if len(xs) != len(plan.inputs):
            raise InvalidArgumentError(
                f"{name}: the network has the inputs {', '.join(self.input_names)}; "
                f"{len(xs)} arrays were given"
            )
        raw = not any(type(x) is dlarray for x in xs)
        plain = all(type(x) is not dlarray or x._format is None for x in xs)
        state = list(self._state.arrays())
        wanted = self._wanted(plan, outputs)
        values = plan.run(
            [self._operand(port, x) for port, x in zip(plan.inputs, xs, strict=True)],
            self._learnables.arrays(),
            state,
            source,
            training=training,
            wanted=wanted,
        )
        found = [values[i] for i in wanted]
        if plain:
            found = [_unlabelled(y, raw) for y in found]
        columns = self._state.columns
        several = len(found) != 1
        return tuple(found) if several else found[0], ParameterTable.of(columns, state)

    def _operand(self, port: tuple[str, str], x: Operand) -> Value:
        if type(x) is dlarray and x._format is not None:
            return x
        layer = self._graph.layers[port[0]]
        if type(x) is not dlarray:
            x = np.asarray(x)
            groups = self._learnables.columns.groups
            if groups and x.dtype.kind == "f":  # MATLAB's single with double is single, too
                x = x.astype(self._learnables.arrays()[groups[0][0]].dtype)
        if not port[1] and isinstance(layer, AnyInput):
            return layer.labelled(x)
        return x if type(x) is dlarray else dlarray(x)

    def _wanted(self, plan: Plan, outputs: str | Sequence[str] | None) -> list[int]:
        if outputs is None:
            return [plan.numbers[port] for port in plan.outputs]
        texts = [outputs] if isinstance(outputs, str) else outputs
        return [plan.numbers[self._graph.output_port(text, "outputs")] for text in texts]

    # -- container, printed ----------------------------------------------------------------------

    def with_learnables(self, table: ParameterTable) -> dlnetwork:
        """Return a network with other values of its learnables."""
        return self._changed(_learnables=table)

    def with_options(self, name: str, options: Mapping[str, Any]) -> dlnetwork:
        """Return a network in which a layer has other options, and the same learnables."""
        return self.with_all_options({name: options})

    def with_all_options(self, changes: Mapping[str, Mapping[str, Any]]) -> dlnetwork:
        """Return a network in which layers have other options, by their paths."""
        layers = dict(self._graph.layers)
        inside: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
        for name, options in changes.items():
            outer, attribute, inner = self._path(name)
            if attribute:
                inside.setdefault((outer, attribute), {})[inner] = options
            else:
                layers[outer] = layers[outer]._bound(options)
        for (outer, attribute), inner_changes in inside.items():
            net = getattr(layers[outer], attribute).with_all_options(inner_changes)
            layers[outer] = layers[outer]._bound({attribute: net})
        new = self._changed(_graph=replace(self._graph, layers=layers))
        new._replan()  # once: for each layer, freezing a deep network would take minutes
        return new

    @classmethod
    def _container_kind(cls) -> Kind:
        """Return how containers split a network: its learnables are the members."""
        return Kind(_split_network, lambda net: [f".learnables[{k!r}]" for k in net.learnables])

    def summary(self) -> None:
        """Print how many learnables and what inputs and outputs there are.

        Examples
        --------
        >>> dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)]).summary()
        dlnetwork of 2 layers, initialised
        learnables  10 numbers in 2 arrays, float32, 40 B
        input       input  1×4 BC
        output      fc  1×2 BC

        Source: MATLAB ``summary``.
        """
        print(summary(self))  # noqa: T201 - it is what this method does

    @spelt
    def plot(self, axes: Any = None) -> Any:
        """Draw the graph with Matplotlib: layers in rows, with arrows from inputs to outputs.

        Source: MATLAB ``plot``.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            By default new ones, large enough.

        Returns
        -------
        matplotlib.axes.Axes
        """
        return draw(self._graph, axes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, dlnetwork):
            return NotImplemented
        return self is other or (
            same_graph(self._graph, other._graph)
            and self._learnables == other._learnables
            and self._state == other._state
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        graph = self._graph
        count = sum(map(prod, self._learnables.columns.shapes))
        learned = f"{count:,} learnables" if self.initialized else "not initialised"
        width = max(map(len, graph.layers), default=0)
        lines = [f"  {name:<{width}}  {layer!r}" for name, layer in graph.layers.items()]
        return "\n".join([f"dlnetwork of {len(graph.layers)} layers, {learned}", *lines])


def _split_network(net: dlnetwork) -> Parts:
    table = net._learnables
    return list(table.arrays()), lambda new: net.with_learnables(table.with_arrays(new))


def _unlabelled(y: Value, raw: bool) -> Value:
    """Return an output without its format; as an array for raw inputs, unless it is traced."""
    if type(y) is not dlarray:
        return y
    return np.asarray(read(y)) if raw and open_node(y) is None else stripdims(y)
