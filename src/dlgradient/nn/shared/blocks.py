"""Large arrays in chunks that stay in the cache, spread over the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dlgradient.core.threads import in_blocks, one_blas_thread

__all__ = ["chunks", "for_each", "for_each_chunk", "items_within"]

T = TypeVar("T")
R = TypeVar("R")


def for_each(work: Callable[[T], R], items: Sequence[T], *, split: bool) -> list[R]:
    """Return ``work(item)`` for each item, on all cores if it pays.

    Matrix products inside then run on one thread each.

    Parameters
    ----------
    work : callable
        It must not write to anything that the work on another item uses.
    items : sequence
    split : bool
        Whether the work is enough for another thread.
    """

    def several(block: slice) -> list[R]:
        return [work(item) for item in items[block]]

    if not split:
        return several(slice(None))
    # Each product on one core: the cores are taken by the items.
    with one_blas_thread():
        return [result for results in in_blocks(several, len(items)) for result in results]


def for_each_chunk(work: Callable[[slice], Any], size: int, at_once: int, *, split: bool) -> None:
    """Call ``work(chunk)`` for chunks of ``range(size)``, on all cores if it pays.

    Parameters
    ----------
    work : callable
        ``work(chunk)`` with a slice. It must not write to anything that another chunk uses.
    size : int
        Number of items.
    at_once : int
        Number of items in a chunk.
    split : bool
        Whether the work is enough for another thread.
    """

    def several(part: slice) -> None:
        for chunk in chunks(part, at_once):
            work(chunk)

    in_blocks(several, size, split=split)


def items_within(nbytes: int, each: int) -> int:
    """Return the number of items of `each` bytes that fit into `nbytes`, at least one."""
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
