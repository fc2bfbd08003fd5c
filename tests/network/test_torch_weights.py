"""Weights of PyTorch: files read without it, names and layouts converted, wrong ones listed."""

import io
import itertools
import pickle
import struct
import sys
import tracemalloc
import zipfile

import mutations
import numpy as np
import pytest
import safetensors.numpy

import dlgradient as dl
from dlgradient import layers

# -- files, written by hand as torch.save writes them ----------------------------------------------

STORAGES = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long"}
STORAGES |= {"bool": "Bool", "complex64": "ComplexFloat", "int32": "Int", "uint8": "Byte"}


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tensor(key, array, kind=None, offset=0, strides=None, shape=None, legacy=False):
    """Return the pickle of a tensor."""
    shape = array.shape if shape is None else shape
    steps = [n // array.itemsize for n in array.strides] if strides is None else strides
    storage = name("torch", f"{kind or STORAGES[array.dtype.name]}Storage")
    last = b"N" if legacy else b""
    place = b"(" + text("storage") + storage + text(key) + text("cpu")
    place += number(array.size) + last + b"tQ"
    sizes = b"".join([b"(" + b"".join(map(number, ns)) + b"t" for ns in (shape, steps)])
    hooks = name("collections", "OrderedDict") + b")R"
    rest = number(offset) + sizes + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + place + rest + b"tR"


def pickled(entries):
    """Return the pickle of an ordered dict, with attributes as a state_dict has."""
    items = b"".join([text(key) + value for key, value in entries.items()])
    attributes = b"}" + text("_metadata") + b"}sb"
    start = b"\x80\x02" + name("collections", "OrderedDict") + b")R"
    return start + b"(" + items + b"u" + attributes + b"."


def zipped(path, content, data=(), compression=zipfile.ZIP_STORED, **others):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("model/data.pkl", content)
        for key, raw in dict(data).items():
            archive.writestr(f"model/data/{key}", raw)
        for key, raw in others.items():
            archive.writestr(f"model/{key}", raw)


def state_dict(rng):
    return {
        "fc.weight": rng.normal(size=(3, 2)).astype(np.float32),
        "fc.bias": rng.normal(size=3).astype(np.float64),
        "bn.num_batches_tracked": np.array(7),
    }


def saved(path, arrays, form="zip"):
    """Write a state_dict, in one of the two formats of torch.save."""
    keys = {key: str(i) for i, key in enumerate(arrays)}
    entries = {k: tensor(keys[k], a, legacy=form == "legacy") for k, a in arrays.items()}
    if form == "zip":
        zipped(path, pickled(entries), {keys[k]: a.tobytes() for k, a in arrays.items()})
        return
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [pickled(entries), pickle.dumps(list(keys.values()), 2)]
    parts += [a.size.to_bytes(8, "little") + a.tobytes() for a in arrays.values()]
    path.write_bytes(b"".join(parts))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def small():
    return dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3, name="fc")], generator=0)


def both(net, torch_arrays, **options):
    """Import, compare what comes back by the export, and return the network."""
    new = dl.import_weights_from_torch(net, torch_arrays, **options)
    options.pop("partial", None)
    back = dl.export_weights_to_torch(new, **options)
    for key, value in torch_arrays.items():
        if key in back:
            np.testing.assert_allclose(back[key], value, rtol=1e-6, err_msg=key)
    return new


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_files_of_both_formats(path, rng, form):
    arrays = state_dict(rng)
    saved(path, arrays, form)
    net = dl.import_weights_from_torch(small(), path)
    assert np.array_equal(net.learnables["fc/weights"], arrays["fc.weight"])
    np.testing.assert_array_equal(net.learnables["fc/bias"], arrays["fc.bias"].astype(np.float32))


def test_a_file_of_safetensors(path, rng):
    arrays = state_dict(rng)
    safetensors.numpy.save_file(arrays, path)
    net = dl.import_weights_from_torch(small(), str(path))
    assert np.array_equal(net.learnables["fc/weights"], arrays["fc.weight"])


