"""Every layer: sizes and formats of its results, derivatives to second order, options, printing."""

import inspect
import pickle

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.testing import check_derivatives

BASES = {"Layer", "Layout"}
# Layer, shapes and formats of its inputs, shape and format of its result.
CASES = {
    "Input": (lambda: layers.Input((None, 3), "BC"), [((2, 3), "BC")], ((2, 3), "BC")),
    "FeatureInput": (lambda: layers.FeatureInput(3), [((2, 3), "BC")], ((2, 3), "BC")),
    "ImageInput": (
        lambda: layers.ImageInput(
            (3, 2, 1), normalization="zscore", mean=0.5, standard_deviation=2
        ),
        [((3, 2, 1, 2), "SSCB")],
        ((3, 2, 1, 2), "SSCB"),
    ),
    "Image3dInput": (
        lambda: layers.Image3dInput(
            (2, 2, 2, 1), normalization="rescale-symmetric", min=0, max=[3]
        ),
        [((2, 2, 2, 1, 2), "SSSCB")],
        ((2, 2, 2, 1, 2), "SSSCB"),
    ),
    "SequenceInput": (
        lambda: layers.SequenceInput(2, normalization="rescale-zero-one", min=[0, 1], max=4),
        [((3, 2, 2), "TCB")],
        ((3, 2, 2), "TCB"),
    ),
    "FullyConnected": (
        lambda: layers.FullyConnected(4),
        [((2, 3, 2, 5), "SCBT")],
        ((4, 2, 5), "CBT"),
    ),
    "FullyConnected, channel": (
        lambda: layers.FullyConnected(4, operation_dimension="channel"),
        [((2, 3, 2), "SCB")],
        ((2, 4, 2), "SCB"),
    ),
    "Convolution1d": (
        lambda: layers.Convolution1d(3, 2, padding="causal", dilation_factor=2),
        [((5, 2, 2), "TCB")],
        ((5, 2, 2), "TCB"),
    ),
    "Convolution2d": (
        lambda: layers.Convolution2d((2, 3), 2, stride=2, padding=1),
        [((2, 4, 5, 3), "BSSC")],
        ((2, 3, 3, 2), "BSSC"),
    ),
    "Convolution3d": (
        lambda: layers.Convolution3d(2, 2),
        [((2, 3, 2, 2, 1), "SSSCB")],
        ((1, 2, 1, 2, 1), "SSSCB"),
    ),
    "GroupedConvolution1d": (
        lambda: layers.GroupedConvolution1d(3, 2, 2, padding="same"),
        [((4, 4, 1), "SCB")],
        ((4, 4, 1), "SCB"),
    ),
    "GroupedConvolution2d": (
        lambda: layers.GroupedConvolution2d(2, 1, "channel-wise"),
        [((3, 3, 3, 1), "SSCB")],
        ((2, 2, 3, 1), "SSCB"),
    ),
    "TransposedConvolution1d": (
        lambda: layers.TransposedConvolution1d(4, 3, stride=2, cropping="same"),
        [((3, 2, 1), "TCB")],
        ((6, 3, 1), "TCB"),
    ),
    "TransposedConvolution2d": (
        lambda: layers.TransposedConvolution2d(2, 2, stride=2),
        [((2, 2, 1, 1), "SSCB")],
        ((4, 4, 2, 1), "SSCB"),
    ),
    "TransposedConvolution3d": (
        lambda: layers.TransposedConvolution3d(2, 1, stride=2),
        [((2, 1, 2, 2, 1), "SSSCB")],
        ((4, 2, 4, 1, 1), "SSSCB"),
    ),
    "MaxPooling1d": (lambda: layers.MaxPooling1d(2), [((4, 2, 1), "TCB")], ((3, 2, 1), "TCB")),
    "MaxPooling2d": (
        lambda: layers.MaxPooling2d(2, stride=2),
        [((4, 4, 2, 1), "SSCB")],
        ((2, 2, 2, 1), "SSCB"),
    ),
    "MaxPooling3d": (
        lambda: layers.MaxPooling3d(2),
        [((2, 3, 2, 1, 1), "SSSCB")],
        ((1, 2, 1, 1, 1), "SSSCB"),
    ),
    "AveragePooling1d": (
        lambda: layers.AveragePooling1d(2, padding="same", padding_value="mean"),
        [((4, 2, 1), "SCB")],
        ((4, 2, 1), "SCB"),
    ),
    "AveragePooling2d": (
        lambda: layers.AveragePooling2d(2, stride=2),
        [((4, 4, 2, 1), "SSCB")],
        ((2, 2, 2, 1), "SSCB"),
    ),
    "AveragePooling3d": (
        lambda: layers.AveragePooling3d(2),
        [((2, 3, 2, 1, 1), "SSSCB")],
        ((1, 2, 1, 1, 1), "SSSCB"),
    ),
    "GlobalMaxPooling1d": (
        lambda: layers.GlobalMaxPooling1d(),
        [((4, 2, 3), "TCB")],
        ((2, 3), "CB"),
    ),
    "GlobalMaxPooling2d": (
        lambda: layers.GlobalMaxPooling2d(),
        [((2, 3, 2, 1), "SSCB")],
        ((1, 1, 2, 1), "SSCB"),
    ),
    "GlobalMaxPooling3d": (
        lambda: layers.GlobalMaxPooling3d(),
        [((2, 2, 2, 1, 1), "SSSCB")],
        ((1, 1, 1, 1, 1), "SSSCB"),
    ),
    "GlobalAveragePooling1d": (
        lambda: layers.GlobalAveragePooling1d(),
        [((4, 2, 3), "SCB")],
        ((1, 2, 3), "SCB"),
    ),
    "GlobalAveragePooling2d": (
        lambda: layers.GlobalAveragePooling2d(),
        [((2, 3, 2, 1), "SSCB")],
        ((1, 1, 2, 1), "SSCB"),
    ),
    "GlobalAveragePooling3d": (
        lambda: layers.GlobalAveragePooling3d(),
        [((2, 2, 2, 1, 1), "SSSCB")],
        ((1, 1, 1, 1, 1), "SSSCB"),
    ),
    "AdaptiveAveragePooling2d": (
        lambda: layers.AdaptiveAveragePooling2d((2, 1)),
        [((3, 4, 2, 1), "SSCB")],
        ((2, 1, 2, 1), "SSCB"),
    ),
    "BatchNormalization": (
        lambda: layers.BatchNormalization(),
        [((4, 3), "BC")],
        ((4, 3), "BC"),
    ),
    "LayerNormalization": (
        lambda: layers.LayerNormalization(),
        [((4, 3, 2), "TCB")],
        ((4, 3, 2), "TCB"),
    ),
    "RmsNormalization": (lambda: layers.RmsNormalization(), [((2, 3), "BC")], ((2, 3), "BC")),
    "GroupNormalization": (
        lambda: layers.GroupNormalization(2),
        [((3, 4, 2), "SCB")],
        ((3, 4, 2), "SCB"),
    ),
    "InstanceNormalization": (
        lambda: layers.InstanceNormalization(),
        [((4, 2, 2), "SCB")],
        ((4, 2, 2), "SCB"),
    ),
    "CrossChannelNormalization": (
        lambda: layers.CrossChannelNormalization(3, alpha=0.5),
        [((2, 4), "BC")],
        ((2, 4), "BC"),
    ),
    "Relu": (layers.Relu, [((3, 2), "CB")], ((3, 2), "CB")),
    "LeakyRelu": (lambda: layers.LeakyRelu(0.2), [((3, 2), "CB")], ((3, 2), "CB")),
    "ClippedRelu": (lambda: layers.ClippedRelu(0.7), [((3, 2), "CB")], ((3, 2), "CB")),
    "Elu": (lambda: layers.Elu(0.5), [((3, 2), "CB")], ((3, 2), "CB")),
    "Prelu": (layers.Prelu, [((3, 2), "CB")], ((3, 2), "CB")),
    "Gelu": (lambda: layers.Gelu(approximation="tanh"), [((3, 2), "CB")], ((3, 2), "CB")),
    "Swish": (layers.Swish, [((3, 2), "CB")], ((3, 2), "CB")),
    "Softplus": (layers.Softplus, [((3, 2), "CB")], ((3, 2), "CB")),
    "Tanh": (layers.Tanh, [((3, 2), "CB")], ((3, 2), "CB")),
    "Sigmoid": (layers.Sigmoid, [((3, 2), "CB")], ((3, 2), "CB")),
    "Softmax": (layers.Softmax, [((3, 2), "CB")], ((3, 2), "CB")),
    "ComplexRelu": (layers.ComplexRelu, [((3, 2), "CB")], ((3, 2), "CB")),
    "Zrelu": (layers.Zrelu, [((3, 2), "CB")], ((3, 2), "CB")),
    "Function": (lambda: layers.Function(dl.sin), [((3, 2), "CB")], ((3, 2), "CB")),
    "Lstm": (lambda: layers.Lstm(3), [((4, 2, 2), "TCB")], ((4, 3, 2), "TCB")),
    "Lstm, last": (
        lambda: layers.Lstm(3, output_mode="last"),
        [((4, 2, 2), "TCB")],
        ((3, 2), "CB"),
    ),
    "Bilstm": (lambda: layers.Bilstm(2), [((3, 2, 2), "TCB")], ((3, 4, 2), "TCB")),
    "Gru": (
        lambda: layers.Gru(2, reset_gate_mode="recurrent-bias-after-multiplication"),
        [((3, 2, 2), "TCB")],
        ((3, 2, 2), "TCB"),
    ),
    "LstmProjected": (
        lambda: layers.LstmProjected(3, 2, 1, output_mode="last"),
        [((4, 2, 2), "TCB")],
        ((3, 2), "CB"),
    ),
    "GruProjected": (
        lambda: layers.GruProjected(3, 2, 1, reset_gate_mode="before-multiplication"),
        [((3, 2, 2), "TCB")],
        ((3, 3, 2), "TCB"),
    ),
    "SelfAttention": (
        lambda: layers.SelfAttention(2, 4, num_value_channels=2, dropout_probability=0.3),
        [((3, 2, 2), "TCB")],
        ((3, 2, 2), "TCB"),
    ),
    "SelfAttention, causal": (
        lambda: layers.SelfAttention(1, 2, output_size=3, attention_mask="causal"),
        [((2, 2, 3), "BCS")],
        ((2, 3, 3), "BCS"),
    ),
    "Attention": (
        lambda: layers.Attention(2, scale=0.7, dropout_probability=0.2),
        [((2, 4, 2), "TCB"), ((3, 4, 2), "TCB"), ((3, 4, 2), "TCB")],
        ((2, 4, 2), "TCB"),
    ),
    "PositionEmbedding": (
        lambda: layers.PositionEmbedding(3, 6),
        [((4, 2, 2), "TCB")],
        ((4, 3, 2), "TCB"),
    ),
    "PositionEmbedding, space": (
        lambda: layers.PositionEmbedding(3, 4),
        [((2, 4, 2), "CSB")],
        ((3, 4, 2), "CSB"),
    ),
    "SinusoidalPositionEncoding": (
        lambda: layers.SinusoidalPositionEncoding(4),
        [((3, 2, 2), "TCB")],
        ((3, 4, 2), "TCB"),
    ),
    "SinusoidalPositionEncoding, values": (
        lambda: layers.SinusoidalPositionEncoding(4, positions="data-values"),
        [((3, 1), "BC")],
        ((3, 4), "BC"),
    ),
    "EmbeddingConcatenation": (
        layers.EmbeddingConcatenation,
        [((2, 3, 2), "SCB")],
        ((3, 3, 2), "SCB"),
    ),
    "Indexing1d": (lambda: layers.Indexing1d("last"), [((4, 2, 3), "TCB")], ((2, 3), "CB")),
    "PatchEmbedding": (
        lambda: layers.PatchEmbedding((2, 3), 3),
        [((4, 6, 2, 1), "SSCB")],
        ((4, 3, 1), "SCB"),
    ),
    "PatchEmbedding, columns": (
        lambda: layers.PatchEmbedding(2, 3, spatial_flatten_mode="column-major"),
        [((1, 2, 4, 2), "BCSS")],
        ((1, 3, 2), "BCS"),
    ),
    "ComplexFullyConnected": (
        lambda: layers.ComplexFullyConnected(2),
        [((2, 3), "BC")],
        ((2, 2), "BC"),
    ),
    "SpectralConvolution1d": (
        lambda: layers.SpectralConvolution1d(2, 3),
        [((5, 2, 2), "SCB")],
        ((5, 3, 2), "SCB"),
    ),
    "SpectralConvolution2d": (
        lambda: layers.SpectralConvolution2d((2, 3), 2),
        [((4, 5, 1, 2), "SSCB")],
        ((4, 5, 2, 2), "SSCB"),
    ),
    "SpectralConvolution3d": (
        lambda: layers.SpectralConvolution3d(2, 1),
        [((3, 4, 4, 1, 1), "SSSCB")],
        ((3, 4, 4, 1, 1), "SSSCB"),
    ),
    "NeuralOde": (
        lambda: layers.NeuralOde(
            dl.dlnetwork([layers.FullyConnected(2), layers.Tanh()]),
            [0, 0.5, 1],
            relative_tolerance=1e-9,
            absolute_tolerance=1e-9,
        ),
        [((3, 2), "BC")],
        ((3, 2, 2), "BCT"),
    ),
    "InverseNormalization": (
        lambda: layers.InverseNormalization("rescale-symmetric", min=[0, 1], max=4),
        [((3, 2), "BC")],
        ((3, 2), "BC"),
    ),
    "Crop2d": (
        layers.Crop2d,
        [((5, 4, 1, 2), "SSCB"), ((2, 3, 1, 2), "SSCB")],
        ((2, 3, 1, 2), "SSCB"),
    ),
    "Crop3d": (
        lambda: layers.Crop3d((1, 0, 0)),
        [((3, 2, 2, 1, 1), "SSSCB"), ((2, 1, 2, 1, 1), "SSSCB")],
        ((2, 1, 2, 1, 1), "SSSCB"),
    ),
    "Permute": (lambda: layers.Permute((1, 0, 2)), [((4, 2, 3), "TCB")], ((2, 4, 3), "TCB")),
    "Reshape": (lambda: layers.Reshape((3, 2)), [((2, 3, 2), "BCS")], ((2, 3, 2), "BSC")),
    "Scaling": (lambda: layers.Scaling([2.0, 3.0], 0.5), [((3, 2), "BC")], ((3, 2), "BC")),
    "Quadratic": (layers.Quadratic, [((2, 3), "BC")], ((2, 6), "BC")),
    "ComplexToReal": (layers.ComplexToReal, [((3, 2), "BC")], ((3, 4), "BC")),
    "RealToComplex": (layers.RealToComplex, [((4, 2), "CB")], ((2, 2), "CB")),
    "Addition": (
        lambda: layers.Addition(3),
        [((2, 3), "BC"), ((3, 2), "CB"), ((2, 3), "BC")],
        ((2, 3), "BC"),
    ),
    "Multiplication": (
        lambda: layers.Multiplication(2),
        [((2, 3), "BC"), ((2, 3), "BC")],
        ((2, 3), "BC"),
    ),
    "Concatenation": (
        lambda: layers.Concatenation("S2", 2),
        [((2, 3, 1, 1), "SSCB"), ((2, 1, 1, 1), "SSCB")],
        ((2, 4, 1, 1), "SSCB"),
    ),
    "DepthConcatenation": (
        lambda: layers.DepthConcatenation(2),
        [((2, 3), "BC"), ((2, 1), "BC")],
        ((2, 4), "BC"),
    ),
    "Dropout": (lambda: layers.Dropout(0.5), [((2, 3), "BC")], ((2, 3), "BC")),
    "SpatialDropout": (lambda: layers.SpatialDropout(0.5), [((2, 3), "BC")], ((2, 3), "BC")),
    "Flatten": (layers.Flatten, [((2, 2, 3, 5), "SSCB")], ((12, 5), "CB")),
    "Identity": (layers.Identity, [((2, 3), "BC")], ((2, 3), "BC")),
}
# Tested elsewhere: it has indices among its inputs, or takes them from a pooling layer; or it holds
# other layers.
ELSEWHERE = {"Embedding", "MaxUnpooling2d", "Network", "Shared", "WordEmbedding"}


