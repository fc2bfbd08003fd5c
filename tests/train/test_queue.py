"""minibatchqueue and padsequences: which observations come, in which form."""

import multiprocessing
import os
import pickle
import signal
import traceback

import numpy as np
import pytest

import dlgradient as dl


def test_every_observation_comes_once(rng):
    x = rng.normal(size=(7, 3))
    queue = dl.minibatchqueue((x, np.arange(7)), mini_batch_size=3, generator=1)
    queue.shuffle()
    batches = list(queue)
    assert [len(t) for _, t in batches] == [3, 3, 1]
    order = np.concatenate([t for _, t in batches])
    assert sorted(order) == list(range(7))
    assert order.tolist() != list(range(7))
    assert np.array_equal(np.concatenate([b for b, _ in batches]), x[order])
    assert not queue.hasdata()
    with pytest.raises(dl.InvalidArgumentError, match=r"no batch left; reset\(\) or shuffle"):
        queue.next()


def test_formats_say_where_the_observations_are(rng):
    x = rng.normal(size=(4, 5, 1, 6))
    queue = dl.minibatchqueue(x, mini_batch_size=4, mini_batch_format="SSCB")
    first, last = queue
    assert (first.shape, last.shape, dl.dims(first)) == ((4, 5, 1, 4), (4, 5, 1, 2), "SSCB")
    assert first.dtype == np.float32
    assert np.array_equal(last, x[..., 4:].astype(np.float32))
    queue = dl.minibatchqueue(
        x, mini_batch_size=4, mini_batch_format="SSCB", output_cast="float64",
        partial_mini_batch="discard",
    )  # fmt: skip
    assert [batch.dtype.name for batch in queue] == ["float64"]
    assert len(queue) == 1


def test_sequences_of_different_lengths_are_padded(rng):
    sequences = [rng.normal(size=(n, 2)) for n in (3, 5, 2)]
    (batch,) = dl.minibatchqueue(sequences, mini_batch_format="TCB")
    assert batch.shape == (5, 2, 3)
    for i, s in enumerate(sequences):
        assert np.array_equal(batch[: len(s), :, i], s.astype(np.float32))
        assert not np.any(batch[len(s) :, :, i])


def test_other_sources(rng, tmp_path):
    import pandas as pd

    class Pairs:
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return np.full(2, i), i % 2

    (x, t), _ = dl.minibatchqueue(Pairs(), mini_batch_size=3, mini_batch_format=("BC", None))
    assert (x.tolist(), t.tolist()) == ([[0, 0], [1, 1], [2, 2]], [0, 1, 0])
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    (batch,) = dl.minibatchqueue(frame, mini_batch_format="BC")
    assert batch.tolist() == [[1, 3], [2, 4]]
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(6, 2))
    mapped[:] = rng.normal(size=(6, 2))
    found = [b.shape for b in dl.minibatchqueue(mapped, mini_batch_size=4, mini_batch_format="BC")]
    assert found == [(4, 2), (2, 2)]
    queue = dl.minibatchqueue(
        ["a", "bc", "d"], mini_batch_fcn=lambda texts: np.array([len(t) for t in texts])
    )
    assert queue.next().tolist() == [1, 2, 1]


class Numbered:
    """A dataset that other processes can import."""

    def __init__(self, count, broken=-1):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if i == self.broken:
            raise OSError("disk")
        return np.full(3, i), i


@pytest.mark.parametrize("environment", ["background", "parallel"])
def test_who_reads_does_not_change_what_is_read(environment):
    def queue(environment):
        found = dl.minibatchqueue(
            Numbered(23),
            mini_batch_size=4,
            mini_batch_format=("BC", None),
            preprocessing_environment=environment,
            generator=3,
        )
        found.shuffle()
        return found

    ahead, serial = queue(environment), queue("serial")
    for _ in range(2):
        pairs = list(zip(ahead, serial, strict=True))
        assert len(pairs) == 6
        for (x, t), (x_alone, t_alone) in pairs:
            assert np.array_equal(x, x_alone)
            assert np.array_equal(t, t_alone)
            assert dl.dims(x) == "BC"
    # Half-way is no reason to lose a batch: the next pass begins anew.
    ahead.reset()
    ahead.next()
    assert len(list(ahead)) == 6


