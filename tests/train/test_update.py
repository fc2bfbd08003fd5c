"""Update functions: against PyTorch's optimisers, on every container, and without side effects."""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.train.update import adamupdate, dlupdate, rmspropupdate, sgdmupdate

# After 100 steps of torch.optim 2.13 (SGD(lr=0.01, momentum=0.9), Adam(lr=0.02) and
# RMSprop(lr=0.002, alpha=0.9, eps=1e-8), float64) on the loss below, from P and Z. The rate of the
# last is small: near a minimum, steps that depend on the sign alone amplify rounding errors.
PYTORCH = {
    "sgdm": (
        [
            [0.9720382064699514, -1.0417845109100186, 1.0957572206067479],
            [1.0377655938196537, 0.9642497354515068, -0.9451414527656269],
        ],
        [0.6625961030296257 - 1.2674317776027262j, -0.21482756563003358 + 0.7305365813434415j],
    ),
    "adam": (
        [
            [0.9719726145245027, -1.0439911653683274, 1.0961518574910099],
            [1.0309909890514837, 1.0108639583864356, 0.8779964705430282],
        ],
        [0.6043302061578149 + 0.12790216894158055j, -0.18679145625648114 + 0.7132400460058497j],
    ),
    "rmsprop": (
        [
            [0.9703803278025701, -1.7765184524148439, 0.7157710331915411],
            [0.4738522326531483, -0.5474112995463172, 2.7906419631682815],
        ],
        [1.7840706234198753 + 1.7814795401913532j, 0.7846933848533824 - 0.2841624827495297j],
    ),
}
P = np.array([[1.0, -2.0, 0.5], [0.25, -0.75, 3.0]])
Z = np.array([2.0 + 2j, 1.0 - 0.5j])
STEPS = {
    "sgdm": lambda p, g, s, _i: sgdmupdate(p, g, *s, learning_rate=0.01, momentum=0.9),
    "adam": lambda p, g, s, i: adamupdate(p, g, *(s or (None, None)), i, learning_rate=0.02),
    "rmsprop": lambda p, g, s, _i: rmspropupdate(p, g, *s, learning_rate=0.002),
    "adamw": lambda p, g, s, i: dl.adamwupdate(p, g, *(s or (None, None)), i),
    "nadam": lambda p, g, s, i: dl.nadamupdate(p, g, *(s or (None, None)), i),
    "lion": lambda p, g, s, _i: dl.lionupdate(p, g, *s),
    "adagrad": lambda p, g, s, _i: dl.adagradupdate(p, g, *s),
    "adadelta": lambda p, g, s, _i: dl.adadeltaupdate(p, g, *s),
    "muon": lambda p, g, s, i: dl.muonupdate(p, g, *(s or (None, None)), i),
}


def loss(p, z):
    a = np.array([[1.0, 2.0, 0.5], [0.1, 3.0, 1.5]])
    b = np.array([[0.3, -1.0, 2.0], [0.0, 0.7, -0.4]])
    c, w = np.array([0.5 - 1j, -0.25 + 0.75j]), np.array([1.0, 2.0])
    real = (a * (p - b) ** 2).sum() / 2 + dl.cos(3 * p).sum()
    return real + (dl.abs(z - c) ** 2 * w).sum() + dl.real(z**3).sum() / 10


def gradients(q):
    return dl.dlgradient(loss(q["p"], q["z"]), q)


@pytest.mark.parametrize("name", PYTORCH)
def test_a_hundred_steps_are_those_of_pytorch(name):
    q, state = {"p": dl.dlarray(P), "z": dl.dlarray(Z)}, ()
    for i in range(1, 101):
        q, *state = STEPS[name](q, dl.dlfeval(gradients, q), state, i)
    p, z = PYTORCH[name]
    np.testing.assert_allclose(dl.extractdata(q["p"]), p, rtol=1e-11)
    np.testing.assert_allclose(dl.extractdata(q["z"]), z, rtol=1e-11)


@dataclass
class Layer:
    weight: object
    bias: object


class Pair(NamedTuple):
    first: object
    second: object