def inputs(name, rng):
    """Arrays whose elements differ, so that no maximum is near a tie."""
    arrays = []
    for shape, fmt in CASES[name][1]:
        size = int(np.prod(shape))
        values = (np.arange(size) + rng.uniform(0.25, 0.75, size)) / size * 3 - 1.5
        arrays.append(dl.dlarray(rng.permuted(values).reshape(shape), fmt))
    return arrays


def doubled(a):
    return dl.astype(a, np.result_type(a.dtype, np.float64))


def network(name, xs):
    layer = CASES[name][0]()
    examples = [] if not layer.input_names else xs
    return dl.dlnetwork([layer], *examples, generator=1)


def test_every_layer_has_a_case():
    covered = {name.partition(",")[0] for name in CASES} | ELSEWHERE | BASES
    assert covered == set(layers.__all__)


@pytest.mark.parametrize("name", CASES)
def test_sizes_and_formats(name, rng):
    xs = inputs(name, rng)
    net = network(name, xs)
    shape, fmt = CASES[name][2]
    for y in (net.predict(*xs), net.forward(*xs, generator=0)[0]):
        assert (y.shape, dl.dims(y)) == (shape, fmt)
    assert all(a.dtype in (np.float32, np.complex64) for a in net.learnables.arrays())


@pytest.mark.parametrize("name", CASES)
def test_a_step_leaves_format_and_dtype_of_the_state(name, rng):
    """So an accelerated function needs one program; a memory gets the size of the batch."""
    xs = inputs(name, rng)
    net = network(name, xs)
    _, state = net.forward(*[x.astype(np.float32) for x in xs], generator=0)
    kept = [(a, state[key]) for key, a in net.state.items() if a.shape == state[key].shape]
    found = [(dl.dims(b), b.dtype) for _, b in kept]
    assert found == [(dl.dims(a), a.dtype) for a, _ in kept]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_derivatives_to_second_order(name, training, rng):
    xs = inputs(name, rng)
    net = dl.dlupdate(doubled, network(name, xs))
    keys = list(net.learnables)
    formats = [dl.dims(x) for x in xs]

    def run(*values):
        given = values[: len(keys)]
        net_here = net.copy()
        net_here = net_here.with_learnables(
            type(net.learnables).of(net.learnables.columns, list(given))
        )
        arrays = [dl.dlarray(x, f) for x, f in zip(values[len(keys) :], formats, strict=True)]
        y = net_here.forward(*arrays, generator=3)[0] if training else net_here.predict(*arrays)
        return dl.stripdims(y)

    learned = [np.asarray(a) + rng.uniform(0.05, 0.2, a.shape) for a in net.learnables.arrays()]
    check_derivatives(run, *learned, *[dl.extractdata(x) for x in xs])


