"""What a function returns is a value of its own: a later assignment never changes two names.

The calls are those that could return their operand, since they change nothing, and the samples of
every function in the table.
"""

import copy
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import sample_cases

TABLE = {**{n: (op.call, op) for n, op in OPS.items()}}
TABLE |= {n: (derived.function, derived) for n, derived in DERIVED.items()}

VECTOR = {
    "asarray": lambda x: dl.asarray(x, copy=True),
    "asarray with its dtype": lambda x: dl.asarray(x, dtype=x.dtype, copy=True),
    "astype": lambda x: dl.astype(x, x.dtype),
    "astype method": lambda x: x.astype(x.dtype),
    "numpy.astype": lambda x: np.astype(x, x.dtype),
    "numpy.copy": np.copy,
    "copy method": lambda x: x.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "dlarray": dl.dlarray,
    "stripdims": dl.stripdims,
    "positive": dl.positive,
    "operator +": lambda x: +x,
    "clip": dl.clip,
    "numpy.clip": lambda x: np.clip(x, None, None),
    "round": dl.round,
    "round method": lambda x: x.round(),
    "conj": dl.conj,
    "conj method": lambda x: x.conj(),
    "real": dl.real,
    "numpy.real": np.real,
    "real property": lambda x: x.real,
    "T property": lambda x: x.T,
    "index ellipsis": lambda x: x[...],
    "index slice": lambda x: x[:],
    "reshape": lambda x: dl.reshape(x, x.shape),
    "numpy.reshape": lambda x: np.reshape(x, x.shape),
    "ravel": np.ravel,
    "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: np.squeeze(x),
    "permute_dims": lambda x: dl.permute_dims(x, axes=(0,)),
    "transpose": np.transpose,
    "broadcast_to": lambda x: dl.broadcast_to(x, x.shape),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, 1.0)[0],
    "atleast_1d": lambda x: np.atleast_1d(dl.dlarray(x, "C")),
    "concat": lambda x: dl.concat([x]),
    "concatenate": lambda x: np.concatenate([x]),
    "hstack": lambda x: np.hstack([x]),
    "append": lambda x: np.append(x, []),
    "tile": lambda x: dl.tile(x, (1,)),
    "repeat": lambda x: dl.repeat(x, 1),
    "roll": lambda x: dl.roll(x, 0),
    "diff": lambda x: np.diff(x, 0),
    "split": lambda x: np.split(x, 1)[0],
    "sum of no axis": lambda x: dl.sum(x, axis=()),
    "max of no axis": lambda x: dl.max(x, axis=()),
    "meshgrid": lambda x: np.meshgrid(x)[0],
    "where": lambda x: dl.where(True, x, x),
    "take": lambda x: dl.take(x, np.arange(4)),
    "maximum": lambda x: np.maximum(x, x),
    "moveaxis": lambda x: np.moveaxis(x, 0, 0),
    "flip": lambda x: dl.flip(x, axis=()),
    "full_like": lambda x: dl.full_like(x, x[0]),
    "dropout": lambda x: dl.dropout(x, probability=0.0, seed=0),
    "fftshift of no axis": lambda x: dl.fft.fftshift(x, axes=()),
    "fft and back": lambda x: dl.real(dl.fft.ifft(dl.fft.fft(x))),
    "cumulative_sum": dl.cumulative_sum,
}
MATRIX = {
    "tril": lambda x: dl.tril(x, k=5),
    "triu": lambda x: dl.triu(x, k=-5),
    "atleast_2d": lambda x: np.atleast_2d(dl.dlarray(x, "SC")),
    "vstack": lambda x: np.vstack([x]),
    "column_stack": lambda x: np.column_stack([x]),
    "expand_dims": lambda x: dl.expand_dims(x, axis=()),
    "matrix_transpose twice": lambda x: x.mT.mT,
    "dlresize": lambda x: dl.dlresize(dl.dlarray(x, "SC"), scale=1),
    "depth_to_space": lambda x: dl.depth_to_space(dl.dlarray(x, "SC"), 1),
    "maxpool": lambda x: dl.maxpool(dl.dlarray(x, "SC"), 1),
    "avgpool": lambda x: dl.avgpool(dl.dlarray(x, "SC"), 1),
}
CALLS = [(n, f, (4,)) for n, f in VECTOR.items()] + [(n, f, (3, 3)) for n, f in MATRIX.items()]


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("function", "shape"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_a_result_is_independent(function: Any, shape: tuple[int, ...], traced: bool) -> None:
    data = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)

    def run(x: Any) -> list[Any]:
        y = function(x)
        assert dl.isdlarray(y)
        before = np.array(dl.extractdata(y))
        x[0] = -7.0  # neither direction may be seen through the other name
        np.testing.assert_array_equal(dl.extractdata(y), before)
        changed = np.array(dl.extractdata(x))
        y[(-1,) * y.ndim] = 9.0
        np.testing.assert_array_equal(dl.extractdata(x), changed)
        return []

    if traced:
        dl.dlfeval(run, dl.dlarray(data))
    else:
        run(dl.dlarray(data))


@pytest.mark.parametrize("name", TABLE)
def test_no_sample_returns_its_operand(name: str) -> None:
    function, declared = TABLE[name]
    for sample in sample_cases(declared):
        leaves, rebuild = tree.flatten(list(sample.args))
        given = [dl.dlarray(x) if isinstance(x, np.ndarray) else x for x in leaves]
        out = function(*rebuild(given), **sample.params)
        for result in out if isinstance(out, tuple | list) else [out]:
            assert not any(result is x for x in given if dl.isdlarray(x))


def test_only_copy_false_returns_the_operand() -> None:
    x = dl.dlarray([1.0, 2.0])
    assert dl.asarray(x) is x
    assert dl.asarray(x, copy=False) is x
    assert dl.astype(x, x.dtype, copy=False) is x
    assert x.astype(x.dtype, copy=False) is x


def test_a_copy_is_differentiable() -> None:
    def f(x: Any) -> Any:
        y = dl.asarray(x, copy=True)
        y[0] = 0.0
        return dl.dlgradient((x**2 + 3 * y).sum(), x)

    assert dl.dlfeval(f, dl.dlarray([1.0, 2.0])).tolist() == [
        2.0,
        7.0,
    ]  # 2 x, and 3 where y is still x
