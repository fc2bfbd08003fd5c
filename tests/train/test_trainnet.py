"""trainnet: what it learns, what its options do, how it stops, and what goes wrong."""

import inspect
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

QUIET = {"verbose": False, "generator": 0}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(120, 2)).astype(np.float32)
    return x, (x[:, 0] > x[:, 1]).astype(int)


def sequences(rng, count):
    x = rng.normal(size=(5, 3, count)).astype(np.float32)
    return x, (x.sum(axis=(0, 1)) > 0).astype(int)


def classifier(*more):
    return [layers.FeatureInput(2), *more, layers.FullyConnected(2), layers.Softmax()]


def options(solver="adam", **others):
    return dl.training_options(
        solver, **{**QUIET, "max_epochs": 3, "mini_batch_size": 40, **others}
    )


def values(net):
    return {key: np.asarray(value) for key, value in net.learnables.items()}


def by_hand(x, labels, net, solver, *, epochs, batch, rate, l2):
    """The steps of trainnet, as a user writes them."""

    def model_loss(net, x, t):
        y, state = net.forward(x)
        loss = dl.indexcrossentropy(y, t)
        return loss, dl.dlgradient(loss, net.learnables), state

    states, iteration = (), 0
    for _ in range(epochs):
        for k in range(0, len(x), batch):
            iteration += 1
            part = dl.dlarray(x[k : k + batch], "BC"), dl.dlarray(labels[k : k + batch], "B")
            _, g, net.state = dl.dlfeval(model_loss, net, *part)
            g = dl.dlupdate(
                lambda g, w, f: g + l2 * f * w, dict(g), dict(net.learnables), net.l2_factors()
            )
            p = dict(net.learnables)
            if solver == "sgdm":
                p, *states = dl.sgdmupdate(p, g, *states, learning_rate=rate)
            elif solver == "rmsprop":
                p, *states = dl.rmspropupdate(p, g, *states, learning_rate=rate)
            else:
                p, *states = dl.adamupdate(p, g, *(states or (None, None)), iteration, rate)
            net.learnables = p
    return net


