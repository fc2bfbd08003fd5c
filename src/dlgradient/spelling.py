"""From a name that does not exist to the one that was meant, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["nearest"]

# Keywords of other libraries for what has an array-API name here.
_KNOWN = {"dim": "axis", "vecdim": "axis", "keepdim": "keepdims", "dims": "axis", "axes": "axis"}


def snake_case(name: str) -> str:
    """Return a camelCase or CamelCase name in snake_case: 'RetainData' -> 'retain_data'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` most likely stands for, or None."""
    names = list(candidates)
    for guess in (name, snake_case(name), _KNOWN.get(name, "")):
        if guess in names:
            return guess
    squeezed = {n.replace("_", ""): n for n in names}
    plain = name.replace("_", "").lower()
    if plain in squeezed:
        return squeezed[plain]
    from difflib import get_close_matches  # only errors pay for this import

    close = get_close_matches(snake_case(name), names, n=1, cutoff=0.6)
    return close[0] if close else None
