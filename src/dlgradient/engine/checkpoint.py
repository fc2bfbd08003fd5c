"""`dlcheckpoint`: a function whose saved values are dropped, and computed again when needed.

A node remembers what its value was made of, so a walk can restore what was dropped
(`dlgradient.core.recompute`). The nodes of one call are a segment of the trace. Their saved values
are dropped when the call ends. The arguments and the results hold their own values. So a segment is
restored from its arguments alone, and only when the walk reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import open_node
from dlgradient.core.graph import Node, tick
from dlgradient.core.trace import current_trace
from dlgradient.core.types import P, R
from dlgradient.engine.array import dlarray

__all__ = ["dlcheckpoint"]


@checked
def dlcheckpoint(fun: Callable[P, R], /) -> Callable[P, R]:
    """Make a function save only its arguments and results; a backward pass computes the rest again.

    It takes one more evaluation of the function, and less memory. Derivatives are the same, in both
    modes and of any order.

    Parameters
    ----------
    fun : callable
        A function of dlarrays and containers of them, such as a block of layers or some steps of
        an equation. It may use traced values from outside.

    Returns
    -------
    callable
        The same function. Outside of `dlfeval`, and in a function that `dlaccelerate` records, it
        is `fun` itself.

    See Also
    --------
    dlfeval : evaluate a function and trace it
    dlgradient : gradient of a real scalar

    Notes
    -----
    Operations are repeated, and not the Python of the function: it is called once. Random numbers
    are the same.

    Examples
    --------
    >>> def steps(x):
    ...     for _ in range(100):
    ...         x = x + 0.01 * dl.sin(x)
    ...     return x
    >>> x = dl.dlarray([1.0, 2.0])
    >>> def gradient(x, fun):
    ...     return dl.dlgradient(fun(x).sum(), x)
    >>> g = dl.dlfeval(gradient, x, dl.dlcheckpoint(steps))
    >>> bool((g == dl.dlfeval(gradient, x, steps)).all())
    True

    Source: JAX ``checkpoint``.
    """

    @wraps(fun)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        trace = current_trace()
        if trace is None or trace.recorder is not None:
            return fun(*args, **kwargs)
        first = tick()
        result = fun(*args, **kwargs)
        arguments, results = _nodes([args, kwargs]), _nodes(result)
        for node, value in (*arguments, *results):
            _hold(node, value)
        if _drop([node for node, _ in results], first):
            trace.segments = [*(trace.segments or ()), (first, tick())]
        return result

    return call


def _nodes(container: Any) -> list[tuple[Node, Any]]:
    """Return the nodes of the traced dlarrays in a container, with their values."""
    leaves, _ = tree.flatten(container)
    traced = [x for x in leaves if type(x) is dlarray and open_node(x) is not None]
    return [(x._node, x._value) for x in traced]


def _hold(node: Node, value: Any) -> None:
    """Let a node hold its value, from which others are restored."""
    if node.saved is not None and (not node.saved or node.saved[-1] is None):
        operands = node.saved[:-1] if node.saved else (None,) * len(node.parents)
        node.saved = (*operands, value)


def _drop(results: list[Node], first: int) -> bool:
    """Drop what the nodes before the results save; return whether there was anything."""
    seen = set(results)
    stack = list(results)
    dropped = False
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is Node and parent.seq > first and parent not in seen:
                seen.add(parent)
                stack.append(parent)
                if parent.saved and parent.op is not None:
                    parent.saved = None
                    dropped = True
    return dropped
