"""Suggest an existing name for one that does not exist, for error messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

__all__ = ["missing", "nearest", "same_name"]

# Keywords of other libraries, and their array-API names.
_KNOWN = {
    "data_format": "fmt",
    "format": "fmt",
    "dim": "axis",
    "vecdim": "axis",
    "keepdim": "keepdims",
    "dims": "axis",
    "axes": "axis",
}

# Functions of NumPy, MATLAB and torch, and their names in this package.
_FUNCTIONS = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "array": "dlarray",
    "bitand": "bitwise_and",
    "bitcmp": "bitwise_invert",
    "bitor": "bitwise_or",
    "bitshift": "bitwise_left_shift",
    "bitxor": "bitwise_xor",
    "cat": "concat",
    "concatenate": "concat",
    "conjugate": "conj",
    "cumsum": "cumulative_sum",
    "cumprod": "cumulative_prod",
    "dot": "matmul",
    "fix": "trunc",
    "grad": "dlgradient",
    "gradient": "dlgradient",
    "horzcat": "concat",
    "invert": "bitwise_invert",
    "jvp": "dljvp",
    "mod": "remainder",
    "mtimes": "matmul",
    "permute": "permute_dims",
    "plus": "add",
    "minus": "subtract",
    "power": "pow",
    "rdivide": "divide",
    "repmat": "tile",
    "tensor": "dlarray",
    "times": "multiply",
    "transpose": "permute_dims",
    "true_divide": "divide",
    "uminus": "negative",
    "vertcat": "concat",
    "vjp": "dlvjp",
    "xor": "logical_xor",
}


def snake_case(name: str) -> str:
    """Return a camelCase or CamelCase name in snake_case: 'RetainData' -> 'retain_data'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def same_name(name: str, names: Sequence[str], known: dict[str, str] | None = None) -> str | None:
    """Return the name that is written as `name` elsewhere, in MATLAB for instance, or None.

    Examples
    --------
    >>> same_name("FFTLength", ["fft_length"]), same_name("dims", ["axis"])
    ('fft_length', 'axis')
    """
    table, snake = _KNOWN if known is None else known, snake_case(name)
    for guess in (name, snake, table.get(name, ""), table.get(snake, "")):
        if guess in names:
            return guess
    squeezed = {n.replace("_", "").lower(): n for n in names}
    return squeezed.get(name.replace("_", "").lower())


def nearest(
    name: str, candidates: Iterable[str], known: dict[str, str] | None = None
) -> str | None:
    """Return the candidate that `name` most likely means, or None.

    Parameters
    ----------
    name : str
    candidates : iterable of str
        Names that exist.
    known : dict, optional
        Names of other libraries, with ours; by default those of keywords.

    Examples
    --------
    >>> nearest("RetainData", ["retain_data", "axis"]), nearest("dim", ["axis"])
    ('retain_data', 'axis')
    """
    names = list(candidates)
    same = same_name(name, names, known)
    if same is not None:
        return same
    from difflib import get_close_matches  # only errors pay for this import

    close = get_close_matches(snake_case(name), names, n=1, cutoff=0.6)
    return close[0] if close else None


def missing(name: str) -> NoReturn:
    """Raise an error for a name that the package does not have, and suggest one.

    It is the package's ``__getattr__``.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.concatenate
    Traceback (most recent call last):
    ...
    AttributeError: module 'dlgradient' has no attribute 'concatenate'; did you mean 'concat'?
    """
    text = f"module 'dlgradient' has no attribute {name!r}"
    if not name.startswith("_"):
        # The package is loaded whenever this is called. An import would go upwards.
        right = nearest(name, getattr(sys.modules["dlgradient"], "__all__", ()), _FUNCTIONS)
        if right:
            text += f"; did you mean {right!r}?"
    raise AttributeError(text, name=name)
