"""Einstein summation: sums of products of the elements of several arrays, by labels.

The labels are read once for each shape of the operands; that is a `_Plan`. It prepares each operand
by itself: diagonals of labels that it has twice, and sums over labels that nothing else has. Then
it contracts two operands at a time, in the order of a path.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Annotated, Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from dlgradient.core.kinds import Kind
from dlgradient.core.reading import read
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Shape, Shapes, Value
from dlgradient.core.values import is_dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.casting import astype
from dlgradient.ops.contractions import Label, Labels, contract, diagonals, roles_of
from dlgradient.ops.create import wrap_new
from dlgradient.ops.kronecker import unlabelled
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.reduce import sum
from dlgradient.ops.shape import squeeze
from dlgradient.rules import derived

__all__ = ["einsum"]

_LETTERS = frozenset(ascii_letters)
_SEARCHES = ("greedy", "optimal")  # of numpy.einsum_path


def _path_of(value: Any) -> bool | str | tuple[tuple[int, ...], ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value not in _SEARCHES:
            raise ValueError
        return value
    # NumPy's paths start with a word.
    pairs = [pair for pair in value if not isinstance(pair, str)]
    return tuple(tuple(int(i) for i in pair) for pair in pairs)


# In which order operands are contracted.
_Optimize: TypeAlias = Annotated[
    bool | str | Sequence[Any],
    Kind(
        "True, False, 'greedy', 'optimal', or a path as that of numpy.einsum_path",
        _path_of,
        plain=(bool,),
    ),
]


# -- what the labels say -------------------------------------------------------------------------


class _Step(NamedTuple):
    """The contraction of two operands that are taken from a list; the result goes to its end."""

    first: int
    second: int
    sums: tuple[tuple[int, ...], tuple[int, ...]]  # dimensions that only one of them has
    labels: tuple[Labels, Labels, Labels]


class _Plan(NamedTuple):
    """How operands of some shapes are contracted.

    Attributes
    ----------
    units : list of tuple of int
        For each operand, the dimensions of size one that broadcast against a larger size.
    repeated : list
        For each operand its labels, if one is repeated, else None.
    steps : list of _Step
    summed : tuple of int
        Dimensions of the last operand to sum over.
    order : tuple of int or None
        The order of its other dimensions in the result.
    """

    units: list[tuple[int, ...]]
    repeated: list[Labels | None]
    steps: list[_Step]
    summed: tuple[int, ...]
    order: tuple[int, ...] | None


def _refuse(formula: str, text: str) -> NoReturn:
    raise InvalidArgumentError(f"einsum: subscripts {formula!r}: {text}")


def _split(formula: str, count: int) -> tuple[list[str], str | None]:
    text = formula.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != count:
        _refuse(
            formula,
            f"they are for {len(inputs)} operands, separated by commas, and {count} "
            f"{'was' if count == 1 else 'were'} given",
        )
    for part in (*inputs, right):
        rest = part.replace("...", "", 1)
        strange = next((c for c in rest if c not in _LETTERS), None)
        if strange is not None:
            _refuse(
                formula,
                f"{strange!r} in {part!r} is not a label; labels are letters, and one ellipsis "
                "'...' stands for any number of dimensions",
            )
    return inputs, right if arrow else None


def _labels_of(formula: str, part: str, shape: Shape, place: int) -> Labels:
    """Return a label for each dimension of an operand."""
    before, ellipsis, after = part.partition("...")
    named = len(before) + len(after)
    free = len(shape) - named
    if free < 0 or (free and not ellipsis):
        _refuse(
            formula,
            f"operand {place} has shape {shape}, {len(shape)} dimensions, and {part!r} has labels "
            f"for {named}" + ("" if free < 0 else "; write ... for the others"),
        )
    return (*before, *range(-free, 0), *after)


def _output(formula: str, inputs: Sequence[Labels], written: str | None) -> Labels:
    """Return the labels of the result: those given, or the ones that occur once, sorted."""
    every = [a for labels in inputs for a in labels]
    hidden = sorted({a for a in every if isinstance(a, int)})
    if written is None:
        once = sorted(a for a in set(every) if isinstance(a, str) and every.count(a) == 1)
        return (*hidden, *once)
    before, ellipsis, after = written.partition("...")
    named = before + after
    for a in named:
        if a not in every:
            _refuse(formula, f"label {a!r} of the result is in no operand")
        if named.count(a) > 1:
            _refuse(formula, f"label {a!r} is twice in the result")
    if hidden and not ellipsis:
        _refuse(formula, "operands have dimensions of '...', and the result has no '...'")
    return (*before, *hidden, *after)


def _sizes(formula: str, inputs: Sequence[Labels], shapes: Shapes) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    where: dict[Label, int] = {}
    for place, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        for a, size in zip(labels, shape, strict=True):
            known = sizes.setdefault(a, size)
            other = where.setdefault(a, place)
            if size != known and (labels.count(a) > 1 or 1 not in (size, known)):
                name = f"label {a!r}" if isinstance(a, str) else f"dimension {a} of '...'"
                raise ShapeMismatchError(
                    f"einsum: subscripts {formula!r}: {name} has size {known} in operand {other}, "
                    f"of shape {shapes[other]}, and size {size} in operand {place}, of shape "
                    f"{shape}; they must be equal, or one of them 1"
                )
            if known == 1 and size != 1:
                sizes[a], where[a] = size, place
    return sizes


def _ordered(
    inputs: Sequence[Labels],
    output: Labels,
    sizes: dict[Label, int],
    optimize: bool | str | tuple[tuple[int, ...], ...],
) -> list[tuple[int, ...]]:
    """Return which operands are contracted, one after the other."""
    count = len(inputs)
    if isinstance(optimize, tuple):
        left = count
        for pair in optimize:
            if not all(0 <= i < left for i in pair) or len(set(pair)) < len(pair):
                raise InvalidArgumentError(
                    f"einsum: optimize is the path {optimize}, and {pair} are no different places "
                    f"in a list of {left} operands; see numpy.einsum_path"
                )
            left += 1 - len(pair)
        if left != 1:
            raise InvalidArgumentError(
                f"einsum: optimize is the path {optimize}, which leaves {left} operands of {count};"
                " it must leave one"
            )
        return list(optimize)
    if optimize is False or count < 3 or len(sizes) > len(ascii_letters):
        # From left to right: each result goes to the end. NumPy's search has letters only.
        path: list[tuple[int, ...]] = [(0, 1)] if count > 1 else []
        return path + [(0, count - 2 - k) for k in range(count - 2)]
    letters = dict(zip(sizes, ascii_letters, strict=False))
    text = ["".join(letters[a] for a in labels) for labels in (*inputs, output)]
    arrays = [np.broadcast_to(0.0, [sizes[a] for a in labels]) for labels in inputs]
    kind = "greedy" if optimize is True else optimize
    formula = f"{','.join(text[:-1])}->{text[-1]}"
    return [*np.einsum_path(formula, *arrays, optimize=kind)[0][1:]]


def _steps(operands: list[Labels], output: Labels, path: Sequence[tuple[int, ...]]) -> list[_Step]:
    """Return the contractions of a path; `operands` is left with the labels of the last one."""
    steps = []
    for group in path:
        # Paths may join more than two at once: from left to right, the result goes to the end.
        waiting = sorted(group)
        while len(waiting) > 1:
            i, j = waiting[:2]
            x, y = operands[i], operands[j]
            others = {a for k, own in enumerate(operands) if k not in (i, j) for a in own}
            kept = others | set(output)
            alone = [
                tuple(n for n, a in enumerate(one) if a not in kept and a not in other)
                for one, other in ((x, y), (y, x))
            ]
            x, y = (
                tuple(a for n, a in enumerate(own) if n not in sums)
                for own, sums in zip((x, y), alone, strict=True)
            )
            del operands[j], operands[i]
            roles = roles_of(x, y, tuple(a for a in (*x, *y) if a in kept))
            found = tuple(dict.fromkeys((*roles.both, *roles.first, *roles.second)))
            out = found if operands else output
            steps.append(_Step(i, j, (alone[0], alone[1]), (x, y, out)))
            operands.append(out)
            waiting = [k - (k > i) - (k > j) for k in waiting[2:]]
            if waiting:
                waiting.append(len(operands) - 1)
                waiting.sort()
    return steps


@lru_cache(maxsize=1024)
def _plan(formula: str, shapes: tuple[Shape, ...], optimize: Hashable) -> _Plan:
    parts, right = _split(formula, len(shapes))
    inputs = [
        _labels_of(formula, part, shape, place)
        for place, (part, shape) in enumerate(zip(parts, shapes, strict=True))
    ]
    output = _output(formula, inputs, right)
    sizes = _sizes(formula, inputs, shapes)
    units = [
        tuple(n for n, a in enumerate(labels) if shape[n] == 1 and sizes[a] != 1)
        for labels, shape in zip(inputs, shapes, strict=True)
    ]
    left = [
        tuple(a for n, a in enumerate(labels) if n not in gone)
        for labels, gone in zip(inputs, units, strict=True)
    ]
    repeated = [labels if len(set(labels)) < len(labels) else None for labels in left]
    operands = [tuple(dict.fromkeys(labels)) for labels in left]
    path = _ordered(operands, output, sizes, optimize)  # type: ignore[arg-type]
    steps = _steps(operands, output, path)
    (last,) = operands
    summed = tuple(n for n, a in enumerate(last) if a not in output)
    kept = [a for a in last if a in output]
    order = tuple(kept.index(a) for a in output)
    return _Plan(units, repeated, steps, summed, None if order == (*range(len(order)),) else order)


# -- the function --------------------------------------------------------------------------------


def _from_lists(arrays: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return subscripts and operands of a call in which labels are lists of integers."""
    result = arrays[-1] if len(arrays) % 2 else None
    operands = list(arrays[: len(arrays) // 2 * 2 : 2])
    lists = [*arrays[1 : len(arrays) // 2 * 2 : 2], *([] if result is None else [result])]
    try:
        numbers = sorted({int(a) for part in lists for a in part if a is not ...})
        letters = dict(zip(numbers, ascii_letters, strict=False))
        texts = ["".join("..." if a is ... else letters[int(a)] for a in part) for part in lists]
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidArgumentError(
            "einsum: the first argument is no text, so each operand must be followed by a list of "
            f"its labels, integers (at most {len(ascii_letters)} different ones) or '...'; write "
            "einsum('ij,jk->ik', x, y) or einsum(x, [0, 1], y, [1, 2], [0, 2])"
        ) from error
    if result is None:
        return ",".join(texts), operands
    return f"{','.join(texts[:-1])}->{texts[-1]}", operands


@derived(
    samples=lambda m: _einsum_samples(m),
    errors=lambda m: _einsum_errors(m),
)
def einsum(*arrays: Any, optimize: _Optimize = True) -> Value:
    """Sums of products by Einstein's notation: ``einsum("ij,jk->ik", x, y)`` is x @ y.

    Each dimension of each operand has a label. The result has the labels after the arrow, and all
    others are summed. It is contracted two operands at a time, by matrix products, and so is its
    gradient.

    Parameters
    ----------
    *arrays : str and arrays
        Subscripts and operands, unlabelled. A letter is the label of a dimension, and an ellipsis
        stands for dimensions that broadcast. A label that an operand has twice takes its diagonal.
        Without an arrow, the result has the labels that occur once, in alphabetic order. Also
        ``einsum(x, [0, 1], y, [1, 2], [0, 2])``, with lists of integers.
    optimize : bool, str or path
        The order of contraction for three operands or more: that of a greedy search (True,
        "greedy"), of a full one ("optimal"), from left to right (False), or a path as of
        `numpy.einsum_path`. Those of opt_einsum are such paths.

    Returns
    -------
    array
        Σ x[i, j] y[j, k] over j, for example; of the common dtype of the operands.

    Raises
    ------
    InvalidArgumentError
        If subscripts and operands do not fit.
    ShapeMismatchError
        If the dimensions of a label have different sizes.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    matmul : matrix product
    tensordot : product with a sum over several axes
    vecdot : product with a sum over one axis

    Examples
    --------
    >>> A = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> dl.einsum("ij,kj->ik", A, A).tolist(), dl.einsum("ii", A).item()
    ([[5.0, 11.0], [11.0, 25.0]], 5.0)

    Source: NumPy ``einsum``; PyTorch ``einsum``.
    """
    if not arrays:
        raise InvalidArgumentError("einsum: no operands; write einsum('ij,jk->ik', x, y)")
    formula, operands = arrays[0], list(arrays[1:])
    if not isinstance(formula, str):
        formula, operands = _from_lists(arrays)
    operands = unlabelled("einsum", **{f"operand {k}": x for k, x in enumerate(operands)})
    given = operands[:1]
    plan = _plan(formula, tuple([x.shape for x in operands]), optimize)
    dtype = np.result_type(*[getattr(x, "dtype", x) for x in operands])
    if dtype.kind not in "fc":
        return _of_integers(formula, operands)
    out = _contracted(operands, plan, dtype)
    # A value of its own, not the operand: an assignment to it must not change that.
    return +out if out is given[0] else out


def _of_integers(formula: str, operands: Sequence[Value]) -> Value:
    """Return the result for integers and logical values, which have no derivative."""
    out = np.einsum(formula, *[read(x) if is_dlarray(x) else x for x in operands])
    return wrap_new(out) if any(map(is_dlarray, operands)) else out


def _contracted(operands: list[Value], plan: _Plan, dtype: Any) -> Value:
    for place, (gone, labels) in enumerate(zip(plan.units, plan.repeated, strict=True)):
        x = operands[place]
        x = x if x.dtype.kind in "fc" else astype(x, dtype=dtype)
        x = squeeze(x, axis=gone) if gone else x
        operands[place] = x if labels is None else diagonals(x, labels=labels)
    for step in plan.steps:
        y, x = operands.pop(step.second), operands.pop(step.first)
        x, y = (
            sum(value, axis=axes) if axes else value
            for value, axes in zip((x, y), step.sums, strict=True)
        )
        operands.append(contract(x, y, labels=step.labels))
    (out,) = operands
    out = sum(out, axis=plan.summed) if plan.summed else out
    return out if plan.order is None else permute_dims(out, plan.order)


def _einsum_samples(m: Maker) -> list[Case]:
    return [
        case("ij,jk->ik", m.real(2, 3), m.real(3, 2)),
        case("ij,kj", m.complex(2, 3), m.real(2, 3)),
        case("ii->i", m.complex(3, 3)),
        case("iij,jk->ki", m.real(2, 2, 3), m.complex(3, 2)),
        case("ij->ji", m.real(2, 3)),
        case("ij->", m.real(2, 3)),
        case("i->i", m.real(3)),
        case("i,ij,j", m.real(2), m.real(2, 3), m.real(3)),
        case("ab,bc,cd,da->", *[m.real(2, 2) for _ in range(4)], optimize=False),
        case("ab,bc,cd->a", m.real(2, 3), m.real(3, 2), m.real(2, 2), optimize=((1, 2), (0, 1))),
        case("ab,ac,ad->bcd", m.real(2, 2), m.complex(2, 1), m.real(2, 3), optimize="optimal"),
        case("...ij,...jk->...ik", m.real(2, 1, 2, 3), m.real(4, 3, 2)),
        case("b...,b...->...", m.complex(2, 3), m.complex(2, 3)),
        case("ij,jk->ik", m.real(2, 1), m.real(3, 2)),
        case(m.real(2, 3), [0, 1], m.real(3, 2), [1, 2], [2, 0]),
        case(m.real(2, 3), [..., 1], m.real(3), [1]),
        case(",i->i", m.real(), m.real(3)),
        case("ij,jk->ik", m.real(2, 0), m.real(0, 2)),
        case("ij,jk->ik", m.real(0, 3), m.real(3, 2)),
    ]


def _einsum_errors(m: Maker) -> list[Error]:
    x, y = m.real(2, 3), m.real(4, 5)
    return [
        Error(
            case("ij,jk->ik", x, y),
            ShapeMismatchError,
            r"label 'j' has size 3 in operand 0, of shape \(2, 3\), and size 4 in operand 1",
        ),
        Error(case("ii->i", x), ShapeMismatchError, r"label 'i' has size 2 in operand 0"),
        Error(case("ij,jk->ik", x), InvalidArgumentError, "for 2 operands.*1 was given"),
        Error(case("ijk->i", x), InvalidArgumentError, r"operand 0 has shape \(2, 3\).*for 3"),
        Error(case("i->i", x), InvalidArgumentError, r"labels for 1; write \.\.\."),
        Error(case("ij->ik", x), InvalidArgumentError, "'k' of the result is in no operand"),
        Error(case("ij->ii", x), InvalidArgumentError, "'i' is twice in the result"),
        Error(case("i1->i", x), InvalidArgumentError, "'1' in 'i1' is not a label"),
        Error(case("...j->j", x), InvalidArgumentError, r"the result has no '\.\.\.'"),
        Error(case(x, x), InvalidArgumentError, "followed by a list of its labels"),
        Error(case("ij,ij,ij", x, x, x, optimize=[(0, 3)]), InvalidArgumentError, "places"),
        Error(case("ij,ij,ij", x, x, x, optimize=[(0, 1)]), InvalidArgumentError, "leaves 2"),
        Error(case("ij,ij,ij", x, x, x, optimize="dp"), InvalidArgumentError, "not 'dp'"),
    ]
