"""`save` and `load`: the same network comes back, and no file does harm."""

import json
import subprocess
import sys
import time
import tracemalloc

import mutations
import numpy as np
import pandas as pd
import pytest
import safetensors
import safetensors.numpy

import dlgradient as dl
from dlgradient import layers


class Scaled(layers.Layer):
    factor: float = 2.0
    learnables = ("offset",)

    def initialize(self, x):
        self.offset = np.ones(x.size_of("C"), np.float32)
        self.seen = ("sizes", x.size)

    def predict(self, x):
        return self.factor * x + dl.dlarray(self.offset, "C")


class OwnInit(layers.Layer):
    """A class whose constructor computes: it must not run again."""

    def __init__(self, path):
        self.name = ""
        self.table = np.arange(len(path))

    def predict(self, x):
        return x * self.table.sum()


def twice(x):
    return 2 * x


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def again(path, value, **options):
    assert dl.save(path, value) is None
    return dl.load(path, **options)


def images():
    return dl.dlnetwork(
        [
            layers.ImageInput((6, 6, 2), normalization="zscore", mean=[1, 2], standard_deviation=3),
            layers.Convolution2d((3, 2), 4, padding="same", weights_learn_rate_factor=0.5),
            layers.BatchNormalization(epsilon=1e-3),
            layers.Prelu(),
            layers.MaxPooling2d(2, stride=(2, 1)),
            layers.FullyConnected(3, bias_l2_factor=2.0),
            layers.Softmax(),
        ],
        generator=0,
    )


def every_layer():
    """Return one layer of each class that needs no arguments but these."""
    arguments = {
        "AdaptiveAveragePooling2d": (2,),
        "Convolution1d": (3, 2),
        "Embedding": (4, 9),
        "Gru": (3,),
        "GroupNormalization": (2,),
        "Concatenation": ("C", 2),
        "Input": ((None, 3), "BC"),
        "Bilstm": (3,),
        "TransposedConvolution2d": ((3, 2), 4),
        "GroupedConvolution2d": (3, 2, "channel-wise"),
        "ClippedRelu": (6,),
    }
    found = [getattr(layers, name)(*given) for name, given in arguments.items()]
    for name in sorted(set(layers.__all__) - set(arguments) - {"Layer", "Layout"}):
        try:
            found.append(getattr(layers, name)())
        except (dl.DlgradientError, TypeError):
            continue
    return found


# -- what comes back -------------------------------------------------------------------------------


def test_a_network_comes_back_equal(path, rng):
    net = images()
    _, net.state = net.forward(rng.normal(size=(6, 6, 2, 5)))
    found = again(path, net)
    assert found == net
    assert found.learn_rate_factors() == net.learn_rate_factors()
    assert found.l2_factors() == net.l2_factors()
    x = rng.normal(size=(6, 6, 2, 3))
    assert np.array_equal(found.predict(x), net.predict(x))


@pytest.mark.parametrize("layer", every_layer(), ids=repr)
def test_every_layer_comes_back(path, layer):
    net = dl.dlnetwork([layer], initialize=False)
    found = again(path, net)
    assert found == net
    assert repr(found) == repr(net)


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, np.complex128])
def test_learnables_keep_their_dtype(path, dtype):
    net = dl.dlupdate(dtype, dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)]))
    found = again(path, net)
    assert found == net
    assert found.learnables["fc/weights"].dtype == dtype


def test_graphs_nested_networks_and_second_uses_come_back(path, rng):
    block = dl.dlnetwork([layers.FullyConnected(3, name="fc"), layers.BatchNormalization()])
    net = dl.dlnetwork(
        [
            layers.FeatureInput(3),
            layers.Network(block, name="block"),
            layers.Addition(2, name="add"),
            layers.Shared("block", name="again"),
        ],
        initialize=False,
    )
    net = net.connect_layers("input", "add/in2").initialize(generator=0)
    net.output_names = ["again", "add"]
    found = again(path, net)
    assert found == net
    assert found.output_names == ("again", "add")
    x = rng.normal(size=(4, 3))
    for mine, theirs in zip(found.predict(x), net.predict(x), strict=True):
        assert np.array_equal(mine, theirs)


