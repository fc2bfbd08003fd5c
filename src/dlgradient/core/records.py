"""Dataclasses of options, whose wrong calls are answered as those of functions."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cache, wraps
from typing import Any, TypeVar, dataclass_transform

from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName, is_ours, refused, set_freely
from dlgradient.core.kinds import kind_of
from dlgradient.core.types import Operand
from dlgradient.core.values import is_dlarray
from dlgradient.errors import located

__all__ = ["COPY", "record", "set_option"]

_ARRAY = kind_of(Operand | None)
# How a layer is marked that shows what a network has: to set an option of it would change nothing.
COPY = "copy"
_OF_A_COPY = (
    "net.layers shows the layers as they are, so {name} of {of!r} cannot be set; write "
    "net.learnables['{of}/...'] = value for an array, or layer = net.get_layer('{of}'), set it, "
    "and net = net.replace_layer('{of}', layer)"
)

_T = TypeVar("_T")


@dataclass_transform(field_specifiers=(field,))
def record(name: str, **options: bool) -> Callable[[type[_T]], type[_T]]:
    """Make a class a dataclass whose annotations check what its constructor is given.

    A constructor that the class has already stays as it is. In classes of this library a value
    that is set later is checked by the constructor, too.

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
        if issubclass(cls, AnswersByName):
            cls._title = name
            _let_set(cls, frozen=options.get("frozen", False))
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
        cls.__init__ = _marked(checked(init)) if is_ours(cls) else checked(init)
        cls.__init__(self, *args, **given)

    return first


def _marked(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that says when it has ended: from then on, what is set is checked."""

    @wraps(init)
    def constructor(self: Any, *args: Any, **given: Any) -> None:
        init(self, *args, **given)
        vars(self)["_made"] = True

    return constructor


def _let_set(cls: Any, *, frozen: bool) -> None:
    """Choose what sets attributes of a record; a frozen dataclass has an answer of its own."""
    if frozen:
        del cls.__setattr__, cls.__delattr__
    if not is_ours(cls):
        set_freely(cls)
    elif "__setattr__" not in vars(cls):
        cls.__setattr__ = _refuse if frozen else set_option


def _refuse(self: Any, name: str, _: object) -> None:
    raise refused(self, name)


def set_option(self: Any, name: str, value: object) -> None:
    """Set an option of a record as its constructor would; anything else is refused.

    The state of a layer is set in each step of training, so that it is only looked at. A layer may
    also have learnables that are no options.
    """
    if name[0] == "_" or "_made" not in vars(self):
        object.__setattr__(self, name, value)
        return
    if vars(self)["_made"] == COPY:
        raise AttributeError(located(_OF_A_COPY.format(name=name, of=self.name), self._page))
    state = self.state if hasattr(type(self), "state") else ()  # else advice would be looked for
    if name in state:
        object.__setattr__(self, name, _array(type(self), name, value))
        return
    kind: Any = type(self)
    options = _options(kind)
    if name in options and not hasattr(kind, "__post_init__"):
        AnswersByName.__setattr__(self, name, value)  # the same kinds, in a hundredth of the time
    elif name in options:
        given = dict.fromkeys(options & {*state})
        new = vars(replace(self, **given, **{name: value}))
        vars(self).update({n: v for n, v in new.items() if n not in given})
    elif hasattr(type(self), "learnables") and name in self.learnables:
        object.__setattr__(self, name, _array(type(self), name, value))
    else:
        raise refused(self, name)


@cache
def _options(kind: Any) -> frozenset[str]:
    """Return the options that may be set."""
    return frozenset(option.name for option in fields(kind) if option.init) - {*kind._instead}


def _array(kind: Any, name: str, value: Any) -> Any:
    """Return an array, or None, which a layer is given for a learnable or its state."""
    known = value is None or is_dlarray(value)
    return value if known else _ARRAY.accepted(kind._title, name, value)