@pytest.mark.parametrize("environment", ["serial", "background", "parallel"])
def test_an_error_in_a_worker_has_its_place(environment):
    queue = dl.minibatchqueue(
        Numbered(40, broken=17), mini_batch_size=4, preprocessing_environment=environment
    )
    for _ in range(4):
        queue.next()
    with pytest.raises(OSError, match="disk") as caught:
        queue.next()
    assert "minibatchqueue: while observation 17 of data[0] was read" in caught.value.__notes__


class OwnError(Exception):
    """One that cannot be made of its text alone, and so not be sent to another process."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def refuse_nine(x, _numbers):
    if 9 in np.concatenate(x):
        raise ValueError("nine")
    return np.stack(x)


def refuse_nine_strangely(x, _numbers):
    if 9 in np.concatenate(x):
        raise OwnError(9, "nine is too much")
    return np.stack(x)


@pytest.mark.parametrize("environment", ["serial", "background", "parallel"])
@pytest.mark.parametrize("fcn", [refuse_nine, refuse_nine_strangely])
@pytest.mark.parametrize("train", [False, True])
def test_an_error_of_a_function_has_its_place(environment, fcn, train):
    queue = dl.minibatchqueue(
        Numbered(14),
        mini_batch_size=4,
        mini_batch_fcn=fcn,
        mini_batch_format="BC",
        preprocessing_environment=environment,
    )
    options = dl.training_options("sgdm", verbose=False, shuffle="never")
    net = [dl.layers.FeatureInput(3), dl.layers.FullyConnected(1)]
    with pytest.raises((ValueError, OwnError, RuntimeError), match="nine") as caught:
        dl.trainnet(queue, net, dl.mean, options) if train else list(queue)
    assert caught.value.__notes__ == [
        "minibatchqueue: in mini_batch_fcn, called for observations 8, 9, 10, 11",
        "minibatchqueue: in mini-batch 3, observations 8, 9, 10, 11",
    ]
    if fcn is refuse_nine:
        assert type(caught.value) is ValueError
    # The function is the user's own, so the traceback goes to it.
    if environment != "serial":
        assert fcn.__name__ in "".join(traceback.format_exception(caught.value))


class Ending(Numbered):
    """A dataset that ends the process that reads one of its observations."""

    def __getitem__(self, i):
        if i == self.broken and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.full(3, i), i


def test_a_process_that_is_killed_is_named():
    data = Ending(9, broken=5)
    queue = dl.minibatchqueue(data, mini_batch_size=3, preprocessing_environment="parallel")
    text = r"a process that reads has ended before mini-batch \d, observations .*killed.*__main__"
    with pytest.raises(RuntimeError, match=text):
        list(queue)
    # The next pass has new processes, which get as far.
    queue.reset()
    assert queue.hasdata()
    with pytest.raises(RuntimeError, match="has ended before mini-batch"):
        list(queue)


def test_a_file_is_mapped_again_in_another_process(rng, tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(6, 2))
    mapped[:] = rng.normal(size=(6, 2))
    mapped.flush()
    reader = dl.minibatchqueue(mapped)._reader
    data = pickle.dumps(reader)
    assert len(data) < 2_000 + 2 * len(str(tmp_path))
    (batch,) = pickle.loads(data).read(np.array([4, 1]))
    assert np.array_equal(batch, mapped[[4, 1]])
    (batch,) = dl.minibatchqueue(mapped, preprocessing_environment="parallel")
    assert np.array_equal(batch, mapped)


def stream():
    for i in range(7):
        yield np.full(2, i), i


@pytest.mark.parametrize("environment", ["serial", "background"])
@pytest.mark.parametrize("partial", ["return", "discard"])
def test_an_iterable_is_read_in_its_order(environment, partial):
    queue = dl.minibatchqueue(
        stream,
        mini_batch_size=3,
        mini_batch_format=("BC", None),
        partial_mini_batch=partial,
        preprocessing_environment=environment,
    )
    wanted = [[0, 1, 2], [3, 4, 5], [6]][: 3 if partial == "return" else 2]
    for _ in range(2):
        assert [t.tolist() for _, t in queue] == wanted
    assert (queue.num_observations, queue.num_batches, queue.hasdata()) == (None, None, False)
    with pytest.raises(TypeError, match="length of an iterable is not known"):
        len(queue)


def test_what_an_iterable_cannot_do():
    queue = dl.minibatchqueue(stream(), mini_batch_size=3)
    assert queue.hasdata()
    assert len(list(queue)) == 3
    for call, text in (
        (lambda: list(queue), "a generator can be read once only; give a function"),
        (queue.shuffle, "an iterable has its own order"),
        (lambda: queue.partition(2, 0), "cannot be divided"),
        (lambda: dl.minibatchqueue((stream(), np.arange(7))), "must be the only source"),
        (
            lambda: dl.minibatchqueue(stream, preprocessing_environment="parallel"),
            "one process reads an iterable",
        ),
        (
            lambda: dl.minibatchqueue(
                Numbered(3), mini_batch_fcn=lambda x: x, preprocessing_environment="parallel"
            ),
            "sends data and mini_batch_fcn to other processes.*define functions",
        ),
        (lambda: dl.minibatchqueue(3.0), "data must be arrays.*not float"),
    ):
        with pytest.raises(dl.InvalidArgumentError, match=text):
            call()


def test_an_error_while_an_iterable_is_read_is_not_lost():
    def broken():
        yield from stream()
        raise OSError("disk")

    queue = dl.minibatchqueue(broken, mini_batch_size=4)
    queue.next()
    with pytest.raises(OSError, match="disk") as caught:
        queue.next()
    assert caught.value.__notes__ == [
        "minibatchqueue: while the next observations of data were read",
        "minibatchqueue: in mini-batch 2",
    ]


def test_training_on_an_iterable(rng):
    x = rng.normal(size=(40, 2))

    def pairs():
        return zip(x, x @ [1.0, -2.0], strict=True)

    queue = dl.minibatchqueue(pairs, mini_batch_size=8, mini_batch_format=("BC", "B"))
    options = dl.training_options(
        "sgdm",
        max_epochs=40,
        initial_learn_rate=0.1,
        verbose=False,
        l2_regularization=0,
        generator=0,
    )
    layers = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(1)]
    net, info = dl.trainnet(queue, layers, lambda y, t: dl.mse(y[:, 0], t), options)
    assert len(info.training_history["loss"]) == 200
    np.testing.assert_allclose(np.asarray(net.learnables["fc/weights"]).ravel(), [1, -2], rtol=0.01)
    options = dl.training_options("sgdm", shuffle="every-epoch", verbose=False)
    with pytest.raises(dl.InvalidArgumentError, match="shuffle='never'"):
        dl.trainnet(queue, layers, lambda y, t: dl.mse(y[:, 0], t), options)
    options = dl.training_options("sgdm", max_epochs=1, shuffle="once", verbose=False)
    with pytest.warns(RuntimeWarning, match="shuffle='once' has no effect on an iterable"):
        dl.trainnet(queue, layers, lambda y, t: dl.mse(y[:, 0], t), options)


class Loader:
    """What PyTorch's DataLoader shows of itself."""

    def __init__(self, dataset, batch_size, collate_fn=None):
        self.dataset, self.batch_size, self.collate_fn = dataset, batch_size, collate_fn

    def __len__(self):
        return len(range(0, len(self.dataset), self.batch_size))

    def __iter__(self):
        for first in range(0, len(self.dataset), self.batch_size):
            yield self.dataset[first : first + self.batch_size]


