"""Mutation testing: what the tests notice, and what they do not.

Every mutant is one small change of the library: an operator, a comparison, a constant, exchanged
arguments, a sign, a dropped `conj` or call, a negated condition. The checks that are generated from
the table of operations, or the tests of that part of the library, must fail for it. A mutant that
survives may be equivalent, and then `explained.toml` says why. Otherwise it is a gap in the tests,
and this program fails.

`make mutate` tries all mutants, `make mutate SAMPLE=10` ten of every file. `FILES='engine fft'`
names folders or files. A run that was interrupted goes on where it was, if nothing has changed
since. A run over whole floors writes `docs/extend/mutation.md`.

Why not an existing tool? The two established ones do not suit a table of declarations. mutmut skips
decorated functions and everything outside functions. But an operation is a decorated function, and
most rules are arguments of the decorator. cosmic-ray reaches them, but it starts the whole test
command for each mutant. That takes seconds, where a fork of a process that has loaded everything
heavy takes a tenth of one. It cannot skip samples and messages, and does not exchange arguments.

This program needs little. `mutants` finds and applies the mutants by `ast`. `plan` maps modules to
checks and tests. `runner` starts the child processes, which import the library with the mutated
module. `verdicts` remembers what became of them, and `report` writes the page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from mutants import Finder, Mutant, sampled
from plan import FLOORS, PACKAGE, ROOT, Target, targets
from report import PAGE, Progress, Score, explained, page, total
from runner import failing_checks, operations, preload, run_all, tests_fail, verdict
from verdicts import Verdicts


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", help="such as ops/linalg.py or nn; all by default")
    parser.add_argument("--sample", type=int, default=0, help="at most so many mutants of a file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    options = parser.parse_args()

    sys.path.insert(0, str(PACKAGE.parent))
    chosen = targets(options.files)
    finders = {target: Finder(target.name, target.path) for target in chosen}
    tried = {t: sampled(finder.mutants, options.sample) for t, finder in finders.items()}
    tried = {target: mutants for target, mutants in tried.items() if mutants}
    if options.list:
        for m in (m for mutants in tried.values() for m in mutants):
            print(f"{m.file}:{m.line}: {m.scope}: {m.text}")
        return 0

    preload()
    verdicts = Verdicts()
    if not baseline(list(tried), verdicts, options.workers):
        return 1
    run(finders, tried, verdicts, options.workers)
    return conclude(finders, tried, verdicts, options)


def baseline(chosen: list[Target], verdicts: Verdicts, workers: int) -> bool:
    """Whether everything passes without any mutation; say what does not."""
    ((_, names),) = run_all([("", partial(operations, chosen))], 1)
    tests = sorted({test for target in chosen for test in target.tests})
    jobs: list[tuple[str, Callable[[], Any]]] = []
    jobs += [(name, partial(failing_checks, name)) for name in names]
    jobs += [(name, partial(failing_tests, name)) for name in tests]
    jobs = [job for job in jobs if verdicts.found.get(job[0]) != "passed"]
    progress = Progress(len(jobs), "checks without a mutation")
    passed = True
    for name, failed in run_all(jobs, workers):
        progress.step(name)
        if failed == []:
            verdicts.add(name, "passed")
        else:
            print(f"{name} fails without any mutation: {failed}; run the tests first", flush=True)
            passed = False
    progress.stop()
    return passed


def failing_tests(name: str) -> list[str]:
    """Return the name if a test of that name fails."""
    return [name] if tests_fail([name]) else []


def run(
    finders: dict[Target, Finder],
    tried: dict[Target, list[Mutant]],
    verdicts: Verdicts,
    workers: int,
) -> None:
    """Run the mutants that have no verdict yet."""

    def job(target: Target, mutant: Mutant) -> Callable[[], Any]:
        def work() -> Any:
            mutant.apply()  # on this process's copy of the tree
            return verdict(target, finders[target].tree, mutant.scope)

        return work

    jobs = [
        ((target, m), job(target, m))
        for target, mutants in tried.items()
        for m in mutants
        if m.key not in verdicts.found
    ]
    if resumed := sum(map(len, tried.values())) - len(jobs):
        print(f"{resumed} verdicts of the same sources are taken over")
    progress = Progress(len(jobs), "mutants")
    for (target, mutant), result in run_all(jobs, workers):
        lives = result is not None and result[0] == "survived"
        verdicts.add(mutant.key, "survived" if lives else "killed")
        if lives and mutant.key not in explained():
            print(f"survived: line {mutant.line}: {mutant.key}", flush=True)
        progress.step(target.name, survived=lives)
    progress.stop()


def conclude(
    finders: dict[Target, Finder],
    tried: dict[Target, list[Mutant]],
    verdicts: Verdicts,
    options: argparse.Namespace,
) -> int:
    """Print what is not explained, and write the page after a run over whole floors."""
    reasons = explained()
    scores = []
    for target, mutants in tried.items():
        alive = [m for m in mutants if verdicts.found[m.key] == "survived"]
        scores.append(Score(target.name, len(finders[target].mutants), len(mutants), alive))
        print(scores[-1].row(reasons))
    alive_keys = {m.key for score in scores for m in score.survived}
    tried_keys = {m.key for mutants in tried.values() for m in mutants}
    existing = {m.key for finder in finders.values() for m in finder.mutants}
    files = {target.name for target in finders}
    stale = [
        key
        for key in reasons
        if key.partition(":")[0] in files
        and (key not in existing or (key in tried_keys and key not in alive_keys))
    ]
    for key in stale:
        print(f"explained, but it does not survive or exist any more: {key}")
    if not options.files or set(options.files) <= set(FLOORS):
        PAGE.write_text(page(scores, reasons, options.sample, verdicts.digest), encoding="utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    print(total(scores).row(reasons))
    return 1 if stale or alive_keys - reasons.keys() else 0


if __name__ == "__main__":
    raise SystemExit(main())
