"""What Python reads of values: whether it is the same as when the program was recorded."""

from __future__ import annotations

from typing import Any

from dlgradient.program.lines import alike

__all__ = ["holds"]


def holds(now: Any, then: Any) -> bool:
    """Return whether Python would read the same."""
    return now is then or alike(now, then)
