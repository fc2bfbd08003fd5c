"""Layers of imported networks, which are nodes of ONNX already."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.network.onnx.program import Program
from dlgradient.network.onnx.writing import OPSET, Inexpressible, Tensor, Writer, emits

__all__: list[str] = []

# Operators that the version of the file has under another name.
RENAMED = {"Scatter": "ScatterElements", "Upsample": "Resize"}
OWN = ("opset", "outputs")  # what the importer adds to the attributes


@emits("Operator")
def operator(w: Writer, layer: Any, *xs: Tensor) -> list[str]:
    """Write the node of an operator."""
    if any(isinstance(value, Program) for value in layer.attributes.values()):
        raise Inexpressible("its graphs are not written")
    import onnx

    kind = RENAMED.get(layer.operator, layer.operator)
    try:
        onnx.defs.get_schema(kind, max_inclusive_version=OPSET)
    except onnx.defs.SchemaError:
        text = f"{kind} is newer than version {OPSET} of the standard"
        raise Inexpressible(text) from None
    if layer.attributes.get("opset", OPSET) < 13 and layer.operator in ("Softmax", "LogSoftmax"):
        raise Inexpressible("the form of an old version")
    given = dict(zip(layer.input_names, [x.name for x in xs], strict=True))
    names: dict[str, str] = {}
    for name in layer.operands:
        if name and name not in given:
            value = layer.constants.get(name)
            names[name] = w.array(vars(layer)[name] if value is None else value, name)
    attributes = {k: v for k, v in layer.attributes.items() if k not in OWN and v is not None}
    for key, value in attributes.items():
        if isinstance(value, np.ndarray):
            attributes[key] = onnx.numpy_helper.from_array(value)
    inputs = ["" if not n else given.get(n) or names[n] for n in layer.operands]
    results = w.several(kind, inputs, layer.results, **attributes)
    return [*results, *[names[name] for name in layer.shared]]
