"""Compositions that are smooth though an operation in them has a kink: abs(z)**2, cos(abs(x)).

The chain rule cannot see that. Its first derivative is right, but at the kink the derivative of the
derivative is lost: abs(z)**2 would have no curvature at 0. A traced walk, whose result is to be
differentiated, takes the smooth operation instead.

A loss of saturated probabilities is another composition: its derivatives pass the logits, except
for those by the probabilities themselves.
"""

from __future__ import annotations

from typing import Any

from dlgradient.core.declaration import OPS
from dlgradient.core.graph import Node

__all__ = ["bypassed", "smooth_form"]

# Outer and inner operation, and the operation on the inner operands that is their composition.
_SQUARES = {"abs": "abs2", "hypot": "sum_of_squares", "std": "var"}
_FORMS = {
    "square": _SQUARES,
    "pow": _SQUARES,
    "multiply": _SQUARES,
    # Even functions, of real elements.
    "cos": {"abs": "cos"},
    "cosh": {"abs": "cosh"},
}


def smooth_form(node: Node) -> tuple[Node, Node] | None:
    """Return the inner node of a composition, and a node of the smooth operation on its operands.

    None if the node is no such composition. The node saves what the inner one saves, which must not
    have been dropped.
    """
    forms = _FORMS.get(node.op.name)
    if forms is None:
        return None
    inner = node.parents[0]
    if type(inner) is not Node or inner.op is None or inner.op.name not in forms:
        return None
    if node.op.name == "pow" and not _is_two(node.parents[1]):
        return None
    if node.op.name == "multiply" and node.parents[1] is not inner:
        return None
    if forms is not _SQUARES and inner.parents[0].dtype.kind == "c":
        return None
    return inner, inner.but(op=OPS[forms[inner.op.name]])


def bypassed(node: Node) -> Node | None:
    """Return the node that the second operand of a loss bypasses; None for other operations.

    A derivative by this node passes the first operand, and every other one the second.
    """
    probabilities: Node | None = (
        node.params["probabilities"] if node.op.name == "by_logits" else None
    )
    return probabilities


def _is_two(exponent: Any) -> bool:
    return type(exponent) is not Node and not getattr(exponent, "shape", ()) and exponent == 2
