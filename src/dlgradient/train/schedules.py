"""Schedules: by which factor the learn rate is multiplied at each step of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from typing import Any, ClassVar, Literal, TypeAlias, dataclass_transform

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.records import record
from dlgradient.core.types import Count, Positive
from dlgradient.errors import located

__all__ = ["Cosine", "Cyclical", "Exponential", "Piecewise", "Polynomial", "Schedule", "Warmup"]

Unit: TypeAlias = Literal["epoch", "iteration"]


@dataclass_transform(kw_only_default=False, frozen_default=True, field_specifiers=(field,))
@record("schedules.Schedule", frozen=True)
class Schedule(AnswersByName):
    """The base class of schedules; derive your own from it, with a method ``factor``.

    Examples
    --------
    >>> class Halved(dl.schedules.Schedule):
    ...     def factor(self, time):
    ...         return 0.5**time
    >>> Halved().factor(2)
    0.25

    Source: MATLAB ``deep.LearnRateSchedule``.
    """

    frequency_unit: Unit = field(default="epoch", kw_only=True)
    # How many steps it lasts, after which the next one of a list begins; None for ever.
    steps: ClassVar[int | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        record(f"schedules.{cls.__name__}", frozen=True)(cls)
        super().__init_subclass__(**options)

    def factor(self, time: int) -> float:
        """Return the factor of the learn rate.

        Parameters
        ----------
        time : int
            Epochs or iterations that have ended, from 0.
        """
        raise NotImplementedError(
            located(
                f"schedule {type(self).__name__} has no factor(self, time)",
                "errors.html#exceptions-of-python",
            )
        )


class Piecewise(Schedule):
    """A factor at the end of each period: drop_factor^⌊t / period⌋.

    Parameters
    ----------
    drop_factor : float
    period : int
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> [dl.schedules.Piecewise(0.5, 2).factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]

    Source: MATLAB ``piecewiseLearnRate``.
    """

    drop_factor: Positive = 0.1
    period: Count = 10

    def factor(self, time: int) -> float:
        """Return the factor."""
        return float(self.drop_factor ** (time // self.period))


class Exponential(Schedule):
    """A smooth decay: drop_factor^(t / period).

    Parameters
    ----------
    drop_factor : float
    period : int
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> dl.schedules.Exponential(0.25, 2).factor(1)
    0.5

    Source: MATLAB ``exponentialLearnRate``.
    """

    drop_factor: Positive = 0.1
    period: Count = 1

    def factor(self, time: int) -> float:
        """Return the factor."""
        return float(self.drop_factor ** (time / self.period))


class Polynomial(Schedule):
    """From one factor to another: a + (b - a) (t / steps)^power.

    Parameters
    ----------
    initial_factor, final_factor : float
        a and b.
    num_steps : int
    power : float
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> [dl.schedules.Polynomial(num_steps=4, final_factor=0.0).factor(t) for t in (0, 2, 9)]
    [1.0, 0.5, 0.0]

    Source: MATLAB ``polynomialLearnRate``.
    """

    initial_factor: float = 1.0
    final_factor: float = 0.1
    num_steps: Count = 10
    power: Positive = 1.0

    def factor(self, time: int) -> float:
        """Return the factor."""
        part = float(min(time / self.num_steps, 1.0) ** self.power)
        return self.initial_factor + (self.final_factor - self.initial_factor) * part


class Warmup(Schedule):
    """A line from one factor to another, then the schedule after it in a list.

    Parameters
    ----------
    initial_factor, final_factor : float
    num_steps : int
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> [dl.schedules.Warmup(num_steps=4).factor(t) for t in (0, 2, 4)]
    [0.1, 0.55, 1.0]

    Source: MATLAB ``warmupLearnRate``.
    """

    initial_factor: float = 0.1
    final_factor: float = 1.0
    num_steps: Count = 5

    @property
    def steps(self) -> int:  # type: ignore[override]
        """How many steps it lasts."""
        return self.num_steps

    def factor(self, time: int) -> float:
        """Return the factor."""
        part = min(time / self.num_steps, 1.0)
        return self.initial_factor + (self.final_factor - self.initial_factor) * part


class Cosine(Schedule):
    """Half a wave of the cosine in each period: b + (a - b) (1 + cos(π t / period)) / 2.

    Parameters
    ----------
    period : int
    initial_factor, final_factor : float
        a and b.
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> [round(dl.schedules.Cosine(4).factor(t), 6) for t in (0, 2, 4)]
    [1.0, 0.5, 1.0]

    Source: MATLAB ``cosineLearnRate``; PyTorch ``CosineAnnealingWarmRestarts``.
    """

    period: Count = 30
    initial_factor: float = 1.0
    final_factor: float = 0.0

    def factor(self, time: int) -> float:
        """Return the factor."""
        wave = (1 + math.cos(math.pi * (time % self.period) / self.period)) / 2
        return self.final_factor + (self.initial_factor - self.final_factor) * wave


class Cyclical(Schedule):
    """A line up and a line down in each period.

    Parameters
    ----------
    max_factor : float
        The factor at the top; 1 at the bottom.
    period : int
    step_ratio : float
        The part of a period in which the factor grows.
    frequency_unit : {"epoch", "iteration"}

    Examples
    --------
    >>> [dl.schedules.Cyclical(3.0, 4).factor(t) for t in range(5)]
    [1.0, 2.0, 3.0, 2.0, 1.0]

    Source: MATLAB ``cyclicalLearnRate``; PyTorch ``CyclicLR``.
    """

    max_factor: Positive = 10.0
    period: Count = 2
    step_ratio: Positive = 0.5

    def factor(self, time: int) -> float:
        """Return the factor."""
        part = (time % self.period) / self.period
        up = self.step_ratio
        height = part / up if part <= up else (1 - part) / (1 - up)
        return 1.0 + (self.max_factor - 1.0) * height


def factor_at(schedules: Sequence[Schedule], epoch: int, iteration: int) -> float:
    """Return the product of the factors; a schedule after one that ends begins where it ended."""
    times = {"epoch": epoch, "iteration": iteration}
    found = 1.0
    for schedule in schedules:
        unit = schedule.frequency_unit
        time = times[unit]
        if time < 0:
            break
        found *= schedule.factor(time)
        if schedule.steps is not None:
            if time < schedule.steps:
                break
            times[unit] = time - schedule.steps
    return found
