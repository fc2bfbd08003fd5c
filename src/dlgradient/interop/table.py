"""Which of our functions answers a function of NumPy.

The table is made from the declarations (``numpy=``), once, when it is first asked. Where NumPy's
signature differs from ours only in names and in defaults, a `Translation` connects the two.
Where it differs in more, `rearrange`, `compute` and `values` have a function of NumPy's signature,
an adaptor, which goes first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlgradient.core.declaration import DERIVED, OPS
from dlgradient.core.types import Value
from dlgradient.errors import DOCUMENTATION, UnsupportedFunctionError
from dlgradient.interop import counterparts
from dlgradient.interop.scipy_names import BY_NAME
from dlgradient.interop.translate import Translation, full_name

__all__ = ["answers", "find", "supported", "unsupported"]

# Adaptors written by hand: NumPy's callable -> ours with the same signature.
_ADAPTORS: dict[Any, Callable[..., Value]] = {}

# Further names of a function that a declaration names.
_SYNONYMS = (
    (np.round, np.around),
    (np.max, np.amax),
    (np.min, np.amin),
    (np.matmul, np.linalg.matmul),
    (np.vecdot, np.linalg.vecdot),
    (np.matrix_transpose, np.linalg.matrix_transpose),
    (np.tensordot, np.linalg.tensordot),
)


def answers(*functions: object) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Add an adaptor for functions of NumPy; it has their signature."""

    def enter(adaptor: Callable[..., Value]) -> Callable[..., Value]:
        _ADAPTORS.update(dict.fromkeys(functions, adaptor))
        return adaptor

    return enter


class _Table:
    """NumPy's callable -> its answer; made again when operations were declared since."""

    def __init__(self) -> None:
        self.entries: dict[object, Callable[..., Value]] = {}
        self.declared = 0

    def find(self, func: object) -> Callable[..., Value] | None:
        found = self.entries.get(func)
        # Users may declare operations with `numpy=` at any time.
        if found is None and self.declared != len(OPS) + len(DERIVED):
            self.make()
            found = self.entries.get(func)
        return found

    def make(self) -> None:
        self.declared = len(OPS) + len(DERIVED)
        declared = [(op.declaration.numpy, op.call) for op in OPS.values()]
        declared += [(derived.numpy, derived.function) for derived in DERIVED.values()]
        entries: dict[object, Callable[..., Value]] = {}
        for given, function in declared:
            for func in given if isinstance(given, tuple) else (given,):
                if func is not None:
                    entries[func] = _translated(func, function)
        for func, other in _SYNONYMS:
            answer = entries.get(func)
            if answer is not None and other not in entries:
                function = answer.function if isinstance(answer, Translation) else answer
                entries[other] = _translated(other, function)
        # What is written by hand goes first.
        self.entries = {**entries, **_ADAPTORS}


def _translated(func: object, function: Callable[..., Value]) -> Callable[..., Value]:
    """Return what answers `func` by `function`; ufuncs are called with operands only."""
    return function if isinstance(func, np.ufunc) else Translation(func, function)


_TABLE = _Table()


# SciPy's ufuncs that are another function here, or one with an argument.
_SPECIAL: dict[str, tuple[str, tuple[int, ...]]] = {
    "psi": ("digamma", ()),
    "expit": ("sigmoid", ()),
    "_zeta": ("zeta", ()),
    **{f"{letter}{order}": (f"{letter}v", (order,)) for letter in "jyik" for order in (0, 1)},
    **{f"{letter}{order}e": (f"{letter}ve", (order,)) for letter in "ik" for order in (0, 1)},
}


def find(func: object) -> Callable[..., Value] | None:
    """Return what answers a function of NumPy, or a ufunc of SciPy; None if nothing does."""
    return _TABLE.find(func) or (_of_scipy(func) if isinstance(func, np.ufunc) else None)


def _of_scipy(func: np.ufunc) -> Callable[..., Value] | None:
    name = func.__name__
    if getattr(sys.modules.get("scipy.special._ufuncs"), name, None) is not func:
        return None
    package = sys.modules["dlgradient"]  # an import would go upwards
    written, first = _SPECIAL.get(name, (name, ()))
    space = package if written == "sigmoid" else package.special
    if written not in space.__all__:
        return None
    function: Callable[..., Value] = getattr(space, written)
    return partial(function, *first) if first else function


def supported() -> frozenset[str]:
    """Names of the functions of NumPy that work on a dlarray.

    Examples
    --------
    >>> sorted(supported() & {"sin", "concatenate", "tensorinv"})
    ['concatenate', 'sin']
    """
    _TABLE.find(None)
    return frozenset(
        getattr(func, "__name__", "")
        for func in _TABLE.entries
        if isinstance(func, np.ufunc) or getattr(func, "__module__", "").startswith("numpy")
    )


def unsupported(func: object) -> UnsupportedFunctionError:
    """Return the error for a function that nothing answers, with what to write instead."""
    module, _, name = full_name(func).rpartition(".")
    other = name in BY_NAME.get(module, ())
    advice = "" if other else counterparts.answers().get(name, "")
    if not advice and name == "linspace":  # of numbers it has no dlarray to come here with
        advice = "write start + (stop - start) * numpy.linspace(0, 1, num)"
    if not advice and not other and name in sys.modules["dlgradient"].__all__:
        advice = f"write dlgradient.{name}, which is traced"  # as of scipy.special.erf
    error = UnsupportedFunctionError(
        f"{full_name(func)} is not supported on a traced dlarray, and a conversion would silently "
        f"lose the derivative{advice and '; '}{advice}. Write it with supported functions, or give "
        "it extractdata(x), a constant"
    )
    if advice:
        error.page = DOCUMENTATION + counterparts.page(name)
    return error
