"""The base class of all layers, and of a user's own.

A subclass becomes a dataclass: what it annotates are its options, checked by the kinds of
`dlgradient.core.kinds`. A class with an ``__init__`` of its own keeps it.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.members import Kind, Parts
from dlgradient.core.reading import hand_out, refuse_here
from dlgradient.core.records import COPY, record
from dlgradient.core.types import Format, Generator, Shape
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError, located
from dlgradient.layers.layout import Layout
from dlgradient.nn.initialize import initialize
from dlgradient.program.structure import Identity
from dlgradient.program.structure import Parts as ProgramParts

__all__ = ["Layer"]


@dataclass(frozen=True)
class Fresh:
    """How the values of a learnable begin: shape, and what an initialiser counts."""

    shape: Shape
    weights_format: Format = None
    fan_in: int | None = None
    fan_out: int | None = None


class Source:
    """Where a call takes random numbers from.

    The generator is made when the first number is drawn: fresh entropy costs as much as a small
    layer, and most networks need none (row small-mlp).
    """

    __slots__ = ("_given",)

    def __init__(self, given: Generator) -> None:
        self._given = given

    @classmethod
    def of(cls, given: Generator | Source) -> Source:
        """Return a source of what the user gave; a network in a layer gets that of the call."""
        return given if isinstance(given, Source) else cls(given)

    def generator(self) -> np.random.Generator:
        """Return the generator."""
        if isinstance(self._given, np.random.Generator):
            hand_out(self._given)
        else:
            refuse_here("a layer draws random numbers, and the call gives it no generator")
        self._given = np.random.default_rng(self._given)
        return self._given


@dataclass_transform(kw_only_default=False, eq_default=False, field_specifiers=(field,))
@dataclass(eq=False, repr=False)
class Layer(AnswersByName):
    """A layer of a network; derive your own from this class.

    Parameters
    ----------
    name : str
        Name in the network; by default the network makes one of the class, such as "relu_2".

    Attributes
    ----------
    learnables : tuple of str
        Names of the attributes that training changes. A class attribute.
    state : tuple of str
        Names of the attributes that `forward` or `predict` may set for the next call, such as the
        statistics of a normalisation. A class attribute.
    input_names, output_names : tuple of str
        Names of the operands and the results of `predict`.

    Notes
    -----
    Write ``initialize(self, *layouts)``, which sets the learnables and the state that are None.
    Write ``predict(self, *xs)``, which returns the result, or a tuple of the results. Write
    ``forward`` too if training computes something else; ``self.generator`` is where random numbers
    come from. All are written with functions that can be differentiated, such as NumPy's, so
    derivatives of every order exist.

    A learnable may also be a network, see `layers.Network`. A layer with a memory overrides
    ``reset_state(self)``. One that needs a backward pass of its own overrides ``backward``.

    Examples
    --------
    >>> class Scale(dl.layers.Layer):
    ...     factor: float = 2.0
    ...     learnables = ("offset",)
    ...
    ...     def initialize(self, x):
    ...         self.offset = np.ones(x.size_of("C"))
    ...
    ...     def predict(self, x):
    ...         return self.factor * x + dl.dlarray(self.offset, "C")
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), Scale(3.0)])
    >>> net.predict(dl.dlarray([[1.0, 2.0]], "BC"))
    dlarray([[4., 7.]], 'BC')

    Source: MATLAB ``nnet.layer.Layer``, ``nnet.layer.Formattable``.
    """

    learnables: ClassVar[tuple[str, ...]] = ()
    state: ClassVar[tuple[str, ...]] = ()
    input_names: tuple[str, ...] = field(default=("in",), init=False, repr=False)
    output_names: tuple[str, ...] = field(default=("out",), init=False, repr=False)
    name: str = field(default="", kw_only=True)

    _page = "reference/networks.html"
    _elsewhere: ClassVar = {"NumInputs": "len(input_names)", "NumOutputs": "len(output_names)"}
    _guesses = False  # initialisers and factors are looked for, and most layers lack some
    _source: ClassVar[Source | None] = None
    # Whether the constructor is written, and not made of the options.
    _writes_init: ClassVar[bool] = False

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if (
            "__init__" not in vars(cls)
            and cls._writes_init
            and not vars(cls).get("__annotations__")
        ):
            dataclass(eq=False, repr=False, init=False)(cls)  # the constructor of its base stays
        else:
            cls._writes_init = "__init__" in vars(cls)
            record(f"layers.{cls.__name__}", eq=False, repr=False)(cls)
        for declared in (cls.learnables, cls.state):
            names: Any = declared
            if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
                raise InvalidArgumentError(
                    f"layer class {cls.__name__}: learnables and state must be tuples of names, "
                    f"such as ('weights', 'bias'), not {names!r}"
                )

    @property
    def generator(self) -> np.random.Generator:
        """Where random numbers of this call come from."""
        return (self._source or Source(None)).generator()

    def initialize(self, *layouts: Layout) -> None:
        """Set the learnables and the state that are None, for inputs of these sizes and formats.

        Parameters
        ----------
        *layouts : Layout
            One for each input.
        """
        fresh = self._fresh(*layouts)
        for name in (*self.learnables, *self.state):
            value = getattr(self, name, None)
            if name not in fresh:
                continue
            wanted = fresh[name]
            if value is None:
                value = initialize(
                    self._option(name, "initializer", "zeros"),
                    wanted.shape,
                    fan_in=wanted.fan_in,
                    fan_out=wanted.fan_out,
                    weights_format=wanted.weights_format,
                    generator=self.generator,
                )
            elif np.shape(value) != wanted.shape:
                raise ShapeMismatchError(
                    f"{name} has shape {np.shape(value)}; inputs of "
                    f"{' and '.join(map(str, layouts))} need {wanted.shape}"
                )
            setattr(self, name, value)

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes of the learnables and the state, by name; the layers here define it."""
        del layouts
        return {}

    def _option(self, learnable: str, kind: str, default: Any) -> Any:
        """Return an option of a learnable; "query_weights" has those of "weights" by default."""
        for name in (learnable, learnable.rpartition("_")[2]):
            found = getattr(self, f"{name}_{kind}", None)
            if found is not None:
                return found
        return default

    def reset_state(self) -> None:
        """Set the state to that before the first call; by default nothing is done.

        A layer whose state is a memory, and no statistics, overrides it.
        """

    # Any arguments, to a type checker: a layer that takes two operands overrides this one.
    def predict(self, *xs: Any, **_: Any) -> Any:
        """Return the results for inference: one, or a tuple.

        Parameters
        ----------
        *xs : dlarray
            One for each input.
        """
        raise NotImplementedError(
            located(
                f"layer class {type(self).__name__} has no predict(self, x)",
                "reference/networks.html",
            )
        )

    def forward(self, *xs: Any, **_: Any) -> Any:
        """Return the results in training: by default those of `predict`.

        Parameters
        ----------
        *xs : dlarray
            One for each input.
        """
        return self.predict(*xs)

    def backward(self, xs: Any, ys: Any, gs: Any) -> Any:
        """Return gradients of a layer that has a backward pass of its own; a subclass defines it.

        A network then calls it instead of differentiating `predict` and `forward`, which may be
        any code. It is itself differentiated for derivatives of higher order.

        Parameters
        ----------
        xs, ys, gs : tuple of dlarray
            Inputs, results, and the cotangents of the results, with formats. The learnables are
            attributes.

        Returns
        -------
        tuple
            A gradient for each input, then one for each learnable; None for zero.
        """
        raise NotImplementedError(
            located(
                f"layer class {type(self).__name__} has no backward(self, xs, ys, gs): "
                "its derivatives are those of predict and forward, see dlgradient",
                "reference/networks.html",
            )
        )

    def _bound(self, values: Mapping[str, Any]) -> typing.Self:
        """Return a shallow copy that has these attributes."""
        new = object.__new__(type(self))
        attributes = new.__dict__
        attributes.update(self.__dict__)
        if attributes.get("_made") == COPY:
            attributes["_made"] = True
        attributes.update(values)
        return new

    def __repr__(self) -> str:
        given = []
        for option in sorted(fields(self), key=lambda option: bool(option.kw_only)):
            value = getattr(self, option.name, None)
            hidden = not option.init or option.name in ("name", *self.learnables, *self.state)
            if hidden or _is_default(option, value):
                continue
            shown = getattr(value, "__name__", None) if callable(value) else None
            given.append(f"{option.name}=" * bool(option.kw_only) + (shown or repr(value)))
        return f"{type(self).__name__}({', '.join(given)})"

    def _program_parts(self) -> ProgramParts:
        """Return what a recorded program must know of a layer: its state too."""
        names = (*self.learnables, *self.state)
        options = [(n, Identity(v)) for n, v in vars(self).items() if n not in names]
        members = [getattr(self, n, None) for n in names]

        def build(new: list[Any]) -> Layer:
            return self._bound(dict(zip(names, new, strict=True)))

        return ProgramParts(tuple(options), members, build, len(self.state))

    @classmethod
    def _container_kind(cls) -> Kind:
        """Return how containers split a layer: its learnables are the members."""
        return Kind(_split_layer, lambda layer: [f".{name}" for name in layer.learnables])


def numbered(word: str, count: int) -> tuple[str, ...]:
    """Return names of inputs or outputs: "in1", "in2", ..., or "in" of one."""
    return tuple([f"{word}{i + 1}" for i in range(count)]) if count > 1 else (word,)


def _split_layer(layer: Layer) -> Parts:
    names = layer.learnables
    values = [getattr(layer, name, None) for name in names]
    return values, lambda new: layer._bound(dict(zip(names, new, strict=True)))


def _is_default(option: Any, value: object) -> bool:
    """Return whether an option need not be shown."""
    if option.default is MISSING:
        return False
    return type(value) is type(option.default) and value == option.default
