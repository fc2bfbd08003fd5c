"""`dlvmap`: a function of one member, for all members of a batch in one pass.

The function runs once, for the first member, and its trace says which operations it consists of. A
`Part` of that trace then evaluates the same operations for the whole batch. Gradients that the
function computes are a part of the trace too.

What Python reads of a value of the first member must be the same for all members. The `Watch` notes
it, as a recorder does, and it is compared afterwards. Where members differ, or an operation cannot
be evaluated again, the function is called for each member: this is always right, only slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, labelled, open_node, unlabelled, variable, wrap
from dlgradient.core.graph import Node
from dlgradient.core.reading import decided
from dlgradient.core.recorder import Recorder
from dlgradient.core.sizes import DIRECTION_ELEMENTS
from dlgradient.core.trace import Trace, current_trace
from dlgradient.core.types import Cotangent, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.batching import Part, together
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.evaluate import evaluate as evaluate_recorded
from dlgradient.engine.variables import say
from dlgradient.engine.zeros import holds_nan
from dlgradient.errors import InvalidArgumentError, NotDlarrayError, ShapeMismatchError

__all__ = ["dlvmap"]


@checked
def dlvmap(fun: Callable[..., Any], /, *args: Any, explain: bool = False) -> Any:
    """Call a function of one member for all members of a batch, in one pass.

    Write the function for one observation. It is evaluated once, and then its operations run on the
    whole batch. It may compute gradients, so there is one for each observation.

    Parameters
    ----------
    fun : callable
        A function of the arrays of one member. What is the same for all members, it takes from
        outside, as ``lambda x: model(learnables, x)``.
    *args : dlarray, ndarray or container of them
        Each array has a batch: the dimension ``B`` of its format, or the first one. Everything else
        is passed as it is.
    explain : bool
        Print whether all members were computed in one pass, and if not, why.

    Returns
    -------
    dlarray or container
        What `fun` returns, with all members along the first dimension. If the result of `fun` has a
        format, its label is ``B``. Numbers become arrays too.

    Raises
    ------
    NotDlarrayError
        If no argument is an array.
    ShapeMismatchError
        If batches have different sizes.

    See Also
    --------
    dlfeval : evaluate a function and trace it
    dljacobian : the derivatives of every element

    Notes
    -----
    The function is called for each member instead, if Python reads a value that differs between
    members (``if x > 0``, ``x.item()``). So it is if random numbers are drawn, or if it calls a
    `DifferentiableFunction`. The result is the same. What the function takes from a generator
    itself, as ``rng.normal()``, is a constant, the same for all members.

    Examples
    --------
    >>> A = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> dl.dlvmap(lambda row: row / row.sum(), A)
    dlarray([[0.33333333, 0.66666667],
             [0.42857143, 0.57142857]])

    The gradient of each observation:

    >>> def gradients(w, X):
    ...     return dl.dlvmap(lambda x: dl.dlgradient((w @ x) ** 2, w), X)
    >>> dl.dlfeval(gradients, dl.dlarray([1.0, 0.0]), A)
    dlarray([[ 2.,  4.],
             [18., 24.]])

    Source: JAX ``vmap``.
    """
    batch = _Batch(args)
    trace = current_trace()
    outer = None if trace is None else trace.recorder
    watch = Watch(outer)
    if outer is not None and not all(open_node(x) is not None for x in batch.arrays):
        watch.refuse("an argument is not traced in a call that is recorded")
        found = None
    elif trace is None:
        found = evaluate_recorded(
            fun, lambda new: _at_once(fun, batch, watch, new, traced=False), watch
        )
    else:
        trace.recorder = watch
        try:
            found = _at_once(fun, batch, watch, trace, traced=True)
        finally:
            trace.recorder = outer
    if found is not None:
        if explain:
            say(f"dlvmap: {batch.size} members in one pass")
        return found[0]
    if explain:
        say(f"dlvmap: {batch.size} calls, one for each member, since {watch.reason}")
    return _one_by_one(fun, batch)


class _Read(NamedTuple):
    """What Python has read: ``function(*operands)`` was `found` for the first member."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    found: Any


