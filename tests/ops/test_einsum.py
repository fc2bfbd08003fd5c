"""Sums of products by labels, against NumPy's einsum, and the derivatives of both of its forms."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.testing import check_derivatives

FORMULAS = [
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ij,ji->", (2, 3), (3, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("bij,kj->bki", (2, 3, 4), (5, 4)),
    ("...ij,...j->...i", (2, 1, 3, 4), (5, 4)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("iij->j", (2, 2, 3)),
    ("iii", (2, 2, 2)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("i,j,k->kji", (2,), (3,), (4,)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("ij,ij,ij->j", (2, 3), (2, 3), (2, 3)),
    ("ab,ac,bc->", (2, 3), (2, 4), (3, 4)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 3)),
]


@pytest.mark.parametrize("case", FORMULAS, ids=lambda case: case[0])
def test_values_and_derivatives(case: Any, rng: np.random.Generator) -> None:
    formula, *shapes = case
    arrays = [rng.normal(size=shape) for shape in shapes]
    for optimize in (True, False, "optimal", np.einsum_path(formula, *arrays)[0]):
        found = dl.einsum(formula, *arrays, optimize=optimize)
        np.testing.assert_allclose(found, np.einsum(formula, *arrays), rtol=1e-12, atol=1e-14)
    check_derivatives(lambda *xs: dl.einsum(formula, *xs), *arrays, order=2)


def test_more_labels_than_letters(rng: np.random.Generator) -> None:
    """A path has letters only, and an ellipsis further dimensions."""
    x, y, z = rng.normal(size=(3, 2))
    shape, letters = (*(1,) * 40, 2), "abcdefghijklmnop"
    found = dl.einsum(
        f"...,...,{letters}...->...{letters}",
        x.reshape(shape),
        y.reshape(shape),
        z.reshape(*(1,) * (len(letters) - 1), 2, 1),
    )
    np.testing.assert_allclose(found.reshape(2, 2), np.outer(x * y, z))


def test_numpy_s_function_is_traced(rng: np.random.Generator) -> None:
    A, v = rng.normal(size=(3, 3)), rng.normal(size=3)

    def run(v: Any) -> Any:
        y = np.einsum("i,ij,j", v, A, v)
        z = np.einsum(v, [0], A, [0, 1], [1])
        return y, dl.dlgradient(y, v), dl.dlgradient(z.sum(), v)

    y, by_v, linear = dl.dlfeval(run, dl.dlarray(v))
    np.testing.assert_allclose(y, v @ A @ v)
    np.testing.assert_allclose(by_v, (A + A.T) @ v)
    np.testing.assert_allclose(linear, A.sum(axis=1))
    out = np.empty((3, 3))
    assert np.einsum("ij->ji", dl.dlarray(A), out=out) is out
    np.testing.assert_array_equal(out, A.T)
    wide = np.einsum("i,i", dl.dlarray(v.astype(np.float32)), v.astype(np.float32), dtype="float64")
    assert wide.dtype == np.float64


def test_integers_and_mixed_dtypes() -> None:
    counts = dl.dlarray(np.arange(4, dtype=np.int8).reshape(2, 2))
    assert dl.einsum("ij->i", counts).dtype == np.einsum("ij->i", dl.extractdata(counts)).dtype
    assert dl.einsum("ij,j->i", counts, np.ones(2, np.float32)).tolist() == [1.0, 5.0]
    flags = np.array([True, False])
    assert dl.einsum("i->", flags) == np.einsum("i->", flags)


def test_the_result_is_a_value_of_its_own() -> None:
    x = dl.dlarray([1.0, 2.0])
    y = dl.einsum("i->i", x)
    y[0] = 7.0
    assert x.tolist() == [1.0, 2.0]


def test_a_label_names_its_sizes() -> None:
    x, y = np.ones((2, 3)), np.ones((4, 5))
    text = r"label 'j' has size 3 in operand 0, of shape \(2, 3\), and size 4 in operand 1"
    with pytest.raises(dl.ShapeMismatchError, match=text):
        dl.einsum("ij,jk->ik", dl.dlarray(x), y)
    with pytest.raises(dl.FormatClashError, match=r"operand 1 has the format 'CB'.*stripdims"):
        dl.einsum("ij,ij", x, dl.dlarray(x, "CB"))
    with pytest.raises(dl.InvalidArgumentError, match="no operands"):
        dl.einsum()
