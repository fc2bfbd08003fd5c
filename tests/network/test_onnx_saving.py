"""Imported networks in files of `dl.save`: every operator, graphs in nodes, damaged files."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from onnx_cases import MODULES, convolutional
from test_onnx_import import conditional, looped, single
from test_onnx_operators import NONE, REFUSED, imported

import dlgradient as dl
from dlgradient.network.safetensors import read_arrays, write_arrays


def loaded(net, path):
    dl.save(path, net)
    return dl.load(path)


@pytest.mark.parametrize("module", sorted({*MODULES} - REFUSED - NONE))
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_every_operator_is_saved(module, tmp_path):
    for name, net, _, _ in imported(module):
        assert loaded(net, tmp_path / "net") == net, name


MODELS = {
    "convolutional": (convolutional, (2, 3, 8, 8)),
    "conditions": (conditional, (2, 3)),
    "loop": (lambda rng: looped(single(rng, 3, 3)), (2, 3)),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_loaded_network_computes_and_learns_the_same(case, rng, tmp_path):
    make, sizes = MODELS[case]
    net = dl.import_network_from_onnx(make(rng))
    again = loaded(net, tmp_path / "net")
    assert again == net
    x = single(rng, *sizes)
    np.testing.assert_equal(again.predict(x), net.predict(x))

    def gradients(net, x):
        y = net.predict(x)
        return dl.dlgradient(dl.sum(y[0] if isinstance(y, tuple) else y), net).learnables

    found, expected = (dl.dlfeval(gradients, n, dl.dlarray(x)) for n in (again, net))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)


def test_another_weight_or_constant_in_a_graph_makes_another_network(rng):
    weights = single(rng, 3, 3)
    one, two = (dl.import_network_from_onnx(looped(w)) for w in (weights, weights))
    assert one == two
    three = dl.import_network_from_onnx(conditional(rng))
    four = dl.import_network_from_onnx(conditional(rng))
    four.learnables = three.learnables
    assert three == four
    vars(four.get_layer("choice").attributes["else_branch"])["constants"]["more"] = np.ones(2)
    assert three != four


def damaged(path, layer, change):
    """Change the description of a layer in a file."""
    arrays, metadata = read_arrays(path)
    description = json.loads(metadata["dlgradient"])
    (found,) = [x for x in description["content"]["layers"] if x["name"] == layer]
    change(found)
    write_arrays(path, arrays, {"dlgradient": json.dumps(description)})


def program(layer):
    """The parts of the first graph of a layer, by name."""
    parts = layer["options"]["attributes"]["values"][0]["parts"]
    return dict(zip(parts["keys"], parts["values"], strict=True))


@pytest.mark.parametrize(
    ("layer", "change", "match"),
    [
        ("relu", lambda d: d["options"].update(operator="Evil"), "'relu': .*'Evil'"),
        ("relu", lambda d: d["options"].update(operator="RandomNormal"), "'relu': .*RandomNormal"),
        ("relu", lambda d: d["options"].update(results=10**9), "'relu': results is 1,000,000,000"),
        ("relu", lambda d: d["options"]["operands"]["items"].append("out"), "'relu': .*an operand"),
        ("relu", lambda d: d.update({"class": "onnx.Other"}), "unknown class 'onnx.Other'"),
        ("fc", lambda d: d["options"]["attributes"].update(keys=["odd"]), "'fc': .*Gemm has no"),
        ("fc", lambda d: d["others"].pop("weights"), "weights of layer 'fc' is no array"),
    ],
)
def test_a_damaged_layer_is_named(rng, tmp_path, layer, change, match):
    dl.save(tmp_path / "net", dl.import_network_from_onnx(convolutional(rng)))
    damaged(tmp_path / "net", layer, change)
    with pytest.raises(dl.InvalidFileError, match=match):
        dl.load(tmp_path / "net")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda p: p["steps"][0]["items"].__setitem__(0, "Evil"), "an operator 'Evil'"),
        (lambda p: p["steps"][0]["items"].__setitem__(0, "RandomNormal"), "'RandomNormal'"),
        (lambda p: p["steps"][0]["items"].pop(), "not complete"),
        (lambda p: p["steps"].pop(0), "an operand of Relu comes from nowhere"),
        (lambda p: p["outputs"].append("z"), "an output of a program comes from nowhere"),
    ],
)
def test_a_damaged_program_is_refused(rng, tmp_path, change, match):
    dl.save(tmp_path / "net", dl.import_network_from_onnx(conditional(rng)))
    damaged(tmp_path / "net", "choice", lambda layer: change(program(layer)))
    with pytest.raises(dl.InvalidFileError, match=match):
        dl.load(tmp_path / "net")


def test_a_file_is_loaded_without_the_package_onnx(rng, tmp_path):
    net = dl.import_network_from_onnx(convolutional(rng))
    dl.save(tmp_path / "net", net)
    code = """
        import sys
        sys.modules["onnx"] = None
        import dlgradient as dl
        import numpy as np
        print(dl.load(sys.argv[1]).predict(np.ones((2, 3, 8, 8), np.float32)).shape)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net")],
        capture_output=True,
        check=True,
        text=True,
    )
    assert run.stdout.strip() == "(2, 5)"
