"""Steps as one function of machine code: NumPy's to rounding, and the same bits each time."""

import os
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

pytest.importorskip("llvmlite")

from dlgradient.native.interface import fault
from dlgradient.train.stochastic import Stochastic
from dlgradient.train.whole import PATIENCE, SETTLED

if fault():
    pytest.skip(f"no machine code here: {fault()}; run it on CPython", allow_module_level=True)

ROWS, BATCH = 44, 16  # batches of 16, 16 and 12


@pytest.fixture
def counted(monkeypatch):
    """The number of steps that were such functions, and of those that were none."""
    found = [0, 0]
    plain = Stochastic._in_one

    def step(self, *args):
        result = plain(self, *args)
        found[result is None] += 1
        return result

    monkeypatch.setattr(Stochastic, "_in_one", step)
    return found


@pytest.fixture
def data(rng):
    return rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS)


def network(*middle, classes=3):
    rows = [layers.FeatureInput(5), *middle, layers.FullyConnected(classes), layers.Softmax()]
    return dl.dlnetwork(rows, generator=0)


def small():
    return network(layers.FullyConnected(9), layers.Tanh())


def trained(data, net, loss="crossentropy", solver="adam", mode="auto", resume=False, **others):
    given = {"max_epochs": 25, "mini_batch_size": BATCH, "verbose": False, "generator": 1}
    options = dl.training_options(solver, **given | others)
    with dl.acceleration(mode):
        return dl.trainnet(*data, net, loss, options, resume=resume)


def bits(found):
    net, info = found
    history = {k: v for k, v in info.training_history.items() if k != "time_elapsed"}
    return [(k, np.asarray(x).tobytes()) for k, x in net.learnables.items()], history


def assert_near(found, expected, rtol=2e-4):
    for key, x in expected[0].learnables.items():
        np.testing.assert_allclose(found[0].learnables[key], x, rtol=rtol, atol=rtol)
    for name, values in expected[1].training_history.items():
        if name != "time_elapsed":
            np.testing.assert_allclose(found[1].training_history[name], values, rtol, rtol)


NETWORKS = {
    "tanh": small,
    "relu": lambda: network(layers.FullyConnected(20), layers.Relu(), layers.FullyConnected(6)),
    "many": lambda: network(
        layers.FullyConnected(8), layers.Swish(), layers.FullyConnected(8), layers.Sigmoid()
    ),
}


@pytest.mark.parametrize("solver", ["adam", "sgdm", "rmsprop"])
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_those_of_numpy(name, solver, counted, data):
    found = trained(data, NETWORKS[name](), solver=solver, metrics="accuracy")
    assert counted == [75 - SETTLED, SETTLED]
    assert_near(
        found, trained(data, NETWORKS[name](), solver=solver, mode="numpy", metrics="accuracy")
    )


