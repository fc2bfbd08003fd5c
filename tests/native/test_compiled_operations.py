"""What the table of operations promises holds with compiled kernels, too."""

from itertools import groupby

import pytest

import dlgradient as dl
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import operation_checks

pytest.importorskip("llvmlite")

# The rooms that have compiled kernels.
ROOMS = tuple(
    f"dlgradient.nn.{room}" for room in ("activations", "convolution", "normalization", "pooling")
)


def is_in_rooms(name: str) -> bool:
    """Tell whether a function is defined in one of the rooms."""
    declaration = OPS[name].declaration if name in OPS else DERIVED[name]
    return declaration.function.__module__.startswith(ROOMS)


CHECKS = [c for name in (*OPS, *DERIVED) if is_in_rooms(name) for c in operation_checks(name)]
SAMPLES = {key: list(group) for key, group in groupby(CHECKS, key=lambda check: check.sample)}


@pytest.mark.parametrize("sample", SAMPLES)
def test_operation(sample: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rows", "compiled"):  # samples are small
        monkeypatch.setattr(f"dlgradient.nn.normalization.{module}.NATIVE_RUN_ELEMENTS", 1)
    with dl.acceleration("native"):
        for check in SAMPLES[sample]:
            check()
