"""Traces: how a value was made, and `dlfeval`, which opens and closes one.

A trace is a graph of nodes, never a tape. A node points to the nodes of its operands and to what
its rules need, and nothing points back, so a value that nothing needs is freed at once. Nodes carry
a number that grows: sorting by it replaces a topological sort, and no walk is recursive.

`dlfeval` turns the dlarrays of its arguments into leaves, calls the function, and closes the
trace: what it returns is untraced, and a traced value that was stored elsewhere is a constant from
then on.
The open trace is a context variable, so threads and tasks are independent. A `dlfeval` inside
another joins its trace.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import Any

import numpy as np

from dlgradient import calls, tree
from dlgradient.array import dlarray
from dlgradient.calls import open_node, tick, wrap
from dlgradient.errors import NotDlarrayError

__all__ = ["Node", "Trace", "current_trace", "dlfeval", "variable"]

# Smaller raw operands are copied; larger ones that own their memory are locked instead.
_COPY_BYTES = 1 << 16

_current: ContextVar[Trace | None] = ContextVar("dlgradient_trace", default=None)
current_trace = _current.get


class Node:
    """How one value was made.

    Attributes
    ----------
    op : Op or None
        The operation; None for a leaf.
    parents : tuple
        For each operand its node, or its raw value if it is a constant.
    kept : tuple or None
        For each operand, and last for the result, the value if a rule needs it, else None. An empty
        tuple if no rule needs any; None after the values were dropped.
    params : dict
        Static parameters.
    seq : int
        Larger than that of every parent.
    trace : Trace
    shape, dtype
        Of the value: what ``x_like`` in a rule stands for.
    factor : tuple of weak references, not always set
        The factor of the operation's rule that a walk computed, see `dlgradient.rules.Factor`.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "factor",
        "kept",
        "op",
        "params",
        "parents",
        "seq",
        "shape",
        "trace",
    )

    factor: tuple[Any, Any]
    op: Any
    parents: tuple[Any, ...]
    kept: tuple[Any, ...] | None
    params: dict[str, Any]
    seq: int
    trace: Trace
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of dimensions of the value."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the value."""
        return int(np.prod(self.shape, dtype=int))


# Raw arrays that open traces have locked, by identity, and how many traces.
_locks: dict[int, int] = {}
_locking = Lock()


class Trace:
    """One open `dlfeval`: a flag, and the raw arrays that are locked while it is open."""

    __slots__ = ("is_open", "locked")

    def __init__(self) -> None:
        self.is_open = True
        self.locked: dict[int, np.ndarray[Any, Any]] = {}

    def hold(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return `array`, or a copy, such that nobody changes it while the trace is open."""
        with _locking:
            if _unchangeable(array):
                # Perhaps only because another trace has locked it, which may close before this one.
                owner: Any = array
                while isinstance(owner, np.ndarray):
                    if id(owner) in _locks:
                        self._lock(owner)
                    owner = owner.base
                return array
            if array.base is None and array.nbytes > _COPY_BYTES:
                self._lock(array)
                return array
        copy = array.copy(order="K")
        copy.flags.writeable = False
        return copy

    def _lock(self, array: np.ndarray[Any, Any]) -> None:
        if id(array) not in self.locked:
            self.locked[id(array)] = array
            _locks[id(array)] = _locks.get(id(array), 0) + 1
            array.flags.writeable = False

    def close(self) -> None:
        """End the trace: its nodes are constants from now on, and locked arrays are writable."""
        self.is_open = False
        if not self.locked:
            return
        with _locking:
            for key, array in self.locked.items():
                _locks[key] -= 1
                if not _locks[key]:
                    del _locks[key]
                    array.flags.writeable = True
        self.locked.clear()


def _unchangeable(array: Any) -> bool:
    """Whether neither an array nor any array it is a view of can be written to."""
    while array is not None:
        if not isinstance(array, np.ndarray) or array.flags.writeable:
            return False
        array = array.base
    return True


def variable(value: Any, trace: Trace) -> Node:
    """Return a node without an operation: where a derivative ends."""
    node = object.__new__(Node)
    node.op = None
    node.parents = ()
    node.kept = (value,)
    node.params = {}
    node.seq = tick()
    node.trace = trace
    node.shape = value.shape
    node.dtype = value.dtype
    return node


def leaf(array: Any, trace: Trace) -> Any:
    """Return a traced dlarray of the same value, a variable of its own; integers have no trace."""
    if open_node(array) is not None:
        # Of an outer function: what is made of it here is no use of the outer variable elsewhere.
        return calls.FUNCTIONS["positive"](array)
    value = array._value
    if value.dtype.kind in "iu":
        return wrap(value, None, array._format)
    return wrap(value, variable(value, trace), array._format)


def dlfeval(fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Evaluate a function with automatic differentiation enabled.

    Parameters
    ----------
    fun : callable
        Function that may call `dlgradient`.
    *args, **kwargs
        Its arguments. Every dlarray in them, at any depth of list, tuple, dict, namedtuple,
        dataclass or Layer/Parameter/Value table, becomes a traced variable of its own, also where
        it is traced already, in a function that is being evaluated.

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
    outer = _current.get()
    trace = outer if outer is not None else Trace()

    def trace_leaf(value: Any) -> Any:
        return leaf(value, trace) if type(value) is dlarray else value

    args = tree.map_leaves(trace_leaf, args)
    if kwargs:
        kwargs = tree.map_leaves(trace_leaf, kwargs)
    if outer is not None:
        return fun(*args, **kwargs)
    token = _current.set(trace)
    try:
        return tree.map_leaves(_untraced, fun(*args, **kwargs))
    finally:
        _current.reset(token)
        trace.close()


def _untraced(value: Any) -> Any:
    if type(value) is dlarray and value._node is not None:
        return wrap(value._value, None, value._format)
    return value


calls.install(dlarray, Node)
