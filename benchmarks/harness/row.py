"""What a row is, and how it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import agreement
from harness.contestants import Maker
from harness.result import OURS, Result
from harness.timing import interleaved


@dataclass
class Context:
    """How a row runs."""

    quick: bool
    report: Callable[[float], None]

    def seconds(self, full: float) -> float:
        """Return the time budget of a row that takes `full` seconds in a whole run."""
        return full / 8 if self.quick else full

    def timed(
        self,
        makers: dict[str, Maker],
        *,
        seconds: float,
        pause: float = 0.0,
        rounds: tuple[int, int] = (7, 200),
        part: float = 1.0,
        **tolerances: Any,
    ) -> dict[str, float]:
        """Return the least time of each contestant, after all have given the same results.

        This is `part` of the row's work. For the rest, see `timing.interleaved` and
        `agreement.check`, which has the tolerances.
        """
        agreement.check(makers, **tolerances)
        return interleaved(
            {name: make() for name, make in makers.items()},
            budget=self.seconds(seconds),
            rounds=rounds,
            pause=pause,
            report=lambda done: self.report(part * done),
        )


@dataclass(frozen=True)
class Row:
    """A row of the table, declared by a file of ``rows``.

    Parameters
    ----------
    name : str
        The name to run it by.
    run : callable
        Measures everything and compares it with the targets.
    makers : callable
        Returns the contestants that are timed, at one size. Those whose names begin with ours can
        also be profiled, and timed against another checkout. None if no call is timed.

    The callables are functions of modules, or partials or methods of such, so that the row can be
    sent to fresh processes.
    """

    name: str
    run: Callable[[Context], Result]
    makers: Callable[[], dict[str, Maker]] = dict

    def own(self) -> dict[str, Maker]:
        """Return our contestants, by the name of the row and their variant of it."""
        return {
            self.name + who.removeprefix(OURS): make
            for who, make in self.makers().items()
            if who.startswith(OURS)
        }
