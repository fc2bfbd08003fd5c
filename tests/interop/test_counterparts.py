"""Names of other libraries are answered with what to write, from one table that is executed."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.interop.counterparts import ATTRIBUTES, NOTES, WRITE, answers

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "supported" / "other-names.md"
TOOL = ROOT / "tools" / "names_page.py"

LINES = [line.rpartition(": ") for line in WRITE.strip().splitlines()]
NAMES = [name for names in (*(n for _, _, n in LINES), *NOTES.values()) for name in names.split()]


def scope(rng: np.random.Generator) -> dict[str, Any]:
    """Return the names of the expressions."""
    public = {name: getattr(dl, name) for name in dl.__all__}
    images = {"X": (4, 4, 2, 3), "X4": (4, 4, 4, 3)}
    sequences = {"Y": (4, 2, 5), "targets": (4, 2, 5)}
    return public | {
        "np": np,
        "x": dl.dlarray([1.0, 2.0, 3.0]),
        "y": dl.dlarray([4.0, 5.0, 6.0]),
        "A": dl.dlarray(np.arange(9.0).reshape(3, 3) + 1),
        "B": dl.dlarray(np.eye(3)[::-1].copy()),
        "i": np.array([0, 2, 1]),
        "c": np.array([True, False, True]),
        "n": 3,
        "f": lambda x: (x**2).sum(),
        "signal": dl.dlarray(rng.random((1, 16)), "CT"),
        "labels": rng.integers(0, 4, (1, 2, 5)),
        "weights": dl.dlarray(rng.random((3, 3, 2, 5))),
        "weights_t": dl.dlarray(rng.random((3, 3, 5, 2))),
        "bias": dl.dlarray(np.zeros(5)),
        "offset": dl.dlarray(np.zeros(2)),
        "scale": dl.dlarray(np.ones(2)),
        **{name: dl.dlarray(rng.random(shape), "SSCB") for name, shape in images.items()},
        **{name: dl.dlarray(rng.random(shape), "CBT") for name, shape in sequences.items()},
    }


def value(expression: str, rng: np.random.Generator) -> Any:
    names = scope(rng)

    def run(x: Any, y: Any, A: Any, B: Any) -> Any:
        return eval(expression, {**names, "x": x, "y": y, "A": A, "B": B})

    with np.errstate(all="ignore"):  # of arcsin(2), for instance
        return dl.dlfeval(run, *[names[name] for name in "xyAB"])


@pytest.mark.parametrize("expression", [expression for expression, _, _ in LINES])
def test_every_expression_is_executed_on_traced_values(
    expression: str, rng: np.random.Generator
) -> None:
    assert value(expression, rng) is not None


# The arguments that a function of NumPy is called with, to compare it with the expression.
ARGUMENTS = {
    "x": ("absolute fabs arctan arcsinh sinc radians deg2rad degrees rad2deg fix rint "
          "nan_to_num nansum nanmean diag diff argsort sort flatnonzero conjugate"),
    "x, y": ("arctan2 true_divide power float_power mod fmod dot inner vdot fmax fmin array_equal "
             "allclose isclose convolve cross"),
    "A": "ravel transpose rot90 fliplr flipud amax amin ptp trace",
    "A, B": "kron",
    "[x, y]": "hstack dstack vstack column_stack concatenate",
    "x, n": "around",
    "i": "invert",
    "i, 1": "left_shift right_shift",
}  # fmt: skip
CALLS = [(name, given) for given, names in ARGUMENTS.items() for name in names.split()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "given"), CALLS)
def test_an_expression_has_the_value_of_numpys_function(
    name: str, given: str, rng: np.random.Generator
) -> None:
    expression = next(e for e, _, names in LINES if name in names.split())
    plain = {k: dl.extractdata(v) for k, v in scope(rng).items() if dl.isdlarray(v)}
    expected = eval(f"np.{name}({given})", {**scope(rng), **plain})
    np.testing.assert_allclose(dl.extractdata(value(expression, rng)), expected, rtol=1e-12)


def test_a_name_has_one_answer_and_no_function() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(answers())
    assert not set(NAMES) & {*dl.__all__, *dir(dl)}


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_name_is_answered(name: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"{name!r}; {answers()[name]}")) as found:
        getattr(dl, name)
    assert found.value.name == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cat", r"write concat\(\[x, y\], axis=0\)"),
        ("circshift", r"write roll\(x, n\)"),
        ("diag", r"write np\.diag\(x\)"),
        (
            "inv",
            r"no derivative here, but the page \"Linear systems\" .*\n.*/linear-systems.html",
        ),
        ("isrow", "does not exist, since a vector has one dimension"),
        ("numel", r"write x\.size"),
        ("rem", r"write x - y \* trunc\(x / y\)"),
        ("unsqueeze", r"write expand_dims\(x, axis=0\)"),
        ("atleast_2d", r"write numpy\.atleast_2d, which is traced"),  # of NumPy's own names
        ("frexp", r"no traced form; numpy\.frexp is for what is not traced"),
        ("softmx", "did you mean 'softmax'"),
        ("permuteDims", "did you mean 'permute_dims'"),
        ("DLArray", "did you mean 'dlarray'"),
    ],
)
def test_names_are_answered_by_what_they_mean(name: str, text: str) -> None:
    with pytest.raises(AttributeError, match=f"'{name}'; .*{text}"):
        getattr(dl, name)


def spellings(layer: str) -> set[str]:
    """Return the names of a layer in MATLAB, and those that readers make of them."""
    camel = layer[0].lower() + layer[1:]
    snake = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", camel).lower()
    short = camel.replace("onvolution", "onv") if "Transposed" in layer else camel
    return {f"{camel}Layer", f"{layer}Layer", f"{short}Layer", f"{snake}_layer"}


@pytest.mark.parametrize("layer", sorted({*dl.layers.__all__} - {"Layer"}))
def test_a_layer_is_found_in_every_spelling(layer: str) -> None:
    for name in spellings(layer):
        with pytest.raises(AttributeError, match=rf"'{name}'; write layers\.{layer}\b"):
            getattr(dl, name)
        with pytest.raises(AttributeError, match=rf"'{name}'; write layers\.{layer}\n"):
            getattr(dl.layers, name)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("Linear", "FullyConnected"),
        ("Dense", "FullyConnected"),
        ("Conv2d", "Convolution2d"),
        ("ConvTranspose3d", "TransposedConvolution3d"),
        ("MaxPool2d", "MaxPooling2d"),
        ("AvgPool1d", "AveragePooling1d"),
        ("AdaptiveAvgPool2d", "AdaptiveAveragePooling2d"),
        ("BatchNorm1d", "BatchNormalization"),
        ("LayerNorm", "LayerNormalization"),
        ("RMSNorm", "RmsNormalization"),
        ("ReLU", "Relu"),
        ("SiLU", "Swish"),
        ("LSTM", "Lstm"),
        ("Dropout2d", "SpatialDropout"),
        ("Embedding", "Embedding"),
    ],
)
def test_modules_of_pytorch_are_answered_by_layers(name: str, layer: str) -> None:
    for space in (dl, dl.nn):
        with pytest.raises(
            AttributeError, match=rf"'{name}'; write .*layers\.{layer} in a network"
        ):
            getattr(space, name)
    if name not in dl.layers.__all__:
        with pytest.raises(AttributeError, match=rf"write layers\.{layer}\n"):
            getattr(dl.layers, name)


def test_a_name_without_meaning_in_nn() -> None:
    for name in ("functional", "Qwxyz"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(dl.nn, name)


@pytest.mark.parametrize("name", ["qwxyz", "e1", "__nothing__", "inverse_of"])
def test_nothing_is_said_of_a_name_that_means_nothing(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\nSee https"):
        getattr(dl, name)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_arrays_elsewhere(name: str) -> None:
    x = dl.dlarray([1.0])
    with pytest.raises(AttributeError, match=rf"dlarray has no attribute '{name}'; \w+ \w+"):
        getattr(x, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(dl.dlarray, name)
    assert not hasattr(x, name)


def test_dir_lists_what_exists() -> None:
    x = dl.dlarray([[1.0]])
    for names, owner in ((dir(x), x), (dir(dl.dlarray), dl.dlarray), (dir(dl), dl)):
        assert not [name for name in names if not hasattr(owner, name)]
    assert {"sum", "reshape", "_repr_html_", "__add__"} <= set(dir(x))
    assert set(dir(x)) == set(dir(dl.dlarray)) - {"mro", "__abstractmethods__"}


def test_the_page_of_names_is_written_from_the_table() -> None:
    written = runpy.run_path(str(TOOL))["page"]()
    assert PAGE.read_text(encoding="utf-8") == written, "run python tools/names_page.py"
