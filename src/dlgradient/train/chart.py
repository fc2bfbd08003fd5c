"""The picture of a training: a plot for each group of metrics, and a panel.

`Board` is what is drawn, `Chart` draws it into a figure of Matplotlib, again and again. Nothing
imports Matplotlib before there is a figure.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlgradient.core.types import Array

__all__ = ["Board", "Chart", "Series", "clock"]

# They differ in lightness too, for those who see few colours.
COLOURS = ("#1f6fb4", "#d9601a", "#2a8f55", "#8a4fbe", "#b0283c", "#8a6d1f")
VALIDATION = ("#222222", "#a0208c", "#00728a", "#7a5200")
GREY, DARK, PALE = "#6a6a6a", "#222222", "#e4e7ea"
SMALL, NORMAL = 8.5, 9.5  # points
# Inches, so that a figure of any height leaves text the room it needs.
WIDTH, PANEL, ROW, TOP, BOTTOM, LEFT, GAP = 8.7, 2.1, 1.75, 0.42, 0.5, 0.74, 0.3
MOST_ROWS = 4  # of plots; more are drawn in two columns
MOST_POINTS = 3000  # of a line: more are not seen, and cost time
LARGEST = 1e300  # Matplotlib adds margins, which must stay finite
CHARACTERS, BOLD = 30, 25  # of a row of the panel, and of the status


class Series:
    """The values of a metric, at the iterations that have one."""

    __slots__ = ("x", "y")

    def __init__(self) -> None:
        self.x, self.y = array("d"), array("d")

    def data(self) -> tuple[Array, Array]:
        """Return copies: an array that another one looks at cannot grow."""
        count = min(len(self.x), len(self.y))  # another thread may be between the two
        return np.array(self.x[:count]), np.array(self.y[:count])


@dataclass
class Board:
    """What a picture of a training shows.

    Attributes
    ----------
    series : dict
        The data of each metric.
    groups : dict
        Names of the metrics that share a plot, by the name of the plot.
    scales : dict
        "log" or "linear", by the name of the plot.
    info : dict
        Rows of the panel.
    """

    series: dict[str, Series] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    scales: dict[str, str] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    x_label: str = "Iteration"
    status: str = ""
    progress: float = 0.0
    elapsed: float = 0.0

    def layout(self) -> list[tuple[str, tuple[str, ...], str]]:
        """Return what plots there are: name, metrics and scale."""
        return [
            (group, tuple(names), self.scales.get(group, "linear"))
            for group, names in self.groups.items()
            if names
        ]


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds."""
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


# -- what a line looks like ------------------------------------------------------------------------


def is_validation(name: str) -> bool:
    """Return whether a metric is one of validation, by its name."""
    return name.lower().startswith("val")


def is_noisy(y: Array) -> bool:
    """Return whether a line goes up and down all the time: half of it would, if it were noise."""
    turns = np.sign(np.diff(y[-2000:]))
    turns = turns[turns != 0]  # NaN is not 0, and is no turn either
    return len(turns) > 20 and float(np.mean(turns[1:] * turns[:-1] < 0)) > 0.2


