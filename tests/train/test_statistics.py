"""Statistics of all data: of input layers, and of batch normalisation after training."""

from threading import Barrier, Thread

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.layers.moments import Moments
from dlgradient.train.parallel import SharedQueue
from dlgradient.train.statistics import normalized


def options(solver="adam", **others):
    chosen = {"max_epochs": 2, "mini_batch_size": 7, "verbose": False, "generator": 0}
    return dl.training_options(solver, **{**chosen, "shuffle": "never", **others})


def network(*first):
    return dl.dlnetwork(
        [
            layers.FeatureInput(4),
            *first,
            layers.FullyConnected(5, name="one"),
            layers.BatchNormalization(name="norm"),
            layers.Tanh(),
            layers.FullyConnected(3, name="two"),
            layers.BatchNormalization(name="last"),
        ],
        generator=1,
    )


def data(rng, count=23):
    return rng.normal(2, 3, size=(count, 4)).astype(np.float32), rng.normal(size=(count, 3))


def by_hand(net, x, size):
    """The inputs of both normalisations in training mode, batch by batch, in double precision."""
    p = {key: np.asarray(value, float) for key, value in net.learnables.items()}
    seen = {"norm": [], "last": []}
    for k in range(0, len(x), size):
        a = x[k : k + size].astype(float) @ p["one/weights"].T + p["one/bias"]
        seen["norm"].append(a)
        a = (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-5) * p["norm/scale"] + p["norm/offset"]
        seen["last"].append(np.tanh(a) @ p["two/weights"].T + p["two/bias"])
    return {name: np.concatenate(rows) for name, rows in seen.items()}


def assert_population(net, seen):
    for name, rows in seen.items():
        mean, variance = (net.state[f"{name}/trained_{what}"] for what in ("mean", "variance"))
        np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(variance, rows.var(0), rtol=1e-5)


def test_moments_are_those_of_all_elements(rng):
    x = rng.normal(5, 2, size=(100, 3))
    found = Moments()
    for part in np.split(x, [1, 1, 40, 43]):  # one is empty
        with np.errstate(invalid="ignore"):
            found.add(len(part), *((part.mean(0), part.var(0)) if len(part) else (np.nan, np.nan)))
    assert found.count == 100
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found.variance, x.var(0), rtol=1e-12)


@pytest.mark.parametrize("mode", ["auto", "population"])
@pytest.mark.parametrize("size", [7, 23, 100])
def test_the_statistics_are_those_of_all_data(mode, size, rng):
    x, t = data(rng)
    chosen = options(mini_batch_size=size, batch_normalization_statistics=mode)
    net, _ = dl.trainnet(x, t, network(), "mse", chosen)
    assert_population(net, by_hand(net, x, size))


def test_an_iterable_keeps_the_moving_statistics_unless_asked(rng):
    x, t = data(rng)

    def observations():
        return zip(x, t, strict=True)

    def train(mode, source):
        queue = dl.minibatchqueue(source, mini_batch_size=7, mini_batch_format=("BC", "BC"))
        return dl.trainnet(queue, network(), "mse", options(batch_normalization_statistics=mode))

    moving, _ = dl.trainnet(
        x, t, network(), "mse", options(batch_normalization_statistics="moving")
    )
    assert train("auto", observations)[0] == train("moving", observations)[0] == moving
    net, _ = train("population", observations)
    assert net.learnables == moving.learnables
    assert_population(net, by_hand(net, x, 7))
    with pytest.raises(dl.InvalidArgumentError, match="'population' reads the data once more"):
        train("population", observations())


def test_networks_of_layers_and_layers_that_are_used_twice(rng):
    """A layer that is used twice sees the elements of both uses."""
    x, t = data(rng)
    block = dl.dlnetwork([layers.FullyConnected(4, name="fc"), layers.BatchNormalization()])
    start = dl.dlnetwork(
        [
            layers.FeatureInput(4),
            layers.BatchNormalization(name="norm"),
            layers.Network(block, name="block"),
            layers.Sigmoid(),
            layers.Shared("norm"),
            layers.FullyConnected(3),
        ],
        generator=0,
    )
    net, _ = dl.trainnet(x, t, start, "mse", options(mini_batch_size=23))
    p = {key: np.asarray(value, float) for key, value in net.learnables.items()}

    def normalized(a, name):
        unit = (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-5)
        return unit * p[f"{name}/scale"] + p[f"{name}/offset"]

    inner = normalized(x, "norm") @ p["block/fc/weights"].T + p["block/fc/bias"]
    again = 1 / (1 + np.exp(-normalized(inner, "block/batchnorm")))
    assert_population(net, {"block/batchnorm": inner, "norm": np.concatenate([x, again])})


