"""Networks from ONNX models: against onnxruntime, trained, edited, and refused."""

import numpy as np
import onnx
import onnx_cases
import pytest
from onnx import helper
from onnx_cases import by_onnxruntime, convolutional, model

import dlgradient as dl
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError


def single(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21])
def test_a_convolutional_network_equals_onnxruntime(rng, opset):
    message = convolutional(rng, opset)
    net = dl.import_network_from_onnx(message)
    for batch in (1, 3):
        x = single(rng, batch, 3, 8, 8)
        (expected,) = by_onnxruntime(message, x)
        np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5, atol=1e-6)


def test_layers_are_named_as_nodes_and_learn_the_weights(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    assert list(net.layers)[:4] == ["x", "conv1.Conv", "norm", "relu"]
    assert list(net.learnables) == [
        *("conv1.Conv/weights", "conv1.Conv/bias", "norm/scale", "norm/offset"),
        *("fc/weights", "fc/bias"),
    ]
    assert list(net.state) == ["norm/trained_mean", "norm/trained_variance"]


def test_a_model_comes_from_a_path_bytes_or_a_message(rng, tmp_path):
    message = convolutional(rng)
    path = tmp_path / "model.onnx"
    onnx.save(message, path)
    nets = [dl.import_network_from_onnx(m) for m in (path, str(path), path.read_bytes(), message)]
    assert all(net == nets[0] for net in nets)


def test_gradients_are_those_of_differences(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    net = dl.dlupdate(np.float64, net)
    x, key = rng.normal(size=(2, 3, 8, 8)), "conv1.Conv/weights"

    def loss(net):
        value = dl.sum(net.predict(dl.dlarray(x)) ** 2)
        return value, dl.dlgradient(value, net)

    _, gradients = dl.dlfeval(loss, net)
    direction = rng.normal(size=net.learnables[key].shape)
    step = 1e-6
    values = []
    for sign in (1, -1):
        moved = net.copy()
        moved.learnables[key] = moved.learnables[key] + sign * step * direction
        values.append(dl.dlfeval(loss, moved)[0].item())
    expected = (values[0] - values[1]) / (2 * step)
    found = np.sum(np.asarray(gradients.learnables[key]) * direction)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_training_learns_and_moves_the_statistics(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    x = dl.dlarray(single(rng, 12, 3, 8, 8), "BCSS")
    labels = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 12)]

    def step(net):
        y, state = net.forward(x)
        loss = dl.crossentropy(y, dl.dlarray(labels, "BC"))
        return loss, dl.dlgradient(loss, net), state

    losses, mean, square = [], None, None
    before = np.asarray(net.state["norm/trained_mean"])
    for i in range(30):
        loss, gradients, state = dl.dlfeval(step, net)
        net.state = state
        net, mean, square = dl.adamupdate(net, gradients, mean, square, i + 1, 0.05)
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert np.abs(np.asarray(net.state["norm/trained_mean"]) - before).max() > 1e-3


def test_the_last_layers_can_be_replaced_by_layers_of_the_library(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    net = net.replace_layer("fc", dl.layers.FullyConnected(2)).initialize(generator=0)
    assert net.predict(single(rng, 4, 3, 8, 8)).shape == (4, 2)


def test_an_input_with_a_format_has_any_order(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    x = single(rng, 2, 3, 8, 8)
    y = net.predict(dl.dlarray(x.transpose(2, 3, 1, 0), "SSCB"))
    assert dl.dims(y) == "BC"
    np.testing.assert_array_equal(np.asarray(y), net.predict(x))


def test_an_input_of_other_sizes_is_refused(rng):
    net = dl.import_network_from_onnx(convolutional(rng))
    with pytest.raises(ShapeMismatchError, match=r"expects \(any, 3, 8, 8\)"):
        net.predict(single(rng, 2, 3, 9, 8))


def test_a_weight_that_two_nodes_use_is_one_learnable(rng):
    table = single(rng, 7, 4)
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["a"], name="embed"),
        helper.make_node("Transpose", ["table"], ["b"], perm=[1, 0]),
        helper.make_node("MatMul", ["a", "b"], ["y"], name="head"),
    ]
    tokens = {"type": onnx_cases.INT64, "sizes": ["batch", "steps"]}
    message = model(nodes, {"tokens": tokens}, ["y"], {"table": table})
    net = dl.import_network_from_onnx(message)
    assert list(net.learnables) == ["embed/x"]
    x = rng.integers(0, 7, (2, 3))
    np.testing.assert_allclose(net.predict(x), table[x] @ table.T, rtol=1e-5)

    def loss(net):
        value = dl.sum(net.predict(dl.dlarray(x)))
        return dl.dlgradient(value, net)

    counts = np.bincount(x.ravel(), minlength=7)[:, None]
    expected = counts * table.sum(0) + table[x].sum((0, 1))
    found = np.asarray(dl.dlfeval(loss, net).learnables["embed/x"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_shapes_are_computed_in_each_call(rng):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"], axis=0),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["sizes"], axis=0),
        helper.make_node("Reshape", ["x", "sizes"], ["y"]),
    ]
    numbers = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1, 2])}
    net = dl.import_network_from_onnx(model(nodes, {"x": ["n", 3, 4]}, ["y"], numbers))
    for n in (1, 5):
        assert net.predict(single(rng, n, 3, 4)).shape == (n, 6, 2)


