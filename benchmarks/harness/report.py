"""Table on the terminal, RESULTS.md and results.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.result import OURS, PEERS, Result

_INTRODUCTION = """\
# Benchmark results

Made by `make bench`. Every run of the whole suite writes this page and the picture again.

All contestants of a row run interleaved in one process. In each round each of them runs a batch, in
another order each time, and the least time over all rounds counts. Before that, their results are
compared with those of hand-written NumPy, or of torch for networks and layers; a wrong answer is an
error. Torch and every BLAS have two threads, the process has two cores. Inputs are made outside the
timed part.

The peers are written as their users write them. Torch is eager, with `addmm`, `relu` and
`cross_entropy`; its networks are modules in training mode, with channels first. "jax" is without
`jit`. "numpy" is a value and gradient derived and written by hand, in place where that is natural.

The allocator of the C library keeps freed memory, so that no contestant pays for what another one
left. Processes that measure memory, and figures called "alone", use the system's setting.
"""


def ratio_text(result: Result) -> str:
    """Return our figure over the best peer's, and its name; '-' if there is no peer."""
    peer = result.best_peer
    return "-" if peer is None else f"{result.ratio(peer):.2f} ({peer})"


def line(result: Result) -> str:
    """Return a row on one line, for a run that may not come to its end."""
    measured = "; ".join(target.measured for target in result.targets)
    return f"{result.name}: {result.shown(OURS)}, {ratio_text(result)}; {measured}"


def table(results: list[Result], failures: dict[str, str]) -> Any:
    """Return the summary as a rich table."""
    from rich.table import Table

    view = Table(title="dlgradient and its peers", show_lines=True)
    view.add_column("row")
    for name in ("ours", *PEERS, "ours / best peer"):
        view.add_column(name, justify="right")
    for name in ("target", "measured", "met?"):
        view.add_column(name)
    for result in results:
        view.add_row(
            result.name,
            f"[bold]{result.shown(OURS)}[/]",
            *[result.shown(peer) for peer in PEERS],
            ratio_text(result),
            "\n".join(t.asked for t in result.targets),
            "\n".join(t.measured for t in result.targets),
            "\n".join("[green]yes[/]" if t.met else "[red]NO[/]" for t in result.targets),
        )
    for name, error in failures.items():
        view.add_row(name, "[red]failed[/]", *["" for _ in PEERS], "", error, "", "[red]NO[/]")
    return view


def _markdown_table(columns: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def markdown(results: list[Result], failures: dict[str, str], machine: dict[str, str]) -> str:
    """Return the text of RESULTS.md."""
    met = [r.name for r in results if r.met]
    missed = [r.name for r in results if not r.met] + list(failures)
    parts = [
        _INTRODUCTION,
        _markdown_table(["", ""], [[f"**{k}**", v] for k, v in machine.items()]),
        "![our time over each peer's](results.png)\n",
        _markdown_table(
            ["row", "ours", *PEERS, "ours / best peer", "target", "measured", "met?"],
            [
                [
                    r.name,
                    f"**{r.shown(OURS)}**",
                    *[r.shown(p) for p in PEERS],
                    ratio_text(r),
                    "; ".join(t.asked for t in r.targets),
                    "; ".join(t.measured for t in r.targets),
                    "yes" if r.met else "**no**",
                ]
                for r in results
            ],
        ),
        f"Met: {', '.join(met) or 'none'}. Not met: {', '.join(missed) or 'none'}.\n",
    ]
    parts += [f"{name} failed: {error}\n" for name, error in failures.items()]
    for result in results:
        parts += [f"## {result.name}\n", f"{result.work[0].upper()}{result.work[1:]}.\n"]
        if len(result.targets) > 1:
            rows = [[t.asked, t.measured, "yes" if t.met else "**no**"] for t in result.targets]
            parts.append(_markdown_table(["target", "measured", "met?"], rows))

        parts += [f"{name}: {result.shown(name)}.\n" for name in variants(result)]
        parts += [f"{note}\n" for note in result.notes]
        for detail in result.details:
            parts += [f"{detail.title}:\n", _markdown_table(detail.columns, detail.rows)]
    return "\n".join(parts)


def plot(results: list[Result], path: Path) -> None:
    """Draw our figure over each peer's, on a logarithmic scale: below one we are better."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axes = plt.subplots(figsize=(9, 0.62 * len(results) + 1.6), layout="constrained")
    height = 0.8 / len(PEERS)
    colors = dict(zip(PEERS, plt.get_cmap("tab10").colors, strict=False))
    for i, peer in enumerate(PEERS):
        at = [k for k, r in enumerate(results) if peer in r.figures]
        ratios = np.array([results[k].ratio(peer) for k in at])
        places = np.array(at) + (i - (len(PEERS) - 1) / 2) * height
        # From one outwards: to the left where we need less than the peer.
        axes.barh(places, ratios - 1, height, left=1, color=colors[peer], label=peer)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(results)), [r.name for r in results])
    axes.invert_yaxis()
    axes.set_xlabel("dlgradient / peer (left of 1: dlgradient needs less)")
    axes.grid(axis="x", which="major", alpha=0.4)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=len(PEERS), frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def show(console: Any, results: list[Result], failures: dict[str, str]) -> None:
    """Print the table and what belongs to each row."""
    console.print(table(results, failures))
    for result in results:
        lines = [f"{who}: {result.shown(who)}" for who in variants(result)] + result.notes
        for detail in result.details:
            lines.append(f"{detail.title}:")
            lines += ["    " + " | ".join(row) for row in (detail.columns, *detail.rows)]
        if lines:
            console.print(f"[bold]{result.name}[/]")
        for line in lines:
            console.print(f"  {line}", markup=False, highlight=False)


def variants(result: Result) -> list[str]:
    """Return the names of further figures of a row: other ways of writing it with dlgradient."""
    return [name for name in result.figures if name not in (OURS, *PEERS)]
