"""A step of an optimiser for the learnables of a network, which are vectors: one for each dtype.

The formula is applied to vectors, and not to each learnable: for small ones the overhead of a call
is most of the time (row adam).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dlgradient.core.types import Array
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.train.computing import compute
from dlgradient.train.containers import Container
from dlgradient.train.memory import Memory
from dlgradient.train.step import Factor, Formula, is_empty, update_leaves

__all__ = ["update_table"]


def update_table(
    name: str,
    formula: Formula,
    parameters: Container,
    gradients: Container,
    states: dict[str, Container],
    *,
    decays: bool,
    whole: bool,
) -> tuple[Container, ...]:
    """Update a network, or a table; gradients and states are tables or networks.

    Only a network has factors.
    """
    net = parameters if type(parameters) is dlnetwork else None
    factors = {} if net is None else _factors(net, decays=decays)
    table, gradients, *rest = [
        x.learnables if type(x) is dlnetwork else x
        for x in (parameters, gradients, *states.values())
    ]
    states = dict(zip(states, rest, strict=True))
    found = None if whole else _update_buffers(formula, table, gradients, states, factors)
    if found is None:
        by_path = {f"[{key!r}]": factor for key, factor in factors.items()}
        found = update_leaves(name, formula, table, gradients, states, by_path)
    return found if net is None else (net.with_learnables(found[0]), *found[1:])


def _factors(net: dlnetwork, *, decays: bool) -> dict[str, Factor]:
    rates = net.learn_rate_factors()
    l2 = net.l2_factors() if decays else {}  # else arrays of different factors are one span
    return {key: Factor(rate, l2.get(key, 1.0)) for key, rate in rates.items()}


def _update_buffers(
    formula: Formula,
    table: Container,
    gradients: Container,
    states: dict[str, Container],
    factors: Mapping[str, Factor],
) -> tuple[Container, ...] | None:
    """Update tables of one network as vectors; None if they are no such tables."""
    olds = [x for x in states.values() if not is_empty(x)]
    given = [table, gradients, *olds]
    if not all(type(x) is ParameterTable and x.columns is table.columns for x in given):
        return None
    vectors = [table.buffers(), *[x.buffers() for x in olds]]
    if None in vectors:
        return None
    memory = Memory(vectors[0], olds)
    gathered = gradients.buffers(memory.vector)
    if gathered is None:
        return None
    results: list[list[Array]] = [[] for _ in range(1 + len(states))]
    for group, (p, *old, g) in enumerate(zip(*vectors, gathered, strict=True)):
        if p.dtype.kind != "f" or any(x.dtype != p.dtype for x in (g, *old)):
            return None
        before = iter(old)
        row: list[Any] = [0.0 if is_empty(x) else next(before) for x in states.values()]
        new = [memory.vector(group) for _ in results]
        for factor, start, stop in table.columns.spans(group, factors, Factor()):
            span = slice(start, stop)
            operands = [x if type(x) is float else x[span] for x in (p, g, *row)]
            compute(partial(formula, factor), operands, [array[span] for array in new])
        for array, result in zip(new, results, strict=True):
            array.flags.writeable = False
            result.append(array)
        memory.give_back(group, [p, g, *old])
    tables = [ParameterTable.of(table.columns, buffers=result) for result in results]
    tables[1].spare = memory.later
    return tuple(tables)