def containers():
    x, y = dl.dlarray([1.0, -2.0]), dl.dlarray([[3.0]], "CB")
    yield x
    yield [x, y]
    yield (x, (y,))
    yield {"x": x, "deep": {"y": [y], "nothing": None}}
    yield Layer(x, y)
    yield Pair(x, [y])
    yield {"layer": Layer(x, y), "empty": []}


def leaves(value):
    found = []
    dlupdate(found.append, value)
    return found


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("q", list(containers()), ids=lambda q: type(q).__name__)
def test_containers_keep_their_structure(name, q):
    g = dlupdate(lambda x: 0.5 * x, q)
    new, *state = STEPS[name](q, g, (), 1)
    new, *state = STEPS[name](new, g, state, 2)
    for result in (new, *state):
        assert type(result) is type(q)
        for a, b in zip(leaves(result), leaves(q), strict=True):
            assert type(a) is dl.dlarray
            assert (a.shape, a.dtype, dl.dims(a)) == (b.shape, b.dtype, dl.dims(b))
    for a, b in zip(leaves(new), leaves(q), strict=True):
        alone, *s = STEPS[name](b, 0.5 * b, (), 1)
        alone, *s = STEPS[name](alone, 0.5 * b, s, 2)
        assert a.tolist() == alone.tolist()


def test_tables():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {
            "Layer": ["fc", "fc"],
            "Parameter": ["Weights", "Bias"],
            "Value": [dl.dlarray([[1.0, 2.0]]), dl.dlarray([3.0])],
        }
    )
    g = dlupdate(lambda x: 2 * x, table)
    new, v = sgdmupdate(table, g, None, 0.1)
    assert new["Value"][0].tolist() == [[0.8, 1.6]]
    assert v["Value"][1].tolist() == pytest.approx([-0.6])
    assert table["Value"][1].tolist() == [3.0]
    with pytest.raises(dl.InvalidArgumentError, match="gradients must have the structure"):
        sgdmupdate(table, g.iloc[::-1], None)


