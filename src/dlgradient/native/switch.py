"""Who computes: compiled kernels, or those of NumPy."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from typing import Literal

from dlgradient.core.arguments import checked
from dlgradient.core.types import Dtype
from dlgradient.errors import InvalidArgumentError, located

__all__ = ["acceleration"]

_VARIABLE = "DLGRADIENT_ACCELERATION"
_MODES = ("auto", "numpy", "native", "none")
chosen: ContextVar[str] = ContextVar("dlgradient_acceleration", default="")


@checked
def acceleration(mode: Literal["auto", "numpy", "native", "none"]) -> AbstractContextManager[None]:
    """Choose who computes in a ``with`` block: compiled kernels, or those of NumPy.

    Compiled kernels need the package llvmlite, ``pip install dlgradient[native]``. Results differ
    by rounding at most. For all of a program, set the environment variable
    ``DLGRADIENT_ACCELERATION`` to one of the modes.

    Parameters
    ----------
    mode : {"auto", "numpy", "native", "none"}
        "auto", the default, uses compiled kernels if llvmlite is installed and the work is large
        enough to pay. "numpy" never uses them. "native" uses them for work of any size. "none"
        is as "numpy", and functions of `dlaccelerate` run eagerly too.

    Returns
    -------
    context manager
        The choice holds in this thread, until the block ends.

    Raises
    ------
    InvalidArgumentError
        If the mode is unknown.
    ImportError
        If compiled kernels are asked for, and llvmlite is not installed.

    See Also
    --------
    adamupdate : a step of Adam, in one pass over memory if compiled
    dlconv : convolution

    Examples
    --------
    >>> with dl.acceleration("numpy"):
    ...     p, _, _ = dl.adamupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([0.5, 0.5]))
    >>> p.round(decimals=4).tolist()
    [0.999, 1.999]

    Source: this library.
    """
    if mode == "native":
        _require()
    return _choosing(mode)


@contextmanager
def _choosing(mode: str) -> Iterator[None]:
    before = chosen.set(mode)
    try:
        yield
    finally:
        chosen.reset(before)


def mode() -> str:
    """Return the mode of the innermost block, or that of the environment."""
    return chosen.get() or _of_environment()


@cache
def _of_environment() -> str:
    found = os.environ.get(_VARIABLE, "").lower() or "auto"
    if found not in _MODES:
        raise InvalidArgumentError(
            f"the environment variable {_VARIABLE} is {found!r}; it must be one of "
            f"{', '.join(_MODES)}"
        )
    if found == "native":
        _require()
    return found


def _require() -> None:
    if find_spec("llvmlite") is None:
        text = "acceleration: 'native' needs the package llvmlite: pip install dlgradient[native]"
        raise ImportError(located(text, "performance/native.html"))


def uses_native(dtype: Dtype, *, pays: bool) -> bool:
    """Return whether a compiled kernel computes.

    Parameters
    ----------
    dtype : dtype
        Of all arrays.
    pays : bool
        Whether the work is large enough, which decides in the mode "auto".
    """
    if dtype.char not in "fd":
        return False
    chosen = mode()
    if chosen == "native":
        return True
    return chosen == "auto" and pays and _is_able()


@cache
def _is_able() -> bool:
    """Return whether a compiled kernel runs here; if LLVM is there and it does not, warn once."""
    if find_spec("llvmlite") is None:
        return False
    from dlgradient.native.compiler import is_right

    try:
        fault = "" if is_right() else "a sum is wrong"
    except (ImportError, OSError, RuntimeError) as error:
        fault = str(error)
    if fault:
        warnings.warn(
            f"dlgradient computes with NumPy alone, since compiled kernels fail here: {fault}",
            RuntimeWarning,
            stacklevel=2,
        )
    return not fault
