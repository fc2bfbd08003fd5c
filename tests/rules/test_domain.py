"""Which numbers an operation takes is declared, and tested from both sides.

That one of real operands refuses complex ones, by an error of its own, is among the generated
checks, since `error_cases` makes such calls. Here the others must compute with complex operands.
"""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.core.domain import refuse_complex
from dlgradient.errors import ComplexValueError, RuleError, UnsupportedDtypeError
from dlgradient.rules import DERIVED, OPS, elementwise
from dlgradient.testing import case, error_cases, sample_cases

TABLE = {**OPS, **DERIVED}
FUNCTIONS = {
    **{name: op.call for name, op in OPS.items()},
    **{n: d.function for n, d in DERIVED.items()},
}
# Neither domain="real" nor complex samples, and why.
OTHERS = {
    **{n: "takes integers and bool" for n in FUNCTIONS if n.startswith("bitwise_")},
    "ties": "part of the rules of max and min",
    "discretize": "makes integers and bools",
    "rfft": "the spectrum of a real signal",
    "rfftn": "the spectrum of a real signal",
    "ihfft": "the spectrum of a real signal",
}


def has_complex_sample(name: str) -> bool:
    leaves = [x for c in sample_cases(TABLE[name]) for x in tree.flatten(list(c.args))[0]]
    return any(np.result_type(x).kind == "c" for x in leaves if isinstance(x, np.ndarray | complex))


@pytest.mark.parametrize("name", [n for n in TABLE if n not in OTHERS])
def test_complex_samples(name: str) -> None:
    assert has_complex_sample(name) == (TABLE[name].domain == "complex")


@pytest.mark.parametrize("name", [n for n, d in TABLE.items() if d.domain == "real"])
def test_complex_operands_are_among_the_errors(name: str) -> None:
    wrong = [e for e in error_cases(TABLE[name]) if e.error is ComplexValueError]
    assert wrong
    for call, _, _ in wrong:
        assert any(np.iscomplexobj(x) for x in tree.flatten(list(call.args))[0])


X = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "TC")
W = np.ones((8, 2))


@pytest.mark.parametrize(
    ("function", "operands", "name"),
    [
        (dl.attention, (X, X, X, 1), "bias"),
        (dl.rotaryencoding, (X,), "positions"),
        *[
            (dl.lstm, (X, 0, 0, W, W, 0), name)
            for name in ("peephole", "projection", "input_projector", "output_projector")
        ],
    ],
)
def test_complex_keyword(function: Any, operands: Any, name: str) -> None:
    with pytest.raises(ComplexValueError, match=f"{name} must be real"):
        function(*operands, **{name: np.ones(2) * 1j})


@pytest.mark.parametrize("loss", [dl.l1loss, dl.l2loss])
def test_complex_weights(loss: Any) -> None:
    with pytest.raises(ComplexValueError, match="weights must be real"):
        loss(X * 1j, X, 1j * X)


def test_precision_of_complex_data_that_turn() -> None:
    assert dl.rotaryencoding(dl.astype(X, "complex64")).dtype == np.complex64
    assert dl.adaptiveavgpool(dl.astype(X, "complex64"), 1, pool_format="T").dtype == np.complex64


@pytest.mark.parametrize("function", [dl.less, dl.maximum, dl.clip, dl.remainder])
@pytest.mark.parametrize("number", [1j, np.complex64(1j), np.array([1j])])
def test_complex_beside_real(function: Any, number: Any) -> None:
    with pytest.raises(ComplexValueError, match=r"(y|min|bound) must be real.*complex.*take real"):
        function(dl.dlarray([1.0, 2.0]), number)


def test_message() -> None:
    wanted = r"floor: x must be real, and has shape \(2,\) complex128; take real\(x\), imag"
    with pytest.raises(ComplexValueError, match=wanted):
        dl.floor(dl.dlarray([1j, 2.0]))


def test_real_operands_pass() -> None:
    refuse_complex("f", x=dl.dlarray([1.0]), y=None, z=2, u=[1.0, 2.0])
    with pytest.raises(ComplexValueError, match=r"f: y must be real"):
        refuse_complex("f", x=1.0, y=[1j])


def test_what_is_no_array_is_refused_as_such() -> None:
    with pytest.raises(UnsupportedDtypeError, match=r"selu: x: a ragged"):
        dl.selu([[1.0], [1.0, 2.0]])


def test_unknown_domain() -> None:
    with pytest.raises(RuleError, match=r"domain='positive' is not 'complex' or 'real'"):

        @elementwise(x=lambda t: t, domain="positive", samples=lambda m: [case(m.real())])
        def misplaced(x, /):
            """Of an unknown domain."""
            return x
