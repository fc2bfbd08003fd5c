"""`dltrace`: the trace of a function as text, to read and to teach with.

The function runs in a trace of its own. Its results lead back to the arguments. The nodes on the
way are sorted by their numbers, which is the order in which the operations ran. Each becomes a
line: a name, the call that would make it again, shape and dtype, and which values it holds for the
walk back. Nothing here is used to differentiate.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import is_variable
from dlgradient.core.graph import Node
from dlgradient.engine.evaluate import dlfeval
from dlgradient.errors import InvalidArgumentError

__all__ = ["dltrace"]

# Constants with more elements are shown by shape and dtype.
_SHORT = 4


@checked
def dltrace(fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
    """Return the trace of a function as text: each operation with its operands, and what it holds.

    The lines are in the order in which the operations ran. Only what the results depend on is
    there. With ``enable_higher_derivatives=True`` the walks of `dlgradient` and `dljvp` are traced
    too, so their operations are lines like all others. Without it, derivatives are constants.

    Parameters
    ----------
    fun : callable
        The function, as for `dlfeval`.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    str
        A line for each argument and each operation: its name, the call, shape and dtype, and the
        values that the operation's rule needs, which stay in memory until the trace closes.

    Raises
    ------
    InvalidArgumentError
        If no result depends on a dlarray of the arguments.

    See Also
    --------
    dlfeval : evaluate a function
    dlaccelerate : its ``source()`` is the program that replays a function

    Examples
    --------
    >>> import dlgradient as dl
    >>> x, w = dl.dlarray([0.5, 1.0]), dl.dlarray([3.0, 2.0])
    >>> print(dl.dltrace(lambda x, w: ((dl.sin(x) * w) ** 2).sum(), x, w))
    x                       float64 (2,)
    w                       float64 (2,)
    v0 = sin(x)             float64 (2,)  holds x
    v1 = multiply(v0, w)    float64 (2,)  holds v0, w
    v2 = pow(v1, 2)         float64 (2,)  holds v1
    v3 = sum(v2)            float64 ()
    return v3

    Source: JAX ``make_jaxpr``.
    """
    return dlfeval(_listed, fun, args, kwargs)


def _listed(fun: Callable[..., Any], args: Any, kwargs: Any) -> str:
    names = _argument_names(fun, args, kwargs)
    result = fun(*args, **kwargs)
    found = [x._node for x in tree.flatten(result)[0] if is_variable(x)]
    nodes = _between(names, found)
    if not nodes:
        raise InvalidArgumentError(
            "dltrace: no result depends on a dlarray of the arguments, or a derivative was not "
            "traced; give what is traced as a dlarray argument, return what is computed from it, "
            "and let dlgradient and dljvp have enable_higher_derivatives=True"
        )
    known: dict[Node, str] = {}
    rows = []
    count = 0
    for node in nodes:
        if node in names:
            known[node] = text = names[node]
        elif node.op.indexing == "pick":
            known[node] = text = f"{known[node.parents[0]]}[{node.params['index']}]"
            continue
        else:
            known[node] = f"v{count}"
            text = f"v{count} = {_call(node, known)}"
            count += 1
        kind = "tuple" if node.op and node.op.outputs else f"{node.dtype} {node.shape}"
        rows.append((text, kind, _held(node, known)))
    return "\n".join([*_aligned(rows), f"return {_shown(result, known)}"])


def _argument_names(fun: Callable[..., Any], args: Any, kwargs: Any) -> dict[Node, str]:
    """Return the nodes of the arguments, with names as in the function's signature."""
    try:
        given: Mapping[str, Any] = inspect.signature(fun).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # a function without a signature, or a wrong call
        given = {**{f"x{i}": value for i, value in enumerate(args)}, **kwargs}
    return {
        leaf._node: path
        for name, value in given.items()
        for path, leaf in zip(tree.paths(value, name), tree.flatten(value)[0], strict=True)
        if is_variable(leaf)
    }


def _between(arguments: Iterable[Node], results: Iterable[Node]) -> list[Node]:
    """Return the nodes from the arguments to the results in the order of their making."""
    ends = set(arguments)
    found: set[Node] = set()
    todo = list(results)
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            if node not in ends:
                todo += [p for p in node.parents if type(p) is Node]
    if not found:
        return []
    return sorted(found | ends, key=lambda node: node.seq)


def _call(node: Node, known: Mapping[Node, str]) -> str:
    """Return the call of an operation, without the parameters that have their default."""
    op = node.op
    operands = [_operand(parent, known) for parent in node.parents]
    if op.variadic:
        operands = [f"[{', '.join(operands)}]"]
    given = [
        f"{name}={_constant(value)}"
        for name, value in node.params.items()
        if not (value is (default := op.params.get(name)) or _same(value, default))
    ]
    return f"{op.name}({', '.join([*operands, *given])})"


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and not isinstance(value, np.ndarray) and value == default


def _operand(parent: Any, known: Mapping[Node, str]) -> str:
    return known[parent] if type(parent) is Node else _constant(parent)


def _constant(value: Any) -> str:
    """Return a constant as text; a large one by dtype and shape."""
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= _SHORT else f"<{value.dtype} {value.shape}>"
    return repr(value.item()) if isinstance(value, np.generic) else repr(value)


def _held(node: Node, known: Mapping[Node, str]) -> str:
    """Return which values a node keeps for its rule."""
    owners = [*node.parents, node]
    held = [
        _operand(owner, known)
        for owner, value in zip(owners, node.saved or (), strict=False)
        if node.op is not None and (type(owner) is Node or type(owner) is np.ndarray)
        if value is not None
    ]
    return f"holds {', '.join(dict.fromkeys(held))}" if held else ""


def _aligned(rows: list[tuple[str, str, str]]) -> Iterable[str]:
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    for name, kind, held in rows:
        yield f"{name:<{first + 4}}{kind:<{second + 2}}{held}".rstrip()


def _shown(result: Any, known: Mapping[Node, str]) -> str:
    """Return the results by their names."""
    leaves = [
        known[x._node] if is_variable(x) else _constant(getattr(x, "_value", x))
        for x in tree.flatten(result)[0]
    ]
    return ", ".join(leaves)