def test_what_is_frozen_gets_the_statistics_too(rng):
    x, t = data(rng)
    frozen = network().set_learn_rate_factor("norm", 0)
    net, _ = dl.trainnet(x, t, frozen, "mse", options())
    assert net.learnables["norm/scale"].tolist() == [1.0] * 5
    assert_population(net, by_hand(net, x, 7))


def test_padding_counts_as_the_steps_see_it(rng):
    """Batches of sequences have different lengths, so each has its own number of elements."""
    sequences = [rng.normal(size=(n, 2)).astype(np.float32) for n in (3, 5, 2, 9, 4)]
    start = dl.dlnetwork(
        [layers.SequenceInput(2), layers.BatchNormalization(), layers.FullyConnected(1)],
        generator=0,
    )
    queue = dl.minibatchqueue(sequences, mini_batch_size=2, mini_batch_format="TCB")

    def loss(y):
        return (y * y).mean()

    net, _ = dl.trainnet(queue, start, loss, options())
    rows = [np.asarray(x).transpose(0, 2, 1).reshape(-1, 2) for x in queue]
    assert_population(net, {"batchnorm": np.concatenate(rows)})


@pytest.mark.parametrize("solver", ["lbfgs", "lm"])
def test_solvers_of_all_data_have_one_batch(solver, rng):
    x, t = data(rng)
    chosen = dl.training_options(solver, max_iterations=3, verbose=False, mini_batch_size=7)
    net, _ = dl.trainnet(x, t, network(), "mse", chosen)
    assert_population(net, by_hand(net, x, 23))


def test_the_best_network_gets_them(rng):
    x, t = data(rng)
    chosen = options(validation_data=(x, 0 * t - 9), initial_learn_rate=0.1)
    net, info = dl.trainnet(x, 0 * t + 9, network(), "mse", chosen)
    assert info.output_network_iteration == 1
    assert_population(net, by_hand(net, x, 7))


def test_random_layers_draw_as_in_training_and_a_seed_repeats_them(rng):
    x, t = data(rng)
    nets = [dl.trainnet(x, t, network(layers.Dropout(0.5)), "mse", options())[0] for _ in range(2)]
    assert nets[0] == nets[1]
    varied = by_hand(nets[0], x, 7)["norm"].var(0)
    assert (np.asarray(nets[0].state["norm/trained_variance"]) > 1.2 * varied).all()


@pytest.mark.filterwarnings("ignore:invalid value encountered", "ignore:trainnet. predictors")
def test_statistics_that_are_not_finite_are_not_taken(rng):
    x, t = data(rng)
    x[20] = np.inf
    with pytest.warns(RuntimeWarning, match="not finite in layer '(norm|last)', which keeps"):
        net, info = dl.trainnet(x, t, network(), "mse", options())
    assert info.stop_reason.startswith("Loss is nan")
    assert np.isfinite(np.asarray(net.state["norm/trained_mean"])).all()


def test_an_interruption_of_the_last_pass_keeps_the_network(rng):
    x, t = data(rng)
    calls = []

    def seen(x):
        calls.append(x)
        if len(calls) == 11:  # one for the first check, and four for each epoch
            raise KeyboardInterrupt
        return x

    net = [layers.FeatureInput(4), layers.Function(seen), layers.BatchNormalization(),
           layers.FullyConnected(3)]  # fmt: skip
    found, info = dl.trainnet(x, t, net, "mse", options())
    calls.clear()
    assert info.stop_reason == "Max epochs completed"
    chosen = options(batch_normalization_statistics="moving")
    assert found == dl.trainnet(x, t, net, "mse", chosen)[0]


def test_a_layer_of_the_user_keeps_what_it_found(rng):
    class Own(layers.BatchNormalization):
        def forward(self, x):
            return self.predict(x)

    x, t = data(rng)
    net = [layers.FeatureInput(4), Own(name="own"), layers.FullyConnected(3)]
    found, _ = dl.trainnet(x, t, net, "mse", options())
    assert found.state["own/trained_variance"].tolist() == [1.0] * 4


# -- input layers ----------------------------------------------------------------------------------


