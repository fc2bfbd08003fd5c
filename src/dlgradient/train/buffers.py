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

__all__ = ["update_table"]

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
    table, gradients, *rest = [
        x.learnables if type(x) is dlnetwork else x
        for x in (parameters, gradients, *states.values())
    ]
    states = dict(zip(states, rest, strict=True))
    found = None
    if not whole and type(table) is ParameterTable:
        spans = _spans(table.columns, net, decays=decays)
        found = _update_buffers(formula, table, gradients, states, spans)
    if found is None:
        factors = {} if net is None else factors_of_network(net, decays=decays)
        by_path = {f"[{key!r}]": factor for key, factor in factors.items()}
        found = update_leaves(name, formula, table, gradients, states, by_path)
    return found if net is None else (net.with_learnables(found[0]), *found[1:])


def _spans(columns: Columns, net: dlnetwork | None, *, decays: bool) -> Spans:
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
    states: dict[str, Container],
    spans: Spans,
) -> tuple[Container, ...] | None:
    """Update tables of one network as vectors; None if they are no such tables."""
    columns = table.columns
    olds = [x for x in states.values() if not is_empty(x)]
    for x in (gradients, *olds):
        if type(x) is not ParameterTable or x.columns is not columns:
            return None
    vectors = [table.buffers(), *[x.buffers() for x in olds]]
    if None in vectors:
        return None
    memory = Memory(vectors[0], olds)
    results: list[list[Array]] = [[] for _ in range(1 + len(states))]
    for group, (p, *old) in enumerate(zip(*vectors, strict=True)):
        if p.dtype.kind != "f" or any(x.dtype != p.dtype for x in old):
            return None
        before = iter(old)
        row: list[Any] = [0.0 if is_empty(x) else next(before) for x in states.values()]
        new = [memory.vector(group) for _ in results]
        formulas = [(partial(formula, factor), (i, j)) for factor, i, j in spans[group]]
        pieces, layout = gradients.pieces(group), columns.pieces(group)
        if pieces is None or not compute_from_pieces(formulas, [p, *row], pieces, layout, new):
            gathered = gradients.buffers(memory.vector)
            if gathered is None or gathered[group].dtype != p.dtype:
                return None
            g = gathered[group]
            old.append(g)
            for one, span in formulas:
                part = slice(*span)
                operands = [x if type(x) is float else x[part] for x in (p, g, *row)]
                compute(one, operands, [array[part] for array in new])
        for array, result in zip(new, results, strict=True):
            array.flags.writeable = False
            result.append(array)
        memory.give_back(group, [p, *old])
    tables = [ParameterTable.of(columns, buffers=result) for result in results]
    tables[1].spare = memory.later
    return tuple(tables)
