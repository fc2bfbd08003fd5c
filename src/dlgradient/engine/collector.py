"""Python's cyclic garbage collector, kept out of long traces.

The collector starts after a number of new objects, 700 by default, and looks at all young ones; now
and then at all objects. A trace makes an object for each operation and drops none before it closes.
So the collector finds nothing, again and again, and takes half of the time of a trace of 100,000
operations.

While a trace is open that has made so many objects that a second generation is collected, the
collector starts after `OBJECTS_UNTIL_COLLECTION` of them. Garbage in cycles is still collected,
later. When the last open trace closes, the threshold is as before. A threshold that the user
changed meanwhile stays; a collector that is off stays off.

The collector tells of its work by `gc.callbacks`, so a short trace pays nothing for this.
"""

from __future__ import annotations

import gc
from typing import Any

from dlgradient.core.sizes import OBJECTS_UNTIL_COLLECTION
from dlgradient.core.trace import open_traces

__all__ = ["restore"]

# The thresholds before and after they were raised; None if they were not. There is no lock: two
# threads at a time raise or restore the same numbers.
_raised: tuple[tuple[int, ...], tuple[int, ...]] | None = None


def restore() -> None:
    """Let the collector be as before if no trace is open; called when one closes."""
    global _raised  # noqa: PLW0603 - the collector is global too
    raised = _raised
    if raised is not None and not open_traces:
        before, after = raised
        if gc.get_threshold() == after:
            gc.set_threshold(*before)
        _raised = None


def _notice(phase: str, info: dict[str, Any]) -> None:
    global _raised  # noqa: PLW0603 - as above
    if phase != "start" or not info["generation"] or not open_traces or _raised is not None:
        return
    before = gc.get_threshold()
    if 0 < before[0] < OBJECTS_UNTIL_COLLECTION:
        gc.set_threshold(OBJECTS_UNTIL_COLLECTION, *before[1:])
        _raised = before, gc.get_threshold()


gc.callbacks.append(_notice)
