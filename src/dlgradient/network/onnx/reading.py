"""From a file, bytes or a message to a checked ONNX model. Nothing in a file is trusted.

Sizes are compared with the data that are there before an array is made, so a small file cannot ask
for much memory. Data outside of the model must be in its folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError, located

__all__ = ["Model", "Node", "Subgraph", "attribute_value", "fault", "read_model", "tensor"]

NAME = "import_network_from_onnx"
LARGEST_MESSAGE = 2**31 - 1  # of protocol buffers
DEEPEST = 16  # graphs in graphs
MOST_NODES = 10**5  # with the bodies of functions, which a file may call any number of times
EXTERNAL = 1  # TensorProto.EXTERNAL
STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Node:
    """A node, with attributes as Python values."""

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def shown(self) -> str:
        """How an error names it."""
        kind = self.operator if self.domain in STANDARD else f"{self.domain}.{self.operator}"
        return f"{kind} ({self.name})" if self.name else kind


@dataclass(frozen=True)
class Subgraph:
    """A graph: of a model, or in an attribute of a node.

    Attributes
    ----------
    nodes : list of Node
    arrays : dict
        The initializers.
    inputs : list of (str, tuple or None, type)
        Name, sizes if they are known, and dtype.
    outputs : list of str
    """

    nodes: Sequence[Node]
    arrays: Mapping[str, Array]
    inputs: Sequence[tuple[str, tuple[int | None, ...] | None, Any]]
    outputs: Sequence[str]


@dataclass
class Model:
    """A graph, and the versions of the sets of operators."""

    graph: Subgraph
    opset: int
    folder: Path | None = field(default=None)


def fault(text: str) -> InvalidArgumentError:
    """Return the error for a model that is not accepted."""
    return InvalidArgumentError(f"{NAME}: {text}")


def read_model(source: Any) -> Model:
    """Return a model from a path, bytes or a ModelProto."""
    message, folder = _message(source)
    versions = {o.domain: o.version for o in message.opset_import}
    opset = max((versions[d] for d in STANDARD if d in versions), default=0)
    if not opset:
        raise fault("the model names no version of the standard's operators (opset_import)")
    reader = _Reader(message, folder)
    return Model(reader.graph(message.graph, 0), int(opset), folder)


def _message(source: Any) -> tuple[Any, Path | None]:
    try:
        import onnx
    except ImportError as error:
        text = f"{NAME} needs the package onnx: pip install dlgradient[onnx]"
        raise ImportError(located(text, "recipes/import-onnx.html")) from error
    from google.protobuf.message import DecodeError

    if isinstance(source, onnx.ModelProto):
        return source, None
    folder = None
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        size = path.stat().st_size
        if size > LARGEST_MESSAGE:
            raise fault(f"{path} has {size} bytes; a model has less than 2 GiB")
        source, folder = path.read_bytes(), path.resolve().parent
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise fault(f"the model must be a path, bytes or a ModelProto, not {type(source).__name__}")
    message = onnx.ModelProto()
    try:
        message.ParseFromString(bytes(source))
    except (DecodeError, RuntimeError) as error:
        raise fault(f"these are no data of an ONNX model, or they are cut off ({error})") from None
    if not message.graph.node:
        raise fault("the model has no nodes; is it an ONNX file?")
    return message, folder


class _Reader:
    """Reads the graphs of one model, with its functions written out."""

    def __init__(self, message: Any, folder: Path | None) -> None:
        self.folder = folder
        self.functions = {(f.domain, f.name): f for f in message.functions}
        self.count = 0

    def graph(self, graph: Any, depth: int) -> Subgraph:
        """Return a graph."""
        if depth > DEEPEST:
            raise fault(f"graphs are nested deeper than {DEEPEST}")
        if graph.sparse_initializer:
            raise fault("sparse initializers are not supported")
        arrays = {t.name: tensor(t, self.folder) for t in graph.initializer}
        nodes: list[Node] = []
        for node in graph.node:
            self._take(node, "", nodes, depth, 0)
        inputs = [_input(x) for x in graph.input if x.name not in arrays]
        return Subgraph(nodes, arrays, inputs, [x.name for x in graph.output])

    def _take(self, node: Any, prefix: str, nodes: list[Node], depth: int, calls: int) -> None:
        """Append a node; the nodes of its body if it calls a function."""
        self.count += 1
        if self.count > MOST_NODES or calls > DEEPEST:
            raise fault("the model has too many nodes, or functions that call each other too deep")
        function = self.functions.get((node.domain, node.op_type))
        if function is None:
            attributes = {a.name: self.attribute(a, depth) for a in node.attribute}
            nodes.append(
                Node(
                    prefix + node.name,
                    node.op_type,
                    node.domain,
                    tuple(node.input),
                    tuple(node.output),
                    attributes,
                )
            )
            return
        given = {a.name: a for a in node.attribute}
        given = {**{a.name: a for a in function.attribute_proto}, **given}
        scope = f"{prefix}{node.name or node.op_type}.{self.count}."
        names = dict(zip(function.input, node.input, strict=False))
        names.update(zip(function.output, node.output, strict=False))
        for inner in function.node:
            self._take(_renamed(inner, names, scope, given), scope, nodes, depth, calls + 1)

    def attribute(self, a: Any, depth: int) -> Any:
        """Return the value of an attribute."""
        if a.type == a.GRAPH:
            return self.graph(a.g, depth + 1)
        return attribute_value(a, self.folder)


def _renamed(node: Any, names: dict[str, str], scope: str, given: Mapping[str, Any]) -> Any:
    """Return a copy of a node of a function with the names and attributes of a call."""
    new = type(node)()
    new.CopyFrom(node)
    for side in (new.input, new.output):
        for i, name in enumerate(side):
            if name:
                side[i] = names.setdefault(name, scope + name)
    for i in reversed(range(len(new.attribute))):
        a = new.attribute[i]
        if a.type == a.GRAPH:
            raise fault(f"{node.op_type}: graphs in functions of a model are not supported")
        if a.ref_attr_name:
            name = a.name
            if a.ref_attr_name in given:
                a.CopyFrom(given[a.ref_attr_name])
                a.name = name
            else:
                del new.attribute[i]
    return new


def attribute_value(a: Any, folder: Path | None = None) -> Any:
    """Return the value of an attribute that is no graph."""
    kinds: dict[int, Callable[[], Any]] = {
        a.FLOAT: lambda: float(a.f),
        a.INT: lambda: int(a.i),
        a.STRING: lambda: _text(a.s, a.name),
        a.TENSOR: lambda: tensor(a.t, folder),
        a.FLOATS: lambda: list(a.floats),
        a.INTS: lambda: list(a.ints),
        a.STRINGS: lambda: [_text(s, a.name) for s in a.strings],
    }
    if a.type not in kinds:
        raise fault(f"attribute {a.name!r} is of a type that is not supported")
    return kinds[a.type]()


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise fault(f"attribute {name!r} is no text") from None


def _input(value: Any) -> tuple[str, tuple[int | None, ...] | None, Any]:
    """Return name, sizes and dtype of an input."""
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return value.name, None, None
    dtype = _dtype(kind.elem_type, f"input {value.name!r}")
    if not kind.HasField("shape"):
        return value.name, None, dtype
    sizes = [d.dim_value if d.dim_value > 0 else None for d in kind.shape.dim]
    return value.name, tuple(sizes), dtype


# TensorProto.DataType: half and brain precision become single.
DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float32",
    11: "float64",
    12: "uint32",
    13: "uint64",
    16: "float32",
}


def _dtype(number: int, what: str) -> np.dtype[Any]:
    if number not in DTYPES:
        raise fault(f"{what} is of type {number}, which is not supported")
    return np.dtype(DTYPES[number])


def tensor(t: Any, folder: Path | None = None) -> Array:
    """Return the array of a TensorProto."""
    import onnx

    what = f"the array {t.name!r}"
    dtype = _dtype(t.data_type, what)
    shape = tuple(t.dims)
    count = prod(shape)
    if any(n < 0 for n in shape):
        raise fault(f"{what} has the shape {shape}")
    if t.data_location == EXTERNAL:
        copied = onnx.TensorProto(data_type=t.data_type, dims=shape, name=t.name)
        copied.raw_data = _external(t, folder, what)
        t = copied
    stored = onnx.helper.tensor_dtype_to_np_dtype(t.data_type)
    if t.HasField("raw_data"):
        found, wanted = len(t.raw_data), count * stored.itemsize
    else:
        field_name = onnx.helper.tensor_dtype_to_field(t.data_type)
        found, wanted = len(getattr(t, field_name)), count
    if found != wanted:
        raise fault(f"{what} of shape {shape} needs {wanted} bytes or numbers and has {found}")
    array: Array = onnx.numpy_helper.to_array(t)
    return np.array(array.astype(dtype, copy=False).reshape(shape), order="C")


def _external(t: Any, folder: Path | None, what: str) -> bytes:
    """Return data that are in a file of their own, in the folder of the model."""
    place = {entry.key: entry.value for entry in t.external_data}
    if folder is None:
        raise fault(f"{what} is in another file, {place.get('location')!r}; give the model's path")
    path = (folder / place.get("location", "")).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise fault(f"{what} is in {str(path)!r}, which is no file in the folder of the model")
    size = path.stat().st_size
    try:
        offset = int(place.get("offset", 0))
        length = int(place.get("length", size - offset))
    except ValueError:
        raise fault(f"{what} has an offset or a length that is no integer") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise fault(f"{what} needs {length} bytes from {offset} on; {path.name} has {size}")
    with path.open("rb") as file:
        file.seek(offset)
        data: bytes = file.read(length)
    return data
