"""`dlfeval` opens a trace, evaluates a function in it, and closes it.

`dlfeval` turns the dlarrays of its arguments into variables, calls the function, and closes the
trace. What it returns is untraced. A traced value that was stored elsewhere is then a constant. The
open trace is a context variable, so threads and tasks are independent. A `dlfeval` inside another
joins its trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlgradient.core import calls, tree
from dlgradient.core.calls import open_node, variable, wrap
from dlgradient.core.trace import Trace, the_trace
from dlgradient.core.types import P, R
from dlgradient.engine import collector
from dlgradient.engine.array import dlarray
from dlgradient.errors import NotDlarrayError

__all__ = ["dlfeval"]


def leaf(array: Any, trace: Trace) -> Any:
    """Return a traced dlarray of the same value, a new variable; integers have no trace."""
    if open_node(array) is not None:
        # An outer function traces it. With a new node, only uses in this function count.
        return calls.FUNCTIONS["positive"](array)
    value = array._value
    if value.dtype.kind in "iu":
        return wrap(value, None, array._format)
    return wrap(value, variable(value, trace), array._format)


def dlfeval(fun: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Evaluate a function with automatic differentiation enabled.

    Parameters
    ----------
    fun : callable
        A function that may call `dlgradient`.
    *args, **kwargs
        Its arguments. Every dlarray in them becomes a new traced variable, at any depth of
        containers: list, tuple, dict (and their subclasses), namedtuple, dataclass,
        SimpleNamespace, array of objects and Layer/Parameter/Value table. So does a dlarray that an
        outer `dlfeval` traces already. Everything else is passed as it is.

    Returns
    -------
    object
        What `fun` returns, with every dlarray untraced.

    Examples
    --------
    >>> import dlgradient as dl
    >>> def rosenbrock(x):
    ...     y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    ...     return y, dl.dlgradient(y, x)
    >>> y, gradient = dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
    >>> y.item(), gradient.tolist()
    (104.0, [396.0, 200.0])

    Source: MATLAB ``dlfeval``.
    """
    if not callable(fun):
        raise NotDlarrayError(
            f"dlfeval: fun must be a function, not {type(fun).__name__}; write "
            "dlfeval(fun, x), not dlfeval(fun(x))"
        )
    outer = the_trace.get()
    trace = outer if outer is not None else Trace(fun)

    def trace_leaf(value: Any) -> Any:
        return leaf(value, trace) if type(value) is dlarray else value

    given: Any = tree.map_leaves(trace_leaf, args)
    named: Any = tree.map_leaves(trace_leaf, kwargs) if kwargs else kwargs
    if outer is not None:
        return fun(*given, **named)
    token = the_trace.set(trace)
    collector.opened(trace)
    try:
        result: R = tree.map_leaves(_untraced, fun(*given, **named))
        return result
    finally:
        the_trace.reset(token)
        trace.close()
        collector.closed(trace)


def _untraced(value: Any) -> Any:
    if type(value) is dlarray and value._node is not None:
        return wrap(value._value, None, value._format)
    return value


calls.install(dlarray)