@pytest.mark.parametrize("name", STEPS)
def test_nothing_is_changed(name):
    q = {"a": np.array([1.0, 2.0]), "b": [np.array(3.0)]}
    g = {"a": np.array([0.1, -0.1]), "b": [np.array(1.0)]}
    new, *state = STEPS[name](q, g, (), 1)
    before = copy.deepcopy((q, g, new, state))
    STEPS[name](new, g, state, 2)
    after = (q, g, new, state)
    for a, b in zip(leaves(before), leaves(after), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for a in leaves(new):
        assert not any(np.shares_memory(dl.extractdata(a), b) for b in leaves(q))


@pytest.mark.parametrize("name", STEPS)
def test_single_precision_and_real_parts(name):
    p = dl.dlarray(np.float32([1.0, 2.0]))
    g = dl.dlarray(np.array([0.25 + 5j, -0.5 - 1j]))
    new, *state = STEPS[name](p, g, (), 1)
    expected, *_ = STEPS[name](p, np.float32([0.25, -0.5]), (), 1)
    assert new.dtype == np.float32
    assert all(s.dtype == np.float32 for s in state)
    assert new.tolist() == expected.tolist()
    narrow, *_ = sgdmupdate(p, p, None, np.float64(0.1), dl.dlarray(0.5))
    assert narrow.dtype == np.float32


@pytest.mark.parametrize("name", STEPS)
def test_empty_arrays_and_scalars(name):
    new, *_ = STEPS[name](
        [np.zeros((0, 3)), 1.0 * np.ones(())], [np.zeros((0, 3)), 2.0 * np.ones(())], (), 1
    )
    assert new[0].shape == (0, 3)
    assert new[1].item() < 1


def test_a_step_can_be_differentiated():
    def after_a_step(x, rate):
        g = dl.dlgradient((x**3).sum(), x, enable_higher_derivatives=True)
        (new, *_), _ = sgdmupdate([x], [g], None, rate)
        return dl.dlgradient((new**2).sum(), x, rate)

    x = np.array([0.5, -1.5])
    dx, drate = dl.dlfeval(after_a_step, dl.dlarray(x), dl.dlarray(0.1))
    new = x - 0.1 * 3 * x**2
    np.testing.assert_allclose(dl.extractdata(dx), 2 * new * (1 - 0.6 * x))
    np.testing.assert_allclose(drate.item(), (2 * new * -3 * x**2).sum())


def test_dlupdate_of_several_containers_and_results():
    q = {"w": dl.dlarray([1.0, 2.0]), "b": [dl.dlarray(3.0)]}
    g = {"b": [dl.dlarray(1.0)], "w": dl.dlarray([0.0, 1.0])}  # the order of keys is no matter
    total, product = dlupdate(lambda a, b: (a + b, a * b), q, g)
    assert total["w"].tolist() == [1.0, 3.0]
    assert product["b"][0].item() == 3.0
    assert list(total) == ["w", "b"]
    assert dlupdate(lambda a, n: a * n, [1.0, 2.0], [2, 3]) == [2.0, 6.0]
    assert dlupdate(lambda a: a, {}) == {}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: sgdmupdate([1.0], [1.0]), dl.NotDlarrayError, r"parameters at \[0\].*not float"),
        (lambda: sgdmupdate(np.ones(2), np.ones(3)), dl.ShapeMismatchError, r"\(3,\).*\(2,\)"),
        (
            lambda: sgdmupdate({"a": {"b": np.ones(2)}}, {"a": {"c": np.ones(2)}}),
            dl.InvalidArgumentError,
            r"gradients at \['a'\] is a dict with the keys \['c'\]",
        ),
        (
            lambda: sgdmupdate([np.ones(2)], (np.ones(2),)),
            dl.InvalidArgumentError,
            "gradients is a tuple of 1",
        ),
        (
            lambda: sgdmupdate([np.ones(2)], [None]),
            dl.InvalidArgumentError,
            r"gradients at \[0\] is None",
        ),
        (lambda: sgdmupdate(np.arange(2), np.ones(2)), dl.IntegerVariableError, "int64"),
        (
            lambda: sgdmupdate(
                dl.dlarray(np.ones((2, 2)), "CB"), dl.dlarray(np.ones((2, 2)), "BC")
            ),
            dl.FormatClashError,
            "gradients has the format 'BC', parameters has 'CB'",
        ),
        (
            lambda: sgdmupdate(np.ones(2), np.ones(2), None, -1),
            dl.InvalidArgumentError,
            "learning_rate.*-1",
        ),
        (
            lambda: sgdmupdate(np.ones(2), np.ones(2), None, "a"),
            dl.InvalidArgumentError,
            "learning_rate.*'a'",
        ),
        (
            lambda: sgdmupdate(np.ones(2), np.ones(2), None, 1, 1),
            dl.InvalidArgumentError,
            "momentum.*below 1",
        ),
        (
            lambda: adamupdate(np.ones(2), np.ones(2), None, None, 0),
            dl.InvalidArgumentError,
            "iteration must be .*at least 1, not 0",
        ),
        (lambda: dlupdate([1.0], [2.0]), dl.InvalidArgumentError, "fun must be a function"),
        (
            lambda: dlupdate(lambda x: (x,) * x, [1, 2]),
            dl.InvalidArgumentError,
            r"different lengths .*\(1, 2\)",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("update", ["adam", "rmsprop"])
def test_derivative_through_an_update_where_a_gradient_is_zero(update):
    def stepped(g):
        if update == "adam":
            p, *_ = dl.adamupdate(np.ones(2), g, None, None, 1, learning_rate=0.5)
        else:
            p, *_ = dl.rmspropupdate(np.ones(2), g, None, learning_rate=0.5)
        return p.sum()

    g = dl.dlfeval(lambda g: dl.dlgradient(stepped(g), g), dl.dlarray([0.0, 2.0]))
    # At 0 the root of the averaged square has a kink, and only the numerator moves.
    assert g[0].item() == pytest.approx(-0.5 / 1e-8)
    assert dl.isfinite(g[1])