@pytest.mark.parametrize("around", ["state_dict", "model", "anything"])
def test_a_checkpoint_with_other_things(path, rng, around):
    arrays = state_dict(rng)
    inner = {k: tensor(str(i), a) for i, (k, a) in enumerate(arrays.items())}
    entries = {around: pickled(inner)[2:-1], "epoch": number(3), "optimizer": b"}"}
    zipped(path, pickled(entries), {str(i): a.tobytes() for i, a in enumerate(arrays.values())})
    net = dl.import_weights_from_torch(small(), path)
    assert np.array_equal(net.learnables["fc/weights"], arrays["fc.weight"])


@pytest.mark.parametrize("around", ["state_dict", "model", "anything"])
def test_a_checkpoint_in_memory(rng, around):
    arrays = state_dict(rng)
    others = {"epoch": np.int64(3), "optimizer": {"state": {}}} if around != "anything" else {}
    if around == "model":
        others = {"ema": state_dict(rng), "epoch": 3}
    net = dl.import_weights_from_torch(small(), {around: arrays, **others})
    assert np.array_equal(net.learnables["fc/weights"], arrays["fc.weight"])


def test_a_checkpoint_with_several_models_in_memory(rng):
    several = {"generator": state_dict(rng), "critic": state_dict(rng)}
    with pytest.raises(dl.InvalidArgumentError, match="generator, critic; give the one you need"):
        dl.import_weights_from_torch(small(), several)


def test_views_and_bfloat16(path, rng):
    vector = rng.normal(size=12).astype(np.float32)
    half = vector.view(np.uint32) & 0xFFFF0000
    entries = {
        "fc.weight": tensor("0", vector, offset=1, strides=(1, 3), shape=(3, 2)),
        "fc.bias": tensor("1", vector, "BFloat16", shape=(3,), strides=(2,)),
    }
    data = {"0": vector.tobytes(), "1": (half >> 16).astype("<u2").tobytes()}
    zipped(path, pickled(entries), data)
    net = dl.import_weights_from_torch(small(), path)
    assert np.array_equal(net.learnables["fc/weights"], vector[1:7].reshape(2, 3).T)
    assert np.array_equal(net.learnables["fc/bias"], half.view(np.float32)[:6:2])


class Canary:
    ran = False

    def __reduce__(self):
        return setattr, (Canary, "ran", True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Canary(), 2), "builtin.*setattr.*not run"),
        (pickled({"a": name("os", "system") + b"(" + text("false") + b"tR"}), "os.system"),
        (pickled({"a": name("__main__", "Net") + b")R"}), r"model.state_dict\(\)"),
        (pickled({"a": name("torch", "FloatStorage") + b")R"}), "calls torch"),
        (b"\x80\x02i os\nsystem\n.", "not run"),
        (b"\x80\x02Vx\n.", "UNICODE"),
        (b"\x80\x02\x8a\xff\x01.", "damaged"),
        (b"\x80\x02}(X\xff\xff\xff\x7fab", "damaged"),
        (b"\x80\x02\x8d" + b"\xff" * 8 + b".", "damaged"),
        (b"\x80\x02Nr\xff\xff\xff\x7f0.", "POP"),
        (b"\x80\x02" + b"(" * 100_000 + b".", "damaged"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02R.", "damaged"),
        (b"\x80\x02K\x01.", "a int, no state_dict"),
        (pickled({"a": number(1)}), "no tensors"),
        (b"\x80\x02}K\x01\x85K\x02s.", "a key is a tuple"),
        (
            pickled(
                {"a": tensor("0", np.zeros(2), "Double", shape=(2**30, 2**30), strides=(1, 1))}
            ),
            "larger",
        ),
        (pickled({"a": tensor("0", np.zeros(2), offset=1)}), "larger"),
        (pickled({"a": tensor("0", np.zeros(2), shape=(9,), strides=(0,))}), "larger"),
        (pickled({"a": tensor("0", np.zeros(2), strides=(-1,))}), "without sizes"),
        (pickled({"a": tensor("0", np.zeros(3))}), "cut off"),
        (pickled({"a": tensor("../../x", np.zeros(2))}), "missing"),
    ],
    ids=range(22),
)
def test_hostile_pickles_are_refused_and_not_run(path, content, message):
    zipped(path, content, {"0": bytes(16)})
    with pytest.raises(dl.InvalidFileError, match=message) as caught:
        dl.import_weights_from_torch(small(), path)
    assert path.name in str(caught.value)
    assert not Canary.ran
    path.write_bytes(content)
    with pytest.raises(dl.InvalidFileError):
        dl.import_weights_from_torch(small(), path)
    assert not Canary.ran


