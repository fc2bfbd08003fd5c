"""A step of an optimiser for the learnables of a network, which are vectors: one for each dtype.

The formula is applied to vectors, and not to each learnable: for small ones the overhead of a call
is most of the time (row adam).
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias

from dlgradient.core.types import Array
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import Columns, ParameterTable
from dlgradient.train.computing import compute, compute_from_pieces
from dlgradient.train.containers import Container
from dlgradient.train.factors import factors_of_network
from dlgradient.train.memory import Memory
from dlgradient.train.step import Factor, Formula, is_empty, update_leaves

__all__ = ["spans_of", "update_table"]

# For each vector: a factor, and where the arrays that have it begin and end.
Spans: TypeAlias = list[list[tuple[Factor, int, int]]]


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
    table, gradients, *olds = [
        x.learnables if type(x) is dlnetwork else x
        for x in (parameters, gradients, *states.values())
    ]
    found = None
    if not whole and type(table) is ParameterTable:
        spans = spans_of(table.columns, net, decays=decays)
        found = _update_buffers(formula, table, gradients, olds, spans)
    if found is None:
        factors = {} if net is None else factors_of_network(net, decays=decays)
        by_path = {f"[{key!r}]": factor for key, factor in factors.items()}
        states = dict(zip(states, olds, strict=True))
        found = update_leaves(name, formula, table, gradients, states, by_path)
    return found if net is None else (net.with_learnables(found[0]), *found[1:])


def spans_of(columns: Columns, net: dlnetwork | None, *, decays: bool) -> Spans:
    """Return the spans of each buffer that have one factor.

    A network of other factors has another plan, so they are found once for a plan.
    """
    groups = range(len(columns.groups))
    if net is None or not net.initialized:
        return [columns.spans(group, {}, Factor()) for group in groups]
    known: tuple[Columns, Spans] | None = net.spans.get(decays)
    if known is None or known[0] is not columns:
        factors = factors_of_network(net, decays=decays)
        found = [columns.spans(group, factors, Factor()) for group in groups]
        known = net.spans[decays] = columns, found
    return known[1]


def _update_buffers(
    formula: Formula,
    table: ParameterTable,
    gradients: Container,
    states: list[Container],
    spans: Spans,
) -> tuple[Container, ...] | None:
    """Update tables of one network as vectors; None if they are no such tables."""
    # Lines of their own instead of comprehensions: each step runs through them (row own-mlp).
    columns, learnables = table.columns, table.buffers()
    before: list[list[Array] | None] = []
    olds: list[ParameterTable] = []
    for state in states:
        if is_empty(state):
            before.append(None)
            continue
        if type(state) is not ParameterTable or state.columns is not columns:
            return None
        olds.append(state)
        before.append(state.buffers())
        if before[-1] is None:
            return None
    if learnables is None or type(gradients) is not ParameterTable:
        return None
    if gradients.columns is not columns:
        return None
    memory = Memory(learnables, olds)
    results: list[list[Array]] = []
    for group, p in enumerate(learnables):
        operands: list[Any] = [p]
        read = [p]
        for vectors in before:
            operands.append(0.0 if vectors is None else vectors[group])
            if vectors is not None:
                read.append(vectors[group])
        new = _stepped(formula, operands, gradients, (group, spans[group]), memory)
        if new is None:
            return None
        results.append(new)
        memory.give_back(group, read)
    tables = [ParameterTable.of(columns, None, list(x)) for x in zip(*results, strict=True)]
    tables[1].spare = memory.later
    return tuple(tables)


def _stepped(
    formula: Formula,
    operands: list[Any],
    gradients: ParameterTable,
    where: tuple[int, list[tuple[Factor, int, int]]],
    memory: Memory,
) -> list[Array] | None:
    """Return the new vectors of a group; None if they are not of one real dtype."""
    (group, spans), dtype = where, operands[0].dtype
    if dtype.kind != "f":
        return None
    new = [memory.vector(group)]
    for x in operands[1:]:
        if type(x) is not float and x.dtype is not dtype and x.dtype != dtype:
            return None
        new.append(memory.vector(group))
    pieces = gradients.pieces(group)
    layout = gradients.columns.pieces(group)
    if pieces is None or not compute_from_pieces(formula, spans, operands, pieces, layout, new):
        gathered = gradients.buffers(memory.vector)
        if gathered is None or gathered[group].dtype != dtype:
            return None
        given = [operands[0], gathered[group], *operands[1:]]
        for factor, start, stop in spans:
            parts = [x if type(x) is float else x[start:stop] for x in given]
            compute(partial(formula, factor), parts, [x[start:stop] for x in new])
    for array in new:
        array.setflags(write=False)
    return new
