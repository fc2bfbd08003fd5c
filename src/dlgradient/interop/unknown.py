"""What an unknown name of the package means: one of another library, or a misspelt one."""

from __future__ import annotations

import sys
from typing import NoReturn

import numpy as np

from dlgradient.core.spelling import close_name, same_name
from dlgradient.errors import located
from dlgradient.interop.counterparts import answers
from dlgradient.interop.table import supported

__all__ = ["missing"]


def _answer(name: str) -> str:
    """Return what to write instead of a name of this package that does not exist, or ''."""
    names = sys.modules["dlgradient"].__all__  # an import would go upwards
    if name in answers():
        return answers()[name]
    same = same_name(name, names) or close_name(name, names)
    function = getattr(np, name, None)
    if function is not None and not same:
        return _of_numpy(name) if callable(function) else ""
    return f"did you mean {same!r}?" if same else ""


def _of_numpy(name: str) -> str:
    if name in supported():
        return f"write numpy.{name}, which is traced on dlarrays"
    return f"it has no traced form; numpy.{name} is for what is not traced"


def missing(name: str) -> NoReturn:
    """Raise an error for a name that the package does not have, and say what to write.

    It is the package's ``__getattr__``.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.concatenate
    Traceback (most recent call last):
    ...
    AttributeError: module 'dlgradient' has no attribute 'concatenate'; write concat([x, y], axis=0)
    """
    found = "" if name.startswith("_") else _answer(name)
    text = f"module 'dlgradient' has no attribute {name!r}"
    text = f"{text}; {found}" if found else text
    raise AttributeError(located(text, "supported/other-names.html"), name=name)
