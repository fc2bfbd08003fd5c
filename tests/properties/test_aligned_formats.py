"""Any two formats align by label; the order is that of the first operand."""

from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import filled, formats, keys, seeds, shapes

import dlgradient as dl
from dlgradient.testing import check_derivatives


def numbered(fmt: str) -> list[tuple[str, int]]:
    """Labels and which of its kind each is."""
    return [(letter, fmt[:i].count(letter)) for i, letter in enumerate(fmt)]


@st.composite
def formatted(draw: Any) -> tuple[Any, Any]:
    """Two formatted arrays: what both name has the same size, or size one in one of them."""
    first = draw(formats(draw(st.integers(1, 4))))
    second = draw(formats(draw(st.integers(1, 4))))
    together = {*numbered(first), *numbered(second)}
    assume(len(together) <= 6)
    size = {label: draw(st.integers(1, 3)) for label in sorted(together)}
    seed = draw(seeds)
    operands = []
    for i, fmt in enumerate((first, second)):
        shape = tuple(1 if draw(st.booleans()) else size[label] for label in numbered(fmt))
        operands.append(dl.dlarray(filled(shape, seed + i), fmt))
    return operands[0], operands[1]


def placed(x: Any, fmt: str) -> Any:
    """Bring a formatted array into another format by hand, with NumPy."""
    have, want = numbered(dl.dims(x)), numbered(fmt)
    value = np.transpose(dl.extractdata(x), [have.index(label) for label in want if label in have])
    return value.reshape([x.shape[have.index(label)] if label in have else 1 for label in want])


@given(drawn=formatted())
def test_operands_align_by_label(drawn: Any) -> None:
    x, y = drawn
    for function, expected in ((dl.multiply, np.multiply), (dl.subtract, np.subtract)):
        z = function(x, y)
        fmt = dl.dims(z)
        assert sorted(numbered(fmt)) == sorted({*numbered(dl.dims(x)), *numbered(dl.dims(y))})
        order = numbered(dl.dims(x))
        assert [label for label in numbered(fmt) if label in order] == order
        value = expected(placed(x, fmt), placed(y, fmt))
        assert z.shape == value.shape
        np.testing.assert_array_equal(dl.extractdata(z), value)


@given(drawn=formatted())
def test_gradients_have_the_format_of_their_variable(drawn: Any) -> None:
    x, y = drawn

    def run(x: Any, y: Any) -> Any:
        z = (x * y).sum()
        return dl.dlgradient(z, x, y)

    for c, v in zip(dl.dlfeval(run, x, y), drawn, strict=True):
        assert dl.dims(c) == dl.dims(v)
        assert c.shape == v.shape
    check_derivatives(dl.multiply, x, y, order=1)


@given(drawn=formatted(), axis=st.integers(0, 3), keepdims=st.booleans())
def test_reductions_drop_labels(drawn: Any, axis: int, keepdims: bool) -> None:
    x, _ = drawn
    axis %= x.ndim
    y = dl.sum(x, axis=axis, keepdims=keepdims)
    fmt = dl.dims(x)
    assert dl.dims(y) == (fmt if keepdims else fmt[:axis] + fmt[axis + 1 :])
    np.testing.assert_allclose(
        dl.extractdata(y), dl.extractdata(x).sum(axis=axis, keepdims=keepdims), rtol=1e-13
    )


@given(drawn=formatted(), order=st.randoms(use_true_random=False))
def test_permutation_carries_labels(drawn: Any, order: Any) -> None:
    x, _ = drawn
    axes = list(range(x.ndim))
    order.shuffle(axes)
    y = dl.permute_dims(x, tuple(axes))
    assert dl.dims(y) == "".join(dl.dims(x)[i] for i in axes)
    np.testing.assert_array_equal(dl.extractdata(y), np.transpose(dl.extractdata(x), axes))


@st.composite
def keyed(draw: Any) -> tuple[Any, Any]:
    shape = draw(shapes(min_dims=1, min_side=2))
    return dl.dlarray(filled(shape, 0), "".join(draw(st.permutations("SCBT"))[: len(shape)])), draw(
        keys(shape)
    )


@given(drawn=keyed())
def test_indexing_carries_labels(drawn: Any) -> None:
    """A dimension of the result has the label of the one whose coordinate changes along it."""
    x, key = drawn
    y = x[key]
    fmt = dl.dims(y)
    if not fmt:
        parts = key if isinstance(key, tuple) else (key,)
        arrays = [p for p in parts if isinstance(p, np.ndarray)]
        assert y.ndim == 0 or len(arrays) > 1 or arrays[0].ndim != 1
        return
    assert len(fmt) == y.ndim
    for label, coordinate in zip(dl.dims(x), np.indices(x.shape), strict=True):
        picked = coordinate[key]
        for axis in range(y.ndim):
            if y.shape[axis] > 1 and y.size and np.any(np.diff(picked, axis=axis)):
                assert fmt[axis] == label
    made = sum(p is None for p in key) if isinstance(key, tuple) else key is None
    assert fmt.count("U") == made


@given(fmt=st.text("SCBTU", min_size=1, max_size=5))
def test_which_formats_are_valid(fmt: str) -> None:
    data = np.zeros((1,) * len(fmt))
    if all(fmt.count(letter) <= 1 for letter in "CBT"):
        x = dl.dlarray(data, fmt.lower())
        assert dl.dims(x) == fmt
        assert dl.dims(dl.stripdims(x)) == ""
        for letter in "SCBTU":
            assert [fmt[i] for i in dl.finddim(x, letter)] == [letter] * fmt.count(letter)
    else:
        try:
            dl.dlarray(data, fmt)
        except ValueError as error:
            assert "may repeat" in str(error)  # noqa: PT017 - whether it is raised depends on fmt
        else:
            raise AssertionError(fmt)