class Threads:
    """Ranks that are threads of this process."""

    def __init__(self, size):
        self.size, self.barrier, self.values = size, Barrier(size), [None] * size

    def of(self, number):
        outer = self

        class Ranks:
            rank, size, total = number, self.size, None

            def of_all(self, value):
                outer.values[number] = value
                outer.barrier.wait()
                found = list(outer.values)
                outer.barrier.wait()
                return found

        return Ranks()


class Counted:
    """A dataset that notes which observations are read."""

    def __init__(self, x):
        self.x, self.read = x, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        self.read.append(i)
        return self.x[i]


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize(
    "normalization", ["zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]
)
def test_ranks_read_their_shares_and_find_the_statistics_of_all(size, normalization, rng):
    x = rng.normal(3, 2, size=(23, 2))  # batches of 5 and 3: some ranks have no share of the last
    net = dl.dlnetwork([layers.FeatureInput(2, normalization=normalization)])
    threads, found = Threads(size), [None] * size

    def run(rank):
        data = Counted(x)
        queue = dl.minibatchqueue(
            data, mini_batch_size=5, mini_batch_format="BC", output_cast="float64"
        )
        shared = SharedQueue.of(queue, threads.of(rank), np.random.default_rng(0))
        layer = normalized(net, shared, 1, reset=True).get_layer("input")
        found[rank] = layer, data.read

    workers = [Thread(target=run, args=(rank,)) for rank in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    want = {"mean": x.mean(0), "standard_deviation": x.std(0), "min": x.min(0), "max": x.max(0)}
    for layer, read in found:
        for name in layers.input.STATISTICS[normalization]:
            np.testing.assert_allclose(getattr(layer, name), want[name], rtol=1e-6)
            assert np.array_equal(getattr(layer, name), getattr(found[0][0], name))
        assert len(read) <= 5 * -(-5 // size)


def test_statistics_of_data_far_from_zero_and_of_constants(rng):
    """A sum of squares would lose all digits of the variance."""
    x = np.stack([1e5 + rng.normal(size=200), np.full(200, 0.1)], 1)
    queue = dl.minibatchqueue(x, mini_batch_size=7, mini_batch_format="BC", output_cast="float64")
    net = dl.dlnetwork([layers.FeatureInput(2, normalization="zscore")])
    layer = normalized(net, queue, 1, reset=False).get_layer("input")
    np.testing.assert_allclose(layer.standard_deviation, [x[:, 0].std(), 1.0], rtol=1e-6)


def test_several_inputs_are_looked_at_in_one_pass(rng):
    x = rng.normal(size=(10, 2))
    data = Counted([(a, a + 5) for a in x])
    queue = dl.minibatchqueue(data, mini_batch_size=4, mini_batch_format=("BC", "BC"))
    net = dl.dlnetwork([layers.FeatureInput(2, normalization="zscore", name="a")], initialize=False)
    net = net.add_layers(layers.FeatureInput(2, normalization="zerocenter", name="b"))
    net = net.add_layers(layers.Addition(2)).connect_layers("a", "addition/in1")
    found = normalized(net.connect_layers("b", "addition/in2"), queue, 2, reset=False)
    assert sorted(data.read) == list(range(10))
    np.testing.assert_allclose(found.get_layer("b").mean, x.mean(0) + 5, rtol=1e-6)
    assert found.get_layer("b").standard_deviation is None


@pytest.mark.parametrize("how", ["list", "dataset", "stream"])
@pytest.mark.parametrize("length", ["longest", "shortest", 9])
def test_padding_of_sequences_is_no_part_of_the_statistics(rng, how, length):
    x = [rng.normal(5, 2, size=(n, 3)).astype(np.float32) for n in (4, 11, 7, 2, 11)]
    t = rng.normal(size=(5, 1)).astype(np.float32)
    pairs = list(zip(x, t, strict=True))
    reading = {"mini_batch_size": 2, "sequence_length": length, "sequence_padding_value": -50.0}
    source = {"list": (x, t), "dataset": pairs, "stream": lambda: iter(pairs)}[how]
    queue = dl.minibatchqueue(source, mini_batch_format=("BTC", "BC"), **reading)
    net = dl.dlnetwork(
        [layers.SequenceInput(3, normalization="zscore", name="input")], initialize=False
    )
    found = normalized(net, queue, 1, reset=True).get_layer("input")
    rows = np.concatenate(x)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.standard_deviation, rows.std(0), rtol=1e-5)
    assert queue.mini_batch_size == 2
    assert queue.next()[0].shape[0] == 2  # the queue itself is as it was
