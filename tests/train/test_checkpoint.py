"""Checkpoints: a training that is killed goes on, and ends as if nothing had happened."""

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.train import checkpoint

X = np.linspace(-1, 1, 120, dtype=np.float32).reshape(60, 2) ** 3
T = (X[:, 0] > X[:, 1] / 2).astype(int)


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch):
    """Data that the system has in memory survive a program, and files of tests are many."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def network():
    return [
        layers.FeatureInput(2, normalization="zscore"),
        layers.FullyConnected(4),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.FullyConnected(2),
        layers.Softmax(),
    ]


def plain():
    """Return a network whose steps become one function of machine code."""
    return [
        layers.FeatureInput(2, normalization="zscore"),
        layers.FullyConnected(4),
        layers.Tanh(),
        layers.FullyConnected(2),
        layers.Softmax(),
    ]


def options(folder=None, solver="adam", **others):
    chosen = {
        "max_epochs": 6,
        "mini_batch_size": 13,
        "shuffle": "every-epoch",
        "validation_data": (X[::5], T[::5]),
        "validation_frequency": 4,
        "metrics": "accuracy",
        "learn_rate_schedule": [dl.schedules.Warmup(num_steps=2), dl.schedules.Exponential()],
        "verbose": False,
        "generator": 3,
        **({} if folder is None else {"checkpoint_path": folder}),
        **others,
    }
    return dl.training_options(solver, **chosen)


def train(chosen, *, x=X, t=T, net=None, loss="crossentropy", resume=False):
    return dl.trainnet(x, t, network() if net is None else net, loss, chosen, resume=resume)


def files(folder):
    return sorted(Path(folder).glob("*.safetensors"))


def stopping(iteration):
    return lambda info: info["iteration"] == iteration


def assert_same(one, other):
    """Bit for bit: networks, histories and the reason, all but the time that it took."""
    for info in (one[1], other[1]):
        info.training_history.pop("time_elapsed", None)
    assert one[0] == other[0]
    assert one[1] == other[1]


def interrupted(folder, at, **others):
    """Stop after an iteration, forget everything, and go on."""
    train(options(folder, output_fcn=stopping(at), **others))
    return train(options(folder, **others), resume=True)


SOLVERS = ["sgdm", "adam", "rmsprop", "adamw", "nadam", "lion", "adagrad", "adadelta", "muon"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_training_goes_on_bit_for_bit(solver, tmp_path):
    chosen = {"solver": solver, "checkpoint_frequency": 3, "checkpoint_frequency_unit": "iteration"}
    found = interrupted(tmp_path, 14, **chosen)
    assert_same(found, train(options(solver=solver)))
    assert found[1].training_history["iteration"] == list(range(1, 31))


@pytest.mark.parametrize("stop", [1, 4, 5, 9, 10, 12, 29, 30])
def test_from_any_iteration(stop, tmp_path):
    """In an epoch, at its end, at a validation, before the first checkpoint and after the last."""
    assert_same(interrupted(tmp_path, stop), train(options()))


@pytest.mark.parametrize("shuffle", ["once", "never"])
def test_orders_of_the_data(shuffle, tmp_path):
    chosen = {"shuffle": shuffle, "checkpoint_frequency_unit": "iteration"}
    found = interrupted(tmp_path, 7, **chosen)
    assert_same(found, train(options(shuffle=shuffle)))


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_kinds_of_generators(kind, tmp_path):
    first = options(tmp_path, generator=np.random.Generator(kind(5)), output_fcn=stopping(13))
    train(first)
    found = train(options(tmp_path, generator=np.random.Generator(kind(0))), resume=True)
    assert_same(found, train(options(generator=np.random.Generator(kind(5)))))
    with pytest.raises(dl.DlgradientError, match=f"PCG64, the checkpoint is of {kind.__name__}"):
        train(options(tmp_path), resume=True)


def observations():
    yield from zip(X, T, strict=True)


@pytest.mark.parametrize("environment", ["serial", "background"])
@pytest.mark.parametrize("source", [(X, T), observations])
def test_queues_of_the_user(source, environment, tmp_path):
    """They have their own generator and place; an iterable is read again up to there."""

    def run(folder, **others):
        queue = dl.minibatchqueue(
            source,
            mini_batch_size=9,
            mini_batch_format=("BC", None),
            preprocessing_environment=environment,
            generator=8,
        )
        resume = others.pop("resume", False)
        shuffle = "never" if source is observations else "every-epoch"
        chosen = options(folder, shuffle=shuffle, checkpoint_frequency_unit="iteration", **others)
        return dl.trainnet(queue, network(), "crossentropy", chosen, resume=resume)

    run(tmp_path, output_fcn=stopping(11))
    assert_same(run(tmp_path, resume=True), run(tmp_path / "other"))


def test_patience_and_the_best_network(tmp_path):
    """What was counted and compared before the interruption counts after it."""
    chosen = {
        "validation_data": (X[::5], 1 - T[::5]),
        "validation_patience": 4,
        "max_epochs": 60,
        "checkpoint_frequency_unit": "iteration",
        "checkpoint_frequency": 5,
    }
    undisturbed = train(options(**chosen))
    assert undisturbed[1].stop_reason == "Met validation criterion"
    end = undisturbed[1].training_history["iteration"][-1]
    for stop in (end - 6, end):
        folder = tmp_path / str(stop)
        assert_same(interrupted(folder, stop, **chosen), undisturbed)


def test_a_finished_training_is_over_and_more_epochs_are_added(tmp_path):
    first = train(options(tmp_path, max_epochs=3))
    assert_same(train(options(tmp_path, max_epochs=3), resume=True), first)
    longer, info = train(options(tmp_path, output_network="last-iteration"), resume=True)
    at_once, other = train(options(output_network="last-iteration"))
    assert longer == at_once
    assert info.training_history["loss"] == other.training_history["loss"]


def twice(x):
    return 2 * x


class Scaled(layers.Layer):
    learnables = ("factor",)

    def initialize(self, _layout):
        self.factor = np.ones(1, np.float32)

    def predict(self, x):
        return x * self.factor


def test_layers_and_functions_of_the_user(tmp_path):
    """The network that is given has them, so they need not be passed again."""
    net = [layers.FeatureInput(2), Scaled(), layers.Function(twice), *network()[1:]]
    chosen = {"checkpoint_frequency": 2}
    train(options(tmp_path, output_fcn=stopping(14), **chosen), net=net)
    assert_same(train(options(tmp_path, **chosen), net=net, resume=True), train(options(), net=net))


def test_learnables_of_double_precision(tmp_path):
    net = dl.dlupdate(np.float64, dl.dlnetwork(network()[1:], dl.dlarray(X, "BC"), generator=1))
    chosen = {"input_data_formats": "BC"}
    train(options(tmp_path, output_fcn=stopping(14), **chosen), net=net)
    found = train(options(tmp_path, **chosen), net=net, resume=True)
    assert found[0].learnables["fc_1/weights"].dtype == np.float64
    assert_same(found, train(options(**chosen), net=net))


def test_files_are_networks_and_few(tmp_path):
    """The newest two of a training; those of another one in the folder stay."""
    train(options(tmp_path, max_epochs=2))
    others = files(tmp_path)
    chosen = {"output_network": "last-iteration", "batch_normalization_statistics": "moving"}
    net, _ = train(options(tmp_path, **chosen))
    found = files(tmp_path)
    assert found[:2] == others
    assert [int(f.stem[-9:]) for f in found] == [5, 10, 25, 30]
    assert dl.load(found[-1])["net"] == net
    train(options(tmp_path, max_epochs=8), resume=True)
    assert [int(f.stem[-9:]) for f in files(tmp_path)] == [5, 10, 35, 40]


def test_resume_begins_where_there_is_nothing_yet(tmp_path):
    assert_same(train(options(tmp_path / "new"), resume=True), train(options()))
    with pytest.raises(dl.DlgradientError, match=r"resume=True looks.*checkpoint_path"):
        train(options(), resume=True)
    with pytest.raises(dl.DlgradientError, match="has no checkpoint; resume=True"):
        train(options(), resume=tmp_path)
    assert_same(train(options(), resume=tmp_path / "new"), train(options()))
    with pytest.raises(FileNotFoundError):
        train(options(), resume=tmp_path / "away.safetensors")


# -- killed ------------------------------------------------------------------------------------

PROGRAM = """
import os, random, signal, sys, time
os.fsync = lambda number: None
sys.path.insert(0, {tests!r})
import dlgradient as dl
from test_checkpoint import {network}, options, train

