"""Dataclasses of options, whose wrong calls are answered as those of functions."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from dlgradient.core.arguments import checked

__all__ = ["record"]

_T = TypeVar("_T")


@dataclass_transform(field_specifiers=(field,))
def record(name: str, **options: bool) -> Callable[[type[_T]], type[_T]]:
    """Make a class a dataclass whose annotations check what its constructor is given.

    A constructor that the class has already stays as it is.

    Parameters
    ----------
    name : str
        What users call, for errors.
    **options
        Of `dataclasses.dataclass`.
    """

    def decorated(cls: Any) -> Any:
        own = "__init__" in vars(cls)
        dataclass(**options)(cls)
        if not own:
            cls.__init__ = _checked_at_first(cls, cls.__init__, name)
        return cls

    return decorated


def _checked_at_first(cls: Any, init: Any, name: str) -> Callable[..., None]:
    """Return a constructor that is checked from its first call on.

    Annotations are read then: an import must not evaluate some hundred.
    """
    init.__name__ = name

    @wraps(init)
    def first(self: Any, *args: Any, **given: Any) -> None:
        try:
            hints = typing.get_type_hints(cls, include_extras=True)
        except NameError:  # a user's class in a function: its local names are not to be had
            hints = {}
        init.__annotations__ = {n: hints[n] for n in init.__annotations__ if n in hints}
        cls.__init__ = checked(init)
        cls.__init__(self, *args, **given)

    return first