def test_a_compressed_file_is_no_bomb(path):
    zipped(path, pickled({}), {"0": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(dl.InvalidFileError, match="compressed"):
            dl.import_weights_from_torch(small(), path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_files_of_others_are_named(path):
    zipped(path.with_suffix(".zip"), b"", byteorder=b"big")
    with pytest.raises(dl.InvalidFileError, match="big-endian"):
        dl.import_weights_from_torch(small(), path.with_suffix(".zip"))
    np.savez(path.with_suffix(".npz"), a=np.ones(2))
    with pytest.raises(dl.InvalidFileError, match="file of NumPy"):
        dl.import_weights_from_torch(small(), path.with_suffix(".npz"))
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(dl.InvalidFileError, match=r"not of torch.save"):
        dl.import_weights_from_torch(small(), path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_damaged_files_end_in_an_error_of_ours(path, rng, form):
    saved(path, state_dict(rng), form)
    good = path.read_bytes()
    net = small()

    def read(damaged):
        dl.import_weights_from_torch(net, damaged)

    def inside(rng):
        """Return an archive whose pickle is damaged, with the right check sums."""
        whole = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(whole, "w") as new:
            for entry in old.namelist():
                content = old.read(entry)
                if entry.endswith("data.pkl"):
                    content = mutations.bytes_changed(content, rng)
                new.writestr(entry, content)
        return whole.getvalue()

    damaged = itertools.chain(
        (mutations.bytes_changed(good, np.random.default_rng(seed)) for seed in range(800)),
        (
            inside(np.random.default_rng(seed))
            if form == "zip"
            else mutations.bytes_changed(good, np.random.default_rng((1, seed)))
            for seed in range(400)
        ),
    )
    ends = mutations.ends(read, path, damaged)
    assert set(ends) <= {"read", "InvalidFileError", "InvalidArgumentError"}
    assert ends["InvalidFileError"] > 500


# -- layouts, against the definitions of PyTorch's layers written here -----------------------------


def network(*given):
    return dl.dlnetwork(list(given), generator=0)


def test_convolutions(rng):
    """One number of the result, as the documentation of Conv2d defines it."""
    image = layers.ImageInput((5, 4, 4), normalization="none", data_format="BCSS")
    for layer, groups in [
        (layers.Convolution2d((3, 2), 6, name="c"), 1),
        (layers.GroupedConvolution2d((3, 2), 3, 2, name="c"), 2),
        (layers.GroupedConvolution2d((3, 2), 1, "channel-wise", name="c"), 4),
    ]:
        filters = 4 if groups == 4 else 6
        arrays = {
            "c.weight": rng.normal(size=(filters, 4 // groups, 3, 2)).astype(np.float32),
            "c.bias": rng.normal(size=filters).astype(np.float32),
        }
        net = both(network(image, layer), arrays)
        x = rng.normal(size=(2, 4, 5, 4)).astype(np.float32)
        y = net.predict(x)
        for k in range(filters):
            first = k // (filters // groups) * (4 // groups)
            part = x[1, first : first + 4 // groups, 1:4, 2:4]
            wanted = (part * arrays["c.weight"][k]).sum() + arrays["c.bias"][k]
            assert y[1, k, 1, 2] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_transposed_convolution(rng):
    """A single input pixel becomes its filters."""
    image = layers.ImageInput((1, 1, 3), normalization="none", data_format="BCSS")
    weight = rng.normal(size=(3, 2, 4, 3)).astype(np.float32)  # in, out, height, width
    arrays = {"t.weight": weight, "t.bias": np.zeros(2, np.float32)}
    layer = layers.TransposedConvolution2d((4, 3), 2, name="t")
    net = both(network(image, layer), arrays)
    x = rng.normal(size=(1, 3, 1, 1)).astype(np.float32)
    wanted = np.einsum("i,iohw->ohw", x[0, :, 0, 0], weight)
    np.testing.assert_allclose(net.predict(x)[0], wanted, rtol=1e-4, atol=1e-5)


def test_fully_connected_after_an_image(rng):
    image = layers.ImageInput((2, 3, 4), normalization="none")  # SSCB, unlike PyTorch's
    weight = rng.normal(size=(5, 24)).astype(np.float32)
    net = network(image, layers.FullyConnected(5, name="fc"))
    net = both(net, {"fc.weight": weight, "fc.bias": np.zeros(5, np.float32)})
    x = rng.normal(size=(7, 4, 2, 3)).astype(np.float32)  # PyTorch's order
    found = net.predict(x.transpose(2, 3, 1, 0))
    np.testing.assert_allclose(
        np.asarray(found).T, x.reshape(7, -1) @ weight.T, rtol=1e-4, atol=1e-5
    )


def test_normalisations_and_others(rng):
    sequence = layers.SequenceInput(1)
    net = network(
        sequence,
        layers.Embedding(4, 9, name="e"),
        layers.BatchNormalization(name="bn"),
        layers.LayerNormalization(name="ln"),
        layers.RmsNormalization(name="rms"),
        layers.Prelu(name="p"),
    )
    parts = {"e.weight": (9, 4), "bn.running_mean": 4, "bn.running_var": 4, "rms.weight": 4}
    parts |= {f"{n}.{p}": 4 for n in ("bn", "ln") for p in ("weight", "bias")}
    arrays = {k: rng.uniform(size=s).astype(np.float32) for k, s in parts.items()}
    new = dl.import_weights_from_torch(net, {**arrays, "p.weight": np.float32([0.1])})
    assert new.learnables["p/alpha"].tolist() == pytest.approx([0.1] * 4)
    assert np.array_equal(new.state["bn/trained_variance"], arrays["bn.running_var"])
    assert np.array_equal(new.learnables["bn/offset"], arrays["bn.bias"])
    back = dl.export_weights_to_torch(new)
    assert back.pop("bn.num_batches_tracked") == 0
    assert set(back) == {*arrays, "p.weight"}
    for key, value in arrays.items():
        assert np.array_equal(back[key], value)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent_arrays(rng, gates, units, inputs, suffixes=("_l0",)):
    return {
        f"rnn.{n}{s}": rng.normal(size=shape).astype(np.float32)
        for s in suffixes
        for n, shape in {
            "weight_ih": (gates * units, inputs),
            "weight_hh": (gates * units, units),
            "bias_ih": gates * units,
            "bias_hh": gates * units,
        }.items()
    }


def lstm_reference(x, a, suffix="_l0"):
    """Hidden states by the formulas in the documentation of PyTorch's LSTM."""
    h = c = np.zeros((x.shape[1], a[f"rnn.weight_hh{suffix}"].shape[1]))
    found = []
    for step in x:
        z = step @ a[f"rnn.weight_ih{suffix}"].T + a[f"rnn.bias_ih{suffix}"]
        z = z + h @ a[f"rnn.weight_hh{suffix}"].T + a[f"rnn.bias_hh{suffix}"]
        i, f, g, o = np.split(z, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.array(found)


def test_lstm(rng):
    arrays = recurrent_arrays(rng, 4, 3, 2)
    net = network(layers.SequenceInput(2, data_format="TBC"), layers.Lstm(3, name="rnn"))
    net = dl.import_weights_from_torch(net, arrays)
    x = rng.normal(size=(5, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(net.predict(x), lstm_reference(x, arrays), rtol=1e-4, atol=1e-5)
    again = dl.import_weights_from_torch(net, dl.export_weights_to_torch(net))
    assert again == net


def test_bilstm(rng):
    arrays = recurrent_arrays(rng, 4, 3, 2, ("_l0", "_l0_reverse"))
    net = network(layers.SequenceInput(2, data_format="TBC"), layers.Bilstm(3, name="rnn"))
    net = dl.import_weights_from_torch(net, arrays)
    x = rng.normal(size=(5, 4, 2)).astype(np.float32)
    back = lstm_reference(x[::-1], arrays, "_l0_reverse")[::-1]
    wanted = np.concatenate([lstm_reference(x, arrays), back], axis=2)
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-4, atol=1e-5)
    assert dl.import_weights_from_torch(net, dl.export_weights_to_torch(net)) == net


def test_two_layers_of_one_module(rng):
    first, second = recurrent_arrays(rng, 4, 3, 2), recurrent_arrays(rng, 4, 3, 3, ("_l1",))
    input_layer = layers.SequenceInput(2, data_format="TBC")
    net = network(input_layer, layers.Lstm(3, name="a"), layers.Lstm(3, name="b"))
    mapping = {"a": "rnn", "b": "rnn.l1"}
    net = dl.import_weights_from_torch(net, {**first, **second}, mapping=mapping)
    x = rng.normal(size=(5, 4, 2)).astype(np.float32)
    wanted = lstm_reference(lstm_reference(x, first), second, "_l1")
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-4, atol=1e-5)
    back = dl.export_weights_to_torch(net, mapping=mapping)
    assert set(back) == {*first, *second}


def test_gru(rng):
    arrays = recurrent_arrays(rng, 3, 3, 2)
    mode = "recurrent-bias-after-multiplication"
    layer = layers.Gru(3, reset_gate_mode=mode, name="rnn")
    net = network(layers.SequenceInput(2, data_format="TBC"), layer)
    net = both(net, arrays)
    x = rng.normal(size=(5, 4, 2)).astype(np.float32)
    h = np.zeros((4, 3))
    for step in x:
        ri, zi, ni = np.split(step @ arrays["rnn.weight_ih_l0"].T + arrays["rnn.bias_ih_l0"], 3, 1)
        rh, zh, nh = np.split(h @ arrays["rnn.weight_hh_l0"].T + arrays["rnn.bias_hh_l0"], 3, 1)
        r, z = sigmoid(ri + rh), sigmoid(zi + zh)
        h = (1 - z) * np.tanh(ni + r * nh) + z * h
    np.testing.assert_allclose(net.predict(x)[-1], h, rtol=1e-4, atol=1e-5)
    other = network(layers.SequenceInput(2), layers.Gru(3, name="rnn"))
    with pytest.raises(dl.InvalidArgumentError, match=mode):
        dl.import_weights_from_torch(other, arrays)


# -- names -----------------------------------------------------------------------------------------


def nested():
    block = dl.dlnetwork(
        [layers.FullyConnected(2, name="fc"), layers.BatchNormalization(name="bn")]
    )
    return network(
        layers.FeatureInput(2),
        layers.Network(block, name="block"),
        layers.Shared("block", name="again"),
        layers.FullyConnected(1, name="head"),
    )


def test_names_of_nested_networks_prefixes_and_mappings():
    net = nested()
    wanted = dl.export_weights_to_torch(net)
    assert {"block.fc.weight", "block.bn.running_mean", "head.bias"} < set(wanted)
    other = {k: v + 1 for k, v in wanted.items()}
    new = dl.import_weights_from_torch(net, other)
    np.testing.assert_array_equal(new.learnables["block/fc/bias"], other["block.fc.bias"])
    moved = {f"module.{k}": v for k, v in other.items()}
    moved["other.weight"] = np.ones(3)
    assert dl.import_weights_from_torch(net, moved, prefix="module.") == new
    mapping = {"head": "classifier.1", "block/fc": "features.0"}
    named = dl.export_weights_to_torch(new, mapping=mapping, prefix="m.")
    assert {"m.classifier.1.weight", "m.features.0.weight"} < set(named)
    again = dl.import_weights_from_torch(net, named, mapping=mapping, prefix="m.")
    assert again == new
    renamed = dl.export_weights_to_torch(new, mapping=lambda path: path.replace("/", "_"))
    assert "block_fc.weight" in renamed


def test_a_module_without_bias_gives_zeros(rng):
    net = small()
    net.learnables["fc/bias"] = [1, 2, 3]
    weight = rng.normal(size=(3, 2)).astype(np.float32)
    new = dl.import_weights_from_torch(net, {"fc.weight": weight})
    assert new.learnables["fc/bias"].tolist() == [0, 0, 0]


def test_everything_that_is_wrong_is_listed_with_the_nearest_names():
    net = nested()
    arrays = dl.export_weights_to_torch(net)
    arrays["block.fc.weigth"] = arrays.pop("block.fc.weight")
    arrays["head.weight"] = np.ones((4, 4))
    arrays["tail.bias"] = np.ones(2)
    with pytest.raises(dl.InvalidArgumentError) as caught:
        dl.import_weights_from_torch(net, arrays)
    message = str(caught.value)
    for part in (
        "in 4 places",
        "missing 'block.fc.weight', for block/fc/weights; there is 'block.fc.weigth'",
        "unknown 'block.fc.weigth'; the network has 'block.fc.weight'",
        "'head.weight' of shape (4, 4) does not fit head/weights of shape (1, 2)",
        "unknown 'tail.bias'",
    ):
        assert part in message


def test_partial_takes_what_fits():
    net = nested()
    given = {"head.weight": np.ones((1, 2)), "head.bias": np.ones(1), "unknown": np.ones(1)}
    new = dl.import_weights_from_torch(net, given, partial=True)
    assert new.learnables["head/weights"].tolist() == [[1, 1]]
    assert (
        new.learnables["block/fc/weights"].tolist() == net.learnables["block/fc/weights"].tolist()
    )
    with pytest.raises(dl.InvalidArgumentError, match="does not fit"):
        dl.import_weights_from_torch(net, {"head.weight": np.ones(3)}, partial=True)


def test_custom_layers_have_the_same_names():
    class Shift(layers.Layer):
        learnables = ("shift",)

        def initialize(self, x):
            self.shift = np.zeros(x.size_of("C"), np.float32)

        def predict(self, x):
            return x + dl.dlarray(self.shift, "C")

    net = network(layers.FeatureInput(2), Shift(name="s"))
    new = dl.import_weights_from_torch(net, {"s.shift": np.ones(2)})
    assert dl.export_weights_to_torch(new)["s.shift"].tolist() == [1, 1]


class Tensor:
    """What a tensor of PyTorch has."""

    dtype = "torch.float32"

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


class Model:
    def state_dict(self):
        return {}


def test_sources(rng):
    arrays = {k: Tensor(v) for k, v in state_dict(rng).items()}
    net = dl.import_weights_from_torch(small(), arrays)
    assert np.array_equal(net.learnables["fc/weights"], arrays["fc.weight"].array)
    with pytest.raises(dl.InvalidArgumentError, match=r"is a model; write"):
        dl.import_weights_from_torch(small(), Model())
    with pytest.raises(dl.InvalidArgumentError, match="must be a path or a state_dict"):
        dl.import_weights_from_torch(small(), 3)
    with pytest.raises(dl.InvalidArgumentError, match="initialised dlnetwork"):
        dl.import_weights_from_torch(dl.dlnetwork([layers.Tanh()]), {})
    with pytest.raises(FileNotFoundError):
        dl.import_weights_from_torch(small(), "not_there.pth")
    assert "torch" not in sys.modules
