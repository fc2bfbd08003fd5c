"""Damaged and hostile ONNX files are refused, within bounded memory and time."""

import subprocess
import sys
import textwrap
import tracemalloc

import mutations
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_cases import FLOAT, convolutional, model

import dlgradient as dl
from dlgradient.errors import InvalidArgumentError


def refused(message, match):
    with pytest.raises(InvalidArgumentError, match=match):
        dl.import_network_from_onnx(message)


def identity(**arrays):
    nodes = [helper.make_node("Add", ["x", *arrays], ["y"])]
    return model(nodes, {"x": [1, 2]}, ["y"], arrays)


@pytest.mark.parametrize("kind", ["bytes", "fields"])
def test_mutations_are_imported_or_refused(tmp_path, kind):
    """Bytes or fields changed, cut out, doubled: it ends in a network, or an error of ours."""
    good = convolutional(np.random.default_rng(0)).SerializeToString()

    def damaged(seed):
        rng = np.random.default_rng(seed)
        if kind == "bytes":
            return mutations.bytes_changed(good, rng)
        return mutations.proto_changed(good, onnx.ModelProto, rng)

    path = tmp_path / "damaged.onnx"
    ends = mutations.ends(dl.import_network_from_onnx, path, map(damaged, range(1250)))
    assert set(ends) == {"read", "InvalidArgumentError"}


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off(rng, part):
    data = convolutional(rng).SerializeToString()
    refused(data[: int(part * len(data))], "cut off|no nodes|no version|bytes|supported|no node")


def test_what_is_no_model():
    refused(b"this is text", "no data of an ONNX model|no nodes")
    refused(b"", "no nodes")
    refused(17, "must be a path, bytes or a ModelProto, not int")


def test_an_array_whose_sizes_do_not_fit_its_data():
    message = identity(w=np.ones(2, np.float32))
    message.graph.initializer[0].dims[0] = 10**15
    tracemalloc.start()
    refused(message, r"the array 'w' of shape \(1000000000000000,\) needs 4000000000000000")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    message.graph.initializer[0].dims[0] = -1
    refused(message, r"has the shape \(-1,\)")


