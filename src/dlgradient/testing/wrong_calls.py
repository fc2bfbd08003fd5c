"""The check that a wrong call raises the declared error."""

from __future__ import annotations

import re

import numpy as np

from dlgradient.core import tree
from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.evaluate import dlfeval
from dlgradient.errors import DlgradientError
from dlgradient.testing.oracles import CheckError
from dlgradient.testing.samples import Case, Error
from dlgradient.testing.subject import Subject

__all__ = ["check_error"]


def check_error(subject: Subject, wrong: Error) -> None:
    """A wrong call raises the declared error, traced and untraced."""
    case, error, text = wrong
    leaves, rebuild = tree.flatten(list(case.args))
    kinds = np.ndarray | np.inexact
    arrays = rebuild([dlarray(x) if isinstance(x, kinds) else x for x in leaves])

    def call(*args: Value) -> Value:
        return subject.call(*args, **case.params)

    where = f"{subject.name} of {_described(case)}"
    # Both call paths must refuse: that of constants and that of variables.
    for traced in (False, True):
        try:
            _ = dlfeval(call, *arrays) if traced else call(*arrays)
        except error as found:
            # Users catch every error of the library by one class.
            if not issubclass(error, DlgradientError):
                raise CheckError(f"{where}: {error.__name__} is no DlgradientError") from found
            if not re.search(text, str(found)):
                raise CheckError(
                    f"{where}: the message does not match {text!r}:\n{found}"
                ) from found
        except Exception as found:
            raise CheckError(
                f"{where}: {type(found).__name__} instead of {error.__name__}: {found}"
            ) from found
        else:
            raise CheckError(f"{where}: no {error.__name__} is raised")


def _described(case: Case) -> str:
    shown = [f"shape {np.shape(a)}" if isinstance(a, np.ndarray) else repr(a) for a in case.args]
    return ", ".join([*shown, *[f"{k}={v!r}" for k, v in case.params.items()]])
