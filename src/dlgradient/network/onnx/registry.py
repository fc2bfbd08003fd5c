"""The table of ONNX operators: for each one the function that computes it.

The signature of the function is the declaration: positional parameters are the operands, in ONNX's
order, and give learnables their names; keyword parameters are the attributes, with ONNX's default
values. Two keywords are filled in by the importer, where a function has them: ``opset``, the
version of the standard, and ``outputs``, the number of outputs that the node has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["Entry", "operator", "table"]

FAMILIES = (
    "activations",
    "arithmetic",
    "control",
    "convolution",
    "creation",
    "images",
    "indexing",
    "joining",
    "normalization",
    "pooling",
    "products",
    "recurrent",
    "reductions",
    "shapes",
    "signal",
)

_TABLE: dict[str, Entry] = {}


@dataclass(frozen=True)
class Entry:
    """How an operator is computed.

    Attributes
    ----------
    function : callable
    names : tuple of str
        Names of the operands.
    rest : bool
        Whether more operands may follow.
    learned : frozenset of str
        The operands that are weights, so learnables if the file gives their values.
    factors : frozenset of str
        The operands that may be weights, unless they are single numbers.
    layer : type or None
        The class of the layer, if it does more than call the function.
    options : frozenset of str
        Names of the keyword parameters.
    problem : callable or None
        Of a node: what of it is not supported, or ''.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    rest: bool
    learned: frozenset[str]
    factors: frozenset[str]
    layer: Any
    options: frozenset[str]
    problem: Callable[[Any], str] | None

    def name(self, i: int) -> str:
        """Return the name of an operand."""
        return self.names[i] if i < len(self.names) else f"operand{i + 1}"

    def may_learn(self, i: int, size: int) -> bool:
        """Return whether an operand with that many elements may be a learnable."""
        name = self.name(i)
        if name in self.learned:
            return True
        return size > 1 and (name in self.factors or (self.rest and i >= len(self.names)))


def operator(
    *names: str, learned: str = "", factors: str = "", layer: Any = None, problem: Any = None
) -> Callable[..., Any]:
    """Declare a function as that of one or several operators."""

    def declared(function: Callable[..., Any]) -> Callable[..., Any]:
        declare(function, *names, learned=learned, factors=factors, layer=layer, problem=problem)
        return function

    return declared


def declare(
    function: Callable[..., Any],
    *names: str,
    learned: str = "",
    factors: str = "",
    layer: Any = None,
    problem: Any = None,
) -> None:
    """Enter a function into the table."""
    parameters = inspect.signature(function).parameters.values()
    entry = Entry(
        function,
        tuple([p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]),
        any(p.kind is p.VAR_POSITIONAL for p in parameters),
        frozenset(learned.split()),
        frozenset(factors.split()),
        layer,
        frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
        problem,
    )
    for name in names:
        _TABLE[name] = entry


@cache
def table() -> dict[str, Entry]:
    """Return the entries by name of the operator, with all families loaded."""
    for family in FAMILIES:
        import_module(f"dlgradient.network.onnx.operators.{family}")
    return _TABLE
