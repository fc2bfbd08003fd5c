"""Which data are values: masked arrays are not; and which values are indices."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl

MASKED = np.ma.masked_array([1.0, 2.0], mask=[False, True])
USES = {
    "dlarray": lambda _: dl.dlarray(MASKED),
    "a list of them": lambda _: dl.dlarray([MASKED, MASKED]),
    "asarray": lambda _: dl.asarray(MASKED),
    "operand": lambda x: x * MASKED,
    "function": lambda _: dl.exp(MASKED),
    "numpy function": lambda x: np.concatenate([x, MASKED]),
    "assignment": lambda x: x.__setitem__(slice(None), MASKED),
    "index": lambda x: x[np.ma.masked_array([True, True], mask=[False, True])],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_masked_arrays_are_refused(use: Any) -> None:
    with pytest.raises(dl.UnsupportedDtypeError, match=r"mask would be lost.*filled"):
        use(dl.dlarray([3.0, 4.0]))


# Calls of functions that take indices of classes, with any array of them.
CLASSES = {
    "embed": lambda i: dl.embed(i, dl.dlarray([[1.0, 2.0, 3.0]]), data_format="B"),
    "onehotencode": lambda i: dl.onehotencode(i, class_names=range(3)),
    "indexcrossentropy": lambda i: dl.indexcrossentropy(
        dl.dlarray([[0.5, 0.2], [0.2, 0.2], [0.3, 0.6]], "CB"), i
    ),
    "ctc": lambda i: dl.ctc(dl.dlarray(np.ones((3, 1, 5)) / 3, "CBT"), i[None, None, :]),
    "roialign": lambda i: dl.roialign(
        dl.dlarray(np.ones((4, 4, 1, 3)), "SSCB"), np.ones((2, 4)), (2, 2), batch_indices=i
    ),
}


@pytest.mark.parametrize("use", CLASSES.values(), ids=CLASSES)
def test_indices_of_classes_may_be_double_as_in_matlab(use: Any) -> None:
    classes = dl.dlarray([2, 1])
    assert classes.dtype == np.float64
    expected = use(np.array([2, 1]))
    np.testing.assert_array_equal(dl.extractdata(use(classes)), dl.extractdata(expected))
    with pytest.raises(dl.DlgradientError):
        use(classes + 0.5)
