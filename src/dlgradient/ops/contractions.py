"""Contractions of two arrays by labels, and diagonals: the operations of which einsum is made.

A contraction sums products over the labels that the result does not have. It is linear in both
operands, and its adjoints are contractions. Its kernel is a product of matrices.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.threads import product
from dlgradient.core.types import Array, RawValue, Value
from dlgradient.ops.complex import conjugated
from dlgradient.rules import linear, multilinear

__all__: list[str] = []

# A letter, or a negative number for a dimension of an ellipsis, counted from the last one.
Label: TypeAlias = str | int
Labels: TypeAlias = tuple[Label, ...]


def _places(labels: Labels) -> tuple[list[int], list[int]]:
    """Return labels as small numbers, and the numbers without repetition."""
    unique = list(dict.fromkeys(labels))
    return [unique.index(a) for a in labels], list(range(len(unique)))


def _diagonals_adjoint(g: Value, x_like: Value, labels: Labels) -> Value:
    return on_diagonals(g, labels=labels, size=len(x_like.shape))


@linear(
    x=_diagonals_adjoint,
    format="contract",
    samples=lambda m: [
        case(m.real(3, 3), labels=("i", "i")),
        case(m.complex(2, 3, 2), labels=("i", "j", "i")),
        case(m.real(2, 2, 2, 3), labels=("i", "i", "i", -1)),
        case(m.real(0, 0), labels=("i", "i")),
    ],
    shown="einsum",
)
def diagonals(x: Value, /, *, labels: Labels) -> Value:
    """Elements whose indices are equal in all dimensions of one label.

    Parameters
    ----------
    x : array
    labels : tuple
        One for each dimension; those that are repeated are kept once, at the first place.
    """
    return np.array(np.einsum(x, *_places(labels)))


def _on_diagonals_adjoint(g: Value, labels: Labels) -> Value:
    return diagonals(g, labels=labels)


@linear(
    x=_on_diagonals_adjoint,
    format="contract",
    samples=lambda m: [
        case(m.real(3), labels=("i", "i"), size=2),
        case(m.complex(2, 3), labels=("i", "j", "i"), size=3),
        case(m.real(0), labels=("i", "i"), size=2),
    ],
    shown="einsum",
)
def on_diagonals(x: Value, /, *, labels: Labels, size: int) -> Value:
    """The adjoint of `diagonals`: elements on the diagonals of zeros.

    Parameters
    ----------
    x : array
        With a dimension for each different label.
    labels : tuple
        One for each of the `size` dimensions of the result.
    size : int
    """
    places, unique = _places(labels)
    out = np.zeros([x.shape[i] for i in places[:size]], x.dtype)
    np.einsum(out, places, unique)[...] = x  # a view, into which NumPy lets us write
    return out


class Roles(NamedTuple):
    """What a contraction does with the labels of its two operands."""

    both: list[Label]  # of both operands and of the result
    summed: list[Label]
    first: list[Label]  # of one operand and of the result
    second: list[Label]


def roles_of(x: Labels, y: Labels, out: Labels) -> Roles:
    """Return what a contraction of operands with labels `x` and `y` does."""
    shared = set(x) & set(y)
    kept = set(out)
    return Roles(
        [a for a in out if a in shared],
        [a for a in x if a in shared - kept],
        [a for a in x if a not in shared],
        [a for a in y if a not in shared],
    )


def _contract_x(g: Value, y: Value, labels: tuple[Labels, ...]) -> Value:
    first, second, out = labels
    return contract(g, conjugated(y), labels=(out, second, first))


def _contract_y(g: Value, x: Value, labels: tuple[Labels, ...]) -> Value:
    first, second, out = labels
    return contract(conjugated(x), g, labels=(first, out, second))


@multilinear(
    x=_contract_x,
    y=_contract_y,
    format="contract",
    samples=lambda m: _contract_samples(m),
    shown="einsum",
)
def contract(x: Value, y: Value, /, *, labels: tuple[Labels, ...]) -> Value:
    """Sum of products of the elements of two arrays.

    Parameters
    ----------
    x, y : array
    labels : tuple of three tuples
        Those of the dimensions of `x`, of `y` and of the result. Each one is in two of them or in
        all three; those that the result does not have are summed.
    """
    first, second, out = labels
    roles = roles_of(first, second, out)
    if not roles.summed:
        return _multiplied(x, y, labels)
    return _summed(np.asarray(x), np.asarray(y), labels, roles)


def _summed(x: Array, y: Array, labels: tuple[Labels, ...], roles: Roles) -> RawValue:
    """Return products with a sum, by a product of matrices."""
    first, second, out = labels
    if roles.second and out.index(roles.second[0]) < min(map(out.index, roles.first), default=-1):
        # The transposed product has the order of the result.
        x, y, first, second = y, x, second, first
        roles = roles_of(first, second, out)
    sizes = dict(zip((*first, *second), (*x.shape, *y.shape), strict=True))
    parts = [math.prod([sizes[a] for a in part]) for part in roles]
    left = _flat(x, first, (*roles.both, *roles.first, *roles.summed))
    right = _flat(y, second, (*roles.both, *roles.summed, *roles.second))
    batch, summed, rows, columns = parts
    if roles.both:
        result = np.matmul(left.reshape(batch, rows, summed), right.reshape(batch, summed, columns))
    else:
        result = product(left.reshape(rows, summed), right.reshape(summed, columns))
    found = (*roles.both, *roles.first, *roles.second)
    result = result.reshape([sizes[a] for a in found])
    return result.transpose([found.index(a) for a in out])[()]


def _flat(x: Array, labels: Labels, order: Labels) -> Array:
    if 0 in x.strides:
        x = np.array(x)  # a gradient of a sum, which BLAS does not take
    return x if labels == order else x.transpose([labels.index(a) for a in order])


def _multiplied(x: Value, y: Value, labels: tuple[Labels, ...]) -> RawValue:
    """Return products without a sum, of operands whose dimensions are in the result's order."""
    out = labels[2]
    left, right = [_spread(np.asarray(v), own, out) for v, own in zip((x, y), labels, strict=False)]
    return np.multiply(left, right)


def _spread(x: Array, labels: Labels, out: Labels) -> Array:
    """Return a view with the dimensions of the result, of size one where it has no label."""
    turned = x.transpose([labels.index(a) for a in out if a in labels])
    return turned[tuple([slice(None) if a in labels else None for a in out])]


def _contract_samples(m: Maker) -> list[Case]:
    def pair(x: Value, y: Value, text: str) -> Case:
        return case(x, y, labels=tuple(tuple(part) for part in text.split()))

    return [
        pair(m.real(2, 3), m.real(3, 2), "ij jk ik"),
        pair(m.complex(2, 3), m.real(3, 2), "ij jk ki"),
        pair(m.real(2, 3, 2), m.complex(2, 2, 2), "bij jbk bki"),
        pair(m.complex(2, 3), m.complex(3, 2), "ij ji ij"),
        pair(m.real(2), m.real(3), "i j ji"),
        case(m.real(3), m.complex(3), labels=(("i",), ("i",), ())),
        case(m.real(2, 3), m.real(3, 2), labels=(("i", "j"), ("j", "i"), ())),
        pair(m.real(2, 1, 3), m.real(3, 2), "iaj ji a"),
        pair(m.real(2, 0), m.real(0, 2), "ij jk ik"),
        pair(m.real(0, 3), m.real(3), "ij j i"),
    ]
