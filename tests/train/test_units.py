"""Targets in normalised units: the loss compares those, predictions and metrics have the data's."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

KINDS = ["zscore", "zerocenter", "rescale-symmetric", "rescale-zero-one"]


def options(solver="adam", **others):
    chosen = {"verbose": False, "generator": 0, "batch_normalization_statistics": "moving"}
    if solver not in ("lm", "lbfgs"):
        chosen |= {"max_epochs": 4, "mini_batch_size": 7, "shuffle": "every-epoch"}
    return dl.training_options(solver, **{**chosen, **others})


def network(*last):
    return [
        layers.FeatureInput(3),
        layers.FullyConnected(5),
        layers.Tanh(),
        layers.FullyConnected(2, name="head"),
        *last,
    ]


def data(rng, count=23):
    x = rng.normal(size=(count, 3)).astype(np.float32)
    return x, (x[:, :2] ** 2 * [400.0, 3.0] + [2000.0, -7.0]).astype(np.float32)


def scale_and_offset(kind, t):
    low, high = t.min(0), t.max(0)
    return {
        "zscore": (t.std(0), t.mean(0)),
        "zerocenter": (np.ones(2), t.mean(0)),
        "rescale-zero-one": (high - low, low),
        "rescale-symmetric": ((high - low) / 2, (high + low) / 2),
    }[kind]


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "lm"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_training_with_targets_that_were_normalised_before(solver, kind, rng):
    x, t = data(rng)
    scale, offset = scale_and_offset(kind, t.astype(float))
    more = {"max_iterations": 4} if solver != "adam" else {}
    held = {"validation_data": (x[:9], t[:9] + 1), "validation_frequency": 2, "metrics": "rmse"}
    chosen = options(solver, normalize_targets=True, **held, **more)
    net, info = dl.trainnet(x, t, network(layers.InverseNormalization(kind)), "mse", chosen)
    before = (x[:9], (t[:9] + 1 - offset) / scale)
    plain = options(solver, validation_data=before, validation_frequency=2, **more)
    want, history = dl.trainnet(x, (t - offset) / scale, network(), "mse", plain)
    for key, value in want.learnables.items():
        np.testing.assert_allclose(net.learnables[key], value, rtol=2e-3, atol=1e-4)
    for found, wanted in ((info.training_history, history.training_history),
                          (info.validation_history, history.validation_history)):  # fmt: skip
        np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-3)
    y = dl.minibatchpredict(net, x)
    np.testing.assert_allclose(
        y, dl.minibatchpredict(want, x) * scale + offset, rtol=1e-4, atol=np.ptp(t) * 1e-3
    )
    last = dl.minibatchpredict(net, x[:9]) - t[:9] - 1
    best = info.validation_history["iteration"].index(info.output_network_iteration)
    rmse = info.validation_history["rmse"][best]
    np.testing.assert_allclose(rmse, np.sqrt((last.astype(float) ** 2).mean()), rtol=1e-4)


def test_given_statistics_stay_and_others_come_from_the_targets(rng):
    x, t = data(rng)
    given = layers.InverseNormalization(mean=[1.0, 2.0], standard_deviation=4.0)
    chosen = options(normalize_targets=True)
    net, _ = dl.trainnet(x, t, network(given), "mse", chosen)
    assert np.asarray(net.get_layer("inversenorm").mean).tolist() == [1.0, 2.0]
    net, _ = dl.trainnet(x, t, network(layers.InverseNormalization()), "mse", chosen)
    layer = net.get_layer("inversenorm")
    np.testing.assert_allclose(layer.mean, t.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.standard_deviation, t.std(0), rtol=1e-5)


def test_a_network_that_is_initialised_may_lack_them(rng):
    x, t = data(rng)
    start = dl.dlnetwork(network(layers.InverseNormalization()), generator=0)
    with pytest.raises(dl.InvalidArgumentError, match="finds from the targets with normalize_tar"):
        start.predict(x)
    net, _ = dl.trainnet(x, t, start, "mse", options(normalize_targets=True))
    assert net.predict(x).shape == (23, 2)


def test_the_queue_of_a_user_stays_as_it_is(rng):
    """Targets of sequences have a channel for each statistic, too."""
    x = rng.normal(size=(6, 3, 11)).astype(np.float32)
    queue = dl.minibatchqueue(
        (x, 50 + x[:, :2]), mini_batch_size=4, mini_batch_format="TCB", output_cast="float64"
    )
    net = [layers.SequenceInput(3), layers.FullyConnected(2), layers.InverseNormalization()]
    _, info = dl.trainnet(queue, net, "mse", options(normalize_targets=True, max_epochs=1))
    assert info.training_history["loss"][0] < 100  # not 2,500
    queue.reset()
    assert abs(float(np.asarray(queue.next()[1]).mean()) - 50) < 1


def test_one_of_two_outputs(rng):
    x, t = data(rng)
    net = dl.dlnetwork(network(layers.InverseNormalization(name="units")), initialize=False)
    net = net.add_layers([layers.FullyConnected(1, name="other")]).connect_layers("tanh", "other")
    seen = []

    def loss(y, z, t, u):
        seen.append([float(np.abs(dl.extractdata(x)).max()) for x in (t, u)])
        return dl.mse(y, t) + dl.mse(z, u)

    chosen = options(normalize_targets=True, metrics=dl.metrics.Rmse(network_output="units"))
    found, info = dl.trainnet(x, (t, 0 * t[:, :1] + 9), net, loss, chosen)
    assert all(a < 6 and b == 9 for a, b in seen)
    y, z = found.predict(x)
    assert abs(float(y.mean() - t.mean())) < 200 > abs(float(z.mean()))
    rmse = info.training_history["rmse"]
    assert rmse[-1] < rmse[0] < 10_000


def test_targets_without_channels(rng):
    x, _ = data(rng)
    net = [layers.FeatureInput(3), layers.FullyConnected(1), layers.InverseNormalization()]
    found, info = dl.trainnet(
        x, 100 + x[:, 0], net, "mse", options(normalize_targets=True, max_epochs=60)
    )
    assert info.training_history["loss"][-1] < 1.5
    assert abs(float(dl.minibatchpredict(found, x).mean()) - 100) < 2


def test_it_goes_on_bit_for_bit(tmp_path, rng):
    x, t = data(rng)

    def train(resume=False, **more):
        chosen = options(normalize_targets=True, checkpoint_path=tmp_path, **more)
        net = network(layers.InverseNormalization())
        return dl.trainnet(x, t, net, "mse", chosen, resume=resume)

    whole, _ = train()
    for file in tmp_path.glob("*"):
        file.unlink()
    train(output_fcn=lambda row: row["iteration"] == 10)
    assert train(resume=True)[0] == whole


WRONG = {
    "an output in the units of the targets, and the network has head; end it with layers.Inv": (
        network(),
        lambda t: t,
    ),
    "and there are none": (network(layers.InverseNormalization()), lambda _: None),
    "have no format: an array of shape .7,. int64": (
        network(layers.InverseNormalization()),
        lambda t: (t[:, 0] > 0).astype(int),
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_answered(text, rng):
    x, t = data(rng)
    net, targets = WRONG[text]
    with pytest.raises(dl.InvalidArgumentError, match=text):
        dl.trainnet(x, targets(t), net, "mse", options(normalize_targets=True))
