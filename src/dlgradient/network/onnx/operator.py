"""The layer of an ONNX node, and the input layer of an imported network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.core.reading import read
from dlgradient.core.types import Operand, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import AnyInput
from dlgradient.layers.layer import Layer
from dlgradient.network.onnx.registry import table
from dlgradient.ops.permute import permute_dims

__all__ = ["Operator", "TensorInput", "check_operator", "layer_classes", "settled"]

FORMATS = {2: "BC", 4: "BCSS", 5: "BCSSS"}
SINGLE_AND_DOUBLE = (np.dtype("float32"), np.dtype("float64"))
# Sizes in an example of dimensions that are open: of images, and of everything else.
SPATIAL, OTHER = 64, 8


class Operator(Layer):
    """An ONNX node.

    Parameters
    ----------
    operator : str
        Its name in the standard.
    operands : tuple of str
        For each operand where it comes from: an input of the layer ("in1"), the name of a
        learnable, of a state or of a constant; "" for one that is left out.
    results : int
        How many of the results of the operator are outputs.
    attributes : dict
        Keyword arguments of the function.
    constants : dict
        Arrays by name that are no learnables.
    learned, carried : tuple of str
        Names of the learnables and of the state.
    shared : tuple of str
        Names of learnables that other layers use, too; each is one more output.
    """

    operator: str
    operands: Any = field(default=("in1",), kw_only=True)
    results: int = field(default=1, kw_only=True)
    attributes: Any = field(default_factory=dict, kw_only=True)
    constants: Any = field(default_factory=dict, kw_only=True)
    learned: Any = field(default=(), kw_only=True)
    carried: Any = field(default=(), kw_only=True)
    shared: Any = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_operator(self.operator, self.attributes, type(self))
        ports = [name for name in self.operands if _is_port(name)]
        own = {"", *ports, *self.constants, *self.learned, *self.carried}
        if not own.issuperset(self.operands) or not set(self.shared) <= set(self.learned):
            raise InvalidArgumentError(f"an operand of {self.operator} comes from nowhere")
        # A node without operands gets one that it does not look at, and so a place in the order.
        self.input_names = tuple(dict.fromkeys(ports)) or ("in1",)
        count = self.results
        numbered = [f"out{i + 1}" for i in range(count)] if count > 1 else ["out"]
        self.output_names = (*numbered, *self.shared)
        # Of the class in other layers: these are of the node.
        vars(self).update(learnables=tuple(self.learned), state=tuple(self.carried))

    def initialize(self, *layouts: Any) -> None:
        """Do nothing: the file has all values."""

    def predict(self, *xs: Value) -> Any:
        """Return the results of the operator."""
        function = table()[self.operator].function
        return self.finished(function(*self.gathered(xs), **self.attributes))

    def gathered(self, xs: tuple[Value, ...]) -> list[Any]:
        """Return the operands in ONNX's order, without formats; None for one left out."""
        have: dict[str, Any] = dict(self.constants)
        for name, x in zip(self.input_names, xs, strict=True):
            have[name] = stripdims(x) if type(x) is dlarray else x
        own = vars(self)
        return [None if not n else have[n] if n in have else own[n] for n in self.operands]

    def finished(self, found: Any) -> Any:
        """Return results with formats, as many as there are outputs."""
        several = found if isinstance(found, (tuple, list)) else (found,)
        results = [labelled(settled(y)) for y in several[: self.results]]
        results += [vars(self)[name] for name in self.shared]
        return tuple(results) if len(self.output_names) > 1 else results[0]

    def __repr__(self) -> str:
        shown = [f"{k}={v!r}" for k, v in self.attributes.items() if k not in ("opset", "outputs")]
        return f"{self.operator}({', '.join(shown)})"


