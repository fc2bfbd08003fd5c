"""dltrace: the lines are the computation, so running them gives the results."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import OPS
from dlgradient.testing.checks import outputs
from dlgradient.testing.subject import Subject

LINE = re.compile(r"^(v\d+) = (.*?)  +(?:\w+ \(|tuple)", re.MULTILINE)


def replayed(text: str, **arguments: Any) -> list[Any]:
    """Run the lines of a trace, with other values of the arguments."""
    scope: dict[str, Any] = {"array": np.array, "slice": slice, **arguments}
    operations = {name: op.call for name, op in OPS.items()} | dict(FUNCTIONS)
    for name, call in LINE.findall(text):
        scope[name] = eval(call, {**operations, **scope})
    *_, last = text.splitlines()
    return [eval(part, scope) for part in last.removeprefix("return ").split(", ")]


def chain(x: Any, w: Any) -> Any:
    s = dl.sin(x)
    return (s * w) ** 2, s.sum()


def joined(x: Any, w: Any) -> Any:
    y = dl.concat([x, w * [2.0, 3.0]])
    return y[1:3].mean(axis=0, keepdims=True)


def slope(x: Any, w: Any) -> Any:
    return dl.dlgradient((dl.exp(x) * w).sum(), x, enable_higher_derivatives=True)


@pytest.mark.parametrize("fun", [chain, joined, slope])
def test_lines_compute_the_results(fun: Any, rng: np.random.Generator) -> None:
    x, w, x2, w2 = (dl.dlarray(rng.normal(size=2)) for _ in range(4))
    found = replayed(dl.dltrace(fun, x, w), x=x2, w=w2)
    expected = outputs(dl.dlfeval(fun, x2, w2))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.kind != "constant"])
def test_every_operation_has_a_line(name: str) -> None:
    subject = Subject(name)
    bound = next((b for b in map(subject.bind, subject.cases) if b.values), None)
    if bound is None or not all(np.size(v) for v in bound.values):
        return  # nothing of it is traced
    text = dl.dltrace(lambda *xs: bound(*xs), *bound.arrays())
    assert re.search(r"^v0 = \w+\(", text, re.MULTILINE)
    assert text.splitlines()[-1].startswith("return v")


def test_arguments_have_their_paths_and_what_is_held_is_said() -> None:
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3, name="fc")], generator=0)
    p = {"a": [dl.dlarray(2.0), 3], "b": np.ones(2)}
    x = dl.dlarray([[1.0, 2.0]], "BC")
    text = dl.dltrace(lambda net, x, p: net.predict(x) * p["a"][0], net, x, p)
    lines = text.splitlines()
    assert lines[0].startswith("net.learnables['fc/weights']")
    assert any(re.match(r"p\['a'\]\[0\] +float64 \(\)$", line) for line in lines)
    product = next(line for line in lines if "multiply" in line)
    assert product.endswith("holds v0, p['a'][0]")


def test_a_tuple_of_results_is_taken_by_number() -> None:
    x = dl.dlarray(np.ones((2, 3, 4)), "CBT")
    w = [dl.dlarray(np.ones(s)) for s in ((8, 2), (8, 2), (8,))]
    h = dl.dlarray(np.zeros((2, 3)), "CB")
    text = dl.dltrace(lambda x, h, c, *w: dl.lstm(x, h, c, *w)[0], x, h, h, *w)
    assert re.search(r"= lstm_sequence\(.*\)  +tuple ", text)
    assert re.search(r"\(v\d+\[0\]|return v\d+\[0\]", text)


def test_a_result_without_a_trace_is_an_error() -> None:
    with pytest.raises(dl.InvalidArgumentError, match="dltrace: no result depends on a dlarray"):
        dl.dltrace(lambda x: dl.extractdata(x) * 2, dl.dlarray(1.0))
    with pytest.raises(dl.InvalidArgumentError, match="dltrace: fun must be a function"):
        dl.dltrace(dl.dlarray(1.0), dl.dlarray(1.0))
