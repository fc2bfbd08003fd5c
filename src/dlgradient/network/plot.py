"""A drawing of the graph of a network: layers in rows, each below those it gets its inputs from."""

from __future__ import annotations

from typing import Any

from dlgradient.layers.nested import HeldNetwork
from dlgradient.network.graph import Graph

__all__ = ["draw"]

# Fill of boxes: inputs, layers that learn, others.
COLOURS = ("#cfe3f6", "#fbe3c0", "#ececec")


def rows_of(graph: Graph) -> list[list[str]]:
    """Return names in rows, so that every connection goes down, and few of them cross."""
    row: dict[str, int] = {}
    before = {
        name: [s[0] for e, s in graph.sources.items() if e[0] == name] for name in graph.layers
    }
    after = {
        name: [e[0] for e, s in graph.sources.items() if s[0] == name] for name in graph.layers
    }
    for name in graph.order():
        row[name] = max([row[source] + 1 for source in before[name]], default=0)
    rows: list[list[str]] = [[] for _ in range(max(row.values(), default=-1) + 1)]
    for name in graph.layers:
        rows[row[name]].append(name)
    # The usual heuristic: each layer goes to the mean of its neighbours, down and up again.
    for neighbours, order in ((before, rows), (after, rows[::-1]), (before, rows)):
        place = places(rows)
        for names in order:
            names.sort(key=lambda n: _mean([place[m][0] for m in neighbours[n]], place[n][0]))
            place = places(rows)
    return rows


def _mean(values: list[float], alone: float) -> float:
    return sum(values) / len(values) if values else alone


def places(rows: list[list[str]]) -> dict[str, tuple[float, float]]:
    """Return where the middle of each layer is: rows are centred."""
    return {
        name: (i - (len(names) - 1) / 2, -float(y))
        for y, names in enumerate(rows)
        for i, name in enumerate(names)
    }


def draw(graph: Graph, axes: Any) -> Any:
    """Draw a graph, in new axes if none are given, and return the axes."""
    rows = rows_of(graph)
    if axes is None:
        import matplotlib.pyplot as plt

        size = (2.4 * max(map(len, rows), default=1), 0.8 * max(len(rows), 1))
        axes = plt.subplots(figsize=size, layout="constrained")[1]
    place = places(rows)
    for (name, _), (source, _) in graph.sources.items():
        # Around the layers between them, if they are not neighbours.
        bend = 0.0 if place[source][1] - place[name][1] == 1 else 0.3
        axes.annotate(
            "",
            place[name],
            place[source],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#555555",
                "shrinkA": 13,
                "shrinkB": 14,
                "connectionstyle": f"arc3,rad={bend}",
            },
        )
    for name, (x, y) in place.items():
        layer = graph.layers[name]
        held: Any = layer
        kind = 0 if not layer.input_names else 1 if layer.learnables else 2
        inner = (
            getattr(held, "net", None)
            if isinstance(getattr(held, "net", None), HeldNetwork)
            else None
        )
        what = type(layer).__name__ + (f", {len(inner._graph.layers)} layers" if inner else "")
        axes.text(
            x,
            y,
            f"{name}\n{what}",
            ha="center",
            va="center",
            fontsize=8,
            linespacing=1.3,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": COLOURS[kind], "edgecolor": "#777777"},
        )
    widest = max(map(len, rows), default=1)
    axes.set_xlim(-widest / 2 - 0.1, widest / 2 + 0.1)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.axis("off")
    return axes