@pytest.mark.parametrize("loss", ["mse", "mae", "l2loss"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_of_numbers(loss, dtype, counted, rng):
    x = rng.standard_normal((ROWS, 5))
    found = []
    for mode in ("native", "numpy"):
        rows = [layers.FeatureInput(5), layers.FullyConnected(7), layers.Tanh(), _last()]
        net = dl.dlupdate(dtype, dl.dlnetwork(rows, generator=0))
        found.append(trained((x, x[:, :2] ** 2), net, loss, mode=mode, max_epochs=4))
    assert counted[0] == 11
    assert_near(*found)


def _last():
    return layers.FullyConnected(2)


@pytest.mark.parametrize("classes", [np.uint8, np.int32, np.int64, "one-hot"])
def test_classes_of_any_kind(classes, counted, data):
    x, t = data
    t = np.eye(3)[t] if classes == "one-hot" else t.astype(classes)
    found = trained((x, t), small(), mode="native", max_epochs=4)
    assert counted[0] == 11
    assert_near(found, trained((x, t), small(), mode="numpy", max_epochs=4))


@pytest.mark.parametrize(
    ("net", "others"),
    [
        (lambda: network(layers.Dropout(0.3)), {}),
        (lambda: network(layers.BatchNormalization()), {}),
        (lambda: network(layers.Function(lambda x: 2 * x)), {}),
        (lambda: network(layers.FullyConnected(4, weights_learn_rate_factor=0)), {}),
        (lambda: network(layers.FullyConnected(4, bias_learn_rate_factor=2)), {}),
        (small, {"gradient_threshold": 1.0}),
        (small, {"solver": "lion"}),
    ],
)
def test_what_has_no_such_steps_has_the_bits_of_numpy(net, others, counted, data):
    found = trained(data, net(), mode="native", max_epochs=3, **others)
    assert counted[0] == 0
    assert_near(found, trained(data, net(), mode="numpy", max_epochs=3, **others), 1e-5)


def test_data_that_may_have_any_shapes_have_ordinary_steps(counted, data):
    x, t = data
    queue = dl.minibatchqueue(
        (list(x), list(t)), mini_batch_size=BATCH, mini_batch_format=("BC", None)
    )
    options = dl.training_options("adam", max_epochs=14, verbose=False)
    dl.trainnet(queue, small(), "crossentropy", options)
    assert counted == [0, 42]


# -- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_a_seed_gives_the_same_bits(mode, counted, data):
    net = small()
    first = trained(data, net, mode=mode)
    assert counted[0] > 40
    again = trained(data, net, mode=mode)  # it has the programs of the first
    assert bits(first) == bits(again) == bits(trained(data, small(), mode=mode))


@pytest.mark.parametrize("solver", ["adam", "sgdm", "rmsprop"])
def test_a_training_goes_on_with_the_same_bits(solver, counted, data, rng, tmp_path):
    """It is stopped at random moments, and what goes on has to record and to compile anew."""
    options = {"solver": solver, "metrics": "accuracy", "shuffle": "every-epoch"}
    expected = bits(trained(data, small(), **options))
    assert counted[0] == 75 - SETTLED
    for stop in {SETTLED - 1, SETTLED, SETTLED + 1, *rng.integers(1, 75, 6).tolist()}:
        folder = tmp_path / f"{stop}"
        saved = {
            "checkpoint_path": folder,
            "checkpoint_frequency": 1 + stop % 3,
            "checkpoint_frequency_unit": "iteration",
        }
        last = {"output_fcn": lambda info, stop=stop: info["iteration"] == stop}
        trained(data, small(), **options, **saved, **last)
        assert bits(trained(data, small(), **options, **saved, resume=True)) == expected


@pytest.mark.parametrize("often", [False, True])
def test_uncommon_batches_have_ordinary_steps(often, counted, data, rng, tmp_path):
    """Some rows have probabilities that underflow; a checkpoint knows how many batches had."""
    x, t = data[0].copy(), data[1]
    x[rng.choice(ROWS, 9 if often else 1, replace=False)] *= 1e4
    options = {"shuffle": "every-epoch", "mode": "native", "max_epochs": 12, "mini_batch_size": 8}
    options |= {"initial_learn_rate": 1e-5}
    expected = bits(trained((x, t), network(), **options))
    uncommon = counted[1] - 1
    assert uncommon > 5
    assert (uncommon > PATIENCE) == often
    for stop in rng.integers(1, 70, 5).tolist():
        saved = {"checkpoint_path": tmp_path / f"{stop}", "checkpoint_frequency_unit": "iteration"}
        last = {"output_fcn": lambda info, stop=stop: info["iteration"] == stop}
        trained((x, t), network(), **options, **saved, **last)
        assert bits(trained((x, t), network(), **options, **saved, resume=True)) == expected


PROGRAM = """
import hashlib
import numpy as np
import dlgradient as dl
from dlgradient import layers

rng = np.random.default_rng(0)
x, t = rng.standard_normal((200, 30)), rng.integers(0, 4, 200)
rows = [layers.FeatureInput(30), layers.FullyConnected(40), layers.Tanh(),
        layers.FullyConnected(4), layers.Softmax()]
options = dl.training_options("adam", max_epochs=15, mini_batch_size=40, generator=0)
net, _ = dl.trainnet(x, t, dl.dlnetwork(rows, generator=0), "crossentropy", options)
whole = b"".join(np.asarray(a).tobytes() for a in net.learnables.values())
print("bits", hashlib.sha256(whole).hexdigest())
"""


def test_threads_and_a_cache_change_no_bits(tmp_path):
    found = set()
    for threads, cache in (("1", "a"), ("2", "a"), ("1", "b")):
        environment = {
            **os.environ,
            "DLGRADIENT_CACHE": str(tmp_path / cache),
            "OMP_NUM_THREADS": threads,
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.splitlines()[-1])
    assert len(found) == 1
    assert any((tmp_path / "a").iterdir())


# -- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strange", [np.nan, np.inf, 1e38])
def test_a_loss_that_is_not_finite_ends_it_as_in_an_ordinary_step(strange, counted, data):
    x, t = data[0].copy(), data[1]
    x[40] = strange  # in the last batch
    found = []
    for mode in ("native", "numpy"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of the data, which are not finite
            _, info = trained((x, t), small(), mode=mode, shuffle="never")
        found.append((info.stop_reason, info.training_history["iteration"]))
    assert found[0] == found[1]
    assert counted[0] >= 1


def test_learnables_and_states_cannot_be_written_to(counted, data):
    net, _ = trained(data, small(), mode="native", max_epochs=2)
    assert counted[0] > 0
    (vector,) = net.learnables.buffers()
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 0


def test_without_machine_code_steps_are_ordinary(counted, data, monkeypatch):
    def fails(*_):
        raise RuntimeError("LLVM is out of order")

    monkeypatch.setattr("dlgradient.program.machine.entry.machine_entry", fails)
    found = trained(data, small(), mode="native", max_epochs=3)
    assert counted[0] == 0
    assert_near(found, trained(data, small(), mode="numpy", max_epochs=3), 1e-5)


def test_copies_of_one_network_train_in_threads(data):
    net = small()
    expected = bits(trained(data, net))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: bits(trained(data, net)), range(4)))
    assert all(one == expected for one in found)