def smoothed(y: Array) -> Array:
    """Return means over neighbours: as many before as after, where there are so many."""
    n = len(y)
    place = np.arange(n)
    reach = np.minimum(max(2, n // 50), np.maximum(place, 2))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, n)
    known = np.isfinite(y)
    total, count = (np.concatenate([[0.0], np.cumsum(v)]) for v in (np.where(known, y, 0.0), known))
    number = count[high] - count[low]
    mean: Array = np.full(n, np.nan)
    np.divide(total[high] - total[low], number, out=mean, where=number > 0)
    return mean


def thinned(x: Array, y: Array) -> tuple[Array, Array]:
    """Return a line of fewer points that looks the same: least and largest of each stretch."""
    step = -(-2 * len(x) // MOST_POINTS)
    if len(x) <= MOST_POINTS:
        return x, y
    whole = len(x) // step * step
    parts = y[:whole].reshape(-1, step)
    ends = np.stack([np.fmin.reduce(parts, 1), np.fmax.reduce(parts, 1)], 1)
    places = x[:whole].reshape(-1, step)[:, [0, -1]]
    return np.append(places.ravel(), x[whole:]), np.append(ends.ravel(), y[whole:])


def lines_of(x: Array, y: Array, *, smooth: bool, log: bool) -> list[tuple[Array, Array]]:
    """Return the line of a metric, and a pale one of what is smoothed, if it is noisy."""
    y = np.where(np.abs(y) < LARGEST, y, np.nan)
    if log:
        y = np.where(y > 0, y, np.nan)
    nothing: Array = np.zeros(0)
    if not (smooth and is_noisy(y)):
        return [thinned(x, y), (nothing, nothing)]
    # On a log scale the mean that one sees is that of the logarithms.
    mean = np.exp(smoothed(np.log(y))) if log else smoothed(y)
    return [thinned(x, mean), thinned(x, y)]


def label_of(name: str) -> str:
    """Return a name as it is read in a picture."""
    return name.replace("_", " ")


def shown(value: Any) -> str:
    """Return a value of the panel."""
    if isinstance(value, float | np.floating):
        return f"{float(value):.5g}"
    return str(value)


def shortened(text: str, room: int) -> str:
    """Return a text that fits."""
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: max(room - 1, 1)]}…"


# -- the figure ------------------------------------------------------------------------------------


class _Plot:
    """A plot of a group of metrics."""

    def __init__(self, axes: Any, group: str, names: Sequence[str], scale: str) -> None:
        self.axes, self.group, self.log = axes, group, scale == "log"
        axes.set_title(label_of(group), loc="left", fontsize=NORMAL, color=DARK, pad=4)
        axes.grid(color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.margins(x=0.01, y=0.08)
        axes.tick_params(labelsize=SMALL, colors=DARK, length=3)
        axes.locator_params(axis="x", nbins=6)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#9a9a9a")
        self.lines: dict[str, tuple[Any, Any]] = {}
        colours = {False: iter(COLOURS * len(names)), True: iter(VALIDATION * len(names))}
        for name in names:
            validation = is_validation(name)
            colour = next(colours[validation])
            dashed = {"linestyle": (0, (4, 2)), "marker": "o", "markersize": 3.5, "zorder": 4}
            (behind,) = axes.plot([], [], color=colour, alpha=0.3, linewidth=0.9, zorder=2)
            (line,) = axes.plot(
                [],
                [],
                color=colour,
                linewidth=1.3 if validation else 1.7,
                **(dashed if validation else {"zorder": 3}),
            )
            self.lines[name] = line, behind

    def draw(self, series: dict[str, Series]) -> None:
        """Give the lines their data."""
        handles, labels, drawn = [], [], False
        for name, lines in self.lines.items():
            x, y = series[name].data()
            validation = is_validation(name)
            found = lines_of(x, y, smooth=not validation, log=self.log)
            for line, data in zip(lines, found, strict=True):
                line.set_data(*data)
            drawn |= bool(np.isfinite(found[0][1]).any())
            if not validation:
                lines[0].set_marker("o" if len(x) == 1 else "")
                lines[0].set_markersize(4)
            if len(y):
                handles.append(lines[0])
                labels.append(f"{label_of(name)}  {y[-1]:.4g}")
        # Nothing has no place on a log scale, and Matplotlib warns.
        self.axes.set_yscale("log" if self.log and drawn else "linear")
        if drawn:
            self.axes.relim()
            self.axes.autoscale_view()
        if len(labels) == 1:
            labels = [labels[0].removeprefix(f"{label_of(self.group)}  ")]
        self.axes.legend(
            handles,
            labels,
            loc="lower right",
            bbox_to_anchor=(1.01, 0.965),
            ncols=max(len(labels), 1) if len(labels) < 4 else 2,
            fontsize=SMALL,
            frameon=False,
            handlelength=1.8,
            columnspacing=1.2,
            borderaxespad=0.1,
        )


class Chart:
    """Draws boards into a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    button : bool
        Whether to leave room for a button at the end of the panel.
    """

    def __init__(self, figure: Any, *, button: bool = False) -> None:
        self.figure = figure
        figure.set_layout_engine("none")  # a style may have one; the places are given here
        self.button = button
        self.layout: Any = None
        self.plots: list[_Plot] = []
        self.panel: Any = None

    def draw(self, board: Board) -> None:
        """Draw what is on a board now."""
        layout = [*board.layout(), board.x_label]
        if layout != self.layout:
            self._arrange(board)
            self.layout = layout
        for plot in self.plots:
            plot.draw(board.series)
        self._write(board)

    def _arrange(self, board: Board) -> None:
        """Make the plots and the panel."""
        figure, layout = self.figure, board.layout()
        if self.panel is not None:
            for axes in (self.panel, *[plot.axes for plot in self.plots]):
                axes.remove()
        columns = 1 if len(layout) <= MOST_ROWS else 2
        rows = max(1, -(-len(layout) // columns))
        if self.layout is None or len(self.layout) - 1 != len(layout):
            height = max(rows * ROW + (rows - 1) * GAP + TOP + BOTTOM, 3.3)
            figure.set_size_inches(WIDTH + (columns - 1) * 2.5, height, forward=True)
        width, height = figure.get_size_inches()
        room = height - TOP - BOTTOM - (rows - 1) * (GAP + 0.14)
        across = (width - PANEL - 0.25 - columns * LEFT) / columns
        self.plots = []
        for k, (group, names, scale) in enumerate(layout):
            i, j = divmod(k, columns)
            tall = room / rows
            box = (
                (LEFT + j * (across + LEFT)) / width,
                1 - (TOP + i * (tall + GAP + 0.14) + tall) / height,
                across / width,
                tall / height,
            )
            first = self.plots[0].axes if self.plots else None
            axes = figure.add_axes(box, sharex=first)
            last = k + columns >= len(layout)
            axes.tick_params(labelbottom=last)
            self.plots.append(_Plot(axes, group, names, scale))
            if last:
                axes.set_xlabel(board.x_label, fontsize=SMALL + 0.5, color=DARK, labelpad=3)
        self.panel = figure.add_axes((1 - PANEL / width, 0, (PANEL - 0.2) / width, 1))
        self.panel.set_axis_off()

    def _write(self, board: Board) -> None:
        """Write the panel: status, a bar, times, and the rows of information."""
        panel = self.panel
        for artist in (*panel.texts, *panel.patches):
            artist.remove()
        inch = 1 / self.figure.get_size_inches()[1]
        y = 1 - 0.3 * inch
        part = min(max(board.progress / 100, 0.0), 1.0)
        rows = [("Elapsed", clock(board.elapsed))]
        if 0 < part < 1:
            rows.append(("Left", f"≈ {clock(board.elapsed * (1 - part) / part)}"))
        rows += [(label_of(name), shown(value)) for name, value in board.info.items()]
        if board.status:
            text = shortened(board.status, BOLD)
            panel.text(0, y, text, fontsize=NORMAL, fontweight="bold", color=DARK, va="center")
            y -= 0.27 * inch
        if part:
            for share, colour in ((1.0, PALE), (part, COLOURS[0])):
                panel.add_patch(_bar(y, share, 0.09 * inch, colour))
            text = f"{100 * part:.0f} %"
            panel.text(1, y, text, fontsize=SMALL, color=DARK, va="center", ha="right")
            y -= 0.27 * inch
        lowest = (0.75 if self.button else 0.2) * inch
        for name, value in rows:
            if y < lowest:
                break
            value = shortened(value, CHARACTERS - min(len(name), 12) - 2)  # noqa: PLW2901 - shorter
            name = shortened(name, CHARACTERS - len(value) - 2)  # noqa: PLW2901 - shorter
            panel.text(0, y, name, fontsize=SMALL, color=GREY, va="center")
            panel.text(1, y, value, fontsize=SMALL, color=DARK, va="center", ha="right")
            y -= 0.22 * inch


def _bar(y: float, share: float, height: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0, y - height / 2), 0.76 * share, height, color=colour, linewidth=0)