def wait(info):
    time.sleep(0.004)

def child():
    chosen = options({folder!r}, max_epochs=150, output_fcn=wait, validation_frequency=50,
                     checkpoint_frequency=2, checkpoint_frequency_unit="iteration")
    net, info = train(chosen, net={network}(), resume=True)
    dl.save({result!r}, {{"net": net, "history": info.training_history}})

train(options(max_epochs=10), net={network}())  # what it loads need not be loaded in each life
moments, kills = random.Random({seed}), 0
while True:
    process = os.fork()
    if not process:
        child()
        os._exit(0)
    if kills < 20:
        time.sleep(moments.uniform(0.01, 0.14))
        os.kill(process, signal.SIGKILL)
        kills += 1
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(0 if kills == 20 and status == 0 else f"{{kills}} kills, status {{status}}")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed as on POSIX systems")
@pytest.mark.parametrize("kind", [network, plain])
def test_a_program_that_is_killed_twenty_times(kind, tmp_path, rng):
    """At random moments, so also while a file is written. Each life is a fork of one process."""
    folder, result = tmp_path / "checkpoints", tmp_path / "result.safetensors"
    program = textwrap.dedent(PROGRAM).format(
        tests=str(Path(__file__).parent),
        folder=str(folder),
        result=str(result),
        network=kind.__name__,
        seed=int(rng.integers(1 << 30)),
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    net, info = train(options(max_epochs=150, validation_frequency=50), net=kind())
    found = dl.load(result)
    for history in (found["history"], info.training_history):
        history.pop("time_elapsed")
    assert found["net"] == net
    assert found["history"] == info.training_history
    assert len(files(folder)) <= 2


def test_what_killed_programs_left_is_removed(tmp_path):
    train(options(tmp_path, max_epochs=1))
    old, new = [tmp_path / f".checkpoint-{n}-1.safetensors.ab.part" for n in (1, 2)]
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    train(options(tmp_path, max_epochs=2), resume=True)
    assert (old.exists(), new.exists()) == (False, True)


def test_what_a_killed_program_would_have_removed_is_removed(tmp_path, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(checkpoint.Checkpoints, "_remove_old", lambda _: None)
        train(options(tmp_path, max_epochs=2))
    before = files(tmp_path)
    assert len(before) == 3
    train(options(tmp_path, max_epochs=2), resume=True)
    assert files(tmp_path) == before[1:]


# -- the disk is full ----------------------------------------------------------------------------


def test_a_full_disk_is_a_warning_and_loses_nothing(tmp_path, monkeypatch):
    """A training of hours goes on; the files before stay, and the next attempt succeeds."""
    writes = []
    save = checkpoint.save

    def full(path, value):
        writes.append(value["iteration"])
        if value["iteration"] in (15, 20):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, value)

    monkeypatch.setattr(checkpoint, "save", full)
    text = r"no checkpoint .* iteration 15: .*No space left.*goes on, .*-000000010.* is the newest"
    with pytest.warns(RuntimeWarning, match=text):
        net = train(options(tmp_path, output_fcn=stopping(17)))
    assert [int(f.stem[-9:]) for f in files(tmp_path)] == [5, 10]
    with pytest.warns(RuntimeWarning) as found:
        net = train(options(tmp_path), resume=True)
    assert [re.search("iteration [0-9]+", str(w.message))[0] for w in found] == [
        "iteration 15",
        "iteration 20",
    ]
    assert writes == [0, 5, 10, 15, 15, 20, 25, 30]
    assert [int(f.stem[-9:]) for f in files(tmp_path)] == [25, 30]
    assert_same(net, train(options()))


LIMITED = """
import resource, signal, sys, warnings
sys.path.insert(0, {tests!r})
from test_checkpoint import options, train
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def limit(info):
    if info["iteration"] == 12:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    train(options({folder!r}, output_fcn=limit))
sys.exit(0 if [str(w.message).count("File too large") for w in found] == [1] * 4 else str(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no sizes of files")
def test_writes_that_fail_in_the_middle(tmp_path):
    """The system itself ends the write of a file after 512 bytes."""
    program = LIMITED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [int(f.stem[-9:]) for f in files(tmp_path)] == [5, 10]
    assert len(list(tmp_path.iterdir())) == 2
    assert_same(train(options(tmp_path), resume=True), train(options()))


def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        train(options(tmp_path / "file", output_fcn=lambda _: pytest.fail("a step was taken")))


def test_a_network_that_cannot_be_saved_is_an_error_before_the_first_step(tmp_path):
    net = [layers.FeatureInput(2), layers.Function(lambda x: x), *network()[1:]]
    with pytest.raises(dl.DlgradientError, match=r"layer 'function'.*define it with def"):
        train(options(tmp_path, output_fcn=lambda _: pytest.fail("a step was taken")), net=net)


# -- what does not fit ---------------------------------------------------------------------------


def test_damaged_files_are_refused(tmp_path, rng):
    """Cut off or changed anywhere: an error that names the file, and the one before it."""
    train(options(tmp_path, max_epochs=2))
    before, newest = files(tmp_path)
    whole = newest.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    for size in (0, 7, 100, length, len(whole) - 1):
        newest.write_bytes(whole[:size])
        with pytest.raises(
            dl.InvalidFileError, match=f"(?s){newest.name}.*before it.*{before.name}"
        ):
            train(options(tmp_path, max_epochs=2), resume=True)
    wrong = 0
    for _ in range(200):
        changed = bytearray(whole)
        changed[int(rng.integers(8, 8 + length))] = int(rng.integers(32, 127))
        newest.write_bytes(changed)
        try:
            train(options(tmp_path, max_epochs=2), resume=True)
        except dl.DlgradientError:
            wrong += 1
    assert wrong > 100


def test_other_files_are_refused(tmp_path):
    dl.save(tmp_path / "model.safetensors", dl.dlnetwork(network()))
    with pytest.raises(dl.InvalidFileError, match=r"no checkpoint of trainnet.*load\(path\)"):
        train(options(), resume=tmp_path / "model.safetensors")


def other_network(layer, at):
    found = network()
    found[at] = layer
    return found


OTHERS = {
    r"the option mini_batch_size is 5, and was 13 in .*\['net'\]": {
        "chosen": {"mini_batch_size": 5}
    },
    r"the option solver is 'sgdm', and was 'adam'": {"chosen": {"solver": "sgdm"}},
    r"the option metrics is \[\], and was \[accuracy\]": {"chosen": {"metrics": ()}},
    r"the option learn_rate_schedule is 'none', and was \[Warmup": {
        "chosen": {"learn_rate_schedule": "none"}
    },
    r"the option validation_data is None, and was given": {"chosen": {"validation_data": None}},
    r"loss is mse, and was crossentropy": {"loss": "mse", "t": np.eye(2, dtype=np.float32)[T]},
    r"source 0 .* shape \(59, 2\) float32, .*and was .*\(60, 2\)": {"x": X[:-1], "t": T[:-1]},
    r"source 0 .*checksum": {"x": X + 1},
    r"source 1 .*checksum": {"t": 1 - T},
    r"another network.*layer 'fc_1' is FullyConnected\(5.*other FullyConnected\(4": {
        "net": other_network(layers.FullyConnected(5), 1)
    },
    r"layer 'dropout' where the other|it has layer 'relu'": {
        "net": other_network(layers.Relu(), 3)
    },
    r"it has 5 layers, the other 6": {"net": network()[:5]},
}


@pytest.mark.parametrize("text", OTHERS)
def test_a_training_goes_on_with_what_it_began_with(text, tmp_path):
    train(options(tmp_path, max_epochs=1))
    changes = dict(OTHERS[text])
    chosen = options(tmp_path, **{"max_epochs": 1, **changes.pop("chosen", {})})
    with pytest.raises(dl.InvalidArgumentError, match=text):
        train(chosen, resume=True, **changes)


def test_checkpoints_are_read_without_pickle(tmp_path):
    """The file is JSON and arrays."""
    train(options(tmp_path, max_epochs=1))
    data = files(tmp_path)[-1].read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["dlgradient"])["version"] == 1
