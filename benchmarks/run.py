"""Measure dlgradient against torch, jax, autograd and hand-written NumPy.

``python benchmarks/run.py [ROW ...] [--quick] [--profile]``. A run of all rows without ``--quick``
writes RESULTS.md and results.png next to this file; any other run only prints.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path
from typing import Any

from harness import machine

HERE = Path(__file__).parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to run; by default all")
    parser.add_argument("--quick", action="store_true", help="an eighth of the time, less exact")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument(
        "--profile", action="store_true", help="show where the time of dlgradient goes, by cProfile"
    )
    return parser.parse_args()


def measure(rows: dict[str, Any], *, quick: bool, console: Any) -> tuple[list[Any], dict[str, str]]:
    """Run the rows under a progress bar; return results, and errors by name of the row."""
    from harness import report
    from harness.row import Context
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    results = []
    failures = {}
    columns = (TextColumn("{task.description:>14}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        whole = progress.add_task("all rows", total=len(rows))
        for name, row in rows.items():
            task = progress.add_task(name, total=1.0)
            context = Context(quick, lambda part, t=task: progress.update(t, completed=part))
            try:
                results.append(row.run(context))
                console.print(report.line(results[-1]), highlight=False)
            except Exception as error:  # noqa: BLE001 - the other rows still count
                failures[name] = f"{type(error).__name__}: {error}"
                console.print(traceback.format_exc(), markup=False, highlight=False)
            progress.update(task, completed=1.0)
            progress.advance(whole)
    return results, failures


def main() -> int:
    """Run the rows and report; 1 if a row failed, whether or not targets are met."""
    machine.prepare()  # before NumPy is imported
    from harness import own, report
    from rows import ROWS

    given = _arguments()
    if given.list:
        print("\n".join(ROWS))
        return 0
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        print(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    chosen = {name: ROWS[name] for name in given.rows or ROWS}
    steady = machine.steady_allocator()
    if given.profile:
        own.profile(chosen.values())
        return 0

    from rich.console import Console

    machine.configure_peers()
    console = Console(width=None if sys.stdout.isatty() else 200)
    facts = machine.describe()
    facts["Allocator"] = (
        "keeps freed memory, for all contestants alike" if steady else "as the system has it"
    )
    for key, value in facts.items():
        console.print(f"[bold]{key}[/]  {value}", highlight=False)
    load = machine.load()
    if load > 0.7:
        console.print("[red]The machine is busy: work on two threads will not be judged fairly.[/]")
    results, failures = measure(chosen, quick=given.quick, console=console)
    facts["Load"] = f"{load:.1f} before, {machine.load():.1f} after (averages over one minute)"
    report.show(console, results, failures)
    if given.rows or given.quick:
        console.print("RESULTS.md is written by a run of all rows without --quick only")
    else:
        (HERE / "RESULTS.md").write_text(report.markdown(results, failures, facts))
        report.plot(results, HERE / "results.png")
        console.print(f"written: {HERE / 'RESULTS.md'}, {HERE / 'results.png'}")
        console.print(
            "python tools/benchmarks_page.py writes the page of the documentation from it"
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
