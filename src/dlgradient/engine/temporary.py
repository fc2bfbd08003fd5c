"""Assignment to the elements of a value that nothing refers to, such as ``A[0][1] = 7``.

In NumPy ``A[0]``, ``A.T`` and ``x.real`` are views, and writing to them changes ``A``. Here they
are values, and the assignment would be lost. `dlgradient.core.ownership` tells which value has no
name; the error here says what to write instead.
"""

from __future__ import annotations

import ast
import linecache
import opcode
from types import FrameType

from dlgradient.core.types import Value
from dlgradient.errors import IndexingError

__all__ = ["lost_assignment"]

# What an assignment to elements compiles to. A call of ``x.__setitem__`` counts otherwise.
_STORES = {opcode.opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in opcode.opmap}


def lost_assignment(x: Value, frame: FrameType) -> IndexingError | None:
    """Return the error for an assignment in `frame` that nothing would see, None for a call."""
    if frame.f_code.co_code[frame.f_lasti] not in _STORES:
        return None
    line = _instead(linecache.getline(frame.f_code.co_filename, frame.f_lineno), frame)
    fix = line or "A[i, j] = v for A[i][j] = v, A[:, i] = v for A.T[i] = v, or name the value first"
    return IndexingError(
        f"assignment to elements of a dlarray of shape {x.shape} {x.dtype} that has no name would "
        f"be lost: A[i], A.T and real(x) are values, not views as in NumPy; write {fix}"
    )


def _instead(line: str, frame: FrameType) -> str | None:
    """Return the statement ``A[0][1] = v`` as ``A[0, 1] = v``, None if it has another form."""
    try:
        (statement,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return None
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if isinstance(statement, ast.AugAssign):
        target = statement.target
    if not (isinstance(target, ast.Subscript) and isinstance(target.value, ast.Subscript)):
        return None
    first, second = target.value.slice, target.slice
    scope = {**frame.f_globals, **frame.f_locals}
    if not all(_is_number(part, scope) for part in _parts(first)):
        return None  # after a slice or an array, a second index counts other dimensions
    target.value = target.value.value
    target.slice = ast.Tuple([*_parts(first), *_parts(second)], ast.Load())
    return ast.unparse(statement)


def _parts(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple) else [index]


def _is_number(index: ast.expr, scope: dict[str, object]) -> bool:
    if isinstance(index, ast.Name):
        return isinstance(scope.get(index.id), int)
    if isinstance(index, ast.UnaryOp):
        index = index.operand
    return isinstance(index, ast.Constant) and isinstance(index.value, int)