def test_a_loader_is_answered_by_its_dataset(rng):
    loader = Loader(rng.normal(size=(9, 2)), 4)
    net = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(2)]
    options = dl.training_options("sgdm", verbose=False)
    text = r"a Loader, which gives batches.*minibatchqueue\(loader.dataset, mini_batch_size=4\)"
    for call in (
        lambda: dl.minibatchqueue(loader),
        lambda: dl.trainnet(loader, net, lambda y: dl.mean(y), options),
        lambda: dl.minibatchpredict(dl.dlnetwork(net), loader),
    ):
        with pytest.raises(dl.InvalidArgumentError, match=text):
            call()


class PairsOfTensors:
    """What PyTorch's Dataset is: observations by their numbers, as tensors."""

    def __init__(self, x, t):
        self.pairs = [(Tensor(a), Tensor(b)) for a, b in zip(x, t, strict=True)]

    def __getitem__(self, i):
        return self.pairs[i]

    def __len__(self):
        return len(self.pairs)


class Tensor:
    """An array of another library, of which NumPy makes its own."""

    def __init__(self, x):
        self.x = np.asarray(x)

    def __array__(self, dtype=None, copy=None):
        del copy
        return self.x if dtype is None else self.x.astype(dtype)


class IterableDataset(PairsOfTensors):
    """PyTorch's class of this name: it has inherited what it cannot do."""

    def __getitem__(self, i):
        raise NotImplementedError("subclasses of Dataset should implement __getitem__")

    def __iter__(self):
        return iter(self.pairs)


