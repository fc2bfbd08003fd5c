"""Options of training are refused when they are made, and not when they are used."""

import re

import numpy as np
import pytest

import dlgradient as dl

X, T = np.ones((4, 2)), np.ones((4, 1))
DATA = "validation_data must be a tuple (x, targets), a minibatchqueue, a dataset or None, not "
WRONG = [
    *[
        ({"validation_data": data}, DATA, "; write validation_data=(x, targets)")
        for data in (3, 2.5, True, "x", b"x", (), {}, {"x": X}, (X, 3), (X, "labels"), object())
    ],
    *[
        ({option: fmt}, f"{option} must be 'auto', a format such as 'BC'", "")
        for option in ("input_data_formats", "target_data_formats")
        for fmt in (3, "QQ", "", {}, {"x": "BC"}, ("BC", "QQ"), ("BC", 3), X)
    ],
    (
        {"output_network": "best-validation"},
        "output_network='best-validation' compares validations",
        "give validation_data=(x, targets), or omit output_network",
    ),
    (
        {"validation_patience": 5},
        "validation_patience=5 compares validations",
        "give validation_data=(x, targets), or omit validation_patience",
    ),
    *[
        ({"output_fcn": value}, "output_fcn must be a function, a list of them or None, not ", "")
        for value in (3, "print", [3], [print, None], {})
    ],
    *[
        ({"checkpoint_path": value}, "checkpoint_path must be the path of a folder", "")
        for value in (b"folder", 3, None)
    ],
]


@pytest.mark.parametrize(("options", "text", "fix"), WRONG)
def test_a_wrong_option_is_refused(options, text, fix):
    with pytest.raises(dl.DlgradientError) as found:
        dl.training_options("adam", **options)
    said = str(found.value)
    assert said.startswith(f"training_options: {text}")
    assert fix in said


@pytest.mark.parametrize(
    "data",
    [
        X,
        (X, T),
        (X, [0, 1, 0, 1]),
        ((X, X), T),
        [X[0], X[1]],
        dl.minibatchqueue((X, T)),
        lambda: iter(zip(X, T, strict=True)),
        None,
    ],
    ids=["array", "pair", "classes", "two inputs", "list", "queue", "function", "none"],
)
def test_data_of_all_kinds_are_taken(data):
    assert dl.training_options("adam", validation_data=data).validation_data is data


def test_what_needs_validation_data_is_taken_with_them():
    chosen = {"output_network": "best-validation", "validation_patience": 2}
    options = dl.training_options("adam", validation_data=(X, T), **chosen)
    with pytest.raises(dl.InvalidArgumentError, match="there are no validation data"):
        options.validation_data = None
    assert options.validation_data[0] is X


@pytest.mark.parametrize("names", ["first", ("first", "second"), ["second", "input"]])
def test_outputs_are_chosen_by_the_constructor(names, rng):
    layers = dl.layers
    chosen = [
        layers.FeatureInput(2),
        layers.FullyConnected(3, name="first"),
        layers.Tanh(name="second"),
    ]
    net = dl.dlnetwork(chosen, output_names=names, generator=0)
    other = dl.dlnetwork(chosen, generator=0)
    assert net.output_names == ((names,) if isinstance(names, str) else tuple(names))
    x = rng.normal(size=(5, 2))
    found, expected = net.predict(x), other.predict(x, outputs=names)
    assert isinstance(found, tuple) == (not isinstance(names, str))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert dl.dlnetwork(other, output_names=names).output_names == net.output_names


def test_an_output_that_does_not_exist_is_refused():
    with pytest.raises(dl.InvalidArgumentError, match="there is no layer 'last'"):
        dl.dlnetwork([dl.layers.FeatureInput(2)], output_names="last")
    with pytest.raises(dl.UnknownKeywordError, match=re.escape("write output_names=")):
        dl.dlnetwork([dl.layers.FeatureInput(2)], OutputNames="input")
