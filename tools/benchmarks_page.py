"""Write the page of benchmarks and its pictures, from ``benchmarks/RESULTS.md``.

Run it after ``make bench``: ``python tools/benchmarks_page.py``. A test compares the page with what
this program writes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PAGE = ROOT / "docs" / "performance" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"

PEERS = ("torch", "jax.jit", "jax", "autograd", "numpy")
COLORS = dict(zip(PEERS, ("#d1495b", "#2e8b57", "#8fc7a6", "#8a5fbf", "#9aa5b1"), strict=True))
NAMES = {
    "torch": "PyTorch",
    "jax.jit": "JAX jit",
    "jax": "JAX",
    "autograd": "autograd",
    "numpy": "NumPy",
}
SMALL = ("rosenbrock", "chain", "overhead", "small MLP", "indexed loop", "deep chain")
LARGE = ("MLP step", "elementwise", "cnn", "lstm", "transformer", "pinn", "gan")
LAYERS = ("ctc", "embed", "pool", "norms")
TRAINING = ("adam", "train-cnn", "train-mlp", "train-lstm")
OWN = ("own-mlp", "own-cnn")
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}

HEAD = """\
# Benchmarks

Each row is a gradient that all libraries computed in one process, in turns, after their results
were compared. `make bench` measures again, on your machine. All figures of this page are from one
run. The file `benchmarks/RESULTS.md` shows it in full, with the targets, met or not.

{machine}

The columns with a slash are ratios: below 1, `dlgradient` needs less. "JAX" is without `jit`, and
"NumPy" a gradient that was derived and written by hand.
"""

FOOT = """\
## How it is measured

* All contestants of a row take turns within one process, in another order each time. The least time
  counts.
* Inputs are made before. JAX's compilation is not counted.
* Each library is written as its users write it: PyTorch with modules in training mode, JAX with and
  without `jit`.
* Memory is the peak of the resident set over parameters and data, each contestant in a new process.
* Torch and every BLAS have as many threads as the machine has cores.

Time on your machine differs. Ratios move by some per cent between runs, and more between
processors.

## See also

[Writing fast programs](writing-fast-programs.md), [Comparison](comparison.md).
"""


class Row(NamedTuple):
    """One row: what it computes, and the figure of each contestant."""

    name: str
    work: str
    figures: dict[str, str]

    def ratio(self, peer: str) -> float:
        """Return our figure over a peer's."""
        return number(self.figures["ours"]) / number(self.figures[peer])


def number(text: str) -> float:
    """Return a figure with a unit as a number."""
    value, unit = text.strip("* ").split(" ")
    return float(value) * UNITS[unit]


def cells(line: str) -> list[str]:
    """Return the cells of a line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a page: rows of cells, the names of the columns first."""
    found = re.findall(r"(?:^\|[^\n]*\n)+", text, re.MULTILINE)
    return [[cells(line) for n, line in enumerate(t.splitlines()) if n != 1] for t in found]


def sections(text: str) -> dict[str, str]:
    """Return the text of each section by its name."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def read(text: str) -> dict[str, Row]:
    """Return the rows of the results."""
    columns, *lines = next(t for t in tables(text) if t[0][0] == "row")
    work = sections(text)
    rows = {}
    for line in lines:
        shown = dict(zip(columns, line, strict=True))
        figures = {who: shown[who] for who in ("ours", *PEERS) if shown[who] != "-"}
        sentence = work[line[0]].strip().split("\n")[0].rstrip(".")
        rows[line[0]] = Row(line[0], sentence, figures)
    return rows


def peaks(text: str) -> dict[str, dict[str, float]]:
    """Return the peak memory of each contestant, for the rows that measure it."""
    found = {}
    for name, section in sections(text).items():
        for table in tables(section):
            if table[0] == ["contestant", "peak"]:
                found[name] = {who: number(peak) for who, peak in table[1:]}
    return found


def cases(text: str) -> list[tuple[str, float]]:
    """Return the cases of the row of odd sizes, and our time over torch's."""
    table = tables(sections(text)["cliffs"])[0]
    return [(line[0], float(line[3])) for line in table[1:]]


# -- the page ------------------------------------------------------------------------------------


def markdown(columns: list[str], lines: list[list[str]]) -> str:
    """Return a table."""
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def shown(ratio: float) -> str:
    """Return a ratio in the fewest digits that say enough."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}"


def times(rows: dict[str, Row], names: tuple[str, ...], peers: tuple[str, ...]) -> str:
    """Return what the rows compute, and a table of our time over each peer's."""
    lines = []
    for name in names:
        row = rows[name]
        ratios = [shown(row.ratio(p)) if p in row.figures else "" for p in peers]
        lines.append([name, row.figures["ours"].strip("*"), *ratios])
    table = markdown(["", "time", *(f"/ {NAMES[p]}" for p in peers)], lines)
    return "\n".join([table, *(f"* **{name}**: {rows[name].work}." for name in names), ""])


def own_parts(rows: dict[str, Row]) -> list[str]:
    """Return what of a training is no kernel, of the rows that there are."""
    lines = [[name, rows[name].figures["ours"].strip("*")] for name in OWN if name in rows]
    if not lines:
        return []
    works = [f"* **{name}**: {rows[name].work}." for name, _ in lines]
    head = "What `dlgradient` does around its kernels, as a profile finds it:\n"
    return [head, "\n".join([markdown(["", "own part"], lines), *works, ""])]