@pytest.mark.parametrize("kind", [PairsOfTensors, IterableDataset])
def test_a_dataset_of_pytorch(kind, rng):
    x, labels = rng.normal(size=(9, 2)).astype(np.float32), rng.integers(0, 3, 9)
    queue = dl.minibatchqueue(kind(x, labels), mini_batch_size=4, mini_batch_format=("BC", None))
    batches = list(queue)
    assert np.array_equal(np.concatenate([np.asarray(a) for a, _ in batches]), x)
    assert np.concatenate([t for _, t in batches]).tolist() == labels.tolist()
    net = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(3), dl.layers.Softmax()]
    options = dl.training_options("sgdm", max_epochs=2, verbose=False)
    _, info = dl.trainnet(queue, net, "crossentropy", options)
    assert info.stop_reason == "Max epochs completed"


NOTHING = {
    "function": lambda: iter([]),
    "list": (x for x in []),
    "small": lambda: iter([(np.ones(2), np.ones(2))] * 3),
}


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("input_normalization", ["none", "zscore"])
def test_an_iterable_without_a_batch_is_an_error(kind, input_normalization):
    def queue():
        partial = "discard" if kind == "small" else "return"
        return dl.minibatchqueue(
            NOTHING[kind], mini_batch_size=4, mini_batch_format=("BC", "BC"),
            partial_mini_batch=partial,
        )  # fmt: skip

    pairs = [(np.ones(2), np.ones(2))] * 4
    some = dl.minibatchqueue(lambda: iter(pairs), mini_batch_format=("BC", "BC"))
    layers = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(2)]
    net = [dl.layers.FeatureInput(2, normalization=input_normalization), layers[1]]
    options = dl.training_options("sgdm", verbose=False)
    text = " whole mini-batch of 4: give" if kind == "small" else " observation: give"
    with pytest.raises(dl.InvalidArgumentError, match=f"trainnet: data gave no{text}"):
        dl.trainnet(queue(), net, "mse", options)
    options.validation_data = queue()
    with pytest.raises(dl.InvalidArgumentError, match=f"validation_data gave no{text}"):
        dl.trainnet(some, layers, "mse", options)
    trained = dl.dlnetwork(layers)
    with pytest.raises(dl.InvalidArgumentError, match=f"testnet: data gave no{text}"):
        dl.testnet(trained, queue(), "rmse")
    with pytest.raises(dl.InvalidArgumentError, match=f"minibatchpredict: data gave no{text}"):
        dl.minibatchpredict(trained, queue())


