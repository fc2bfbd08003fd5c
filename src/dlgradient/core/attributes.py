"""Attributes of public objects: a wrong name is answered, whether it is read or set.

What may be set is declared, and a value is checked as by the constructor. In a `record` these are
its options. Another class annotates its attributes, with the kinds of `dlgradient.core.kinds`, or
has properties with a setter. Anything else that is set is refused: it would change nothing.

A class of a user, such as a layer, may set what it likes. It has Python's own ``__setattr__``,
which costs nothing.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dlgradient.core.kinds import ANY, Kind, kind_of
from dlgradient.core.spelling import close_name, same_name
from dlgradient.errors import located

__all__ = ["AnswersByName", "is_ours", "refused", "set_freely"]

_PACKAGE = "dlgradient"
_MATLAB = "coming-from/matlab.html"
_NOTHING = object()


class AnswersByName:
    """A base class that answers a wrong name of an attribute with the one that is meant.

    All public classes have it, for the names of MATLAB. A dlarray has a table instead.

    Attributes
    ----------
    _elsewhere : mapping of str to str
        Names of MATLAB or PyTorch with other words, and what to write. A class attribute.
    _instead : mapping of str to str
        Attributes that cannot be set, and what to write instead. A class attribute.
    _title : str
        What the constructor is called in errors, if not as the class. A class attribute.
    _page : str
        The page about attributes that are not MATLAB's. A class attribute.
    _guesses : bool
        Whether a name in lower case may be a misspelt one. To look takes a millisecond, which is
        too long where code asks whether there is an attribute. A class attribute.
    """

    __slots__ = ()
    _elsewhere: ClassVar[Mapping[str, str]] = {}
    _instead: ClassVar[Mapping[str, str]] = {}
    _title: ClassVar[str] = ""
    _page: ClassVar[str] = "reference/training.html"
    _guesses: ClassVar[bool] = True

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if not is_ours(cls) and "__setattr__" not in vars(cls):
            set_freely(cls)

    if not TYPE_CHECKING:  # a type checker is to report such a name

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self)
            if any(name in vars(base) for base in kind.__mro__):
                object.__getattribute__(self, name)  # a property has failed: its own error
            # Of Python's protocols, which ask for such names, none looks for advice.
            asked = not name.startswith("_") and (kind._guesses or name != name.lower())
            raise _unknown(self, name, _meant(self, name) if asked else "")

        def __setattr__(self, name: str, value: object) -> None:
            if name[0] != "_":
                known = _settable(type(self)).get(name, _NOTHING)
                if known is _NOTHING:
                    raise refused(self, name)
                if known is not None and type(value) not in known.plain:
                    title = type(self)._title or type(self).__name__
                    value = known.accepted(title, name, value)
            object.__setattr__(self, name, value)


def is_ours(cls: type) -> bool:
    """Return whether a class is one of this library, and not of a user."""
    return cls.__module__.partition(".")[0] == _PACKAGE


def set_freely(cls: Any) -> None:
    """Let a class of a user set any attribute, as Python's classes do, or one of its bases says."""
    for base in cls.__mro__:
        if not is_ours(base) and "__setattr__" in vars(base):
            cls.__setattr__ = vars(base)["__setattr__"]
            return


def refused(value: AnswersByName, name: str) -> AttributeError:
    """Return the error for an attribute that is set and does not exist, or is only read."""
    kind = type(value)
    there = inspect.getattr_static(value, name, _NOTHING)
    if there is _NOTHING:
        return _unknown(value, name, _meant(value, name))
    what = "is a method" if callable(there) else "cannot be set"
    fix = kind._instead.get(name) or _when_made(kind, name)
    text = f"{kind.__name__}.{name} {what}{fix and '; '}{fix}"
    return AttributeError(located(text, kind._page), name=name, obj=value)


def _when_made(kind: type, name: str) -> str:
    """Return how an attribute is given to the constructor, or ''."""
    if name not in inspect.signature(kind).parameters:
        return ""
    return f"give {name}= when you make a new {kind.__name__}"


class _Anything(dict[str, Kind | None]):
    """The attributes of a class of a user, whose own ``__setattr__`` may call that of this one."""

    def get(self, *_: object) -> None:
        return None


@cache
def _settable(kind: Any) -> dict[str, Kind | None]:
    """Return the attributes of a class that may be set, and what each of them may be.

    It is None for anything, and for properties, which look themselves. Those that `_instead` names
    are annotated for type checkers, and cannot be set.
    """
    if not is_ours(kind):
        return _Anything()
    hints = typing.get_type_hints(kind, include_extras=True)
    own = {n: kind_of(h) for n, h in hints.items() if typing.get_origin(h) is not ClassVar}
    found = {name: None if known is ANY else known for name, known in own.items()}
    for name in dir(kind):
        if getattr(inspect.getattr_static(kind, name), "fset", None) is not None:
            found[name] = None
    return {name: known for name, known in found.items() if name not in kind._instead}


def _unknown(value: AnswersByName, name: str, meant: str) -> AttributeError:
    kind = type(value)
    page = _MATLAB if name != name.lower() else kind._page
    text = f"{kind.__name__} has no attribute {name!r}{meant}"
    return AttributeError(located(text, page), name=name, obj=value)


def _meant(value: AnswersByName, name: str) -> str:
    """Return what to write instead of an attribute, or ''."""
    kind = type(value)
    if name in kind._elsewhere:
        return f"; write {kind._elsewhere[name]}"
    existing = [n for n in dir(value) if not n.startswith("_")]
    options = list(inspect.signature(kind).parameters)
    same = same_name(name, existing)
    if not same and (option := same_name(name, options)):
        return f"; {option}= is an option of {kind.__name__}"
    meant = same or close_name(name, existing, 0.6)
    return f"; write {meant}" if meant else ""