def test_nodes_of_constants_are_computed_at_the_import(rng):
    w = single(rng, 3, 2)
    nodes = [
        helper.make_node("Transpose", ["w"], ["v"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "v"], ["y"], name="product"),
    ]
    net = dl.import_network_from_onnx(model(nodes, {"x": [1, 2]}, ["y"], {"w": w}))
    assert list(net.layers) == ["x", "product"]
    np.testing.assert_array_equal(np.asarray(net.learnables["product/weights"]), w.T)


def test_masks_and_single_factors_are_no_learnables(rng):
    arrays = {
        "mask": np.triu(np.full((3, 3), -1e9, np.float32), 1),
        "half": np.array(0.5, np.float32),
        "offset": single(rng, 3),
    }
    nodes = [
        helper.make_node("Mul", ["x", "half"], ["a"]),
        helper.make_node("Add", ["a", "mask"], ["b"]),
        helper.make_node("Add", ["b", "offset"], ["y"], name="shift"),
    ]
    net = dl.import_network_from_onnx(model(nodes, {"x": [1, 3]}, ["y"], arrays))
    assert list(net.learnables) == ["shift/y"]


def test_outputs_may_be_inputs_constants_or_unused(rng):
    nodes = [
        helper.make_node("TopK", ["x", "k"], ["values", "places"], name="best"),
        helper.make_node("Dropout", ["values"], ["y", ""]),
    ]
    arrays = {"k": np.array([2]), "c": single(rng, 2)}
    message = model(nodes, {"x": [2, 5]}, ["y", "places", "x", "c"], arrays)
    x = single(rng, 2, 5)
    found = dl.import_network_from_onnx(message).predict(x)
    order = np.argsort(-x, axis=1)[:, :2]
    np.testing.assert_array_equal(found[1], order)
    np.testing.assert_array_equal(found[0], np.take_along_axis(x, order, 1))
    np.testing.assert_array_equal(found[2], x)
    np.testing.assert_array_equal(found[3], arrays["c"])


def test_all_nodes_that_are_not_supported_are_named(rng):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["a"], name="quantise"),
        helper.make_node("Cool", ["a"], ["b"], name="own", domain="com.example"),
        helper.make_node("LSTM", ["b", "w", "w"], ["y"], name="cell", hidden_size=1, clip=3.0),
    ]
    message = model(nodes, {"x": [1, 3]}, ["y"], {"s": single(rng), "w": single(rng, 1, 4, 1)})
    with pytest.raises(InvalidArgumentError) as caught:
        dl.import_network_from_onnx(message)
    for text in (r"QuantizeLinear (quantise)", "com.example.Cool (own)", "LSTM (cell): clip="):
        assert text in str(caught.value)


def test_dropout_drops_in_training_only():
    nodes = [helper.make_node("Dropout", ["x"], ["y"])]
    net = dl.import_network_from_onnx(model(nodes, {"x": ["n", 100]}, ["y"]))
    x = np.ones((2, 100), np.float32)
    np.testing.assert_array_equal(net.predict(x), x)
    y, _ = net.forward(x, generator=0)
    assert set(np.unique(y)) == {0.0, 2.0}


