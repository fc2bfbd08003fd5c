"""What a network consists of, layer by layer, and what is wrong with it: everything at once.

`dlnetwork` raises the first fault that it meets. Here each layer is tried alone: one that fails is
a fault, and those after it that need its result are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from math import prod
from typing import Any, ClassVar

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.reading import read
from dlgradient.core.records import record
from dlgradient.core.types import Array, Operand, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import DlgradientError, InvalidArgumentError
from dlgradient.layers.input import AnyInput, Normalizing
from dlgradient.layers.layer import Layer, Source
from dlgradient.layers.layout import Layout
from dlgradient.layers.nested import HeldNetwork, Network
from dlgradient.network.assembly import arrays_of, prepared
from dlgradient.network.graph import Graph, Port, as_layers
from dlgradient.network.plan import Plan, Step

UNITS = ((1, "B"), (1000, "kB"), (1000**2, "MB"), (1000**3, "GB"), (1000**4, "TB"))

__all__ = ["LayerReport", "NetworkAnalysis", "analyze_network"]


@record("LayerReport", frozen=True)
class LayerReport(AnswersByName):
    """What `analyze_network` found out about a layer.

    Attributes
    ----------
    name : str
        ``"outer/inner"`` in a nested network.
    layer : Layer
    results : list of Layout
        Sizes and formats of its results; those that may vary are examples.
    learnables, state : dict
        Shapes of arrays, by name. A layer used again has none.
    """

    _page = "reference/networks.html"

    name: str
    layer: Layer
    results: list[Layout] = field(default_factory=list)
    learnables: dict[str, Shape] = field(default_factory=dict)
    state: dict[str, Shape] = field(default_factory=dict)


class NetworkAnalysis(AnswersByName):
    """The result of `analyze_network`, which prints as a table.

    Attributes
    ----------
    layers : list of LayerReport
    faults : list of str
        What keeps the network from being used.
    remarks : list of str
        What may be meant, or not.
    """

    _page = "reference/networks.html"
    _elsewhere: ClassVar = {
        "LayerInfo": "to_pandas()",
        "Issues": "faults and remarks",
        "TotalLearnables": 'to_pandas()["Learnables"].sum()',
    }

    layers: list[LayerReport]
    faults: list[str]
    remarks: list[str]

    def __init__(self) -> None:
        self.layers, self.faults, self.remarks = [], [], []

    def to_pandas(self) -> Any:
        """Return a DataFrame with a row for each layer.

        Examples
        --------
        >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)])
        >>> dl.analyze_network(net).to_pandas()["Learnables"].tolist()
        [0, 10]
        """
        import pandas as pd

        names = ("Name", "Layer", "Result", "Learnables", "State")
        rows = [
            (
                row.name,
                type(row.layer).__name__,
                ", ".join(map(_sizes, row.results)),
                sum(map(prod, row.learnables.values())),
                sum(map(prod, row.state.values())),
            )
            for row in self.layers
        ]
        return pd.DataFrame(rows, columns=list(names))

    def __repr__(self) -> str:
        rows = [("name", "layer", "result", "learnables")]
        for row in self.layers:
            shown, more, _ = repr(row.layer).partition("\n")
            shown += ")" if more else ""  # the layers of a nested network have their own rows
            arrays = [f"{n} {_times(shape)}" for n, shape in row.learnables.items()]
            results = ", ".join(map(_sizes, row.results)) or "unknown"
            rows.append((row.name, shown, results, ", ".join(arrays)))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in rows]
        count = sum(prod(shape) for row in self.layers for shape in row.learnables.values())
        head = f"{len(self.layers)} layers, {count:,} learnables, {len(self.faults)} faults"
        found = [*[f"fault: {f}" for f in self.faults], *[f"remark: {r}" for r in self.remarks]]
        return "\n".join([head, *found, *lines])


def _times(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "1"


def _sizes(layout: Layout) -> str:
    return f"{_times(layout.size)} {layout.format or 'without a format'}"


@checked
def analyze_network(net: Any, *examples: Operand) -> NetworkAnalysis:
    """Sizes, formats and learnables of each layer, and every fault of a network at once.

    Parameters
    ----------
    net : dlnetwork or sequence of Layer
        It need not be initialised.
    *examples : dlarray
        For inputs without an input layer, arrays of their sizes and formats.

    Returns
    -------
    NetworkAnalysis
        It prints as a table. ``faults`` lists what keeps the network from being used: inputs that
        nothing is connected to, layers that their inputs do not fit, values that are not finite.

    See Also
    --------
    dlnetwork : a network of layers

    Examples
    --------
    >>> fc = dl.layers.FullyConnected(3)
    >>> dl.analyze_network([dl.layers.FeatureInput(2), fc, dl.layers.Relu()])
    3 layers, 9 learnables, 0 faults
    name   layer              result  learnables
    input  FeatureInput(2)    1×2 BC
    fc     FullyConnected(3)  1×3 BC  weights 3×2, bias 3
    relu   Relu()             1×3 BC

    Source: MATLAB ``analyzeNetwork``.
    """
    known: Mapping[Port, Any] = {}
    if isinstance(net, HeldNetwork):
        held: Any = net
        graph, known = replace(held._graph, layers=held.layers), held._given
    else:
        graph = Graph().added(as_layers("analyze_network", net))
    found = NetworkAnalysis()
    _analyze(graph, _inputs(graph, examples, known, found), found, "")
    return found


def _inputs(
    graph: Graph, examples: Sequence[Operand], known: Mapping[Port, Any], found: NetworkAnalysis
) -> list[Value | None]:
    """Return an example of each input; None for one without."""
    given = iter(examples)
    inputs: list[Value | None] = []
    if not graph.layers:
        found.faults.append("there are no layers")
    for port in graph.open_inputs():
        layer = graph.layers[port[0]]
        if not port[1] and isinstance(layer, AnyInput):
            inputs.append(layer.example())
            continue
        x = next(given, None)
        if x is None and port in known:
            layout, dtype = known[port]
            x = dlarray(np.zeros(layout.size, dtype), layout.format)
        if x is None:
            found.faults.append(
                f"the input {graph.endpoint(port, 'input')!r} is connected to nothing, and its "
                "sizes are not known; connect it, or begin with an input layer, or give an example"
            )
        inputs.append(x if x is None or type(x) is dlarray else dlarray(x))
    if next(given, None) is not None:
        raise InvalidArgumentError(
            f"analyze_network: {len(examples)} examples are given, more than there are inputs "
            "without an input layer"
        )
    return inputs


def _analyze(
    graph: Graph, inputs: Sequence[Value | None], found: NetworkAnalysis, prefix: str
) -> None:
    """Add what the layers of a graph do to an analysis."""
    plan = Plan(graph, (), ())
    values: list[Any] = [None] * len(plan.numbers)
    values[: len(inputs)] = inputs
    ready = dict(graph.layers)
    reached = _reaching(graph)
    for step in plan.steps:
        operands = [values[i] for i in step.sources]
        if any(x is None for x in operands):
            found.layers.append(LayerReport(prefix + step.name, graph.layers[step.name]))
            continue
        try:
            layer = prepared(plan, step, ready[step.owner], operands, values, Source(0))
        except Exception as error:  # noqa: BLE001 - a user's layer may raise anything
            found.faults.append(_text(error))
            found.layers.append(LayerReport(prefix + step.name, graph.layers[step.name]))
            continue
        ready[step.owner] = layer
        _add_row(found, prefix, step, graph.layers[step.name], layer, values)
        if type(layer) is Network and step.owner == step.name:
            inner: Any = layer.net
            inside = replace(inner._graph, layers=inner.layers)
            _analyze(inside, operands, found, f"{prefix}{step.name}/")
        if step.name not in reached:
            found.remarks.append(f"layer {prefix + step.name!r} reaches no output of the network")


def _add_row(
    found: NetworkAnalysis,
    prefix: str,
    step: Step,
    shown: Layer,
    layer: Layer,
    values: Sequence[Any],
) -> None:
    name = prefix + step.name
    results = [Layout.of(values[i]) for i in step.targets]
    nested = type(layer) is Network or step.owner != step.name
    arrays = None if nested else arrays_of(step.name, layer)
    parts: list[dict[str, Shape]] = [
        {key.partition("/")[2]: value.shape for key, value in table.items()}
        for table in ((arrays.learnables, arrays.state) if arrays else ())
    ] or [{}, {}]
    found.layers.append(LayerReport(name, shown, results, *parts))
    for key, value in arrays.learnables.items() if arrays else ():
        if not np.all(np.isfinite(value)):
            found.faults.append(f"the learnable {prefix + key!r} is not finite")
    if isinstance(layer, Normalizing) and layer.lacks():
        lacking = [n for n in layer.needed() if getattr(layer, n) is None]
        found.remarks.append(
            f"the layer {name!r} has no {' and no '.join(lacking)}, which trainnet finds from the "
            f"{layer._found}"
        )


def _text(error: Exception) -> str:
    """Return the text of an error, with the layer in which it was raised."""
    if isinstance(error, DlgradientError):
        return str(error.args[0])
    where = "; ".join(getattr(error, "__notes__", []))
    return f"{type(error).__name__}: {error} ({where})"


def _reaching(graph: Graph) -> set[str]:
    """Return the layers from which an output is reached."""
    todo = [name for name, _ in graph.open_outputs()]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [start[0] for end, start in graph.sources.items() if end[0] == name]
    return found


def summary(net: Any) -> str:
    """Return a text on a network: learnables, state, inputs and outputs with their sizes."""
    analysis = analyze_network(net)
    rows = {row.name: row for row in analysis.layers}
    state = "initialised" if net.initialized else "not initialised"
    lines = [f"dlnetwork of {len(net.layers)} layers, {state}"]
    for word, table in (("learnables", net.learnables), ("state", net.state)):
        arrays = [np.asarray(read(a)) for a in table.arrays()]
        if arrays:
            lines.append(f"{word:<10}  {_amount(arrays)}")
    graph: Graph = net._graph
    inputs = dict(zip(graph.open_inputs(), _inputs(graph, (), net._given, analysis), strict=True))
    for port, x in inputs.items():
        shown = "of unknown sizes" if x is None else _sizes(Layout.of(x))
        lines.append(f"{'input':<10}  {graph.endpoint(port, 'input')}  {shown}")
    for name, own in graph.open_outputs():
        row = rows[name]
        place = row.layer.output_names.index(own)
        shown = _sizes(row.results[place]) if row.results else "of unknown sizes"
        lines.append(f"{'output':<10}  {graph.endpoint((name, own), 'output')}  {shown}")
    return "\n".join(lines)


def _amount(arrays: Sequence[Array]) -> str:
    count, size = sum(a.size for a in arrays), sum(a.nbytes for a in arrays)
    unit = next(u for u in UNITS if size < 1000 * u[0])
    dtypes = ", ".join(dict.fromkeys(a.dtype.name for a in arrays))
    return f"{count:,} numbers in {len(arrays)} arrays, {dtypes}, {size / unit[0]:.3g} {unit[1]}"