@pytest.mark.parametrize("solver", ["sgdm", "adam", "rmsprop"])
def test_the_steps_are_those_of_a_custom_loop(solver, data):
    x, labels = data
    start = dl.dlnetwork(classifier(layers.BatchNormalization()), generator=1)
    chosen = options(
        solver,
        shuffle="never",
        l2_regularization=0.1,
        initial_learn_rate=0.02,
        batch_normalization_statistics="moving",
    )
    net, info = dl.trainnet(x, labels, start, "crossentropy", chosen)
    hand = by_hand(x, labels, start.copy(), solver, epochs=3, batch=40, rate=0.02, l2=0.1)
    for key, value in values(net).items():
        np.testing.assert_allclose(value, hand.learnables[key], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(
        net.state["batchnorm/trained_mean"], hand.state["batchnorm/trained_mean"], rtol=1e-4
    )
    assert info.training_history["iteration"] == list(range(1, 10))
    assert info.training_history["epoch"] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("solver", ["adamw", "nadam", "lion", "adagrad", "adadelta", "muon"])
def test_other_solvers_are_their_update_functions(solver, data):
    """The defaults are those of the function; decoupled decay is no part of the gradient."""
    x, labels = data
    start = dl.dlnetwork(classifier(), generator=1)
    chosen = options(solver, shuffle="never", max_epochs=2, mini_batch_size=120)
    if solver not in ("adamw", "lion", "muon"):
        chosen.l2_regularization = 0.0
    net, _ = dl.trainnet(x, labels, start, "crossentropy", chosen)

    def model_loss(net):
        y, _ = net.forward(dl.dlarray(x, "BC"))
        return dl.dlgradient(dl.indexcrossentropy(y, dl.dlarray(labels, "B")), net.learnables)

    update, hand, states = getattr(dl, f"{solver}update"), start, ()
    counts = "iteration" in inspect.signature(update).parameters
    for i in (1, 2):
        more = {"iteration": i} if counts else {}
        hand, *states = update(hand, dl.dlfeval(model_loss, hand), *states, **more)
    for key, value in values(net).items():
        np.testing.assert_allclose(value, hand.learnables[key], rtol=1e-5, atol=1e-7)
        assert not np.array_equal(value, start.learnables[key])


class Counted(layers.Layer):
    """Twice the input, with a derivative that counts how often it is asked for."""

    calls = 0

    def predict(self, x):
        return 2 * x

    def backward(self, xs, ys, gs):
        del xs, ys
        type(self).calls += 1
        return (2 * gs[0],)


@pytest.mark.parametrize("solver", ["sgdm", "adamw", "muon"])
def test_what_is_frozen_is_not_differentiated(solver, data):
    """Nothing is computed before the first layer that learns, and results are the same."""
    x, labels = data
    net = dl.dlnetwork(
        classifier(layers.FullyConnected(3, name="first"), Counted(), layers.FullyConnected(4)),
        generator=1,
    )
    Counted.calls = 0
    frozen = net.set_learn_rate_factor("first", 0)
    chosen = options(solver, shuffle="never", gradient_threshold=0.1)
    found, _ = dl.trainnet(x, labels, frozen, "crossentropy", chosen)
    assert Counted.calls == 0
    tail = dl.dlnetwork([layers.FeatureInput(3), *list(net.layers.values())[3:]])
    middle = 2 * np.asarray(net.predict(x, outputs="first"))
    alone, _ = dl.trainnet(middle, labels, tail, "crossentropy", chosen)
    for key, value in values(net).items():
        want = value if key.startswith("first") else alone.learnables[key]
        np.testing.assert_allclose(found.learnables[key], want, rtol=1e-5, atol=1e-6)
    dl.trainnet(x, labels, net, "crossentropy", chosen)
    assert Counted.calls == 9


def test_a_seed_repeats_everything(data):
    x, labels = data
    net = classifier(layers.FullyConnected(4), layers.Dropout(0.3))
    chosen = options(shuffle="every-epoch")
    first, one = dl.trainnet(x, labels, net, "crossentropy", chosen)
    second, two = dl.trainnet(x, labels, net, "crossentropy", chosen)
    assert one.training_history["loss"] == two.training_history["loss"]
    assert first.learnables == second.learnables


def test_one_hot_targets_are_classes(data):
    x, labels = data
    encoded = np.eye(2, dtype=np.float32)[labels]
    start = dl.dlnetwork(classifier(), generator=1)
    with_classes, _ = dl.trainnet(x, labels, start, "crossentropy", options())
    with_vectors, _ = dl.trainnet(x, encoded, start, "crossentropy", options())
    for key, value in values(with_classes).items():
        np.testing.assert_allclose(value, with_vectors.learnables[key], rtol=1e-5, atol=1e-7)


def test_validation_returns_the_best_network_and_stops(data):
    x, labels = data
    chosen = options(
        initial_learn_rate=0.5,
        max_epochs=200,
        mini_batch_size=20,
        validation_data=(x[:40], 1 - labels[:40]),  # the more it learns, the worse it is
        validation_frequency=2,
        validation_patience=3,
        metrics="accuracy",
        objective_metric_name="accuracy",
    )
    net, info = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    assert info.stop_reason == "Met validation criterion"
    history = info.validation_history
    best = int(np.argmax(history["accuracy"]))
    assert info.output_network_iteration == history["iteration"][best]
    assert dl.testnet(net, x[:40], 1 - labels[:40], "accuracy") == history["accuracy"][best]
    assert len(history["accuracy"]) - 1 - best == 3


def test_input_layers_find_the_statistics_of_the_data(rng):
    x = rng.normal(3, 2, size=(200, 2)).astype(np.float32)
    net = [layers.FeatureInput(2, normalization="zscore"), layers.FullyConnected(1)]
    chosen = options(max_epochs=1, mini_batch_size=30)
    trained, _ = dl.trainnet(x, x[:, :1], net, "mse", chosen)
    layer = trained.get_layer("input")
    np.testing.assert_allclose(layer.mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.standard_deviation, x.std(0), rtol=1e-5)


def test_sequences_are_padded_and_read_ahead_as_the_options_say(rng):
    """Of a list of arrays T×C of several lengths; read ahead they are the same."""
    sequences = [rng.normal(size=(n, 2)).astype(np.float32) for n in rng.integers(2, 9, 12)]
    targets = rng.normal(size=(12, 1)).astype(np.float32)
    net = dl.dlnetwork(
        [layers.SequenceInput(2), layers.Lstm(3, output_mode="last"), layers.FullyConnected(1)],
        generator=0,
    )
    found = {}
    for environment in ("serial", "background"):
        chosen = options(
            shuffle="never",
            mini_batch_size=12,
            max_epochs=2,
            sequence_length=4,
            sequence_padding_direction="left",
            sequence_padding_value=-1.0,
            preprocessing_environment=environment,
        )
        found[environment], _ = dl.trainnet(sequences, targets, net, "mse", chosen)
    padded, _ = dl.padsequences(sequences, 0, length=4, direction="left", padding_value=-1.0)
    chosen = options(shuffle="never", mini_batch_size=12, max_epochs=2)
    want, _ = dl.trainnet(padded, targets, net, "mse", chosen)
    assert found["serial"] == found["background"] == want


def test_a_queue_without_targets_and_its_own_order(rng):
    """A queue of the user keeps its generator; with one output its batches are no tuples."""
    x = rng.normal(size=(30, 2)).astype(np.float32)

    def energy(y):
        return (y * y).mean()

    histories = []
    for seed in (1, 1, 2):
        queue = dl.minibatchqueue(x, mini_batch_size=10, mini_batch_format="BC", generator=seed)
        held_out = dl.minibatchqueue(x[:10], mini_batch_format="BC")
        net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(1)], generator=0)
        _, info = dl.trainnet(queue, net, energy, options("sgdm", validation_data=held_out))
        histories.append(info.training_history["loss"])
        assert info.validation_history["loss"][-1] < info.validation_history["loss"][0]
    assert histories[0] == histories[1] != histories[2]


