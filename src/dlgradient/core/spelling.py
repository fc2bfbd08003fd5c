"""Suggest an existing name for one that does not exist, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["close_name", "nearest", "same_name"]

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


def snake_case(name: str) -> str:
    """Return a camelCase or CamelCase name in snake_case: 'RetainData' -> 'retain_data'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def same_name(name: str, names: Sequence[str]) -> str | None:
    """Return the name that is written as `name` elsewhere, in MATLAB for instance, or None.

    Examples
    --------
    >>> same_name("FFTLength", ["fft_length"]), same_name("dims", ["axis"])
    ('fft_length', 'axis')
    """
    snake = snake_case(name)
    for guess in (name, snake, _KNOWN.get(name, ""), _KNOWN.get(snake, "")):
        if guess in names:
            return guess
    squeezed = {n.replace("_", "").lower(): n for n in names}
    return squeezed.get(name.replace("_", "").lower())


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` most likely means, or None.

    Parameters
    ----------
    name : str
    candidates : iterable of str
        Names that exist.

    Examples
    --------
    >>> nearest("RetainData", ["retain_data", "axis"]), nearest("dim", ["axis"])
    ('retain_data', 'axis')
    """
    names = list(candidates)
    return same_name(name, names) or close_name(name, names, 0.6)


def close_name(name: str, names: Sequence[str], cutoff: float = 0.8) -> str | None:
    """Return the name of nearly the same letters, or None.

    Few letters in common mean nothing among some hundred names: "inv" is not "sin".
    """
    from difflib import get_close_matches  # only errors pay for this import

    close = get_close_matches(snake_case(name), names, n=1, cutoff=cutoff)
    return close[0] if close else None
