"""Which data are values: masked arrays are not."""

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