class Gated(layers.Layer):
    """A layer that holds two networks, next to a learnable and a state of its own."""

    gate: object
    expert: object
    learnables = ("gate", "expert", "offset")
    state = ("calls",)
    offset = calls = None

    def initialize(self, x):
        for name in ("gate", "expert"):
            net = getattr(self, name)
            if not net.initialized:
                setattr(self, name, net.initialize(x.example(), generator=self.generator))
        if self.offset is None:
            self.offset = np.ones(x.size_of("C"), np.float32)
            self.calls = np.zeros((), np.float32)

    def predict(self, x):
        return self.gate.predict(x) * self.expert.predict(x) + dl.dlarray(self.offset, "C")

    def forward(self, x):
        gate, self.gate.state = self.gate.forward(x)
        expert, self.expert.state = self.expert.forward(x)
        self.calls = self.calls + 1
        return gate * expert + dl.dlarray(self.offset, "C")


@pytest.mark.parametrize("initialized", [True, False])
def test_layers_that_hold_networks_come_back(path, rng, initialized):
    block = [layers.FullyConnected(3, name="fc"), layers.BatchNormalization(name="bn")]
    inner = dl.dlnetwork([*block, layers.Shared("fc", name="again")], initialize=False)
    gated = Gated(inner, dl.dlnetwork([layers.Network(inner, name="in"), layers.Tanh()]))
    net = dl.dlnetwork(
        [
            layers.FeatureInput(3),
            layers.Network(inner, name="block"),
            gated,
            layers.Shared("gated", name="gated_again"),
            layers.Shared("block", name="block_again"),
        ],
        initialize=initialized,
        generator=0,
    )
    x = rng.normal(size=(4, 3))
    if initialized:
        _, net.state = net.forward(x)
    found = again(path, net, custom=[Gated])
    assert found == net
    assert list(found.learnables) == list(net.learnables)
    if not initialized:
        found, net = found.initialize(generator=1), net.initialize(generator=1)
        assert found == net
    stored = again(path, found, custom=[Gated])
    in_file = set(safetensors.numpy.load_file(path))
    assert in_file == {*net.learnables, *net.state}
    (y, state), (mine, mine_state) = net.forward(x), stored.forward(x)
    assert np.array_equal(y, mine)
    assert state == mine_state
    assert state["gated/calls"] == net.state["gated/calls"] + 2
    with pytest.raises(dl.InvalidArgumentError, match=r"load\(path, custom=\[Gated\]\)"):
        dl.load(path)


def test_examples_of_open_inputs_come_back(path):
    net = dl.dlnetwork([layers.FullyConnected(3)], dl.dlarray(np.zeros((5, 2)), "BC"))
    found = again(path, net)
    edited = found.add_layers(layers.Tanh(name="t")).connect_layers("fc", "t").initialize()
    assert edited.predict(dl.dlarray(np.zeros((1, 2)), "BC")).shape == (1, 3)


def test_a_network_that_is_not_initialised_comes_back(path):
    net = dl.dlnetwork([layers.FullyConnected(2, weights=np.eye(2))])
    found = again(path, net)
    assert not found.initialized
    given = found.initialize(dl.dlarray(np.ones((1, 2)), "BC")).learnables["fc/weights"]
    assert np.array_equal(given, np.eye(2))


def test_a_loaded_network_trains(path, rng):
    def loss(net, x):
        y = net.predict(x)
        value = (y * y).sum()
        return value, dl.dlgradient(value, net)

    x = dl.dlarray(rng.normal(size=(3, 2)).astype(np.float32), "BC")
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)], generator=0)
    for mine, theirs in zip(
        dl.dlfeval(loss, again(path, net), x)[1].learnables.arrays(),
        dl.dlfeval(loss, net, x)[1].learnables.arrays(),
        strict=True,
    ):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_arrays_of_every_dtype_come_back(path, rng, dtype, shape):
    parts = np.float64(rng.uniform(0, 100, size=shape))
    value = np.asarray(parts + 40j if dtype[0] == "c" else parts).astype(dtype)
    found = again(path, [value, np.asarray(value).T])[0]
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (np.dtype(dtype), shape)
    assert np.array_equal(found, value)


