"""minibatchqueue and padsequences: which observations come, in which form."""

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


def test_parts_divide_the_observations():
    queue = dl.minibatchqueue(np.arange(10), mini_batch_size=3)
    parts = [np.concatenate(list(queue.partition(3, k))) for k in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(10))


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
    assert caught.value.__notes__ == ["minibatchqueue: while observation 3 of data[0] was read"]


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
