"""What a trace tells of a call that is recorded: the protocol of `dlgradient.program.recorder`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dlgradient.core.graph import Node
from dlgradient.core.types import Cotangent, Shape, Value

__all__ = ["Recorder"]


class Recorder(Protocol):
    """Notes what a program must check; one that records nothing is that of an eager call."""

    @property
    def records(self) -> bool:
        """Return whether a program is made of the call."""

    def note(self, function: Callable[..., Any], operands: tuple[Any, ...], found: Any) -> None:
        """Note that Python has read `found`, which is ``function(*operands)`` of raw values."""

    def refuse(self, reason: str) -> None:
        """Note that no program can repeat this call."""

    def note_walk(self, start: int) -> None:
        """Note that the nodes since the number `start` are those of a backward or forward walk."""

    def pull_back(self, node: Node, g: Cotangent) -> Sequence[Value | None]:
        """Return the cotangents of the operands of a fused operation."""

    def draw(self, generator: Any, shape: Shape, dtype: type, trace: Any) -> Any:
        """Return random numbers from 0 to 1, which each call of the program draws anew."""

    def hand_out(self, generator: Any) -> None:
        """Note that code of the user gets a generator, and may draw from it."""

    def is_static(self, node: Node) -> bool:
        """Return whether a node only follows a value that `dlfeval` does not trace."""
