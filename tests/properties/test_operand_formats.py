"""Every operand with a format is read by its labels, whatever the order of its dimensions.

Each function is called with unlabelled operands in the documented order, and with the same operands
permuted, with formats. The sizes are equal where they can be: reading by position is silent there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.errors import FormatClashError, FormatError, ShapeMismatchError
from dlgradient.rules import DERIVED
from dlgradient.testing import sample_cases

TIE = (2, 2, 2)
REFUSALS = (FormatError, FormatClashError, ShapeMismatchError)


class Operand:
    """An array in the documented order, and the labels of that order.

    Some have no documented order: they need a format, unless they have all dimensions of the first.
    """

    def __init__(self, value: Any, fmt: str, *, ordered: bool = True) -> None:
        self.value, self.fmt, self.ordered = np.asarray(value), fmt, ordered

    def unlabelled(self) -> Any:
        return self.value if self.ordered else self.labelled()

    def labelled(self) -> Any:
        return dl.dlarray(self.value, self.fmt)

    def permuted(self, rng: np.random.Generator) -> Any:
        """Permute the dimensions; repeated labels stay in their order."""
        order = list(rng.permutation(self.value.ndim))
        for label in set(self.fmt):
            places = [k for k, i in enumerate(order) if self.fmt[i] == label]
            for place, i in zip(places, sorted(order[k] for k in places), strict=True):
                order[place] = i
        return dl.dlarray(np.transpose(self.value, order), "".join(self.fmt[i] for i in order))

    def mislabelled(self) -> Any:
        return dl.dlarray(self.value, "U" * self.value.ndim)


def calls(rng: np.random.Generator) -> dict[str, tuple[list[Any], dict[str, Any]]]:
    """Operands by position and by name of every function with several operands."""

    def real(shape: tuple[int, ...], fmt: str) -> Operand:
        return Operand(rng.normal(size=shape), fmt)

    def positive(shape: tuple[int, ...], fmt: str) -> Operand:
        return Operand(rng.uniform(0.1, 0.9, size=shape), fmt)

    def choice(shape: tuple[int, ...], fmt: str) -> Operand:
        return Operand(rng.integers(0, 2, size=shape), fmt)

    def either(shape: tuple[int, ...], fmt: str) -> Operand:
        return Operand(rng.integers(0, 2, size=shape) > 0, fmt)

    pair = [real(TIE, "CBT"), real(TIE, "CBT")]
    likely = [positive(TIE, "CBT"), positive(TIE, "CBT")]
    weighted = {"mask": Operand([[True, False], [True, True]], "BT", ordered=False)}
    weights = Operand(rng.uniform(0.1, 0.9, size=(2, 2)), "CB", ordered=False)
    partial = [Operand(rng.normal(size=(2, 2)), "SC", ordered=False) for _ in range(2)]
    matrix, square = (2, 2), (2, 2, 2, 2)
    return {
        "attention": (
            [real(TIE, "BTC"), real(TIE, "BTC"), real(TIE, "BTC"), 1],
            {"padding_mask": Operand([[True, False], [True, True]], "BT")},
        ),
        "batchnorm": ([real(TIE, "BCS"), real((2,), "C"), real((2,), "C")], {}),
        "contrastiveloss": ([*pair, either(matrix, "BT")], {}),
        "cosineloss": (pair, {}),
        "crossentropy": ([*likely, weights], weighted),
        "ctc": (
            [
                positive((2, 2, 4), "CBT"),
                Operand(np.ones((2, 2), int), "BT"),
                None,
                Operand([[True, False], [True, True]], "BT"),
            ],
            {},
        ),
        "dlconv": ([real((3, 4, 2), "SCB"), real(square, "SCUU"), real(matrix, "CU")], {}),
        "dltranspconv": ([real((3, 4, 2), "SCB"), real(square, "SUCU"), real(matrix, "CU")], {}),
        "embed": ([choice(matrix, "BT"), real(matrix, "CU")], {}),
        "focalcrossentropy": (likely, weighted),
        "fullyconnect": ([real(matrix, "CB"), real(matrix, "UC"), real((2, 1), "UC")], {}),
        "generalizeddice": (likely, {}),
        "grid_sample": ([real(square, "BCSS"), real(square, "BSSC")], {}),
        "groupnorm": ([real((2, 4, 2), "BCS"), 2, real((4,), "C"), real((4,), "C")], {}),
        "gru": (
            [
                real((2, 2, 6), "TBC"),
                real(matrix, "BC"),
                real((6, 6), "UC"),
                real((6, 2), "UC"),
                real((6, 1), "UC"),
            ],
            {"mask": Operand([[True, True], [True, False]], "TB")},
        ),
        "huber": ([*pair, weights], weighted),
        "indexcrossentropy": ([positive(TIE, "CBT"), choice(matrix, "BT")], weighted),
        "instancenorm": ([real(TIE, "BCS"), real((2,), "C"), real((2,), "C")], {}),
        "kldivergence": (likely, weighted),
        "l1loss": ([*pair, weights], weighted),
        "l2loss": ([*pair, weights], weighted),
        "layernorm": ([real(TIE, "SCB"), *partial], {"operation_dimension": "batch-excluded"}),
        "lstm": (
            [
                real((2, 2, 8), "TBC"),
                real(matrix, "BC"),
                real(matrix, "BC"),
                real((8, 8), "UC"),
                real((8, 2), "UC"),
                real((8, 1), "UC"),
            ],
            {
                "projection": real(matrix, "UC"),
                "input_projector": real((8, 8), "UC"),
                "output_projector": real(matrix, "UC"),
                "mask": Operand([[True, True], [True, False]], "TB"),
            },
        ),
        "maxunpool": (
            [real(square, "CBTS"), choice(square, "CBTS"), 4],
            {"pool_format": "S"},
        ),
        "mse": (pair, {}),
        "prelu": ([real(TIE, "CBT"), real(TIE, "CBT")], {}),
        "psnr": (pair, {}),
        "rmsnorm": (
            [real(TIE, "SCB"), partial[0]],
            {"operation_dimension": "spatial-channel"},
        ),
        "roialign": (
            [real((2, 2, 2, 1), "SSCB"), Operand(rng.uniform(0, 2, (4, 4)), "BC"), 2],
            {},
        ),
        "rotaryencoding": ([real(TIE, "BTC")], {"positions": real(matrix, "BT")}),
        "spectral_convolution": ([real((2, 2, 2), "CSS"), real(square, "UCSS")], {}),
        "ssim": ([real(TIE, "BSS"), real(TIE, "BSS")], {}),
        "tripletloss": ([*pair, real(TIE, "CBT")], {}),
    }


NAMES = [
    "attention",
    "batchnorm",
    "contrastiveloss",
    "cosineloss",
    "crossentropy",
    "ctc",
    "dlconv",
    "dltranspconv",
    "embed",
    "focalcrossentropy",
    "fullyconnect",
    "generalizeddice",
    "grid_sample",
    "groupnorm",
    "gru",
    "huber",
    "indexcrossentropy",
    "instancenorm",
    "kldivergence",
    "l1loss",
    "l2loss",
    "layernorm",
    "lstm",
    "maxunpool",
    "mse",
    "prelu",
    "psnr",
    "rmsnorm",
    "roialign",
    "rotaryencoding",
    "spectral_convolution",
    "ssim",
    "tripletloss",
]


def called(name: str, rng: np.random.Generator, view: Callable[[str | int, Operand], Any]) -> Any:
    """Return the first result of a call with a view of each operand."""
    args, options = calls(rng)[name]
    found = getattr(dl, name)(
        *[view(i, x) if isinstance(x, Operand) else x for i, x in enumerate(args)],
        **{k: view(k, x) if isinstance(x, Operand) else x for k, x in options.items()},
    )
    return found[0] if isinstance(found, tuple) else found


def in_format(y: Any, fmt: str) -> Any:
    """Return the values of a result in the order of another format with the same labels."""
    own = dl.dims(y)
    assert sorted(own) == sorted(fmt)
    numbered = [[(c, f[:i].count(c)) for i, c in enumerate(f)] for f in (own, fmt)]
    return np.transpose(dl.extractdata(y), [numbered[0].index(label) for label in numbered[1]])


@pytest.mark.parametrize("name", NAMES)
def test_operands_are_read_by_their_labels(name: str, rng: np.random.Generator) -> None:
    seed = int(rng.integers(1000))

    def made() -> np.random.Generator:
        return np.random.default_rng(seed)

    plain = called(name, made(), lambda i, x: x.labelled() if i == 0 else x.unlabelled())
    for _ in range(12):
        y = called(name, made(), lambda _, x: x.permuted(rng))
        np.testing.assert_allclose(
            in_format(y, dl.dims(plain)), dl.extractdata(plain), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("name", NAMES)
def test_other_labels_are_refused(name: str, rng: np.random.Generator) -> None:
    args, options = calls(rng)[name]
    for key, x in [*enumerate(args), *options.items()]:
        if key and isinstance(x, Operand) and min(x.value.shape) > 1 and x.value.ndim > 1:
            with pytest.raises(REFUSALS, match=name):
                called(
                    name, rng, lambda i, x, key=key: x.mislabelled() if i == key else x.labelled()
                )


def test_every_function_of_several_operands_is_among_them(rng: np.random.Generator) -> None:
    assert sorted(calls(rng)) == NAMES
    several = set()
    for name, declaration in DERIVED.items():
        if not declaration.function.__module__.startswith("dlgradient.nn"):
            continue
        for c in sample_cases(declaration):
            arrays = [x for x in (*c.args, *c.params.values()) if isinstance(x, np.ndarray)]
            if len(arrays) > 1:
                several.add(name)
    assert several <= set(NAMES)


def test_labels_that_attention_cannot_read_are_refused(rng: np.random.Generator) -> None:
    q, scores = rng.normal(size=TIE), rng.normal(size=(2, 1, 2, 2))
    for option in ("bias", "attention_mask"):
        value = dl.dlarray(scores.T > 0 if option == "attention_mask" else scores, "BUTS")
        with pytest.raises(FormatClashError, match=f"{option}.*'BUTS'.*stripdims"):
            dl.attention(q, q, q, 1, data_format="BTC", **{option: value})
        dl.attention(q, q, q, 1, data_format="BTC", **{option: dl.stripdims(value)})


def test_data_format_of_attention_is_that_of_unlabelled_operands(rng: np.random.Generator) -> None:
    q, k, v = (rng.normal(size=TIE) for _ in range(3))
    y = dl.extractdata(dl.attention(q, k, v, 1, data_format="BTC"))
    turned = [dl.dlarray(np.transpose(x), "CTB") for x in (k, v)]
    again = dl.attention(q, *turned, 1, data_format="BTC")
    np.testing.assert_allclose(dl.extractdata(again), y, rtol=1e-12)
    again = dl.attention(dl.dlarray(q, "BTC"), np.transpose(k), turned[1], 1, data_format="CTB")
    np.testing.assert_allclose(dl.extractdata(again), y, rtol=1e-12)
    with pytest.raises(FormatClashError, match="data_format says 'BCT'"):
        dl.attention(dl.dlarray(q, "BTC"), *turned, 1, data_format="BCT")


def test_the_shape_of_an_array_says_the_sizes_of_pooled_dimensions(
    rng: np.random.Generator,
) -> None:
    """Also if all its dimensions are pooled, and time is before space."""
    x = dl.dlarray(rng.normal(size=(4, 6)), "TS")
    y, indices = dl.maxpool(x, 2, stride=2, pool_format="ST", return_indices=True)
    z = dl.maxunpool(y, indices, x.shape, pool_format="ST")
    assert z.shape == x.shape
    np.testing.assert_array_equal(np.unique(z), np.unique([0, *np.ravel(y)]))
    np.testing.assert_array_equal(
        dl.extractdata(z)[np.asarray(z) != 0], np.asarray(x)[np.asarray(z) != 0]
    )
