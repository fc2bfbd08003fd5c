"""A step of an optimiser for the learnables of a network, which are vectors: one for each dtype.

The formula is applied to chunks of a vector that stay in the cache, and not to each learnable: for
small ones the overhead of a call is most of the time (row adam).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlgradient.core.sizes import UPDATE_CHUNK
from dlgradient.core.types import Array
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.train.containers import Container
from dlgradient.train.step import Formula, is_empty, update_leaves

__all__ = ["update_table"]


def update_table(
    name: str,
    formula: Formula,
    parameters: Container,
    gradients: Container,
    states: dict[str, Container],
) -> tuple[Container, ...]:
    """Update a network, or a table; gradients and states are tables or networks.

    Only a network has factors of the learn rate.
    """
    net = parameters if type(parameters) is dlnetwork else None
    factors = net.learn_rate_factors() if net is not None else {}
    table, gradients, *rest = [
        x.learnables if type(x) is dlnetwork else x
        for x in (parameters, gradients, *states.values())
    ]
    states = dict(zip(states, rest, strict=True))
    found = _update_buffers(formula, table, gradients, states, factors)
    if found is None:
        by_path = {f"[{key!r}]": factor for key, factor in factors.items()}
        found = update_leaves(name, formula, table, gradients, states, by_path)
    return found if net is None else (net.with_learnables(found[0]), *found[1:])


def _update_buffers(
    formula: Formula,
    table: Container,
    gradients: Container,
    states: dict[str, Container],
    factors: Mapping[str, float],
) -> tuple[Container, ...] | None:
    """Update tables of one network as vectors; None if they are no such tables."""
    given = [table, gradients, *[x for x in states.values() if not is_empty(x)]]
    if not all(type(x) is ParameterTable and x.columns is table.columns for x in given):
        return None
    vectors = [x.buffers() for x in given]
    if None in vectors:
        return None
    results: list[list[Array]] = [[] for _ in range(1 + len(states))]
    for group, rows in enumerate(zip(*vectors, strict=True)):
        dtype = rows[0].dtype
        if dtype.kind != "f" or any(x.dtype != dtype for x in rows):
            return None
        p, g, *old = rows
        before = iter(old)
        row: list[Any] = [0.0 if is_empty(x) else next(before) for x in states.values()]
        new = [np.empty_like(p) for _ in results]
        for factor, start, stop in table.columns.spans(group, factors):
            for first in range(start, stop, UPDATE_CHUNK):
                part = slice(first, min(first + UPDATE_CHUNK, stop))
                parts = [s if type(s) is float else s[part] for s in row]
                for array, value in zip(
                    new, formula(factor, p[part], g[part], *parts), strict=True
                ):
                    array[part] = value
        for array, result in zip(new, results, strict=True):
            array.flags.writeable = False
            result.append(array)
    return tuple([ParameterTable.of(table.columns, buffers=result) for result in results])
