"""`dlvmap`: the same as a call for each member, in one pass where that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient import errors
from dlgradient.engine import vmap
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, outputs
from dlgradient.testing.subject import Subject


def raw(x: Any) -> Any:
    return dl.extractdata(x)


def test_members_are_computed_in_one_pass(rng, capsys):
    A, calls = rng.normal(size=(5, 3)), []

    def fun(row):
        calls.append(1)
        return dl.sin(row).sum() * row

    found = dl.dlvmap(fun, A, explain=True)
    assert_allclose(raw(found), np.sin(A).sum(axis=1, keepdims=True) * A)
    assert len(calls) == 1
    assert capsys.readouterr().out == "dlvmap: 5 members in one pass\n"


def test_several_arguments_in_containers(rng):
    a, b = rng.normal(size=(4, 2)), rng.normal(size=(4, 2, 3))
    found = dl.dlvmap(lambda p, k: {"y": p["a"] @ p["b"] * k, "k": k}, {"a": a, "b": b}, 2.0)
    assert_allclose(raw(found["y"]), 2 * np.einsum("ni,nij->nj", a, b))
    assert found["k"].tolist() == [2.0] * 4


def test_a_gradient_for_each_observation(rng):
    X, t = rng.normal(size=(6, 3)), rng.normal(size=6)
    p = {"w": dl.dlarray(rng.normal(size=(2, 3))), "b": dl.dlarray(rng.normal(size=2))}
    calls = []

    def loss(p, x, t):
        calls.append(1)
        return ((dl.tanh(p["w"] @ x + p["b"]).sum() - t) ** 2).sum()

    def each(p):
        return dl.dlvmap(lambda x, t: dl.dlgradient(loss(p, x, t), p), X, t)

    found = dl.dlfeval(each, p)
    assert len(calls) == 1
    for k in range(6):
        expected = dl.dlfeval(lambda p, k=k: dl.dlgradient(loss(p, X[k], t[k]), p), p)
        for name in p:
            assert_allclose(raw(found[name][k]), raw(expected[name]), rtol=1e-12)


def test_it_is_differentiated(rng):
    X, w = rng.normal(size=(5, 3)), rng.normal(size=3)

    def total(w, X):
        y = dl.dlvmap(lambda x: dl.exp(w @ x), X)
        return dl.dlgradient(y.sum(), w, X)

    by_w, by_x = dl.dlfeval(total, dl.dlarray(w), dl.dlarray(X))
    e = np.exp(X @ w)
    assert_allclose(raw(by_w), e @ X)
    assert_allclose(raw(by_x), e[:, None] * w)


def test_derivatives_of_observations_by_nesting(rng):
    X = rng.normal(size=(4, 3))
    found = dl.dlvmap(lambda x: dl.dlhessian(lambda x: (x**3).sum() * x[0], x), dl.dlarray(X))
    for k in range(4):
        expected = dl.dlhessian(lambda x: (x**3).sum() * x[0], dl.dlarray(X[k]))
        assert_allclose(raw(found[k]), raw(expected), rtol=1e-12, atol=1e-13)


def test_a_batch_in_a_batch(rng):
    a, b = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    found = dl.dlvmap(lambda x: dl.dlvmap(lambda y: x @ y, b), a)
    assert_allclose(raw(found), a @ b.T)


def test_formats_have_their_batch(rng):
    x = dl.dlarray(rng.normal(size=(3, 5)), "CB")
    seen = []

    def fun(member):
        seen.append((dl.dims(member), member.shape))
        return member * 2

    found = dl.dlvmap(fun, x)
    assert seen == [("C", (3,))]
    assert dl.dims(found) == "BC"
    assert_allclose(raw(found), 2 * raw(x).T)


@pytest.mark.parametrize(
    ("fun", "reason"),
    [
        (lambda x: x * 2 if x > 0 else x, "reads a value that differs"),
        (lambda x: dl.sin(x) * float(dl.extractdata(x)), "reads a value that differs"),
        (lambda x: Square()(x), "backward pass of its own"),
    ],
)
def test_what_differs_between_members_is_a_call_for_each(fun, reason, capsys):
    x = np.array([1.0, -2.0, 3.0])
    found = dl.dlvmap(fun, x, explain=True)
    assert reason in capsys.readouterr().out
    expected = [dl.dlfeval(fun, dl.dlarray(v)).item() for v in x]
    assert_allclose(raw(found), expected)


def test_random_numbers_are_drawn_for_each_member(rng, capsys):
    def fun(x):
        return dl.dropout(x, probability=0.5, generator=rng)

    found = raw(dl.dlvmap(fun, np.ones((4, 100)), explain=True))
    assert "random numbers are drawn" in capsys.readouterr().out
    assert len({row.tobytes() for row in found}) == 4


class Square(dl.DifferentiableFunction):
    def forward(self, context, x):
        context.save(x)
        return x**2

    def backward(self, context, g):
        (x,) = context.saved
        return 2 * g * x


def test_what_is_the_same_for_all_members_may_be_read(capsys):
    x = np.array([1.0, 2.0, 3.0])
    found = dl.dlvmap(lambda x: x * 2 if x > 0 else x, x, explain=True)
    assert "one pass" in capsys.readouterr().out
    assert found.tolist() == [2.0, 4.0, 6.0]


def test_members_cannot_change_the_data():
    x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])

    def fun(row):
        row = row.copy()
        row[0] = 0.0
        return row

    assert dl.dlvmap(fun, x).tolist() == [[0.0, 2.0], [0.0, 4.0]]
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_chunks_of_members_change_nothing(rng, monkeypatch):
    A = rng.normal(size=(7, 3))
    whole = dl.dlvmap(lambda x: dl.exp(x).sum() * x, A)
    monkeypatch.setattr(vmap, "DIRECTION_ELEMENTS", 8)
    assert_allclose(raw(dl.dlvmap(lambda x: dl.exp(x).sum() * x, A)), raw(whole))


def test_a_mask_with_an_infinite_partial():
    x = np.array([[-1.0, 4.0], [0.0, 1.0]])

    def gradient(x):
        return dl.dlgradient(dl.where(x > 0, dl.sqrt(dl.abs(x)), x).sum(), x)

    found = dl.dlvmap(gradient, x)
    assert found.tolist() == [[1.0, 0.25], [1.0, 0.5]]


def test_wrong_arguments_are_named():
    with pytest.raises(errors.NotDlarrayError, match=r"^dlvmap: args have no array"):
        dl.dlvmap(lambda x: x, 1.0)
    with pytest.raises(errors.ShapeMismatchError, match=r"args\[0\] 2, args\[1\] 3"):
        dl.dlvmap(lambda x, y: x + y, np.ones(2), np.ones(3))
    with pytest.raises(errors.InvalidArgumentError, match=r"^dlvmap: args have a batch of size 0"):
        dl.dlvmap(lambda x: x, np.ones((0, 2)))
    sizes = iter([1, 2, 3, 4])
    with pytest.raises(errors.ShapeMismatchError, match=r"^dlvmap: result of fun has shapes"):
        dl.dlvmap(lambda x: dl.ones(next(sizes)) * x.item(), np.arange(2.0))


# -- every operation -----------------------------------------------------------------------------


def members_of(bound: Bound) -> list[Any]:
    """Return two members of each variable."""
    return [np.stack([v, (v * v.dtype.type(0.99))]) for v in map(np.asarray, bound.values)]


@pytest.mark.parametrize("name", [*OPS, *DERIVED])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # samples at infinity
def test_every_operation_for_each_member(name: str) -> None:
    for case in Subject(name).cases:
        bound = Subject(name).bind(case)
        if not bound.values or case.kink:
            continue
        batches = members_of(bound)

        def results(*xs: Any, bound: Bound = bound) -> Any:
            labelled = [
                x if fmt is None else dl.dlarray(x, fmt)
                for x, fmt in zip(xs, bound.formats, strict=True)
            ]
            return [dl.stripdims(y) for y in outputs(bound(*labelled))]

        found = dl.dlvmap(results, *batches)
        for k in range(2):
            expected = dl.dlfeval(results, *[dl.dlarray(b[k]) for b in batches])
            for a, b in zip(found, expected, strict=True):
                x, y = raw(a)[k], raw(b)
                assert (x.shape, x.dtype) == (np.shape(y), y.dtype)
                scale = np.max(np.abs(y), initial=1.0, where=np.isfinite(y))
                assert_allclose(x, y, rtol=1e-11, atol=1e-11 * scale)