def test_containers_come_back(path):
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)], generator=0)
    value = {
        "nets": [net, (net,)],
        "w": dl.dlarray(np.ones((2, 3)), "CB"),
        "number": dl.dlarray(1.5),
        "table": net.learnables,
        7: [True, None, -1.5, float("-inf"), 1 - 2j, "text", np.float32(0.1), np.int64(3), 10**30],
        "a/b": np.ones(2),
        "a": {"b": np.zeros(2)},
    }
    found = again(path, value)
    assert list(found) == list(value)
    assert dl.dims(found["w"]) == "CB"
    assert found["number"]._format == value["number"]._format
    assert np.array_equal(found["a/b"], value["a/b"])
    assert np.array_equal(found["a"]["b"], value["a"]["b"])
    assert found["nets"] == value["nets"]
    assert found["table"] == net.learnables
    assert [type(v) for v in found[7]] == [type(v) for v in value[7]]
    assert found[7] == value[7]


def test_tables_of_pandas_come_back(path):
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)], generator=0)
    table = net.learnables.to_pandas()
    found = again(path, table)
    assert isinstance(found, pd.DataFrame)
    net2 = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)], generator=1)
    net2.learnables = found
    assert net2 == net


def test_layers_and_functions_of_the_user_are_passed(path, rng):
    net = dl.dlnetwork(
        [
            layers.FeatureInput(2),
            Scaled(3.0),
            OwnInit("abc"),
            layers.Function(twice),
            layers.Function(dl.tanh),
        ]
    )
    found = again(path, net, custom=[Scaled, twice, OwnInit])
    x = rng.normal(size=(4, 2))
    assert np.array_equal(found.predict(x), net.predict(x))
    assert found.get_layer("scaled").seen == ("sizes", (1, 2))
    with pytest.raises(dl.InvalidArgumentError) as caught:
        dl.load(path, custom=[OwnInit])
    assert "your classes or functions" in str(caught.value)
    assert "load(path, custom=[Scaled, twice])" in str(caught.value).replace(
        "[twice, Scaled]", "[Scaled, twice]"
    )


# -- other programs --------------------------------------------------------------------------------


def test_the_library_of_the_format_reads_our_files(path):
    net = images()
    dl.save(path, net)
    found = safetensors.numpy.load_file(path)
    assert set(found) == {*net.learnables, *net.state}
    for key, value in {**net.learnables, **net.state}.items():
        assert np.array_equal(found[key], value)


def test_we_read_files_of_the_library(path, rng):
    arrays = {"a.b": rng.normal(size=(2, 3)), "c": np.arange(5), "d": np.float16([1, 2])}
    safetensors.numpy.save_file(arrays, path, {"format": "np"})
    found = dl.load(path)
    assert set(found) == set(arrays)
    for key, value in arrays.items():
        assert found[key].dtype == value.dtype
        assert np.array_equal(found[key], value)


def test_bfloat16_becomes_single(path):
    text = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    halves = (np.array([1.5, -2.0], np.float32).view(np.uint32) >> 16).astype("<u2")
    path.write_bytes(len(text).to_bytes(8, "little") + text + halves.tobytes())
    assert dl.load(path)["x"].tolist() == [1.5, -2.0]


# -- what cannot be saved --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [object()]}, r"value\['a'\]\['0'\] is a object"),
        (np.array(["x"]), "dtype <U1"),
        ({1.5: 2}, "key 1.5"),
        (
            dl.dlnetwork([layers.FeatureInput(1), layers.Function(lambda x: x)]),
            "fun of layer 'function' is a function without a name",
        ),
    ],
)
def test_what_cannot_be_saved_is_named(path, value, text):
    with pytest.raises(dl.InvalidArgumentError, match=text):
        dl.save(path, value)
    assert not path.exists()


def test_a_container_that_holds_itself(path):
    value = []
    value.append(value)
    with pytest.raises(dl.InvalidArgumentError, match="nested more than"):
        dl.save(path, value)


def test_swapped_arguments(path):
    with pytest.raises(dl.InvalidArgumentError, match="save: path must be the path of a file"):
        dl.save(images(), path)