# Encodings of positions depend on sizes only, and have no derivative. A function may be any.
@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in ("Function", "SinusoidalPositionEncoding")]
)
def test_a_step_that_is_replayed_has_the_bits_of_an_eager_one(name, rng):
    """So a training that goes on from a checkpoint, and records anew, ends as any other."""
    xs = inputs(name, rng)
    net = network(name, xs)

    def step(net, xs, generator):
        *ys, state = net.forward(*xs, generator=generator)
        loss = sum((dl.abs2(y - 0.3) * w).sum() for y, w in zip(ys, weights, strict=True))
        learnables = [*net.learnables.arrays()]
        return loss, dl.dlgradient(loss, [*learnables, *xs]), ys, state

    *ys, _ = net.forward(*xs, generator=0)
    weights = [rng.standard_normal(y.shape) for y in ys]
    accelerated = dl.dlaccelerate(step)
    first, second = np.random.default_rng(0), np.random.default_rng(0)
    with dl.acceleration("numpy"):
        for _ in range(5):
            eager = dl.dlfeval(step, net, xs, first)
            found = accelerated(net, xs, second)
            for a, b in zip(eager, found, strict=True):
                pairs = [(a, b)] if dl.isdlarray(a) else zip(members(a), members(b), strict=True)
                for x, y in pairs:
                    assert np.asarray(x).tobytes() == np.asarray(y).tobytes()
            xs = [x * 1.5 for x in xs]
    # The steps of a solver depend on the values.
    assert accelerated.hit_rate == (0 if name == "NeuralOde" else 60), accelerated.explain()


