"""Memory of steps that are over, used again by the next ones.

An update returns new vectors, and those of the step before are soon dead. To make them anew costs
more than the formula: the system hands out memory page by page (row adam). So a state of an
optimiser remembers the vectors that led to it. The next step writes to those which nothing else
refers to: no table, no array that is a view of one, no trace (see `core.ownership`). A caller who
keeps an old network or an old state refers to its vectors, so they are left alone. The memory lives
as long as the state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlgradient.core.ownership import is_alone_in_table
from dlgradient.core.sizes import SPARE_BYTES
from dlgradient.core.types import Array
from dlgradient.network.table import ParameterTable

__all__ = ["Memory"]


class Memory:
    """The memory of one step.

    Parameters
    ----------
    like : sequence of array
        A vector of each group, for sizes and dtypes.
    states : sequence of ParameterTable
        Given states; the first one remembers.

    Attributes
    ----------
    later : list of list of array
        What the new state remembers.
    """

    def __init__(self, like: Sequence[Array], states: Sequence[ParameterTable]) -> None:
        self.like = like
        self.now = states[0].spare if states else None
        self.later: list[list[Array]] = [[] for _ in like]

    def vector(self, group: int) -> Array:
        """Return a vector to write to."""
        like = self.like[group]
        spare = self.now[group] if self.now and like.nbytes >= SPARE_BYTES else []
        while spare:
            try:
                # It is taken out before it is looked at: another thread may hold the state, too.
                held = {0: spare.pop()}
            except IndexError:
                break
            if is_alone_in_table(held, 0):
                held[0].setflags(write=True)
                return held[0]
        return np.empty_like(like)

    def give_back(self, group: int, vectors: Sequence[Array]) -> None:
        """Remember vectors that the step has read, and that may soon be dead."""
        like = self.like[group]
        if like.nbytes < SPARE_BYTES:
            return
        size, dtype = like.size, like.dtype
        self.later[group] = [
            x
            for x in vectors
            # A vector that is part of another, as one of a file may be, is not its own memory.
            if type(x) is np.ndarray and x.base is None and x.size == size and x.dtype == dtype
        ]