class Watch:
    """The recorder of the call for the first member.

    Attributes
    ----------
    reads : list of _Read
    reason : str
        Why members are not computed in one pass; empty if they are.
    """

    records = True

    def __init__(self, outer: Recorder | None) -> None:
        self.reads: list[_Read] = []
        self.reason = ""
        self._outer = outer
        self._static: dict[Node, bool] = {}

    def argument(self, value: Any, trace: Trace) -> Node:
        """Return the variable of an argument; integers are followed without a derivative."""
        node = variable(value, trace)
        self._static[node] = node.dtype.kind not in "fcb"
        return node

    def note(self, function: Callable[..., Any], operands: tuple[Any, ...], found: Any) -> None:
        """Note what Python has read of values."""
        self.reads.append(_Read(function, operands, found))
        if self._outer is not None:
            self._outer.note(function, operands, found)

    def refuse(self, reason: str) -> None:
        """Note why members are not computed in one pass."""
        self.reason = self.reason or reason

    def note_walk(self, start: int) -> None:
        """Note that the nodes since the number `start` are those of a walk."""
        if self._outer is not None:
            self._outer.note_walk(start)

    def pull_back(self, node: Node, g: Cotangent) -> Sequence[Value | None]:
        """Return the cotangents of the operands of a fused operation, by the rule."""
        return node.op.joint.traced(node, g)  # type: ignore[no-any-return]

    def draw(self, generator: Any, shape: Shape, dtype: type, trace: Trace) -> Any:
        """Return random numbers, which are others for each member."""
        del trace
        self.refuse("random numbers are drawn")
        return generator.random(shape, dtype)

    def hand_out(self, generator: Any) -> None:
        """Note that random numbers may be drawn."""
        del generator
        self.refuse("random numbers are drawn")

    def clear(self) -> None:
        """Let go of all nodes."""
        self.reads.clear()
        self._static.clear()

    def is_static(self, node: Node) -> bool:
        """Return whether a node only follows values that have no derivative."""
        static = self._static
        stack = [node]
        while stack:
            top = stack[-1]
            parents = [p for p in top.parents if type(p) is Node]
            todo = [p for p in parents if p not in static]
            if top in static or top.op is None:
                known = self._outer is not None and self._outer.is_static(top)
                static.setdefault(top, known)
            elif todo:
                stack += todo
                continue
            else:
                static[top] = all(static[p] for p in parents)
            stack.pop()
        return static[node]


