"""Containers and networks as a description in JSON and named arrays, and back.

A description is made of numbers, texts, lists, and objects whose ``"$"`` says what they are. It
names classes of layers and functions, and has no code. The library's are known; others must be
passed by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.core.types import Array, Dtype
from dlgradient.engine.array import dlarray
from dlgradient.errors import DlgradientError, InvalidArgumentError, InvalidFileError
from dlgradient.layers.layout import Layout
from dlgradient.network.graph import Port
from dlgradient.network.layer_description import (
    Customs,
    described_layer,
    layer_from,
    network_of,
)
from dlgradient.network.network import dlnetwork
from dlgradient.network.onnx.program import Program
from dlgradient.network.table import ParameterTable

__all__ = ["Reader", "Writer"]

DEEPEST = 100


class Writer:
    """Writes values as descriptions, and collects their arrays.

    Attributes
    ----------
    arrays : dict
        By the name that they have in the file.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def written(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """Return the description of a value."""
        if len(path) > DEEPEST:
            raise InvalidArgumentError(
                f"save: containers are nested more than {DEEPEST} deep; write a flat dict"
            )
        if value is None or isinstance(value, str) or type(value) in (bool, int):
            return value
        found = self._number(value)
        if found is not None:
            return found
        if isinstance(value, dlarray | np.ndarray | np.generic):
            return self._array(value, path)
        if isinstance(value, dlnetwork):
            return self._network(value, path)
        return self._container(value, path)

    def _number(self, value: Any) -> Any:
        if type(value) is float:
            return value if math.isfinite(value) else {"$": "float", "value": repr(value)}
        if type(value) is complex:
            return {"$": "complex", "parts": [repr(value.real), repr(value.imag)]}
        return None

    def _array(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        raw = np.asarray(raw_of(value))
        found: dict[str, Any] = {"$": "array", "name": self._name(path)}
        if type(value) is dlarray:
            found["format"] = value._format
        elif isinstance(value, np.generic):
            found["scalar"] = True
        if raw.dtype.kind not in "biufc" or raw.dtype.itemsize > 8 * (1 + (raw.dtype.kind == "c")):
            raise InvalidArgumentError(
                f"save: {_shown(path)} has the dtype {raw.dtype} and the shape {raw.shape}; "
                "arrays of numbers of up to 64 bits can be saved"
            )
        if raw.dtype.kind == "c":  # real and imaginary parts: others have no complex128
            found["complex"] = True
            raw = np.ascontiguousarray(raw).reshape(*raw.shape, 1).view(raw.real.dtype)
        self.arrays[found["name"]] = raw
        return found

    def _name(self, path: tuple[str, ...]) -> str:
        name = base = "/".join(path) or "value"
        i = 1
        while name in self.arrays or name == "__metadata__":
            i += 1
            name = f"{base}#{i}"
        return name

    def _network(self, net: dlnetwork, path: tuple[str, ...]) -> dict[str, Any]:
        graph = net._graph
        return {
            "$": "network",
            "initialized": net.initialized,
            "layers": [
                described_layer(layer, lambda v, *at, n=name: self.written(v, (*path, n, *at)))
                for name, layer in net.layers.items()
            ],
            "connections": [[*start, *end] for end, start in graph.sources.items()],
            "outputs": [list(port) for port in graph.outputs],
            "examples": [
                [*port, list(layout.size), layout.format, np.dtype(dtype).name]
                for port, (layout, dtype) in net._given.items()
            ],
        }

    def _container(self, value: Any, path: tuple[str, ...]) -> Any:
        if type(value) is list:
            return self._items(value, path)
        if type(value) is tuple:
            return {"$": "tuple", "items": self._items(value, path)}
        if type(value) is dict:
            return self._dict(value, path)
        if isinstance(value, ParameterTable):
            return {"$": "table", "rows": self._dict(dict(value), path)}
        if isinstance(value, Program):
            return {"$": "program", "parts": self._dict(value.parts(), path)}
        if hasattr(value, "itertuples") and {"Layer", "Parameter", "Value"} == set(value.columns):
            rows = zip(value["Layer"], value["Parameter"], strict=True)
            columns = {"Layer": value["Layer"], "Parameter": value["Parameter"]}
            named = [
                self.written(v, (*path, f"{layer}/{p}"))
                for (layer, p), v in zip(rows, value["Value"], strict=True)
            ]
            texts = {k: [str(x) for x in column] for k, column in columns.items()}
            return {"$": "pandas", **texts, "Value": named}
        raise InvalidArgumentError(
            f"save: {_shown(path)} is a {type(value).__name__}; networks, arrays, numbers, texts, "
            "and dicts, lists, tuples and tables of them can be saved"
        )

    def _items(self, values: Iterable[Any], path: tuple[str, ...]) -> list[Any]:
        return [self.written(v, (*path, str(i))) for i, v in enumerate(values)]

    def _dict(self, value: Mapping[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        strange = [key for key in value if type(key) not in (str, int)]
        if strange:
            raise InvalidArgumentError(
                f"save: {_shown(path)} has the key {strange[0]!r}; keys must be texts or integers"
            )
        items = [self.written(v, (*path, str(k))) for k, v in value.items()]
        return {"$": "dict", "keys": list(value), "values": items}


def _shown(path: tuple[str, ...]) -> str:
    return f"value{''.join(f'[{part!r}]' for part in path)}"


class Reader:
    """Makes values of descriptions; every array of the file is used as it is."""

    def __init__(self, where: str, arrays: Mapping[str, Array], customs: Customs) -> None:
        self.where = where
        self.arrays = arrays
        self.customs = customs

    def read(self, node: Any) -> Any:
        """Return the value of a description."""
        if node is None or isinstance(node, str | bool | int | float):
            return node
        if isinstance(node, list):
            return [self.read(item) for item in node]
        kind = node.get("$")
        make = _KINDS.get(kind) if isinstance(kind, str) else None
        if make is None:
            raise self.error(f"it has a value of the unknown kind {kind!r}")
        try:
            return make(self, node)
        except DlgradientError as error:
            raise self.error(error.args[0]) from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self.error(f"a value of the kind {kind!r} is not complete: {error!r}") from None

    def error(self, text: str) -> InvalidFileError:
        """Return the error for a wrong description."""
        known = text.startswith(self.where)
        return InvalidFileError(text if known else f"{self.where}: {text}; the file is damaged")

    def _texts(self, values: Any, length: int | None = None) -> list[str]:
        good = isinstance(values, list) and all(isinstance(v, str) for v in values)
        if not good or (length is not None and len(values) != length):
            raise self.error(f"it has {str(values)[:80]} where names are expected")
        return list(values)

    def _float(self, node: Any) -> float:
        return float(self._texts([node["value"]])[0])

    def _complex(self, node: Any) -> complex:
        return complex(*[float(part) for part in self._texts(node["parts"], 2)])

    def _array(self, node: Any) -> Any:
        (name,) = self._texts([node["name"]])
        if name not in self.arrays:
            raise self.error(f"there is no array {name!r}")
        raw = self.arrays[name]
        if node.get("complex"):
            wide = np.complex64 if raw.dtype == np.float32 else np.complex128
            raw = np.ascontiguousarray(raw).view(wide).reshape(raw.shape[:-1])
        if node.get("scalar"):
            return raw[()]
        if "format" not in node:
            return raw
        fmt = node["format"]
        return dlarray(raw, None if fmt is None else self._texts([fmt])[0])

    def _tuple(self, node: Any) -> tuple[Any, ...]:
        return tuple(self._list(node["items"]))

    def _list(self, node: Any) -> list[Any]:
        if not isinstance(node, list):
            raise self.error("items must be a list")
        return [self.read(item) for item in node]

    def _dict(self, node: Any) -> dict[Any, Any]:
        keys, values = node["keys"], self._list(node["values"])
        good = isinstance(keys, list) and all(type(k) in (str, int) for k in keys)
        if not good or len(keys) != len(values) or len(set(keys)) != len(keys):
            raise self.error("the keys of a dict must be different texts or integers")
        return dict(zip(keys, values, strict=True))

    def _table(self, node: Any) -> ParameterTable:
        rows = node["rows"]
        return ParameterTable(self._dict(rows))

    def _program(self, node: Any) -> Program:
        return Program.of(self._dict(node["parts"]))

    def _pandas(self, node: Any) -> Any:
        import pandas as pd

        columns: dict[str, Any] = {
            name: pd.Series(self._texts(node[name]), dtype=object)
            for name in ("Layer", "Parameter")
        }
        columns["Value"] = pd.Series(self._list(node["Value"]), dtype=object)
        if len({len(column) for column in columns.values()}) > 1:
            raise self.error("the columns of a table have several lengths")
        return pd.DataFrame(columns)

    def _network(self, node: Any) -> dlnetwork:
        if not all(isinstance(node[n], list) for n in ("layers", "connections", "outputs")):
            raise self.error("a network needs lists of layers, connections and outputs")
        layers = [layer_from(item, self.read, self.customs, self.where) for item in node["layers"]]
        connections = [self._texts(item, 4) for item in node["connections"]]
        outputs = [self._texts(item, 2) for item in node["outputs"]]
        ports = [((a, b), (c, d)) for a, b, c, d in connections]
        return network_of(
            layers,
            ports,
            [(name, port) for name, port in outputs],
            dict(map(self._example, node["examples"])),
            initialized=node["initialized"] is True,
        )

    def _example(self, item: Any) -> tuple[Port, tuple[Layout, Dtype]]:
        name, port, size, fmt, dtype = item
        self._texts([name, port, dtype, *([] if fmt is None else [fmt])])
        if not isinstance(size, list) or not all(type(n) is int and n >= 0 for n in size):
            raise self.error(f"the example of {name!r} has no size")
        return (name, port), (Layout(tuple(size), fmt), np.dtype(dtype))


_KINDS: dict[str, Callable[[Reader, Any], Any]] = {
    "array": Reader._array,
    "complex": Reader._complex,
    "dict": Reader._dict,
    "float": Reader._float,
    "network": Reader._network,
    "pandas": Reader._pandas,
    "program": Reader._program,
    "table": Reader._table,
    "tuple": Reader._tuple,
}