def members(values):
    return values if type(values) is list else list(values.arrays())


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("Function", "NeuralOde")])
def test_pickled_and_printed(name, rng):
    xs = inputs(name, rng)
    net = network(name, xs)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict(*xs), net.predict(*xs))
    layer = next(iter(again.layers.values()))
    assert eval(repr(layer), vars(layers)).__dict__.keys() <= layer.__dict__.keys()


@pytest.mark.parametrize("name", sorted(set(layers.__all__) - BASES))
def test_wrong_options_are_answered_by_name(name):
    kind = getattr(layers, name)
    with pytest.raises(dl.DlgradientError, match=rf"^layers\.{name}: .*'Nonsense'"):
        kind(Nonsense=1)
    required = [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    if required:
        with pytest.raises(dl.DlgradientError, match=rf"layers\.{name}"):
            kind(*[object()] * len(required))


# Section by section, the layers of MATLAB's Deep Learning Toolbox, R2026a, without "Layer".
MATLAB = """
    input featureInput imageInput image3dInput sequenceInput
    convolution1d convolution2d convolution3d groupedConvolution2d transposedConv1d
    transposedConv2d transposedConv3d fullyConnected complexFullyConnected spectralConvolution1d
    spectralConvolution2d spectralConvolution3d
    lstm bilstm gru lstmProjected gruProjected
    selfAttention attention embedding positionEmbedding sinusoidalPositionEncoding
    embeddingConcatenation indexing1d patchEmbedding wordEmbedding
    neuralODE
    relu leakyRelu clippedRelu elu prelu gelu swish softplus tanh sigmoid softmax complexRelu zrelu
    function
    batchNormalization groupNormalization instanceNormalization layerNormalization
    crossChannelNormalization inverseNormalization
    dropout spatialDropout flatten crop2d crop3d identity permute reshape network quadratic scaling
    complexToReal realToComplex
    averagePooling1d averagePooling2d averagePooling3d maxPooling1d maxPooling2d maxPooling3d
    globalAveragePooling1d globalAveragePooling2d globalAveragePooling3d globalMaxPooling1d
    globalMaxPooling2d globalMaxPooling3d adaptiveAveragePooling2d maxUnpooling2d
    addition multiplication concatenation depthConcatenation
"""


@pytest.mark.parametrize("name", MATLAB.split())
def test_every_layer_of_matlab_exists(name):
    spelling = f"{name}Layer"
    with pytest.raises(AttributeError, match=r"write layers\.(\w+)\n") as caught:
        getattr(layers, spelling)
    meant = caught.value.args[0].partition("write layers.")[2].partition("\n")[0]
    assert (
        meant.lower()
        == name.replace("Conv1d", "Convolution1d")
        .replace("Conv2d", "Convolution2d")
        .replace("Conv3d", "Convolution3d")
        .lower()
    )
    assert spelling in (inspect.getdoc(getattr(layers, meant)) or "")
