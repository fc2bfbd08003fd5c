"""Samples of the operations in the table, ready to be called."""

from __future__ import annotations

import os
from zlib import crc32

import numpy as np

from dlgradient.core import tree
from dlgradient.core.declaration import Declaration
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.errors import ComplexValueError
from dlgradient.rules import Op

__all__ = ["Case", "Error", "Maker", "case", "error_cases", "maker", "sample_cases"]


def maker(name: str) -> Maker:
    """Return the maker of samples that belongs to a name: the same values at every call.

    The environment variable DLGRADIENT_SEED, 0 by default, chooses other values for every name, so
    that a test can be run with other data.

    Parameters
    ----------
    name : str
        Name of an operation or of a test; it seeds the generator.

    Returns
    -------
    Maker

    See Also
    --------
    sample_cases : the samples of an operation

    Examples
    --------
    >>> from dlgradient.testing import maker
    >>> bool((maker("exp").real(3) == maker("exp").real(3)).all())
    True
    """
    return Maker(crc32(name.encode(), int(os.environ.get("DLGRADIENT_SEED", "0"))))


def sample_cases(declaration: Op | Declaration) -> list[Case]:
    """Return the samples that an operation declares.

    Parameters
    ----------
    declaration : Op or Declaration
        An entry of the table of operations.

    Returns
    -------
    list of Case

    See Also
    --------
    error_cases : the wrong calls of an operation
    operation_checks : the checks of an operation, one by one

    Examples
    --------
    >>> from dlgradient.rules import OPS
    >>> from dlgradient.testing import sample_cases
    >>> sample_cases(OPS["getitem"])[0].params
    {'key': 1}
    """
    if isinstance(declaration, Op):
        declaration = declaration.declaration
    assert declaration.samples is not None  # a declaration without samples does not load
    return list(declaration.samples(maker(declaration.name)))


def error_cases(declaration: Op | Declaration) -> list[Error]:
    """Return the wrong calls that an operation declares, and those that its domain implies.

    Parameters
    ----------
    declaration : Op or Declaration
        An entry of the table of operations.

    Returns
    -------
    list of Error

    See Also
    --------
    sample_cases : the samples of an operation
    operation_checks : the checks of an operation, one by one

    Examples
    --------
    >>> from dlgradient.rules import OPS
    >>> from dlgradient.testing import error_cases
    >>> error_cases(OPS["getitem"])[0].error.__name__
    'IndexingError'
    """
    if isinstance(declaration, Op):
        declaration = declaration.declaration
    declared = declaration.errors(maker(declaration.name)) if declaration.errors else []
    return [*declared, *_domain_errors(declaration)]


def _domain_errors(declaration: Declaration) -> list[Error]:
    """Return the first sample of each operand, with this operand made complex."""
    if declaration.domain != "real":
        return []
    shown = declaration.shown or declaration.name
    wrong: dict[int, Error] = {}
    for sample in sample_cases(declaration):
        leaves, rebuild = tree.flatten(list(sample.args))
        for i, x in enumerate(leaves):
            if i not in wrong and np.result_type(x).kind == "f":
                args = rebuild([*leaves[:i], x * (1 + 0j), *leaves[i + 1 :]])
                call = case(*args, **sample.params)
                message = rf"^{shown}\b.*must be real.*complex"
                wrong[i] = Error(call, ComplexValueError, message)
    return list(wrong.values())
