"""`export_onnx_network`: ONNX files of networks."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.errors import InvalidArgumentError, located
from dlgradient.layers.input import AnyInput
from dlgradient.network.files import FilePath, whole_file
from dlgradient.network.network import dlnetwork
from dlgradient.network.onnx.operator import Operator, TensorInput
from dlgradient.network.onnx.writing import (
    EMITTERS,
    OPSET,
    Inexpressible,
    Tensor,
    Writer,
    canonical,
)

__all__ = ["export_onnx_network"]

NAME = "export_onnx_network"
FAMILIES = ("dense", "elementwise", "imported", "normalization", "sequence", "windows")
IR_VERSION = 9  # of version 20 of the operators


@checked
def export_onnx_network(net: Any, path: FilePath) -> None:
    """Write a network to an ONNX file.

    Parameters
    ----------
    net : dlnetwork
        Initialised.
    path : str or path
        The file appears when it is complete; an old one stays if something fails.

    Raises
    ------
    InvalidArgumentError
        If the network is not initialised, or has layers that ONNX cannot express; the message
        names all of them.

    Notes
    -----
    In the file, dimensions are in the order batch, channels, spatial, time: images are "BCSS",
    sequences "BCT". The sizes of batch and time are free. Layers with a state, such as `Lstm`,
    begin with zeros in each call.

    See Also
    --------
    import_network_from_onnx : networks from such files

    Examples
    --------
    >>> import tempfile, pathlib
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.FullyConnected(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "net.onnx")
    ...     dl.export_onnx_network(net, path)
    ...     again = dl.import_network_from_onnx(path)
    >>> x = np.ones((5, 2), np.float32)
    >>> bool(np.allclose(again.predict(x), net.predict(x)))
    True

    Source: MATLAB ``exportONNXNetwork``.
    """
    if not isinstance(net, dlnetwork) or net._plan is None:
        raise InvalidArgumentError(f"{NAME}: net must be a dlnetwork that is initialised")
    try:
        message = _message(net)
    except ImportError as error:
        text = f"{NAME} needs the package onnx: pip install dlgradient[onnx]"
        raise ImportError(located(text, "recipes/import-onnx.html")) from error
    with whole_file(path) as file:
        file.write(message.SerializeToString())


def _message(net: dlnetwork) -> Any:
    from onnx import helper, numpy_helper

    for family in FAMILIES:
        import_module(f"dlgradient.network.onnx.emitters.{family}")
    plan: Any = net._plan
    examples = net._examples(())
    with np.errstate(all="ignore"):  # the examples are zeros
        values = plan.run(
            examples, net._learnables.arrays(), list(net._state.arrays()), None, training=False
        )
    w = Writer()
    tensors: dict[int, Tensor] = {}
    inputs = []
    for i, (port, x) in enumerate(zip(plan.inputs, examples, strict=True)):
        tensors[i] = _tensor(port[0] if not port[1] else "_".join(port), x)
        inputs.append(_input(tensors[i], x.dtype, net._graph.layers[port[0]]))
    problems = []
    for step in plan.steps:
        operands = [tensors[i] for i in step.sources if i in tensors]
        layer = net.get_layer(step.owner)
        w.begin(step.name)
        try:
            names = _emitted(w, layer, operands)
        except Inexpressible as reason:
            problems.append(f"{step.name} ({type(layer).__name__}): {reason}")
            names = [""] * len(step.targets)
        for i, name in zip(step.targets, names, strict=False):
            tensors[i] = _tensor(name, values[i])
    if problems:
        listed = "\n".join(f"  {line}" for line in problems)
        raise InvalidArgumentError(f"{NAME}: ONNX cannot express these layers:\n{listed}")
    outputs = []
    for port in plan.outputs:
        i = plan.numbers[port]
        w.begin(f"{port[0]}/output")
        found = tensors[i]._replace(name=w.node("Identity", tensors[i].name))
        outputs.append(_output(found, values[i].dtype))
    arrays = [numpy_helper.from_array(a, n) for n, a in w.arrays.items()]
    graph = helper.make_graph(w.nodes, "network", inputs, outputs, arrays)
    sets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        graph, opset_imports=sets, ir_version=IR_VERSION, producer_name="dlgradient"
    )


def _emitted(w: Writer, layer: Any, operands: list[Tensor]) -> list[str]:
    emitter = EMITTERS.get("Operator" if isinstance(layer, Operator) else type(layer).__name__)
    if emitter is None:
        raise Inexpressible("there is no such operator")
    found = emitter(w, layer, *operands)
    return found if isinstance(found, list) else [found]


def _tensor(name: str, x: Any) -> Tensor:
    fmt: str | None = getattr(x, "_format", None)
    shape = np.shape(x)
    if fmt is None:
        return Tensor(name, "U" * len(shape), shape)
    order = sorted(range(len(fmt)), key=lambda i: "BCSTU".index(fmt[i]))
    return Tensor(name, canonical(fmt), tuple([shape[i] for i in order]))


def _input(x: Tensor, dtype: Any, layer: Any) -> Any:
    """Return the declaration of an input."""
    if isinstance(layer, TensorInput):
        known: list[int | None] = list(layer.size)
    else:
        fixed = layer.fixed() if isinstance(layer, AnyInput) else {}
        left = {label: list(found) for label, found in fixed.items()}
        known = [
            left[label].pop(0) if left.get(label) else n
            for label, n in zip(x.format, x.shape, strict=True)
        ]
    return _declared(x, dtype, known)


def _output(x: Tensor, dtype: Any) -> Any:
    """Return the declaration of an output: only channels are the same in every call."""
    known = [n if label == "C" else None for label, n in zip(x.format, x.shape, strict=True)]
    return _declared(x, dtype, known)


def _declared(x: Tensor, dtype: Any, known: Sequence[int | None]) -> Any:
    """Return name, type and sizes; those of batch and time are free."""
    from onnx import helper

    words = {"B": "batch", "T": "time"}
    sizes = [
        f"{x.name}.{words.get(label, i)}" if n is None or label in words else n
        for i, (label, n) in enumerate(zip(x.format, known, strict=True))
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(x.name, kind, sizes)