def page(text: str) -> str:
    """Return the whole page."""
    rows = read(text)
    about = {line[0].strip("*"): line[1] for line in tables(text)[0]}
    machine = markdown(
        ["", ""], [[name, about[name]] for name in ("Date", "Processor", "Python", "Versions")]
    )
    memory = peaks(text)
    memory_lines = [
        [name, f"{p['dlgradient'] / 1e6:.3g} MB"]
        + [f"{p['dlgradient'] / p[peer]:.2f}" for peer in ("torch", "jax.jit")]
        for name, p in memory.items()
        if "torch" in p and "jax.jit" in p
    ]
    odd = [[case, f"{ratio:.2f}"] for case, ratio in cases(text)]
    parts = [
        HEAD.format(machine=machine.rstrip()),
        "## Small programs\n",
        "The overhead of an operation decides. Compiled, JAX has almost none.\n",
        "![Time of small programs](../images/benchmarks-small.png)\n",
        times(rows, SMALL, ("torch", "jax.jit", "jax", "autograd", "numpy")),
        "## Networks\n",
        "The arithmetic decides: matrix products and convolutions.\n",
        "![Time of networks](../images/benchmarks-networks.png)\n",
        times(rows, LARGE + LAYERS, ("torch", "jax.jit")),
        "## Training\n",
        "Epochs of `trainnet`, and a step of an optimiser, against the same loop in PyTorch.\n",
        times(rows, TRAINING, ("torch",)),
        *own_parts(rows),
        "## Memory\n",
        "![Peak memory](../images/benchmarks-memory.png)\n",
        markdown(["", "peak", "/ PyTorch", "/ JAX jit"], memory_lines),
        "## Odd sizes\n",
        "Sizes that a library may not have been tuned for, each over PyTorch's time. They are\n"
        "the worst cases that we know.\n",
        "![Time at odd sizes](../images/benchmarks-odd.png)\n",
        markdown(["", "/ PyTorch"], odd),
        FOOT,
    ]
    return "\n".join(parts)


# -- the pictures --------------------------------------------------------------------------------


def bars(path: Path, names: list[str], ratios: dict[str, list[float]], title: str) -> None:
    """Draw ratios as horizontal bars from one outwards, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    size = 0.8 / len(ratios)
    figure, axes = plt.subplots(
        figsize=(7.5, 0.9 + len(names) * (0.17 * len(ratios) + 0.16)), layout="constrained"
    )
    for i, (peer, values) in enumerate(ratios.items()):
        at = np.arange(len(names)) + (i - (len(ratios) - 1) / 2) * size
        array = np.array(values)
        axes.barh(at, array - 1, size, left=1, color=COLORS[peer], label=NAMES[peer])
        for y, value in zip(at, values, strict=True):
            if np.isfinite(value):
                side = "left" if value >= 1 else "right"
                axes.annotate(
                    shown(value), (value, y), (3 if value >= 1 else -3, 0),
                    textcoords="offset points", ha=side, va="center", fontsize=7, color="#1f2933",
                )  # fmt: skip
    axes.set_xscale("log")
    finite = [v for values in ratios.values() for v in values if np.isfinite(v)]
    low, high = min(0.5, 0.4 * min(finite)), max(2, 1.8 * max(finite))
    axes.set_xlim(low, high)
    ticks = [2.0**n for n in range(-3, 6)] if high / low < 100 else [0.001, 0.01, 0.1, 1, 10]
    axes.set_xticks([tick for tick in ticks if low <= tick <= high], minor=False)
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.axvline(1, color="#1f2933", linewidth=1)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    if len(ratios) > 1:
        figure.legend(loc="outside lower center", ncols=len(ratios), frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw(text: str) -> None:
    """Draw all pictures."""
    rows = read(text)
    groups = (("small", SMALL, PEERS), ("networks", LARGE + LAYERS, ("torch", "jax.jit")))
    for stem, names, peers in groups:
        ratios = {
            p: [rows[n].ratio(p) if p in rows[n].figures else float("nan") for n in names]
            for p in peers
        }
        title = "Time of dlgradient over that of each peer; left of 1 dlgradient is faster"
        bars(IMAGES / f"benchmarks-{stem}.png", list(names), ratios, title)
    memory = {n: p for n, p in peaks(text).items() if "torch" in p and "jax.jit" in p}
    ratios = {
        peer: [p["dlgradient"] / p[peer] for p in memory.values()] for peer in ("torch", "jax.jit")
    }
    title = "Peak memory of dlgradient over that of each peer"
    bars(IMAGES / "benchmarks-memory.png", list(memory), ratios, title)
    odd = cases(text)
    title = "Time of dlgradient over PyTorch's, at odd sizes"
    values = {"torch": [ratio for _, ratio in odd]}
    bars(IMAGES / "benchmarks-odd.png", [case for case, _ in odd], values, title)


if __name__ == "__main__":
    results = RESULTS.read_text(encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    draw(results)
    print(f"written: {PAGE}, and benchmarks-*.png in {IMAGES}")
