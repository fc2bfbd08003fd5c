"""Steps of trainnet as programs: the bits of eager ones, and nothing of a user's is left out."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pickle import dumps, loads

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.core import attributes
from dlgradient.train.loss import Objective, loss_function

ROWS = 44  # a whole batch and a part of one in each epoch
BATCH = 32


def options(**others):
    given = {"max_epochs": 5, "mini_batch_size": BATCH, "verbose": False, "generator": 1}
    return dl.training_options("adam", **given | others)


def trained(x, t, net, loss, mode="auto", **others):
    with dl.acceleration(mode):
        return dl.trainnet(x, t, net, loss, options(**others))


def bits(net):
    tables = net.learnables, net.state
    return [(key, np.asarray(x).tobytes()) for table in tables for key, x in table.items()]


def replayed(net):
    """Return how many evaluations programs have answered, and how many were recorded."""
    functions = [replay.function for replay in net.programs.values()]
    return sum(f.hits for f in functions), sum(f.misses for f in functions)


def network(rows):
    return dl.dlnetwork(rows, generator=0)


def features(*middle, classes=3):
    return [
        layers.FeatureInput(5),
        *middle,
        layers.FullyConnected(classes, name="last"),
        layers.Softmax(),
    ]


def images(*middle):
    first = layers.ImageInput((6, 6, 2), normalization="none", data_format="BSSC")
    return [first, *middle, layers.FullyConnected(3, name="last"), layers.Softmax()]


def sequences(*middle):
    first = layers.SequenceInput(4, data_format="BTC")
    return [first, *middle, layers.FullyConnected(3, name="last"), layers.Softmax()]


NETWORKS = {
    "tanh": lambda: features(layers.FullyConnected(7), layers.Tanh()),
    "norms": lambda: features(
        layers.FullyConnected(8),
        layers.BatchNormalization(),
        layers.Gelu(),
        layers.LayerNormalization(),
        layers.FullyConnected(8),
        layers.GroupNormalization(2),
        layers.Swish(),
    ),
    "nested": lambda: features(
        layers.Network(
            dl.dlnetwork([layers.FullyConnected(6, name="inner"), layers.BatchNormalization()])
        ),
        layers.LeakyRelu(),
    ),
    "convolutions": lambda: images(
        layers.Convolution2d(3, 4, padding="same"),
        layers.BatchNormalization(),
        layers.Relu(),
        layers.MaxPooling2d(2, stride=2),
        layers.GroupedConvolution2d(2, 1, "channel-wise"),
        layers.Elu(),
        layers.AveragePooling2d(2),
    ),
    "lstm": lambda: sequences(layers.Lstm(6, output_mode="last")),
    "gru": lambda: sequences(
        layers.Gru(5), layers.Bilstm(4, output_mode="last"), layers.ClippedRelu(1.0)
    ),
    "attention": lambda: sequences(layers.SelfAttention(2, 6), layers.GlobalAveragePooling1d()),
}
SHAPES = {"convolutions": (6, 6, 2), **dict.fromkeys(("lstm", "gru", "attention"), (7, 4))}


@pytest.mark.parametrize("name", NETWORKS)
def test_programs_give_the_bits_of_eager_steps(name, rng):
    x = rng.standard_normal((ROWS, *SHAPES.get(name, (5,)))).astype(np.float32)
    t = rng.integers(0, 3, ROWS)
    net = network(NETWORKS[name]())
    eager, _ = trained(x, t, net, "crossentropy", "none")
    assert replayed(net) == (0, 0)
    for mode in ("numpy", "numpy"):  # the second one has the programs of the first
        found, _ = trained(x, t, net, "crossentropy", mode)
        assert bits(found) == bits(eager)
    hits, misses = replayed(net)
    assert hits > 9
    assert misses == 4  # two batches of each size


def test_an_order_that_is_drawn_anew_needs_no_other_programs(rng):
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    net = network(features(layers.FullyConnected(7), layers.Tanh()))
    for seed in range(3):
        trained(x, t, net, "crossentropy", shuffle="every-epoch", generator=seed, max_epochs=10)
    assert replayed(net) == (3 * 20 - 4, 4)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_so_do_losses_of_numbers(loss, rng):
    x = rng.standard_normal((ROWS, 5))
    net = network([layers.FeatureInput(5), layers.FullyConnected(4), layers.Tanh(), _last()])
    for t in (x[:, :1] ** 2, np.float32(x[:, :1])):
        eager, _ = trained(x, t, net, loss, "none")
        found, _ = trained(x, t, net, loss)
        assert bits(found) == bits(eager)
    assert replayed(net)[0] > 9


@pytest.mark.parametrize("loss", ["mse", "crossentropy"])
def test_masks_of_padding_are_no_constants_of_a_program(loss, rng):
    """The sequences of a batch have other lengths in each epoch, and the longest is the same."""
    lengths = [7, 7, 7, 7, *rng.integers(1, 8, 20)]
    x = [rng.standard_normal((n, 4)) for n in lengths]
    net = network(sequences(layers.Lstm(6)))
    t = [np.eye(3)[rng.integers(0, 3, n)] for n in lengths]
    for i in range(2):
        given = [] if i else {"shuffle": "every-epoch", "mini_batch_size": 12, "max_epochs": 20}
        eager, wanted = trained(x, t, net, loss, "none", **dict(given))
        found, info = trained(x, t, net, loss, **dict(given))
        assert bits(found) == bits(eager)
        assert info.training_history["loss"] == wanted.training_history["loss"]
    assert replayed(net)[0] > 9


def _last():
    return layers.FullyConnected(1, name="last")


def test_what_a_user_wrote_runs_in_every_step(rng):
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    called = []

    def seen(y):
        called.append("layer")
        return y

    class Own(layers.Layer):
        def predict(self, y):
            called.append("layer")
            return y

    def loss(y, targets):
        called.append("loss")
        return dl.indexcrossentropy(y, targets)

    for layer in (Own(), layers.Function(seen), layers.Network(dl.dlnetwork([Own()]))):
        called.clear()
        net = network(features(layer))
        trained(x, t, net, "crossentropy")
        assert called.count("layer") >= 10  # two steps in each epoch
        assert replayed(net) == (0, 0)
    called.clear()
    trained(x, t, network(features()), loss)
    assert called.count("loss") >= 10


DRAWING = {
    "dropout": lambda: features(layers.Dropout(0.5), layers.FullyConnected(9), layers.Dropout(0.2)),
    "spatial": lambda: images(layers.Convolution2d(2, 6), layers.SpatialDropout(0.3)),
    "attention": lambda: sequences(
        layers.SelfAttention(2, 6, dropout_probability=0.4), layers.GlobalAveragePooling1d()
    ),
}


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937])
def test_draws_are_new_in_every_step(name, kind, rng):
    shape = {"spatial": (6, 6, 2), "attention": (7, 4)}.get(name, (5,))
    x, t = rng.standard_normal((ROWS, *shape)).astype(np.float32), rng.integers(0, 3, ROWS)
    net = network(DRAWING[name]())
    given = {"shuffle": "every-epoch", "max_epochs": 8}
    results = [
        trained(x, t, net, "crossentropy", mode, generator=np.random.Generator(kind(3)), **given)
        for mode in ("none", "numpy", "numpy")
    ]
    assert bits(results[0][0]) == bits(results[1][0]) == bits(results[2][0])
    losses = results[1][1].training_history["loss"]
    assert len(set(losses)) == len(losses)
    hits, misses = replayed(net)
    assert hits > 20
    assert misses == 4


def test_a_first_evaluation_that_fails_does_not_change_later_draws(rng):
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    net, other = (network(DRAWING["dropout"]()) for _ in range(2))
    objective = Objective(
        loss_function("crossentropy"), 1, np.random.default_rng(0), "crossentropy", True
    )
    wrong = dl.dlarray(rng.standard_normal((4, 6)), "BC"), t[:4]
    with pytest.raises(dl.DlgradientError, match="layer"):
        objective(net, wrong)
    found, expected = (trained(x, t, n, "crossentropy", generator=2)[0] for n in (net, other))
    assert bits(found) == bits(expected)


def test_threads_train_copies_of_a_network_as_one_after_the_other(rng):
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    net = network(DRAWING["dropout"]())

    def train(seed, net=net):
        return bits(trained(x, t, net, "crossentropy", generator=seed, max_epochs=20)[0])

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(train, range(6)))
    assert together == [train(seed, network(DRAWING["dropout"]())) for seed in range(6)]


def test_a_batch_that_is_wrong_later_is_answered_as_in_an_eager_step(rng):
    rows = [(rng.standard_normal(5), i % 3) for i in range(9 * BATCH)]
    rows[-1] = rows[-1][0], 3
    texts = []
    for mode in ("none", "auto"):
        net = network(features())
        with pytest.raises(dl.InvalidArgumentError, match="in mini-batch 9 is 3") as caught:
            trained(iter(rows), None, net, "crossentropy", mode, max_epochs=1)
        texts.append(str(caught.value).partition(" [")[0])
    assert texts[0] == texts[1]
    assert replayed(net)[0] > 4


def test_sequences_of_ever_new_lengths_are_not_recorded_for_ever(rng):
    x = [rng.standard_normal((n, 4)) for n in range(2, 62) for _ in range(2)]
    t = rng.integers(0, 3, len(x))
    net = network(sequences(layers.Lstm(3, output_mode="last")))
    trained(x, t, net, "crossentropy", mini_batch_size=2, shuffle="never", max_epochs=2)
    hits, misses = replayed(net)
    assert hits == 0
    assert misses < 20


def test_copies_and_pickles_have_no_programs(rng):
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    net, _ = trained(x, t, network(features()), "crossentropy")
    assert replayed(net)[0]
    for other in (deepcopy(net), loads(dumps(net))):
        assert not other.programs
        assert bits(other) == bits(net)
    assert replayed(net)[0]


def test_a_step_looks_for_no_advice(monkeypatch, rng):
    """What an error would say costs more than a small step, so no step may ask for it in vain."""
    asked = []
    unknown = attributes._unknown
    monkeypatch.setattr(
        attributes, "_unknown", lambda *given: asked.append(given) or unknown(*given)
    )
    x, t = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)
    counts = []
    for epochs in (3, 8):
        asked.clear()
        trained(x, t, network(features()), "crossentropy", max_epochs=epochs)
        counts.append(len(asked))
    assert counts[0] == counts[1]
