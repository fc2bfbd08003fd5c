"""Time two checkouts of dlgradient against each other, in one interleaved run, without peers.

``python benchmarks/compare.py OLD NEW [ROW ...] [--repeats N]``. Each row runs in a fresh process
for each checkout. The two take turns of a few milliseconds, and the least time counts. This is
repeated with new processes. Processor time on one thread is measured, which other work on the
machine disturbs little. The rows are those of this checkout. They use public names only, so the two
checkouts may be of any age.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import machine

SECONDS = 4.0  # of turns, for each way of writing a row
LEAST = 4  # turns of each checkout

Pairs = dict[str, list[tuple[float, float]]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=_source, help="a checkout, or its directory src")
    parser.add_argument("new", type=_source, help="the other one")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to run; by default all")
    parser.add_argument("--repeats", type=int, default=3, help="pairs of processes for each row")
    return parser.parse_args()


def _source(text: str) -> Path:
    """Return the directory to import dlgradient from."""
    for path in (Path(text).resolve() / "src", Path(text).resolve()):
        if (path / "dlgradient" / "__init__.py").is_file():
            return path
    raise argparse.ArgumentTypeError(f"no dlgradient in {text} or {text}/src")


def _check(sources: tuple[Path, Path], facts: list[dict[str, Any]]) -> None:
    """Check that each side is the right checkout, and that both compute the same."""
    from harness.agreement import WrongAnswerError

    for source, fact in zip(sources, facts, strict=True):
        if not Path(fact["file"]).is_relative_to(source):
            raise RuntimeError(f"imported {fact['file']} instead of the one in {source}")
    old, new = (fact["sums"] for fact in facts)
    for name, value in old.items():
        if not abs(new[name] - value) <= 1e-4 * abs(value):
            raise WrongAnswerError(f"{name}: the sum is {new[name]} instead of {value}")


def _least(
    row: Any, sources: tuple[Path, Path], *, swapped: bool
) -> dict[str, tuple[float, float]]:
    """Return the least times of both checkouts, each in one process, by what is timed."""
    from harness.children import Child
    from harness.own import turns

    with (
        Child(turns, row, PYTHONPATH=str(sources[0])) as old,
        Child(turns, row, PYTHONPATH=str(sources[1])) as new,
    ):
        order = (new, old) if swapped else (old, new)
        facts = {child: child.turn() for child in order}
        _check(sources, [facts[old], facts[new]])
        rounds = []
        start = time.monotonic()
        budget = SECONDS * len(facts[old]["sums"])
        while len(rounds) < LEAST or time.monotonic() - start < budget:
            rounds.append({child: child.turn() for child in order})
        times = {"import dlgradient": (facts[old]["import"], facts[new]["import"])}
        for name in facts[old]["sums"]:
            times[name] = tuple(min(each[side][name] for each in rounds) for side in (old, new))
    return times


def _compare(row: Any, sources: tuple[Path, Path], repeats: int) -> Pairs:
    """Return the least times of both checkouts for each pair of processes."""
    pairs: Pairs = {}
    for number in range(repeats):
        for name, pair in _least(row, sources, swapped=number % 2 == 1).items():
            pairs.setdefault(name, []).append(pair)
    return pairs


def _line(name: str, pairs: list[tuple[float, float]]) -> str:
    from harness.result import with_unit

    before, after = (min(side) for side in zip(*pairs, strict=True))
    ratios = [b / a for a, b in pairs]
    figures = f"{with_unit(before, 's'):>9} {with_unit(after, 's'):>9} {after / before:>8.3f}"
    return f"{name:34} {figures}   {min(ratios):.3f} to {max(ratios):.3f}"


def main() -> int:
    """Print a line for each row as it is done; 1 if one failed."""
    given = _arguments()
    machine.prepare(threads=1)  # before NumPy is imported, by the rows
    with tempfile.TemporaryDirectory() as cache:
        # An installed package is compiled already; so is everything here, after the first import.
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        return _compare_all(given)


def _compare_all(given: argparse.Namespace) -> int:
    from harness.agreement import WrongAnswerError
    from harness.children import ChildError
    from rows import ROWS

    timed = [name for name, row in ROWS.items() if row.makers is not dict]
    unknown = [name for name in given.rows if name not in timed]
    if unknown:
        print(f"{', '.join(unknown)}: not among {', '.join(timed)}", file=sys.stderr)
        return 2
    print(f"old: {given.old}\nnew: {given.new}\n")
    print(f"{'':34} {'old':>9} {'new':>9} {'new/old':>8}   of each repeat")
    imports: list[tuple[float, float]] = []
    failed = 0
    for name in given.rows or timed:
        try:
            pairs = _compare(ROWS[name], (given.old, given.new), given.repeats)
        except (ChildError, WrongAnswerError) as error:
            print(f"{name}: {error}", flush=True)
            failed = 1
            continue
        imports += pairs.pop("import dlgradient")
        for label, each in pairs.items():
            print(_line(label, each), flush=True)
    if imports:
        print(_line("import dlgradient", imports))
    return failed


if __name__ == "__main__":
    sys.exit(main())