class _Batch:
    """The arguments: arrays with the batch in front, and what surrounds them."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.leaves, self._rebuild = tree.flatten(args)
        self.at = [i for i, x in enumerate(self.leaves) if _has_batch(x)]
        if not self.at:
            raise NotDlarrayError(
                "dlvmap: args have no array with a batch; give dlarrays or NumPy arrays, with the "
                "batch in the first dimension or labelled 'B'"
            )
        self.formats: list[str | None] = []
        self.arrays: list[Any] = []
        for i in self.at:
            array, fmt = _in_front(self.leaves[i])
            self.arrays.append(array)
            self.formats.append(fmt)
        sizes = [x.shape[0] for x in self.arrays]
        self.size = sizes[0]
        if any(n != self.size for n in sizes):
            paths = tree.paths(args, "args")
            found = ", ".join(f"{paths[i]} {n}" for i, n in zip(self.at, sizes, strict=True))
            raise ShapeMismatchError(
                f"dlvmap: batches have different sizes: {found}; give arrays of one size, and take "
                "what all members share from outside of the function"
            )
        if not self.size:
            raise InvalidArgumentError(
                "dlvmap: args have a batch of size 0; the function is evaluated for the first "
                "member, so there must be one"
            )

    def member(self, k: int) -> tuple[Any, ...]:
        """Return the arguments of one member."""
        return self.arguments([x[k] for x in self.arrays])

    def arguments(self, members: Sequence[Any]) -> tuple[Any, ...]:
        """Return arguments with other arrays in the places of those that have a batch."""
        leaves = list(self.leaves)
        for i, x, fmt in zip(self.at, members, self.formats, strict=True):
            leaves[i] = labelled(x, fmt)
        found: tuple[Any, ...] = self._rebuild(leaves)
        return found


def _has_batch(x: Any) -> bool:
    return (type(x) is dlarray or isinstance(x, np.ndarray)) and x.ndim > 0


def _in_front(x: Any) -> tuple[Any, str | None]:
    """Return an unlabelled dlarray with the batch in front, and the format of a member."""
    array = x if type(x) is dlarray else dlarray(x)
    fmt = array._format
    if fmt is None:
        return array, None
    at = max(fmt.find("B"), 0)
    order = (at, *[i for i in range(array.ndim) if i != at])
    moved = unlabelled(array)
    if at:
        moved = FUNCTIONS["permute_dims"](moved, axes=order)
    return moved, (fmt[:at] + fmt[at + 1 :]) or None


def _at_once(
    fun: Callable[..., Any], batch: _Batch, watch: Watch, trace: Trace, *, traced: bool
) -> tuple[Any] | None:
    """Return the results of all members, as a tuple of one; None if there must be a call each."""
    members = []
    for x in batch.arrays:
        member = x[0]
        if member._node is None:
            value = np.array(member._value)[()]  # its own: the function may assign to it
            member = wrap(value, watch.argument(value, trace))
        members.append(member)
    sources = [member._node for member in members]
    result = fun(*batch.arguments(members))
    leaves, rebuild = tree.flatten(result)
    followed = [x._node for x in leaves if type(x) is dlarray and open_node(x) is not None]
    reads = list(watch.reads)
    operands = [x._node for read in reads for x in read.operands if _is_followed(x)]
    watch.clear()
    part = Part([*followed, *operands], sources)
    if not part.is_known:
        watch.refuse("it calls a function with a backward pass of its own")
    if watch.reason:
        return None
    values = _values(part, batch, traced=traced)
    found = iter(values)
    stacked = [_of_all(x, next(found) if _is_followed(x) else None, batch) for x in leaves]
    for read in reads:
        given = [next(found) if _is_followed(x) else None for x in read.operands]
        if not _is_same_for_all(read, given, batch.size):
            watch.refuse("Python reads a value that differs between members")
            return None
    return (rebuild(stacked),)


def _values(part: Part, batch: _Batch, *, traced: bool) -> list[Cotangent | None]:
    """Return the results of a part for all members, in chunks that fit in a cache."""
    arrays = batch.arrays if traced else [x._value for x in batch.arrays]
    chunk = max(1, DIRECTION_ELEMENTS // max(part.largest, 1))
    found = []
    for start in range(0, batch.size, chunk):
        some = arrays if chunk >= batch.size else [x[start : start + chunk] for x in arrays]
        found.append(part.at(some, traced=traced))
    return [None if chunks[0] is None else together(chunks) for chunks in zip(*found, strict=True)]


def _is_followed(x: Any) -> bool:
    return type(x) is dlarray and open_node(x) is not None


def _of_all(x: Any, value: Cotangent | None, batch: _Batch) -> Any:
    """Return a part of the result for all members; `value` is None if it is the same for all."""
    if not _is_array(x):
        return x
    array = x if type(x) is dlarray else dlarray(x)
    if value is None:
        value = FUNCTIONS["broadcast_to"](unlabelled(array), (batch.size, *array.shape))
    found = value if type(value) is dlarray else wrap(value, None)
    return labelled(found, _with_batch(array._format))


def _is_array(x: Any) -> bool:
    return type(x) is dlarray or isinstance(x, np.ndarray | np.generic | int | float | complex)


def _with_batch(fmt: str | None) -> str | None:
    return "B" + fmt if fmt and "B" not in fmt else None


def _is_same_for_all(read: _Read, given: Sequence[Any], size: int) -> bool:
    """Return whether Python would have read the same of every member."""
    batched = tuple([x is not None for x in given])
    operands = [
        (x._value if type(x) is dlarray else x) if value is None else value
        for x, value in zip(read.operands, given, strict=True)
    ]
    return not any(batched) or decided(_agree, read.function, read.found, size, batched, *operands)


def _agree(
    function: Callable[..., Any], found: Any, size: int, batched: Sequence[bool], *operands: Any
) -> bool:
    """Return whether a function is `found` for every member of its operands."""
    if function is holds_nan and not found:
        return not holds_nan(operands[0])
    return all(
        _is_equal(
            function(*[x[k] if b else x for x, b in zip(operands, batched, strict=True)]), found
        )
        for k in range(size)
    )


def _is_equal(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray | np.generic):
        return np.shape(x) == np.shape(y) and bool(np.array_equal(x, y))
    return bool(x == y)


def _one_by_one(fun: Callable[..., Any], batch: _Batch) -> Any:
    """Return the results of a call for each member."""
    results = [dlfeval(fun, *batch.member(k)) for k in range(batch.size)]
    parts = [tree.flatten(result) for result in results]
    leaves, rebuild = parts[0]
    paths = tree.paths(results[0], "result")
    for k, result in enumerate(results):
        if tree.paths(result, "result") != paths:
            raise InvalidArgumentError(
                f"dlvmap: fun returned {paths} for the first member, and another structure for "
                f"member {k}; return the same arrays for every member"
            )
    stacked = []
    for path, x, *more in zip(paths, leaves, *[other for other, _ in parts[1:]], strict=True):
        if not _is_array(x):
            stacked.append(x)
            continue
        arrays = [a if type(a) is dlarray else dlarray(a) for a in (x, *more)]
        shapes = {a.shape for a in arrays}
        if len(shapes) > 1:
            raise ShapeMismatchError(
                f"dlvmap: {path} of fun has shapes {sorted(shapes)} for different members; they "
                "must be equal"
            )
        stack = FUNCTIONS["stack"]([unlabelled(a) for a in arrays])
        stacked.append(labelled(stack, _with_batch(arrays[0]._format)))
    return rebuild(stacked)
