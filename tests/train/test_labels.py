"""Labels of scores."""

import numpy as np
import pandas as pd
import pytest

import dlgradient as dl
from dlgradient import layers

NAMES = ["cat", "dog", "fish"]


@pytest.mark.parametrize("fmt", ["CB", "BC", "CBT", "TCB", "SSCB"])
def test_formats(fmt, rng):
    shape = tuple(
        3 if label == "C" else size for label, size in zip(fmt, (4, 5, 2, 6), strict=False)
    )
    scores = rng.normal(size=shape)
    axis = fmt.index("C")
    want = np.array(NAMES)[scores.argmax(axis)]
    np.testing.assert_array_equal(dl.scores2label(dl.dlarray(scores, fmt), NAMES), want)
    np.testing.assert_array_equal(dl.scores2label(scores, NAMES, axis), want)
    np.testing.assert_array_equal(dl.scores2label(scores, NAMES, axis=axis - len(fmt)), want)


def test_the_predictions_of_a_network_and_classes_that_are_numbers():
    net = dl.dlnetwork([dl.layers.FeatureInput(3)])
    scores = dl.minibatchpredict(net, np.eye(3)[[2, 0, 1]])
    assert dl.scores2label(scores, range(10, 13)).tolist() == [12, 10, 11]
    assert dl.scores2label([0.25, 0.75], [False, True]) == True  # noqa: E712 - a NumPy bool


@pytest.mark.parametrize(
    "given",
    [
        pd.CategoricalDtype(NAMES, ordered=True),
        pd.Categorical(["dog"], NAMES, ordered=True),
        pd.Series(["dog", "cat"], dtype=pd.CategoricalDtype(NAMES, ordered=True)),
    ],
)
def test_categories(given):
    scores = np.array([[0.0, 1.0, 0.5], [np.nan, 1.0, 0.0], [1.0, 0.0, 0.0]])
    found = dl.scores2label(scores, given)
    assert found.dtype == pd.CategoricalDtype(NAMES, ordered=True)
    assert found.codes.tolist() == [1, -1, 0]


@pytest.mark.parametrize("wrapped", [np.asarray, lambda a: dl.dlarray(a, "TC")])
def test_a_list_of_sequences(wrapped, rng):
    scores = [rng.random((n, 3)) for n in (4, 1, 6)]
    found = dl.scores2label([wrapped(s) for s in scores], NAMES)
    assert [labels.tolist() for labels in found] == [
        np.array(NAMES)[s.argmax(1)].tolist() for s in scores
    ]
    same = [wrapped(s[:1]) for s in scores]
    assert np.shape(dl.scores2label(same, NAMES)) == (3, 1)


WRONG = {
    r"scores has shape \(2, 3\); along dimension -1 .* size 2": lambda x: (x, ["a", "b"]),
    r"scores has shape \(\)": lambda _: (0.5, ["a"]),
    "axis=2 does not exist, scores has shape": lambda x: (x, NAMES, 2),
    "format 'SS' without 'C'; say with axis=": lambda x: (dl.dlarray(x, "SS"), NAMES),
    "class_names must be different": lambda x: (x, ["a", "a", "b"]),
    "NaN at the observation \\(0,\\), so": lambda x: (x * np.nan, NAMES),
    "scores must be real numbers": lambda x: (x * 1j, NAMES),
    "cannot be a Categorical, which has one": lambda x: (x[None], pd.CategoricalDtype(NAMES)),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_calls(message):
    with pytest.raises(
        dl.DlgradientError, match=f"^scores2label: .*{message}|scores2label: {message}"
    ):
        dl.scores2label(*WRONG[message](np.ones((2, 3))))


def test_sequences_are_padded_as_in_training(rng):
    x = [rng.normal(size=(n, 3)).astype(np.float32) for n in (4, 9, 6)]
    net = dl.dlnetwork([layers.SequenceInput(3), layers.Lstm(5, output_mode="last")], generator=0)
    left = {"sequence_padding_direction": "left", "sequence_padding_value": 2.0}
    scores = dl.minibatchpredict(net, x, **left)
    labels = scores.argmax(1)
    padded = np.full((3, 9, 3), 2.0, np.float32)
    for row, values in zip(padded, x, strict=True):
        row[-len(values) :] = values
    np.testing.assert_allclose(scores, net.predict(dl.dlarray(padded, "BTC")).tolist(), rtol=1e-5)
    assert dl.testnet(net, x, labels, "accuracy", **left) == 1.0
    cut = dl.minibatchpredict(net, x, sequence_length="shortest")
    np.testing.assert_allclose(cut, dl.minibatchpredict(net, [a[:4] for a in x]), rtol=1e-5)