def test_schedules_and_output_functions(data):
    x, labels = data
    rows = []
    chosen = options(
        "sgdm",
        max_epochs=6,
        learn_rate_schedule=[dl.schedules.Warmup(num_steps=2), dl.schedules.Piecewise(0.5, 2)],
        output_fcn=lambda row: rows.append(row) or row["iteration"] == 14,
    )
    _, info = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    assert info.stop_reason == "Stopped by output_fcn"
    assert len(rows) == 14
    rates = info.training_history["learn_rate"][::3]
    np.testing.assert_allclose(rates, [0.001, 0.0055, 0.01, 0.01, 0.005])


def test_output_functions_get_the_network_of_the_step(data):
    """It is a copy: a function may keep it, or change it, and training goes on as before."""
    x, labels = data
    seen = []

    def look(info):
        seen.append((info["iteration"], values(info["net"])))
        info["net"].learnables["fc/bias"] = np.ones(2)

    start = dl.dlnetwork(classifier(), generator=1)
    net, _ = dl.trainnet(x, labels, start, "crossentropy", options(output_fcn=look))
    undisturbed, _ = dl.trainnet(x, labels, start, "crossentropy", options())
    assert net == undisturbed
    assert [iteration for iteration, _ in seen] == list(range(1, 10))
    for key, value in values(net).items():
        assert np.array_equal(seen[-1][1][key], value)
        assert not np.array_equal(seen[-2][1][key], value)


def test_all_output_functions_are_called(data):
    x, labels = data
    calls = []
    chosen = options(output_fcn=[lambda _: True, lambda info: calls.append(info["epoch"])])
    _, info = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    assert (calls, info.stop_reason) == ([1], "Stopped by output_fcn")


def test_observers_are_told_of_everything_and_end_after_an_error(data):
    """Table, monitor and checkpoints rely on this order."""
    from dlgradient.train.loop import Loop
    from dlgradient.train.training import Observer

    class Recorder(Observer):
        def __init__(self, stops=()):
            self.calls, self.stops = [], stops

        def note(self, name, training):
            self.calls.append((name, training.iteration))
            return "enough" if self.calls[-1] in self.stops else ""

        def begin(self, training):
            self.note("begin", training)

        def validated(self, training, row):
            assert row["validation_loss"] > 0
            return self.note("validated", training)

        def iterated(self, training, row):
            if row["iteration"] == 5:
                raise OSError("no memory")
            return self.note("iterated", training)

        def end(self, training):
            self.calls.append(("end", training.info.stop_reason))

    def train(*observers):
        chosen = options(validation_data=data, validation_frequency=2)
        training = Loop(*data, dl.dlnetwork(classifier()), "crossentropy", chosen)
        training.observers += observers
        return training.run()

    first, second = Recorder([("validated", 2)]), Recorder()
    train(first, second)
    steps = [("validated", 1), ("iterated", 1), ("validated", 2), ("iterated", 2)]
    assert first.calls == second.calls == [("begin", 0), *steps, ("end", "enough")]
    first, second = Recorder(), Recorder()
    with pytest.raises(OSError, match="no memory"):
        train(first, second)
    assert first.calls[-1] == second.calls[-1] == ("end", "")


def test_an_interruption_keeps_the_network(data):
    x, labels = data

    def interrupt(row):
        if row["iteration"] == 2:
            raise KeyboardInterrupt

    net, info = dl.trainnet(x, labels, classifier(), "crossentropy", options(output_fcn=interrupt))
    assert (info.stop_reason, info.output_network_iteration) == ("Stopped by the user", 2)
    assert net.initialized


