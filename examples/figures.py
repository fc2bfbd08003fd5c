"""What the examples share: the style of their figures, and the folder to save them in."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

OUTPUT = Path("demo_output")

INK = "#1f2933"
COLORS = ["#0b6fa4", "#d1495b", "#2e8b57", "#8a5fbf", "#c98a1b"]

STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLORS),
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}


def style() -> None:
    """Set the style of all figures."""
    plt.rcParams.update(STYLE)


def save(figure: Figure, name: str) -> Path:
    """Write a figure to ``demo_output/name.png``, print the path and return it."""
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / f"{name}.png"
    figure.savefig(path)
    print(f"figure: {path}")
    return path
