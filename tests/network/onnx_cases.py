"""Models of one operator, as the ONNX standard tests them, and small models written by hand."""

import pkgutil

import numpy as np
import onnx
import onnx.backend.test.case.node as cases
from onnx import TensorProto, helper, numpy_helper
from onnx_nodes import run_exports

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
MODULES = sorted(m.name for m in pkgutil.iter_modules(cases.__path__))


def model(nodes, inputs, outputs, arrays=None, opset=21):
    """A model of nodes.

    Parameters
    ----------
    nodes : list of NodeProto
    inputs : dict
        Sizes by name; or sizes and type.
    outputs : list of str
    arrays : dict
        Initializers by name.
    """
    values = []
    for name, sizes in inputs.items():
        known = sizes if isinstance(sizes, dict) else {"type": FLOAT, "sizes": sizes}
        values.append(helper.make_tensor_value_info(name, known["type"], known["sizes"]))
    graph = helper.make_graph(
        nodes,
        "model",
        values,
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(a, n) for n, a in (arrays or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def made(module):
    """Every test of an operator in the standard: name, model, inputs and outputs.

    The models of functions that other operators are composed of are not among them.
    """
    found = []

    def expect(node, inputs, outputs, name, **options):
        inputs, outputs = ([_array(x) for x in side] for side in (inputs, outputs))
        if any(not hasattr(x, "dtype") for x in [*inputs, *outputs]):
            return  # sequences and options
        given = [x for x in node.input if x]
        results = [x for x in node.output if x]
        graph = helper.make_graph(
            [node],
            name,
            [_info(n, x) for n, x in zip(given, inputs, strict=True)],
            [_info(n, x) for n, x in zip(results, outputs, strict=False)],
        )
        sets = options.get("opset_imports") or [
            helper.make_opsetid(node.domain, onnx.defs.onnx_opset_version())
        ]
        found.append((name, helper.make_model(graph, opset_imports=sets), inputs, outputs))

    run_exports(module, expect)
    return found


def _array(x):
    return numpy_helper.to_array(x) if isinstance(x, TensorProto) else x


def _info(name, x):
    if x.dtype.kind in "OU":
        return helper.make_tensor_value_info(name, TensorProto.STRING, x.shape)
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)


def convolutional(rng, opset=21):
    """A small network for images of 3 channels, as exporters write it."""
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    arrays = {
        "w1": draw(4, 3, 3, 3),
        "b1": draw(4),
        "scale": draw(4),
        "offset": draw(4),
        "mean": draw(4),
        "variance": np.abs(draw(4)) + 0.5,
        "w2": draw(5, 4),
        "b2": draw(5),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="/conv1/Conv", pads=[1, 1, 1, 1]),
        helper.make_node(
            "BatchNormalization", ["a", "scale", "offset", "mean", "variance"], ["b"], name="norm"
        ),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["g"], name="fc", transB=1),
        helper.make_node("Softmax", ["g"], ["y"], name="softmax"),
    ]
    return model(nodes, {"x": ["batch", 3, 8, 8]}, ["y"], arrays, opset)


def by_onnxruntime(message, *xs):
    """The results of onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = message if isinstance(message, (bytes, str)) else message.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, dict(zip(names, xs, strict=True)))