@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_a_loss_that_is_not_finite_stops_before_the_step(rng):
    def logarithm(x):
        return dl.log(x)

    x = rng.uniform(1, 2, size=(40, 2)).astype(np.float32)
    x[25] = -1
    net = [layers.FeatureInput(2), layers.Function(logarithm, name="log"), layers.FullyConnected(1)]
    net = dl.dlnetwork(net, dl.dlarray(np.ones((1, 2)), "BC"), initialize=False)
    chosen = options(mini_batch_size=10, shuffle="never")
    trained, info = dl.trainnet(x, x[:, :1], net, "mse", chosen)
    assert info.stop_reason == "Loss is nan: layer 'log' is the first whose result is not finite"
    assert all(np.isfinite(v).all() for v in values(trained).values())


@pytest.mark.parametrize("method", ["l2norm", "global-l2norm", "absolute-value"])
def test_thresholds_of_gradients(method, rng):
    from dlgradient.train.gradients import limited

    net = dl.dlnetwork(classifier(), generator=0)
    table = net.learnables
    gradients = type(table)({k: rng.normal(size=v.shape) for k, v in table.items()})
    found = limited(gradients, 0.5, method)
    raw = {k: np.asarray(v) for k, v in gradients.items()}
    whole = np.sqrt(sum((v**2).sum() for v in raw.values()))
    for key, value in raw.items():
        norm = {"l2norm": np.linalg.norm(value), "global-l2norm": whole}.get(method)
        want = np.clip(value, -0.5, 0.5) if norm is None else value * min(1, 0.5 / norm)
        np.testing.assert_allclose(found[key], want, rtol=1e-12)


def test_the_table_of_iterations(data, capsys):
    x, labels = data
    chosen = options(
        verbose=True, verbose_frequency=5, metrics="accuracy", validation_data=(x, labels)
    )
    _, info = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    head, *rows, end = capsys.readouterr().out.splitlines()
    columns = ["Iteration", "Epoch", "TimeElapsed", "LearnRate", "TrainingLoss"]
    assert head.split() == [*columns, "ValidationLoss", "TrainingAccuracy", "ValidationAccuracy"]
    assert [row.split()[0] for row in rows] == ["1", "5", "9"]
    assert {len(row) for row in rows} == {len(head)}
    for row in (rows[0], rows[2]):  # the first and the last iteration are validated
        at = info.validation_history["iteration"].index(float(row.split()[0]))
        found = float(row.split()[-1])
        np.testing.assert_allclose(found, info.validation_history["accuracy"][at], rtol=1e-4)
    assert end == "Training stopped: Max epochs completed"


