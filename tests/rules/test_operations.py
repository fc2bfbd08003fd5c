"""Everything the table of operations promises, for every operation and every sample."""

from itertools import groupby

import pytest

from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import Check, operation_checks

CHECKS = [check for name in (*OPS, *DERIVED) for check in operation_checks(name)]
SAMPLES = {key: list(group) for key, group in groupby(CHECKS, key=lambda check: check.sample)}


def failures(checks: list[Check]) -> list[str]:
    """Run all checks of a sample, so that one that fails does not hide the next."""
    found = []
    for check in checks:
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever happens is reported with its aspect
            found.append(f"[{check.aspect}] {type(error).__name__}: {error}")
    return found


@pytest.mark.parametrize("sample", SAMPLES)
def test_operation(sample: str) -> None:
    found = failures(SAMPLES[sample])
    assert not found, "\n".join(["", *found])


def test_every_operation_is_checked() -> None:
    checked = {sample.partition("-")[0] for sample in SAMPLES}
    assert checked == {*OPS, *DERIVED}


@pytest.mark.parametrize("name", [*OPS, *DERIVED])
def test_samples_are_varied(name: str) -> None:
    """Differentiable operations are sampled with more than one shape of operands."""
    checks = [check for check in CHECKS if check.sample.startswith(f"{name}-")]
    assert checks
    derivatives = OPS[name].kind != "constant" if name in OPS else False
    if derivatives:
        assert any(check.aspect in {"derivatives", "kink"} for check in checks)
