"""Layers as descriptions: name, class, options; and networks of layers that were described.

Classes and functions are named. The library's own are found by name, and a user's among those that
the caller passes: no module is imported, and nothing is called but constructors of layers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeAlias

from dlgradient import layers as library
from dlgradient.core.spelling import nearest
from dlgradient.core.types import Dtype
from dlgradient.engine.array import dlarray
from dlgradient.errors import DlgradientError, InvalidArgumentError, InvalidFileError
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import Layout
from dlgradient.layers.nested import HeldNetwork, prefix_of
from dlgradient.network.graph import Graph, Port
from dlgradient.network.network import dlnetwork
from dlgradient.network.onnx.operator import layer_classes

__all__ = [
    "Customs",
    "check_customs",
    "described_layer",
    "layer_from",
    "named_customs",
    "network_of",
]

Customs: TypeAlias = Mapping[str, Any]

# A constructor makes a name for each input: more than any network has would only cost memory.
MOST_PORTS = 10_000
# Where functions are that compute with arrays only; `save` of the library is not among them.
FUNCTIONS = ("dlgradient.nn.", "dlgradient.ops.")
IMPORTED = "dlgradient.network.onnx."  # where the layers of ONNX models are


def named_customs(customs: Iterable[Any]) -> Customs:
    """Return classes and functions of the caller by name."""
    found: dict[str, Any] = {}
    for i, custom in enumerate(customs):
        name = getattr(custom, "__name__", None)
        if not callable(custom) or name is None:
            raise InvalidArgumentError(
                f"load: custom[{i}] must be a class of layers or a function, not a "
                f"{type(custom).__name__}"
            )
        if found.setdefault(name, custom) is not custom:
            raise InvalidArgumentError(f"load: custom has two classes or functions called {name}")
    return found


# -- writing ---------------------------------------------------------------------------------------


def described_layer(layer: Layer, write: Callable[..., Any]) -> dict[str, Any]:
    """Return the description of a layer.

    Parameters
    ----------
    layer : Layer
        With its arrays.
    write : callable
        ``write(value, *path)`` describes an attribute.
    """
    kind = type(layer)
    options = {f.name: f for f in fields(layer) if f.init and f.name != "name"}
    found: dict[str, dict[str, Any]] = {"options": {}, "others": {}}
    for name, value in vars(layer).items():
        if name in ("_source", "_made", "name"):
            continue
        default = options[name].default if name in options else None
        if callable(value) and not isinstance(value, HeldNetwork):
            if value is default:
                continue
            node = _named_function(layer, name, value)
        else:
            implied = isinstance(value, HeldNetwork) and not prefix_of(layer, name)
            node = write(value) if implied else write(value, name)
        found["options" if name in options else "others"][name] = node
    named = f"onnx.{kind.__name__}" if kind.__module__.startswith(IMPORTED) else kind.__name__
    where = {} if kind is _library_class(named) else {"module": kind.__module__}
    return {"class": named, "name": layer.name, **where, **found}


def _library_class(name: str) -> Any:
    """Return a class of the library, or another public name; None if it has none."""
    if name.startswith("onnx."):
        return layer_classes().get(name)
    return getattr(library, name) if name in library.__all__ else None


def _named_function(layer: Layer, attribute: str, function: Any) -> dict[str, str]:
    name = getattr(function, "__name__", "<lambda>")
    module = str(getattr(function, "__module__", ""))
    if not name.isidentifier():
        raise InvalidArgumentError(
            f"save: {attribute} of layer {layer.name!r} is a function without a name, {function!r}"
            "; define it with def, and give it to load(path, custom=[...])"
        )
    return {"$": "function", "name": name, "module": module}


# -- reading ---------------------------------------------------------------------------------------


def layer_from(
    item: Any, read: Callable[[Any], Any], customs: Customs, where: str
) -> tuple[str, Layer]:
    """Return the name of a layer and the layer, of its description.

    Parameters
    ----------
    item : dict
    read : callable
        ``read(node)`` returns an attribute.
    customs : mapping
    where : str
        For errors.
    """
    name, kind_name = item["name"], item["class"]
    if not (isinstance(name, str) and name and "/" not in name and isinstance(kind_name, str)):
        raise InvalidFileError(f"{where}: a layer has no name or no class; the file is damaged")
    place = f"{where}: layer {name!r}"
    kind = _class_of(place, kind_name, item, customs)

    def value(node: Any) -> Any:
        if isinstance(node, dict) and node.get("$") == "function":
            return _function_of(node, customs)
        return read(node)

    options = {str(k): value(v) for k, v in item["options"].items()}
    others = {str(k): value(v) for k, v in item["others"].items()}
    if "module" in item:  # its constructor is the user's, and may need anything
        layer = object.__new__(kind)
        vars(layer).update({**options, **others, "name": name})
        return name, layer
    for option in ("num_inputs", "num_outputs", "results"):
        count = options.get(option)
        if isinstance(count, int) and count > MOST_PORTS:
            raise InvalidFileError(f"{place}: {option} is {count:,}; the most is {MOST_PORTS:,}")
    try:
        layer = kind(**options, name=name)
    except (DlgradientError, TypeError, ValueError, OverflowError) as error:
        raise InvalidFileError(f"{place}: {error.args[0] if error.args else error}") from None
    # What a layer found when it was initialised, such as which dimensions its window slides over.
    found = {k: v for k, v in others.items() if not hasattr(kind, k) and type(v) in (str, tuple)}
    # An operator of ONNX has learnables and a state of the node, which are no options.
    arrays = (*layer.learnables, *layer.state)
    found |= {k: v for k, v in others.items() if k in arrays and not hasattr(kind, k)}
    vars(layer).update(found)
    # A recurrent layer was made with the state that it had, and not with its first one.
    vars(layer).pop("first_state", None)
    if "first_state" in others:
        vars(layer)["first_state"] = others["first_state"]
    return name, layer


def _class_of(place: str, name: str, item: Mapping[str, Any], customs: Customs) -> type[Layer]:
    if "module" not in item:
        kind = _library_class(name)
        if isinstance(kind, type) and issubclass(kind, Layer):
            return kind
        meant = nearest(name, library.__all__)
        raise InvalidFileError(
            f"{place} is of the unknown class {name!r}"
            + (f"; there is {meant!r}" if meant else "")
            + ". A newer version of dlgradient may have it"
        )
    kind = customs.get(name)
    if isinstance(kind, type) and issubclass(kind, Layer):
        return kind
    raise InvalidFileError(f"{place}: {name} is no class of layers")


def _function_of(node: Mapping[str, Any], customs: Customs) -> Any:
    name, module = str(node["name"]), str(node["module"])
    if name in customs:
        return customs[name]
    found = sys.modules.get(module) if module.startswith(FUNCTIONS) else None
    return getattr(found, name) if name in getattr(found, "__all__", ()) else None


def check_customs(description: Any, customs: Customs, where: str) -> None:
    """Raise the error that names all classes and functions that the caller must pass."""
    missing: dict[str, str] = {}
    todo = [description]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            todo += node.values()
            name = node.get("class", node.get("name"))
            if "module" not in node or not isinstance(name, str) or name in customs:
                continue
            if "class" in node or _function_of(node, customs) is None:
                missing[name] = str(node["module"])
    if missing:
        named = [f"{name} (of the module {module!r})" for name, module in missing.items()]
        raise InvalidArgumentError(
            f"load: {where} needs your classes or functions {', '.join(named)}; pass them: "
            f"load(path, custom=[{', '.join(missing)}])"
        )


def network_of(
    layers: Sequence[tuple[str, Layer]],
    connections: Sequence[tuple[Port, Port]],
    outputs: Sequence[Port],
    examples: Mapping[Port, tuple[Layout, Dtype]],
    *,
    initialized: bool,
) -> dlnetwork:
    """Return a network of layers that have their arrays.

    Parameters
    ----------
    layers : sequence of (str, Layer)
    connections : sequence of (port, port)
        Outputs and the inputs that they are connected to.
    outputs : sequence of port
        Empty for those that nothing is connected to.
    examples : mapping
        Layouts and dtypes of inputs without an input layer.
    initialized : bool
    """
    named = dict(layers)
    sources = {end: start for start, end in connections}
    if len(named) < len(layers) or len(sources) < len(connections):
        raise InvalidArgumentError("two layers have one name, or an input has two connections")
    graph = Graph().edited(named, sources)
    for end, start in sources.items():
        graph.output_port("/".join(start), "source")
        graph.input_port("/".join(end), "destination")
    for port in outputs:
        graph.output_port("/".join(port), "outputs")
    graph.order()
    net = dlnetwork((), initialize=False)
    net._graph = replace(graph, outputs=tuple(outputs))
    net._given = dict(examples)
    if initialized:
        for name, layer in graph.layers.items():
            for attribute in (*layer.learnables, *layer.state):
                if not isinstance(getattr(layer, attribute, None), dlarray | HeldNetwork):
                    raise InvalidFileError(f"{attribute} of layer {name!r} is no array")
        net._assemble(net._graph)
    return net