def branch(name, factor, rng, *, nested=None):
    """A graph that takes x from around it: a product, perhaps with a condition in it."""
    w = single(rng, 3, 2) * factor
    nodes = [helper.make_node("MatMul", ["x", f"{name}_w"], [f"{name}_r"], name="product")]
    if nested:
        nodes.append(helper.make_node("If", ["flag"], [f"{name}_s"], name="inner", **nested))
    last = f"{name}_s" if nested else f"{name}_r"
    nodes.append(helper.make_node("Relu", [last], [f"{name}_y"]))
    return helper.make_graph(
        nodes,
        name,
        [],
        [helper.make_tensor_value_info(f"{name}_y", onnx_cases.FLOAT, None)],
        [onnx.numpy_helper.from_array(w, f"{name}_w")],
    )


def conditional(rng):
    inner = {"then_branch": branch("a", 1, rng), "else_branch": branch("b", 1, rng)}
    outer = {"then_branch": branch("c", 1, rng, nested=inner), "else_branch": branch("d", 1, rng)}
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Less", ["sum", "zero"], ["low"]),
        helper.make_node("Greater", ["sum", "one"], ["flag"]),
        helper.make_node("Not", ["low"], ["high"]),
        helper.make_node("If", ["high"], ["y"], name="choice", **outer),
    ]
    numbers = {"zero": np.array(0, np.float32), "one": np.array(1, np.float32)}
    return model(nodes, {"x": ["n", 3]}, ["y"], numbers)


@pytest.mark.parametrize("total", [-1.0, 0.5, 2.0])
def test_conditions_choose_and_learn(rng, total):
    message = conditional(rng)
    net = dl.import_network_from_onnx(message)
    assert len(net.learnables) == 4
    x = single(rng, 2, 3)
    x += np.float32((total - x.sum()) / x.size)
    np.testing.assert_allclose(net.predict(x), by_onnxruntime(message, x)[0], rtol=1e-5, atol=1e-6)
    gradients = dl.dlfeval(
        lambda net, x: dl.dlgradient(dl.sum(net.predict(x)), net), net, dl.dlarray(x)
    )
    moved = {key for key, g in gradients.learnables.items() if np.any(np.asarray(g))}
    used = [key for key in net.learnables if ("inner" in key) == (total > 0)]
    assert moved <= {key for key in used if key.startswith("choice/")}
    assert len(moved) <= 1


def looped(w):
    """A model that multiplies by a matrix four times."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["product"], name="step"),
            helper.make_node("Tanh", ["product"], ["next"]),
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("ReduceSum", ["next"], ["sum"], keepdims=0),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", onnx_cases.INT64, []),
            helper.make_tensor_value_info("going", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", onnx_cases.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes_on", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", onnx_cases.FLOAT, None),
            helper.make_tensor_value_info("sum", onnx_cases.FLOAT, None),
        ],
    )
    nodes = [helper.make_node("Loop", ["count", "", "x"], ["y", "sums"], name="loop", body=body)]
    arrays = {"count": np.array(4), "w": w}
    return model(nodes, {"x": ["n", 3]}, ["y", "sums"], arrays)


def test_loops_carry_values_and_are_differentiated(rng):
    w = single(rng, 3, 3)
    message = looped(w)
    net = dl.import_network_from_onnx(message)
    x = single(rng, 2, 3)
    for y, expected in zip(net.predict(x), by_onnxruntime(message, x), strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    (key,) = net.learnables
    gradients = dl.dlfeval(
        lambda net, x: dl.dlgradient(dl.sum(net.predict(x)[0]), net), net, dl.dlarray(x)
    )

    def by_hand(w, x):
        for _ in range(4):
            x = dl.tanh(x @ w)
        return dl.dlgradient(dl.sum(x), w)

    expected = dl.dlfeval(by_hand, dl.dlarray(w), dl.dlarray(x))
    np.testing.assert_allclose(gradients.learnables[key], expected, rtol=1e-5, atol=1e-6)