class TensorInput(AnyInput):
    """An input of a model: of any number of dimensions and any type of data.

    Parameters
    ----------
    size : tuple of int or None
        None for a size that is open.
    dtype : str
        Of the data; floating-point data are converted by the network itself.
    """

    size: Any
    dtype: str = "float32"

    @property
    def labels(self) -> str:
        """The format of data that have none: the batch comes first in almost all models."""
        n = len(self.size)
        return FORMATS.get(n) or "B"[:n] + "U" * (n - 1)

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return no sizes by label, since `check` looks at them by position."""
        return {}

    def labelled(self, x: Operand) -> Value:
        """Return data with a format; integers stay as they are."""
        if type(x) is dlarray and x._format is not None:
            return x
        self._compare(np.shape(x))
        if self.dtype.startswith("float") and getattr(x, "dtype", None) not in SINGLE_AND_DOUBLE:
            x = np.asarray(x, np.float32)  # of half or brain precision
        return dlarray(x, self.labels)

    def check(self, x: Value) -> None:
        """Raise the error for an array that does not fit."""
        self._compare(x.shape)

    def _compare(self, shape: tuple[int, ...]) -> None:
        # The batch is free even if a file says one: most exporters write the size that they saw.
        wanted = (None, *self.size[1:]) if self.size else ()
        if len(shape) != len(wanted) or any(
            w is not None and n != w for n, w in zip(shape, wanted, strict=True)
        ):
            shown = ", ".join("any" if w is None else str(w) for w in wanted)
            raise ShapeMismatchError(
                f"the input has shape {shape}; the model expects ({shown}), in ONNX's order of "
                "dimensions"
            )

    def predict(self, x: Value) -> Value:
        """Return x in ONNX's order of dimensions."""
        fmt: str | None = getattr(x, "_format", None)
        labels = self.labels
        if fmt is not None and fmt != labels:
            if sorted(fmt) != sorted(labels) or "U" in fmt:
                raise FormatClashError(
                    f"the input has format {fmt!r}; give an array without a format, in ONNX's "
                    f"order of dimensions, or one with a permutation of {labels!r}"
                )
            x = permute_dims(x, _order(fmt, labels))
        self.check(x)
        if self.dtype.startswith("float"):
            return x
        raw = raw_of(x)
        return np.asarray(raw).astype(self.dtype)

    def example(self) -> Value:
        """Return zeros as the network may get them."""
        n = len(self.size)
        open_size = [1, OTHER, *[SPATIAL if n > 3 else OTHER] * n]
        shape = [n or open_size[i] for i, n in enumerate(self.size)]
        return dlarray(np.zeros(shape, self.dtype), self.labels)


def layer_classes() -> dict[str, type[Layer]]:
    """Return the classes of layers that an import makes, by their names in a file of `save`."""
    several = {Operator, TensorInput, *[e.layer for e in table().values() if e.layer]}
    return {f"onnx.{kind.__name__}": kind for kind in several}


def check_operator(name: str, attributes: Mapping[str, Any], kind: type[Layer]) -> None:
    """Raise the error for an operator that a damaged file may have: it cannot be computed."""
    entry = table().get(name)
    if entry is None or kind is not (entry.layer or kind):
        raise InvalidArgumentError(f"{kind.__name__} does not compute an operator {name!r}")
    if not attributes.keys() <= entry.options:
        raise InvalidArgumentError(f"{name} has no attributes {[*attributes]}")


def settled(y: Any) -> Any:
    """Return integers and logical values as raw arrays; they carry no gradient."""
    if type(y) is dlarray:
        return np.asarray(read(y)) if y.dtype.kind in "biu" else y
    return y if type(y) is np.ndarray else np.asarray(y)


def labelled(y: Any) -> Any:
    """Return a floating-point result with the format of its number of dimensions."""
    fmt = FORMATS.get(y.ndim)
    return dlarray(y, fmt) if fmt and y.dtype.kind == "f" else y


def _order(fmt: str, labels: str) -> tuple[int, ...]:
    """Return the axes of labels in another format; those of one label keep their order."""
    places = {label: [i for i, f in enumerate(fmt) if f == label] for label in set(fmt)}
    return tuple([places[label].pop(0) for label in labels])


def _is_port(name: str) -> bool:
    return name.startswith("in") and name[2:].isdigit()
