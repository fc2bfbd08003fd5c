"""The check of complex operands where all samples of an operation are real.

An operation takes complex operands unless it says ``domain="real"``. A rule of real samples may
be wrong for them without notice, as an adjoint that conjugates nothing is.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.types import RawValue
from dlgradient.errors import DlgradientError
from dlgradient.testing.checks import check_derivatives
from dlgradient.testing.oracles import CheckError
from dlgradient.testing.samples import Case, maker
from dlgradient.testing.subject import Subject

__all__ = ["check_complexified", "complexified"]


def complexified(subject: Subject) -> Case | None:
    """Return a sample with complex operands, or None if the operation has one or refuses them."""
    op = subject.op
    if op is None or op.kind == "constant" or op.domain == "real":
        return None
    smooth = [case for case in subject.cases if not case.kink]
    kinds = [{v.dtype.kind for v in subject.bind(case).values} for case in smooth]
    if any("c" in kind for kind in kinds):
        return None
    case = next((case for case, kind in zip(smooth, kinds, strict=True) if kind), None)
    return None if case is None else _turned(subject, case)


def _turned(subject: Subject, case: Case) -> Case:
    """Return a case with its variables turned in the complex plane, away from the axes."""
    bound, made = subject.bind(case), maker(f"{subject.name}, complexified")
    leaves: list[RawValue] = list(bound.leaves)
    for i in bound.positions:
        x = leaves[i]
        leaves[i] = (x * np.exp(1j * made.between(0.3, 1.2, *np.shape(x))))[()]
    return case._replace(args=tuple(bound.rebuild(leaves)))


def check_complexified(subject: Subject, case: Case) -> None:
    """Complex operands have right derivatives, or the declaration says that they are refused."""
    title = f"{subject.name}, a sample made complex"
    fix = (
        "no declared sample is complex: correct the rules (for complex operands, an adjoint "
        "conjugates the factor of g) and add a complex sample, or declare domain='real', which "
        "refuses complex operands by an error that names the fix"
    )
    bound = subject.bind(case)
    try:
        with np.errstate(all="ignore"):
            check_derivatives(bound, *bound.values, name=title, names=bound.names)
    except (CheckError, DlgradientError, TypeError, ValueError) as error:
        raise CheckError(f"{title}: {fix} ({type(error).__name__}: {error})") from error