# -- writing is atomic -----------------------------------------------------------------------------

FULL_DISK = """
import resource, signal, sys
import numpy as np
import dlgradient as dl
dl.load  # everything is imported
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    dl.save(sys.argv[1], {"w": np.ones(100_000)})
except OSError as error:
    print(error.__notes__)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for sizes of files")
def test_a_full_disk_loses_nothing(path):
    dl.save(path, {"w": np.zeros(3)})
    run = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "is unchanged" in done.stdout
    assert dl.load(path)["w"].tolist() == [0, 0, 0]
    assert list(path.parent.iterdir()) == [path]


KILLED = """
import sys
import numpy as np
import dlgradient as dl
i = 0
while True:
    i += 1
    dl.save(sys.argv[1], {"w": np.full(200_000, i), "i": i})
    print(i, flush=True)
"""


def test_a_killed_program_leaves_a_whole_file(path, rng):
    for _ in range(3):
        program = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        program.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        program.kill()
        program.wait()
        program.stdout.close()
        found = dl.load(path)
        assert set(found["w"].tolist()) == {found["i"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_links_and_modes_stay(path, tmp_path):
    dl.save(path, [1])
    path.chmod(0o640)
    link = tmp_path / "latest"
    link.symlink_to(path)
    dl.save(link, [2])
    assert link.is_symlink()
    assert dl.load(path) == [2]
    assert path.stat().st_mode & 0o777 == 0o640


# -- damaged and hostile files ---------------------------------------------------------------------


def written(path, header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + rest)


def described(content, **entries):
    text = json.dumps({"version": 1, "content": content})
    return {"__metadata__": {"dlgradient": text}, **entries}


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LAYER = {"class": "FeatureInput", "name": "x", "options": {"num_features": 2}, "others": {}}


def network(layer, **changes):
    parts = {"connections": [], "outputs": [], "examples": [], "initialized": False}
    return described({"$": "network", "layers": [layer], **parts, **changes})


@pytest.mark.parametrize(
    ("header", "rest", "text"),
    [
        (b"", b"", "not valid JSON"),
        (b"[1]", b"", "no.* object|not a JSON object"),
        (b"\xff\xfe", b"", "not valid JSON"),
        (b"[" * 100_000, b"", "nested too deeply"),
        (b'{"a":' * 50_000, b"", "nested too deeply"),
        (b"1" * 10_000, b"", "not valid JSON"),
        (b'{"a":1,"a":1}', b"", "occurs twice"),
        ({"__metadata__": {"a": 1}}, b"", "texts by name"),
        ({"a": 1}, b"", "needs dtype"),
        ({"a": entry("F8")}, b"1234", "dtype 'F8'"),
        ({"a": entry(shape=(2**62,) * 32)}, b"1234", "no sizes"),
        ({"a": entry(shape=(2**40, 2**40))}, b"1234", "needs"),
        ({"a": entry(shape=(-1,))}, b"1234", "no sizes"),
        ({"a": entry(shape=(1.0,))}, b"1234", "no sizes"),
        ({"a": entry(shape=(0, 2**61), offsets=(0, 0))}, b"", "'a'"),
        ({"a": entry(shape=(1,) * 60)}, b"1234", "no sizes"),
        ({"a": entry(), "b": entry()}, b"12341234", "overlaps"),
        ({"a": entry(offsets=(4, 8))}, b"12341234", "hole"),
        ({"a": entry(), "b": entry(offsets=(2, 6))}, b"12341234", "overlaps"),
        ({"a": entry()}, b"12", "cut off"),
        ({"a": entry()}, b"12345", "something follows"),
        ({"a": entry("BOOL", (4,))}, b"\0\1\2\3", "truth"),
        ({"__metadata__": {"dlgradient": "[" * 9999}}, b"", "nested too deeply"),
        ({"__metadata__": {"dlgradient": "{}"}}, b"", "no version"),
        ({"__metadata__": {"dlgradient": '{"version":2,"content":1}'}}, b"", "version 2"),
        ({"__metadata__": {"dlgradient": '{"version":1,"content":NaN}'}}, b"", "NaN"),
        (described({"$": "lambda"}), b"", "unknown kind 'lambda'"),
        (described({"$": "array", "name": "a"}), b"", "no array 'a'"),
        (described({"$": "complex", "parts": ["1"]}), b"", "where names are expected"),
        (network({**LAYER, "class": "FeatureInputs"}), b"", "there is 'FeatureInput'"),
        (network({**LAYER, "class": "__class__"}), b"", "unknown class"),
        (network({**LAYER, "class": "Layout"}), b"", "unknown class"),
        (network({**LAYER, "options": {"num_features": -1}}), b"", "num_features"),
        (network({**LAYER, "options": {"predict": 1}}), b"", "predict"),
        (
            network({**LAYER, "class": "Addition", "options": {"num_inputs": 10**12}}),
            b"",
            "the most is 10,000",
        ),
        (network(LAYER, connections=[["x", "out", "x", "in"]]), b"", "has no input"),
        (network(LAYER, connections=[["x", "out", "y", "in"]]), b"", "no layer 'y'"),
        (network(LAYER, outputs=[["x", "z"]]), b"", "has no output"),
        (
            network(
                {**LAYER, "class": "Tanh", "options": {}},
                connections=[["x", "out", "x", "in"]],
            ),
            b"",
            "circle",
        ),
    ],
    ids=str,
)
def test_hostile_files_are_refused(path, header, rest, text):
    written(path, header, rest)
    with pytest.raises(dl.InvalidFileError, match=text) as caught:
        dl.load(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "0 bytes"),
        (b"\xff" * 8, "not a safetensors file"),
        (b"\xff\xff\xff\x01\0\0\0\0{}", "not a safetensors file"),
        (b"PK\x03\x04" + b"\0" * 100, "zip"),
        (b"\x80\x04" + b"." * 100, "pickle"),
    ],
)
def test_other_kinds_of_files_are_named(path, content, text):
    path.write_bytes(content)
    with pytest.raises(dl.InvalidFileError, match=text):
        dl.load(path)


def test_a_file_calls_only_functions_of_arrays(path):
    node = {"$": "function", "name": "system", "module": "os"}
    layer = {"class": "Function", "name": "x", "options": {"fun": node}, "others": {}}
    for module, name in [("os", "system"), ("dlgradient.network.saving", "save")]:
        node.update(module=module, name=name)
        written(path, network(layer))
        with pytest.raises(dl.InvalidArgumentError, match=f"needs your .* {name}"):
            dl.load(path)


def test_huge_sizes_take_no_memory(path):
    written(path, {"a": entry(shape=(2**30,), offsets=(0, 2**32))}, b"1234")
    tracemalloc.start()
    try:
        with pytest.raises(dl.InvalidFileError):
            dl.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory")
def test_reading_damaged_files_has_a_limit_of_memory(tmp_path):
    """Also for memory that is only asked for."""

    def greedy(_=None):
        return np.empty(8 * mutations.MEMORY, np.uint8)

    with pytest.raises(MemoryError) as caught:
        mutations.ends(greedy, tmp_path / "damaged", [b"1"])
    assert caught.value.__notes__ == ["damaged file 0"]
    assert greedy().size == 8 * mutations.MEMORY


@pytest.mark.parametrize("number", range(3))
def test_damaged_files_end_in_an_error_of_ours(tmp_path, number):
    good = list(mutations.files())[number]
    path = tmp_path / "damaged"
    assert mutations.ends(dl.load, path, [good]) == {"read": 1}
    damaged = (
        mutations.mutated(good, np.random.default_rng((number, seed))) for seed in range(1700)
    )
    ends = mutations.ends(dl.load, path, damaged)
    assert set(ends) <= {"read", "InvalidFileError", "InvalidArgumentError"}
    assert ends["InvalidFileError"] > 1000


@pytest.mark.parametrize("ending", ["mat", "npz", "onnx", "PT", "h5", "pkl"])
def test_endings_of_other_formats_are_refused(tmp_path, ending):
    path = tmp_path / f"net.{ending}"
    with pytest.raises(
        dl.InvalidArgumentError, match=r"save: path .* end its name in \.safetensors"
    ):
        dl.save(path, {"a": dl.dlarray(1.0)})
    assert not path.exists()
