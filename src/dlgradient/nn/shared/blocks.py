"""Work on large arrays: chunks that stay in the cache, spread over the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dlgradient.core.threads import in_blocks, one_blas_thread

__all__ = ["chunks", "for_each", "items_within"]

T = TypeVar("T")


def for_each(work: Callable[[T], Any], items: Sequence[T], *, split: bool) -> None:
    """Call ``work(item)`` for each item, on all cores if there is enough to do.

    Matrix products inside run on one thread each then.

    Parameters
    ----------
    work : callable
        It must touch nothing that the work on another item touches.
    items : sequence
    split : bool
        Whether the work pays for another thread.
    """

    def several(block: slice) -> None:
        for item in items[block]:
            work(item)

    if not split:
        several(slice(None))
        return
    with one_blas_thread():
        in_blocks(several, len(items))


def items_within(nbytes: int, each: int) -> int:
    """Number of items of `each` bytes that fit into `nbytes`, at least one."""
    return max(1, nbytes // max(1, each))


def chunks(part: slice, count: int) -> Iterator[slice]:
    """Cut a part of a batch into slices of `count` items; the last may be shorter.

    Examples
    --------
    >>> list(chunks(slice(2, 7), 3))
    [slice(2, 5, None), slice(5, 7, None)]
    """
    for first in range(part.start, part.stop, count):
        yield slice(first, min(first + count, part.stop))
