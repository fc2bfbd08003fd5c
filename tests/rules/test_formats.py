"""Formats of results where no family decides them, written out case by case."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.errors import FormatClashError, ShapeMismatchError


def array(fmt: str, *shape: int) -> Any:
    return dl.dlarray(np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape), fmt)


SCB = array("SCB", 2, 3, 4)
CB = array("CB", 3, 4)
ONES = array("SCBT", 1, 3, 1, 2)
T = array("T", 4)
INDICES = np.array([1, 0])

EXPECTED: list[tuple[str, Callable[[], Any], str]] = [
    ("squeeze()", lambda: dl.squeeze(ONES), "CT"),
    ("squeeze(0)", lambda: dl.squeeze(ONES, 0), "CBT"),
    ("squeeze((-2, 0))", lambda: dl.squeeze(ONES, (-2, 0)), "CT"),
    ("expand_dims(0)", lambda: dl.expand_dims(CB, 0), "UCB"),
    ("expand_dims(1)", lambda: dl.expand_dims(CB, 1), "CUB"),
    ("expand_dims(-1)", lambda: dl.expand_dims(CB, -1), "CBU"),
    ("expand_dims((0, 3))", lambda: dl.expand_dims(CB, (0, 3)), "UCBU"),
    ("permute_dims", lambda: dl.permute_dims(SCB, (2, 0, 1)), "BSC"),
    ("permute_dims, negative", lambda: dl.permute_dims(SCB, (-1, 0, 1)), "BSC"),
    ("moveaxis", lambda: dl.moveaxis(SCB, 0, -1), "CBS"),
    ("swapaxes", lambda: dl.swapaxes(SCB, 0, 2), "BCS"),
    ("matrix_transpose", lambda: dl.matrix_transpose(SCB), "SBC"),
    ("T", lambda: SCB.T, "BCS"),
    ("flip", lambda: dl.flip(SCB, axis=1), "SCB"),
    ("roll", lambda: dl.roll(SCB, 1, axis=1), "SCB"),
    ("reshape", lambda: dl.reshape(CB, (4, 3)), ""),
    ("broadcast_to", lambda: dl.broadcast_to(array("CB", 1, 4), (3, 4)), "CB"),
    ("broadcast_to, more", lambda: dl.broadcast_to(CB, (2, 3, 4)), ""),
    ("broadcast_to, a size", lambda: dl.broadcast_to(array("T", 1), 4), "T"),
    ("concat", lambda: dl.concat([CB, CB], axis=1), "CB"),
    ("concat, unformatted", lambda: dl.concat([np.ones((1, 4)), CB], axis=0), "CB"),
    ("concat, flat", lambda: dl.concat([CB, CB], axis=None), ""),
    ("concat, flat vectors", lambda: dl.concat([T, T], axis=None), "T"),
    ("stack(0)", lambda: dl.stack([CB, CB]), "UCB"),
    ("stack(1)", lambda: dl.stack([CB, CB], axis=1), "CUB"),
    ("stack(-1)", lambda: dl.stack([CB, CB], axis=-1), "CBU"),
    ("stack, unformatted", lambda: dl.stack([np.ones((3, 4)), CB], axis=-1), "CBU"),
    ("unstack", lambda: dl.unstack(SCB, axis=1)[0], "SB"),
    ("repeat", lambda: dl.repeat(CB, 2, axis=1), "CB"),
    ("repeat, flat", lambda: dl.repeat(CB, 2), ""),
    ("repeat, a vector", lambda: dl.repeat(T, 2), "T"),
    ("tile", lambda: dl.tile(CB, (1, 2)), "CB"),
    ("tile, more", lambda: dl.tile(CB, (2, 1, 2)), ""),
    ("take", lambda: dl.take(SCB, INDICES, axis=1), "SCB"),
    ("take, a number", lambda: dl.take(SCB, 1, axis=1), "SB"),
    ("take, a number at the end", lambda: dl.take(SCB, 1, axis=-1), "SC"),
    ("take, a matrix", lambda: dl.take(SCB, INDICES.reshape(1, 2), axis=1), ""),
    ("take, flat", lambda: dl.take(CB, INDICES), ""),
    ("take, of a vector", lambda: dl.take(T, INDICES), "T"),
    ("take, a number of a vector", lambda: dl.take(T, 1), ""),
    ("take_along_axis", lambda: dl.take_along_axis(CB, np.zeros((3, 1), int), axis=1), "CB"),
    ("cumulative_sum", lambda: dl.cumulative_sum(CB, axis=1), "CB"),
    ("cumulative_sum of a vector", lambda: dl.cumulative_sum(T), "T"),
    ("cumprod", lambda: dl.cumprod(CB, axis=0), "CB"),
    ("cumprod, flat", lambda: dl.cumprod(CB), ""),
    ("cumprod of a vector", lambda: dl.cumprod(T), "T"),
    ("sum", lambda: dl.sum(SCB, axis=(0, -1)), "C"),
    ("sum, keepdims", lambda: dl.sum(SCB, axis=(0, -1), keepdims=True), "SCB"),
    ("sum, everything", lambda: dl.sum(SCB), ""),
    ("full_like", lambda: dl.full_like(CB, dl.dlarray(2.0)), "CB"),
    ("zeros_like", lambda: dl.zeros_like(CB), "CB"),
    ("full_like, another dtype", lambda: dl.full_like(CB, 2, dtype="float32"), "CB"),
    ("vecdot, by label", lambda: dl.vecdot(CB, array("TCB", 2, 3, 4)), "TC"),
    ("where", lambda: dl.where(np.ones((3, 4), bool), CB, 0), "CB"),
    ("x[0]", lambda: SCB[0], "CB"),
    ("x[..., 0]", lambda: SCB[..., 0], "SC"),
    ("x[..., 0, :]", lambda: SCB[..., 0, :], "SB"),
    ("x[..., None]", lambda: SCB[..., None], "SCBU"),
    ("x[1:, None]", lambda: SCB[1:, None], "SUCB"),
    ("x[:, indices]", lambda: SCB[:, INDICES], "SCB"),
    ("x[indices, :, 0]", lambda: SCB[INDICES, :, 0], "SC"),
    ("x[0, :, indices]", lambda: SCB[0, :, INDICES], "BC"),
    ("x[0, :, indices] of four", lambda: array("SCBT", 2, 3, 4, 2)[0, :, INDICES], "BCT"),
    ("x[mask]", lambda: SCB[np.array([True, False])], "SCB"),
    ("x[indices, indices]", lambda: SCB[INDICES, INDICES], ""),
    ("x[matrix]", lambda: SCB[INDICES.reshape(1, 2)], ""),
    ("x[mask of two dimensions]", lambda: SCB[np.ones((2, 3), bool)], ""),
    ("x[True]", lambda: SCB[True], ""),
]


@pytest.mark.parametrize(
    ("call", "expected"), [e[1:] for e in EXPECTED], ids=[e[0] for e in EXPECTED]
)
def test_format(call: Callable[[], Any], expected: str) -> None:
    y = call()
    assert dl.dims(y) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("SCB", "SCB", "SCB"),
        ("CB", "BC", "CB"),
        ("CB", "CBT", "CBT"),
        ("CB", "SSCB", "SSCB"),
        ("C", "TB", "TBC"),
        ("SSU", "USU", "SSUU"),
        ("U", "UU", "UU"),
        ("TB", "BU", "TBU"),
    ],
)
def test_merged_format(first: str, second: str, expected: str) -> None:
    x = array(first, *range(2, 2 + len(first)))
    assert dl.dims(x * dl.dlarray(np.ones([1] * len(second)), second)) == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda: dl.concat([array("CB", 3, 3), array("BC", 3, 3)]),
        lambda: dl.stack([array("CB", 3, 3), array("BC", 3, 3)]),
        lambda: dl.matmul(CB, dl.permute_dims(CB, (1, 0))),
        lambda: dl.outer(T, np.ones(2)),
        lambda: dl.outer(np.ones(2), T),
    ],
    ids=["concat", "stack", "matmul", "outer", "outer, second"],
)
def test_formats_that_clash(call: Callable[[], Any]) -> None:
    with pytest.raises(FormatClashError):
        call()


def test_broadcast_arrays_aligns() -> None:
    x, y = dl.broadcast_arrays(CB, array("BC", 4, 1))
    assert (dl.dims(x), x.shape) == ("CB", (3, 4))
    assert (dl.dims(y), y.shape) == ("CB", (3, 4))
    assert dl.extractdata(y)[0].tolist() == [1.0, 2.0, 3.0, 4.0]
    x, y = dl.broadcast_arrays(np.ones((1, 4)), CB)
    assert (x.shape, dl.dims(y)) == ((3, 4), "CB")


def test_vecdot_sums_over_a_label() -> None:
    y = array("BC", 4, 3)
    z = dl.vecdot(CB, y)
    assert dl.dims(z) == "C"
    assert np.array_equal(dl.extractdata(z), np.vecdot(dl.extractdata(CB), dl.extractdata(y).T))
    for other in (np.ones((3, 5)), array("BC", 4, 3)):
        with pytest.raises(ShapeMismatchError):
            dl.vecdot(dl.stripdims(CB), other)
        with pytest.raises(ShapeMismatchError):
            dl.vecdot(other, dl.stripdims(CB))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_assignment_keeps_the_format(axis: int) -> None:
    x = dl.dlarray(CB)
    before = dl.dlarray(x)
    x[(0,) if axis == 0 else (slice(None), axis)] = dl.dlarray([5.0], "T")
    assert dl.dims(x) == "CB"
    assert np.array_equal(dl.extractdata(before), dl.extractdata(CB))
