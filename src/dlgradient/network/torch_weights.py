"""`import_weights_from_torch` and `export_weights_to_torch`: arrays by the names of PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.spelling import nearest
from dlgradient.core.types import Array, Shape
from dlgradient.errors import DlgradientError, InvalidArgumentError
from dlgradient.layers.nested import Shared, held_networks, prefix_of
from dlgradient.layers.recurrent import Gru, Lstm
from dlgradient.network.network import dlnetwork
from dlgradient.network.torch_layers import Row, rows_of

__all__ = ["export_weights_to_torch", "import_weights_from_torch"]

Names: TypeAlias = Mapping[str, str] | Callable[[str], str] | None
# Counts the batches of a training, which nothing here needs.
COUNTER = "num_batches_tracked"
# PyTorch numbers the layers of a recurrent module in the names of its parameters.
RECURRENT = re.compile(r"((?:weight|bias)_(?:ih|hh))_l(\d+)(_reverse)?")


class Part(NamedTuple):
    """An attribute of a layer, and what it is in PyTorch."""

    key: str
    module: str
    row: Row
    recurrent: bool

    def names(self, prefix: str) -> list[str]:
        """Return the names in a state_dict."""
        return [prefix + _joined(self.module, name, self.recurrent) for name in self.row.names]


def _joined(module: str, name: str, recurrent: bool) -> str:
    if recurrent:
        module, number = _numbered(module)
        start, _, reverse = name.partition("_reverse")
        name = f"{start}_l{number}" + ("_reverse" if _ else "") + reverse
    return f"{module}.{name}" if module else name


def _numbered(module: str) -> tuple[str, int]:
    """Return a recurrent module, and which of its layers is meant: "rnn" or "rnn.l1"."""
    found = re.fullmatch(r"(.*)\.l(\d+)", module)
    return (found[1], int(found[2])) if found else (module, 0)


def _parts(net: dlnetwork, names: Names, prefix: str = "") -> Iterator[Part]:
    """Yield all attributes of the layers of a network."""
    for name in net._graph.layers:
        layer = net._graph.layers[name]
        nets = held_networks(layer)
        for attribute, inner in nets:
            yield from _parts(inner, names, f"{prefix}{name}/{prefix_of(layer, attribute)}")
        if isinstance(layer, Shared) or nets:
            continue
        path = f"{prefix}{name}"
        module = _module(path, names)
        recurrent = isinstance(layer, Lstm | Gru)
        for row in rows_of(layer):
            yield Part(f"{path}/{row.attribute}", module, row, recurrent)


def _module(path: str, names: Names) -> str:
    if callable(names):
        return str(names(path))
    if names is not None and path in names:
        return names[path]
    return path.replace("/", ".").replace(":", ".")


@checked
def import_weights_from_torch(
    net: Any,
    source: Any,
    *,
    mapping: Any = None,
    prefix: str = "",
    partial: bool = False,
) -> dlnetwork:
    """Return a network with the weights of a PyTorch model.

    Parameters
    ----------
    net : dlnetwork
        An initialised network of the same layers.
    source : str, path or mapping
        A file of ``torch.save(model.state_dict(), path)``, a file in the safetensors format, or a
        state_dict. In a checkpoint, ``{"model": model.state_dict(), "epoch": 3, ...}``, it is the
        first of "state_dict", "model_state_dict", "model", "net" and "module", or the only dict
        with tensors. For another one, such as an average, give ``torch.load(path)["ema"]``.
    mapping : mapping or callable, optional
        The module in PyTorch of each layer: ``{"conv_1": "features.0"}``, or ``f("conv_1")``. By
        default, and for layers that the mapping does not have, both have the same name. The
        second layer of a recurrent module "rnn" is "rnn.l1".
    prefix : str
        What all names in PyTorch begin with, such as "module.".
    partial : bool
        Whether to take the names that both have, and leave the rest as it is.

    Returns
    -------
    dlnetwork

    Raises
    ------
    InvalidFileError
        If the file is damaged, or has something else than tensors.
    InvalidArgumentError
        If names or shapes do not fit; the message lists all of them, with the nearest names.

    See Also
    --------
    export_weights_to_torch : the other direction.
    load : files of `save`.

    Notes
    -----
    A file is read without PyTorch, and no code in it runs. Weights are converted to the layout of
    each layer. Statistics of a batch normalisation become state. A module without bias gives zeros.
    Options, such as ``epsilon``, are not in a state_dict: give them to the layers.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.FullyConnected(1, name="out")])
    >>> state_dict = {"out.weight": np.array([[1.0, 2.0]]), "out.bias": np.array([0.5])}
    >>> dl.import_weights_from_torch(net, state_dict).learnables["out/weights"]
    dlarray([[1., 2.]], dtype=float32)

    Source: MATLAB ``importNetworkFromPyTorch``; PyTorch ``load_state_dict``.
    """
    _check_network("import_weights_from_torch", net)
    found = state_dict_of("import_weights_from_torch", "source", source)
    offered = {n: a for n, a in found.items() if n.startswith(prefix) and not _is_counter(n)}
    tables = {"learnables": net.learnables.copy(), "state": net.state.copy()}
    wrong: list[str] = []
    used: set[str] = set()
    parts = [p for p in _parts(net, _checked_names(mapping)) if _table(tables, p.key) is not None]
    begun = {p.module for p in parts if any(n in offered for n in p.names(prefix))}
    for part in parts:
        names = part.names(prefix)
        table = _table(tables, part.key)
        shape = table[part.key].shape
        if not all(n in offered for n in names):
            if part.row.absent is not None and part.module in begun:
                table[part.key] = np.full(shape, float(part.row.absent))
            elif not partial:
                wrong += [_missing(n, part, offered) for n in names if n not in offered]
            continue
        used.update(names)
        try:
            value = np.asarray(part.row.taken([offered[n] for n in names], shape))
        except (DlgradientError, ValueError) as error:
            wrong.append(f"{names[0]} does not fit {part.key}: {error.args[0]}")
            continue
        if value.shape != shape:
            wrong.append(_other_shape(part, names, [offered[n].shape for n in names], shape))
            continue
        table[part.key] = value
    if not partial:
        known = [n for part in parts for n in part.names(prefix)]
        wrong += [_unexpected(n, known) for n in offered if n not in used and n not in known]
    if wrong:
        raise InvalidArgumentError(
            f"import_weights_from_torch: source does not fit the network in {len(wrong)} places; "
            "mapping= names modules, prefix= is common to all, partial=True takes what fits:\n"
            + "\n".join(wrong)
        )
    new: dlnetwork = net.with_learnables(tables["learnables"])
    new.state = tables["state"]
    return new


@checked
def export_weights_to_torch(net: Any, *, mapping: Any = None, prefix: str = "") -> dict[str, Array]:
    """Return learnables and state of a network as a state_dict for PyTorch.

    Parameters
    ----------
    net : dlnetwork
    mapping : mapping or callable, optional
        The module in PyTorch of each layer, as for `import_weights_from_torch`.
    prefix : str
        What all names begin with.

    Returns
    -------
    dict
        NumPy arrays by PyTorch's names.

    See Also
    --------
    import_weights_from_torch : the other direction.
    save : write it to a file that ``safetensors.torch.load_file`` reads.

    Notes
    -----
    In PyTorch, ``model.load_state_dict({n: torch.from_numpy(a) for n, a in found.items()})``.
    Layers here have a bias always. If a module was made with ``bias=False``, leave its name out.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.FullyConnected(1, name="out")])
    >>> {name: a.shape for name, a in dl.export_weights_to_torch(net).items()}
    {'out.weight': (1, 2), 'out.bias': (1,)}

    Source: PyTorch ``state_dict``.
    """
    _check_network("export_weights_to_torch", net)
    tables = {"learnables": net.learnables, "state": net.state}
    found: dict[str, Array] = {}
    for part in _parts(net, _checked_names(mapping)):
        table = _table(tables, part.key)
        if table is None:
            continue
        values = part.row.given(np.asarray(table[part.key]))
        for name, value in zip(part.names(prefix), values, strict=True):
            more = [found[name]] if part.row.joined and name in found else []
            found[name] = np.concatenate([*more, value]) if more else np.ascontiguousarray(value)
        if part.row.attribute == "trained_variance":
            found[f"{prefix}{part.module}.{COUNTER}"] = np.array(0)
    return found


# -- arguments -------------------------------------------------------------------------------------


def _check_network(function: str, net: Any) -> None:
    if not isinstance(net, dlnetwork) or not net.initialized:
        fix = "net.initialize(...) does it" if isinstance(net, dlnetwork) else type(net).__name__
        raise InvalidArgumentError(f"{function}: net must be an initialised dlnetwork; {fix}")


def _checked_names(mapping: Any) -> Names:
    good = mapping is None or callable(mapping)
    if not good and not (
        isinstance(mapping, Mapping) and all(isinstance(v, str) for v in mapping.values())
    ):
        raise InvalidArgumentError(
            "mapping must be a dict of layers and modules, {'conv_1': 'features.0'}, or a function"
        )
    return mapping  # type: ignore[no-any-return]


def state_dict_of(function: str, argument: str, source: Any) -> Mapping[str, Array]:
    """Return the arrays of a file, or of a state_dict, by their names in PyTorch."""
    # Here, so that networks are loaded without what only such files need.
    from dlgradient.network.torch_file import read_state_dict, state_dict_in

    if isinstance(source, Mapping):
        if any(isinstance(value, Mapping) for value in source.values()):  # a checkpoint
            source, problem = state_dict_in(source, lambda value: hasattr(value, "shape"))
            if problem:
                raise InvalidArgumentError(f"{function}: {argument}: {problem}")
        return {str(name): _array(value) for name, value in source.items()}
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return read_state_dict(source)
    if hasattr(source, "state_dict"):
        raise InvalidArgumentError(
            f"{function}: {argument} is a model; write {argument}=model.state_dict()"
        )
    raise InvalidArgumentError(
        f"{function}: {argument} must be a path or a state_dict, not {type(source).__name__}"
    )


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        value = value.numpy()
    return np.asarray(value)


def _table(tables: Mapping[str, Any], key: str) -> Any:
    return next((table for table in tables.values() if key in table), None)


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == COUNTER


# -- what is wrong ---------------------------------------------------------------------------------


def _missing(name: str, part: Part, offered: Mapping[str, Array]) -> str:
    meant = nearest(name, offered)
    return f"missing {name!r}, for {part.key}" + (f"; there is {meant!r}" if meant else "")


def _unexpected(name: str, known: list[str]) -> str:
    meant = nearest(name, known)
    return f"unknown {name!r}" + (f"; the network has {meant!r}" if meant else "")


def _other_shape(part: Part, names: list[str], shapes: list[Shape], shape: Shape) -> str:
    given = " and ".join(f"{n!r} of shape {s}" for n, s in zip(names, shapes, strict=True))
    return f"{given} does not fit {part.key} of shape {shape}"
