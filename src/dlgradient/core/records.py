"""Dataclasses of options, whose wrong calls are answered as those of functions."""

from __future__ import annotations

import typing
from functools import wraps
from typing import Any

from dlgradient.core.arguments import checked

__all__ = ["check_constructor"]


def check_constructor(cls: Any, name: str) -> None:
    """Let the annotations of a dataclass check what its constructor is given.

    Parameters
    ----------
    cls : type
        A dataclass; its ``__init__`` is replaced.
    name : str
        What users call, for errors.
    """
    init = cls.__init__
    init.__name__ = name

    @wraps(init)
    def first(self: Any, *args: Any, **given: Any) -> None:
        # Annotations are read at the first call: an import must not evaluate some hundred.
        try:
            hints = typing.get_type_hints(cls, include_extras=True)
        except NameError:  # a user's class in a function: its local names are not to be had
            hints = {}
        init.__annotations__ = {n: hints[n] for n in init.__annotations__ if n in hints}
        cls.__init__ = checked(init)
        cls.__init__(self, *args, **given)

    cls.__init__ = first