def test_constants_that_would_grow_are_not_computed():
    """Sixty doublings of an array, and a small array spread over a large shape."""
    nodes = [
        helper.make_node("Concat", [f"a{i}", f"a{i}"], [f"a{i + 1}"], axis=0) for i in range(60)
    ]
    nodes += [
        helper.make_node("ConstantOfShape", ["large"], ["b"]),
        helper.make_node("Add", ["row", "column"], ["c"]),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    arrays = {
        "a0": np.ones(8, np.float32),
        "large": np.array([10**6, 10**6]),
        "row": np.ones((1, 10**5), np.float32),
        "column": np.ones((10**5, 1), np.float32),
    }
    tracemalloc.start()
    dl.import_network_from_onnx(model(nodes, {"x": [1, 2]}, ["y"], arrays))
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def nested(depth):
    node = helper.make_node("Relu", ["x"], ["r0"])
    for i in range(depth):
        value = helper.make_tensor_value_info(node.output[0], FLOAT, None)
        graph = helper.make_graph([node], "g", [], [value])
        node = helper.make_node("If", ["f"], [f"r{i + 1}"], then_branch=graph, else_branch=graph)
        if depth > 5:  # a copy for each branch would be as large as two to the depth
            del node.attribute[1]
    return node


def test_graphs_in_graphs_have_a_depth():
    inputs = {"x": [1], "f": {"type": TensorProto.BOOL, "sizes": []}}
    net = dl.import_network_from_onnx(model([nested(3)], inputs, ["r3"]))
    np.testing.assert_array_equal(net.predict(np.float32([-1]), np.array(True)), [0])
    refused(model([nested(18)], inputs, ["r18"]), "nested deeper than 16")


def with_functions(count, calls):
    """Functions that call each other: `calls` times each."""
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    functions = []
    for i in range(count):
        inner = "Relu" if i == 0 else f"F{i - 1}"
        domain = "" if i == 0 else "own"
        names = ["x", *[f"t{k}" for k in range(calls)]]
        nodes = [
            helper.make_node(inner, [names[k]], [names[k + 1]], domain=domain, name=f"n{k}")
            for k in range(calls)
        ]
        functions.append(helper.make_function("own", f"F{i}", ["x"], [names[-1]], nodes, sets))
    last = helper.make_node(f"F{count - 1}", ["x"], ["y"], domain="own", name="call")
    message = model([last], {"x": [1, 2]}, ["y"], opset=18)
    message.functions.extend(functions)
    return message


def test_functions_of_a_model_are_written_out():
    net = dl.import_network_from_onnx(with_functions(2, 2))
    np.testing.assert_array_equal(net.predict(np.float32([[-1, 2]])), [[0, 2]])
    assert len(net.layers) == 5


def test_functions_that_call_each_other_many_times_are_refused():
    refused(with_functions(12, 10), "too many nodes")
    recursive = with_functions(1, 1)
    recursive.functions[0].node[0].op_type = "F0"
    recursive.functions[0].node[0].domain = "own"
    refused(recursive, "too deep")


def external(location, offset=0, length=8):
    message = identity(w=np.ones(2, np.float32))
    array = message.graph.initializer[0]
    array.ClearField("raw_data")
    array.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        entry = array.external_data.add()
        entry.key, entry.value = key, str(value)
    return message


def test_data_in_another_file(tmp_path):
    values = np.array([3.0, 4.0], np.float32)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"12345678" + values.tobytes())
    (tmp_path / "secret").write_bytes(b"12345678")
    path = folder / "model.onnx"
    path.write_bytes(external("weights", 8).SerializeToString())
    net = dl.import_network_from_onnx(path)
    np.testing.assert_array_equal(net.predict(np.zeros((1, 2), np.float32)), [values])
    refused(path.read_bytes(), "give the model's path")
    (folder / "link").symlink_to(tmp_path / "secret")
    for location in ("../secret", str(tmp_path / "secret"), "link", "missing", ""):
        path.write_bytes(external(location).SerializeToString())
        refused(path, "no file in the folder of the model")
    for offset, length in ((0, 10**12), (10**12, 8), (-8, 8)):
        path.write_bytes(external("weights", offset, length).SerializeToString())
        refused(path, "weights has 16|needs")
    path.write_bytes(external("weights", "many").SerializeToString())
    refused(path, "no integer")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda g: g.node[0].input.__setitem__(0, "nothing"), "no node before it makes"),
        (lambda g: g.output.add(name="nothing"), "no node makes the output 'nothing'"),
        (lambda g: g.node.append(g.node[2]), "there is a value 'c' already"),
        (lambda g: g.node[3].attribute.pop(), "its attribute|sizes|kernel"),
        (lambda g: g.node[0].attribute.add(name="odd", i=1, type=2), "has no attribute 'odd'"),
        (lambda g: setattr(g.node[0].attribute[0], "type", 1), "of the wrong type"),
        (lambda g: g.input[0].type.ClearField("tensor_type"), "no array"),
        (lambda g: g.input.append(g.input[0]), "two inputs 'x'"),
        (lambda g: g.node[0].input.extend(["b1"] * 9), "has 12 inputs"),
        (lambda g: g.sparse_initializer.add(), "sparse initializers"),
    ],
)
def test_graphs_that_are_wrong(rng, change, match):
    message = convolutional(rng)
    del message.graph.node[3].attribute[1:]
    change(message.graph)
    refused(message, match)


def test_a_type_that_is_not_supported():
    message = identity(w=np.ones(2, np.float32))
    array = numpy_helper.from_array(np.array([1 + 2j, 0]), "w")
    message.graph.initializer[0].CopyFrom(array)
    refused(message, "is of type 15, which is not supported")


def test_without_onnx_the_error_says_what_to_install():
    code = """
        import sys
        sys.modules["onnx"] = None
        import dlgradient as dl
        try:
            dl.import_network_from_onnx(b"")
        except ImportError as error:
            assert "pip install dlgradient[onnx]" in str(error), error
        else:
            raise AssertionError
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert run.returncode == 0


def test_versions_must_be_said(rng):
    message = convolutional(rng)
    del message.opset_import[:]
    refused(message, "opset_import")