WRONG = {
    "MaxEpochs.*write max_epochs=": lambda *_: dl.training_options("adam", MaxEpochs=3),
    "there is no GPU here: dlgradient computes on the CPU, and so does 'auto'": lambda *_: options(
        execution_environment="gpu"
    ),
    "not 'multi-gpu'; there is no GPU": lambda *_: options(execution_environment="multi-gpu"),
    "not 'cuda:0'; there is no GPU": lambda *_: options(execution_environment="cuda:0"),
    "not 'parallel-auto'; write 'parallel', in a script that mpiexec": lambda *_: options(
        execution_environment="parallel-auto"
    ),
    "one of 'auto', 'cpu', 'parallel', not 'cpus'; did you mean 'cpu'": lambda *_: options(
        execution_environment="cpus"
    ),
    "unknown keyword 'acceleration'; with dl.acceleration": lambda *_: options(acceleration="auto"),
    "unknown keyword 'Acceleration'; with dl.acceleration": lambda *_: options(Acceleration="mex"),
    "'ExecutionEnvironment'; write execution_environment=": lambda *_: options(
        ExecutionEnvironment="cpu"
    ),
    "'ExecutionEnvironment'; it is not needed": lambda x, _: dl.minibatchpredict(
        dl.dlnetwork(classifier()), x, ExecutionEnvironment="gpu"
    ),
    "solver must be one of 'sgdm', 'adam'.*'adamw'": lambda *_: dl.training_options("sgd"),
    "max_epochs must be an integer of at least 1": lambda *_: options(max_epochs=0),
    "objective_metric_name must be one of loss, not": lambda *_: options(
        objective_metric_name="accuracy"
    ),
    "learn_rate_schedule must be one of none": lambda *_: options(learn_rate_schedule="step"),
    "metrics must be a Metric, .*'accuracy'": lambda *_: options(metrics="acuracy"),
    "write trainnet\\(x, targets, net": lambda x, t: dl.trainnet(x, t, 3, {}),
    "net must be a dlnetwork or a list": lambda x, t: dl.trainnet(x, t, 3, "mse", options()),
    "loss must be a function or one of": lambda x, t: dl.trainnet(
        x, t, classifier(), "mze", options()
    ),
    "options must be what training_options returns": lambda x, t: dl.trainnet(
        x, t, classifier(), "mse", {}
    ),
    r"observations, but each source": lambda x, t: dl.trainnet(
        x, t[:7], classifier(), "crossentropy", options()
    ),
    r"layer 'input'.*so \(2,\) for 'C'; the layer expects \(5\)": lambda x, t: dl.trainnet(
        x, t, [layers.FeatureInput(5), layers.FullyConnected(2)], "crossentropy", options()
    ),
    "has no input layer": lambda x, t: dl.trainnet(
        x, t, dl.dlnetwork([layers.Relu()], dl.dlarray(x, "BC")), "mse", options()
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_answered_before_the_first_step(text, data):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text](*data)


# -- sequences -----------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
def test_a_batch_of_sequences_remembers_nothing_of_the_one_before(rng, nested):
    x, labels = sequences(rng, 10)  # the last batch is smaller, and validation has another size
    lstm = layers.Lstm(4, output_mode="last")
    if nested:
        lstm = layers.Network(dl.dlnetwork([lstm]))
    start = dl.dlnetwork(
        [layers.SequenceInput(3), lstm, layers.FullyConnected(2), layers.Softmax()], generator=0
    )
    net, _ = dl.trainnet(
        x,
        labels,
        start,
        "crossentropy",
        options(
            "sgdm",
            max_epochs=1,
            mini_batch_size=4,
            shuffle="never",
            l2_regularization=0,
            momentum=0,
            initial_learn_rate=0.1,
            validation_data=sequences(rng, 7),
            output_network="last-iteration",
        ),
    )

    def gradient(net, x, labels):
        loss = dl.indexcrossentropy(net.forward(x)[0], labels)
        return dl.dlgradient(loss, net)

    wanted = start
    for k in (0, 4, 8):
        batch = dl.dlarray(x[..., k : k + 4], "TCB"), labels[k : k + 4]
        g = dl.dlfeval(gradient, wanted, *batch)
        wanted = dl.dlupdate(lambda w, g: w - np.float32(0.1) * g, wanted, g)
    for key, value in values(net).items():
        np.testing.assert_allclose(value, values(wanted)[key], rtol=1e-5, atol=1e-6)
    assert not any(np.any(np.asarray(value)) for value in net.state.values())


def test_sequences_do_not_go_on_in_the_next_batch(rng: np.random.Generator) -> None:
    x, targets = rng.normal(size=(5, 3, 23)), rng.normal(size=(5, 2, 23))  # the last batch has two
    net = dl.dlnetwork(
        [layers.SequenceInput(3), layers.Lstm(4), layers.FullyConnected(2)], generator=0
    )
    options = dl.training_options(
        "sgdm", max_epochs=2, mini_batch_size=7, shuffle="never", verbose=False, momentum=0,
        l2_regularization=0, validation_data=(x, targets), output_network="last-iteration",
    )  # fmt: skip
    found, _ = dl.trainnet(x, targets, net, "mse", options)

    def model_loss(net: dl.dlnetwork, x: Any, targets: Any) -> Any:
        return dl.dlgradient(dl.mse(net.forward(x)[0], targets), net.learnables)

    for _ in range(2):
        for begin in range(0, 23, 7):
            part = slice(begin, begin + 7)
            batch = [dl.dlarray(a[..., part].astype(np.float32), "TCB") for a in (x, targets)]
            gradients = dl.dlfeval(model_loss, net, *batch)
            net, _ = dl.sgdmupdate(net, gradients, None, 0.01, 0)
    for key, value in net.learnables.items():
        np.testing.assert_allclose(found.learnables[key], value, rtol=1e-5, atol=1e-7)
    assert found.predict(x[..., :1]).shape == (5, 2, 1)


@pytest.mark.parametrize("shuffle", ["once", "every-epoch"])
def test_the_seed_of_the_options_shuffles_a_queue_without_one(data, shuffle):
    x, labels = data

    def trained(seed, own=None):
        queue = dl.minibatchqueue(
            (x, labels), mini_batch_size=10, mini_batch_format=("BC", "B"), generator=own
        )
        chosen = options("sgdm", max_epochs=2, shuffle=shuffle, generator=seed)
        return dl.trainnet(queue, classifier(), "crossentropy", chosen)[1].training_history["loss"]

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)
    queues = [trained(1, own=3), trained(1, own=4)]
    assert queues[0] != queues[1]