class Once:
    """An iterable that is empty when it is read again."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __iter__(self):
        while self.pairs:
            yield self.pairs.pop()


@pytest.mark.parametrize("kind", ["generator", "iterable"])
def test_an_iterable_that_is_empty_in_a_later_epoch_keeps_the_network(kind, rng):
    pairs = [(x, x) for x in rng.normal(size=(8, 2))]
    data = Once(pairs) if kind == "iterable" else (pair for pair in pairs)
    queue = dl.minibatchqueue(data, mini_batch_size=4, mini_batch_format=("BC", "BC"))
    options = dl.training_options("sgdm", verbose=False)
    net = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(2)]
    with pytest.warns(RuntimeWarning, match=r"a function that returns a new one.*This is epoch 2"):
        _, info = dl.trainnet(queue, net, "mse", options)
    assert info.stop_reason == "Data gave no batch in epoch 2"
    assert info.training_history["iteration"] == [1, 2]


def test_images_of_a_folder(tmp_path):
    from PIL import Image

    for kind, shade in (("b", 200), ("a", 10)):
        (tmp_path / kind / "inner").mkdir(parents=True)
        for i in range(3):
            image = Image.new("RGB", (5 + i, 4), (shade, i, 0))
            image.save(tmp_path / kind / ("inner" if i else "") / f"{i}.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    data = dl.image_folder(tmp_path)
    assert (len(data), data.class_names, data.labels.tolist()) == (
        6,
        ["a", "b"],
        [0, 0, 0, 1, 1, 1],
    )
    image, label = data[4]
    assert (image.shape, image.dtype, image[0, 0].tolist(), label) == (
        (4, 6, 3), np.uint8, [200, 1, 0], 1,
    )  # fmt: skip
    sized = dl.image_folder(tmp_path, output_size=(8, 9), color="gray")
    queue = dl.minibatchqueue(
        sized,
        mini_batch_size=4,
        mini_batch_format=("SSCB", None),
        preprocessing_environment="background",
    )
    assert [(x.shape, t.tolist()) for x, t in queue] == [
        ((8, 9, 1, 4), [0, 0, 0, 1]),
        ((8, 9, 1, 2), [1, 1]),
    ]
    (tmp_path / "b" / "broken.jpg").write_bytes(b"no jpeg")
    with pytest.raises(dl.InvalidArgumentError, match=r"broken.jpg is not an image"):
        dl.image_folder(tmp_path)[4]
    for path, text in ((tmp_path / "none", "no folder"), (tmp_path / "a", "no folder with images")):
        if path.name == "a":
            (path / "inner" / "1.png").unlink()
            (path / "inner" / "2.png").unlink()
        with pytest.raises(dl.InvalidArgumentError, match=text):
            dl.image_folder(path)


def test_parts_divide_the_observations():
    queue = dl.minibatchqueue(np.arange(10), mini_batch_size=3)
    parts = [np.concatenate(list(queue.partition(3, k))) for k in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(10))


def test_a_part_that_is_shuffled_has_the_same_observations():
    whole = dl.minibatchqueue(np.arange(30), mini_batch_size=3, generator=0)
    for k in range(3):
        part = whole.partition(3, k)
        before = np.concatenate(list(part))
        orders = []
        for _ in range(3):
            part.shuffle()
            orders.append(np.concatenate(list(part)).tolist())
        assert all(sorted(order) == sorted(before) for order in orders)
        assert len({tuple(order) for order in orders}) > 1


class Failing:
    def __len__(self):
        return 5

    def __getitem__(self, i):
        if i == 3:
            raise OSError("disk")
        return np.zeros(2)


def test_an_error_in_a_source_has_its_place():
    with pytest.raises(OSError, match="disk") as caught:
        dl.minibatchqueue(Failing()).next()
    assert caught.value.__notes__ == [
        "minibatchqueue: while observation 3 of data[0] was read",
        "minibatchqueue: in mini-batch 1, observations 0, 1, 2, 3, 4",
    ]


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        ((np.zeros(3), np.zeros(4)), {}, "3, 4 observations"),
        (np.zeros((0, 2)), {}, "no observations"),
        (np.zeros((4, 2)), {"mini_batch_format": "CT"}, "with 'B' for the observations"),
        ([np.zeros(2), np.zeros(3)], {"mini_batch_format": "CB"}, "or a format with 'T'"),
        (np.zeros((4, 2)), {"mini_batch_size": 0}, "mini_batch_size must be an integer"),
        (np.zeros((4, 2)), {"MiniBatchSize": 2}, "write mini_batch_size="),
    ],
)
def test_mistakes_are_answered(data, options, text):
    with pytest.raises(dl.DlgradientError, match=text):
        dl.minibatchqueue(data, **options).next()


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("length", ["longest", "shortest", 4])
def test_padsequences(direction, length, rng):
    sequences = [rng.normal(size=(2, n)) for n in (3, 5, 2)]
    x, mask = dl.padsequences(sequences, 1, length=length, direction=direction, padding_value=-1.0)
    n = {"longest": 5, "shortest": 2}.get(length, length)
    assert x.shape == mask.shape == (2, n, 3)
    for i, s in enumerate(sequences):
        kept = s[:, :n] if direction == "right" else s[:, -n:]
        assert np.array_equal(x[:, :, i][mask[:, :, i]].reshape(2, -1), kept)
        assert (x[:, :, i][~mask[:, :, i]] == -1).all()
    with pytest.raises(dl.ShapeMismatchError, match=r"sequences\[1\] has shape \(3, 1\)"):
        dl.padsequences([np.zeros((2, 1)), np.zeros((3, 1))], 1)


def test_predictions_have_a_row_for_each_observation(rng):
    images = rng.normal(size=(6, 6, 1, 5))
    net = dl.dlnetwork(
        [
            dl.layers.ImageInput((6, 6, 1), normalization="none"),
            dl.layers.Convolution2d(3, 2),
            dl.layers.FullyConnected(4),
        ]
    )
    scores = dl.minibatchpredict(net, images, mini_batch_size=2)
    assert scores.shape == (5, 4)
    alone = np.asarray(net.predict(dl.dlarray(images[..., 3:4], "SSCB").astype(np.float32)))
    # Sums of 32 products in another order: an error relative to the terms, not to the sum.
    np.testing.assert_allclose(scores[3], alone.ravel(), rtol=1e-5, atol=1e-6)


# -- sequences of one length -----------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("length", ["longest", "shortest", 3])
def test_lists_of_padded_sequences(axis, direction, length, rng):
    """As slices of the array; 200 sequences, which is more than NumPy promotes at once."""
    sequences = [
        rng.normal(size=(2, n) if axis else (n, 2)) for n in rng.integers(1, 6, 200).tolist()
    ]
    options = {"length": length, "direction": direction, "padding_value": -1.0}
    x, mask = dl.padsequences(sequences, axis, **options)
    xs, masks = dl.padsequences(sequences, axis, **options, uniform_output=False)
    assert isinstance(xs, list)
    assert isinstance(masks, list)
    np.testing.assert_array_equal(np.stack(xs, -1), x)
    np.testing.assert_array_equal(np.stack(masks, -1), mask)
    for padded, inside, whole in zip(xs, masks, sequences, strict=True):
        size, n = whole.shape[axis], padded.shape[axis]
        kept = min(size, n)
        part = np.arange(kept) if direction == "right" else np.arange(size - kept, size)
        np.testing.assert_array_equal(padded[inside], whole.take(part, axis).ravel())
        assert (padded[~inside] == -1).all()
        assert inside.sum() == 2 * kept


@pytest.mark.parametrize(
    ("dtype", "value"), [(int, 0.5), (np.uint8, -1.0), (np.int8, 200.0), (bool, 2.0)]
)
def test_padding_that_a_dtype_does_not_have(dtype, value):
    sequences = [np.ones(3, dtype), np.ones(1, dtype)]
    with pytest.raises(dl.InvalidArgumentError, match=r"padding_value is .* floating-point"):
        dl.padsequences(sequences, 0, padding_value=value)
    x, _ = dl.padsequences([s.astype(float) for s in sequences], 0, padding_value=value)
    np.testing.assert_array_equal(x[1:, 1], [value, value])
    assert dl.padsequences(sequences, 0, padding_value=1.0)[0].dtype == dtype


def test_batches_share_no_memory_with_anything(rng):
    """Not with the data, with what a function has returned, nor with batches before."""
    x, t = rng.standard_normal((12, 3)).astype(np.float32), rng.integers(0, 3, 12)
    buffer = np.zeros((4, 3), np.float32)

    def filled(rows, numbers):
        buffer[:] = np.stack(rows)
        return buffer, np.stack(numbers)

    for cast in ("float32", "float64", None):
        for fcn in (None, filled):
            queue = dl.minibatchqueue(
                (x.copy(), t.copy()), mini_batch_size=4, mini_batch_format=("BC", ""),
                mini_batch_fcn=fcn, output_cast=cast,
            )  # fmt: skip
            found = []
            for source in queue.sources * 2:
                found.append(queue.next() if queue.hasdata() else None)
                source[:] = 7  # what comes later is another thing
            first, second = found[:2]
            np.testing.assert_array_equal(dl.extractdata(first[0]), x[:4])
            np.testing.assert_array_equal(first[1], t[:4])
            assert (dl.extractdata(second[0]) == 7).all()
            assert first[0].dtype == (cast or np.float32)
            assert dl.dims(first[0]) == "BC"


class Window:
    """Data of a user, which show each batch in the same memory."""

    def __init__(self, x):
        self.x, self.shape, self.ndim, self.dtype = x, x.shape, x.ndim, x.dtype
        self.memory = np.zeros_like(x)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, chosen):
        (numbers,) = chosen
        part = self.memory[: len(numbers)]
        part[:] = self.x[numbers]
        return part


def test_a_batch_does_not_change_with_the_memory_of_the_user(rng):
    x = rng.standard_normal((6, 2)).astype(np.float32)
    queue = dl.minibatchqueue(Window(x), mini_batch_size=3, mini_batch_format="BC")
    batches = [queue.next() for _ in range(2)]
    np.testing.assert_array_equal(np.concatenate([np.asarray(b) for b in batches]), x)
