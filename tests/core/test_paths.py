"""Call paths: those of one and two operands do what the path of any number does."""

import linecache
import traceback
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import paths
from dlgradient.core.graph import Node
from dlgradient.rules import OPS
from dlgradient.testing import sample_cases

FEW = [
    name
    for name, op in OPS.items()
    if not (op.variadic or op.outputs or op.indexing == "get") and len(op.operands) <= 2
]


def formatted(x: Any, *, traced: int, formats: bool) -> Any:
    if not (traced and isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fc"):
        return x
    return dl.dlarray(x, "CBTSSUU"[: np.ndim(x)] if formats else None)


def outcome(call: Any, args: list[Any], params: dict[str, Any]) -> Any:
    """What a call gives, as far as anyone can see: value, format, node; or its error."""
    found: list[Any] = []

    def run(*xs: Any) -> None:
        with np.errstate(all="ignore"):
            y = call(*xs, **params)
        if not dl.isdlarray(y):
            found.append((type(y), np.asarray(y).tobytes()))
            return
        found.append((type(y._value), y.dtype, y.shape, y._value.tobytes(), dl.dims(y)))
        node = y._node
        if node is not None:
            found.append((node.op.name, node.shape, node.dtype, str(node.params)))
            found.extend(described(p) for p in node.parents)
            found.extend(described(v) for v in node.saved)

    try:
        dl.dlfeval(run, *args)
    except dl.DlgradientError as error:
        return type(error), str(error)
    return found


def described(x: Any) -> Any:
    if type(x) is Node:
        return "node", x.shape, x.dtype
    return None if x is None else (type(x), np.asarray(x).tobytes())


@pytest.mark.parametrize("formats", [False, True])
@pytest.mark.parametrize("name", FEW)
def test_all_paths_do_the_same(name: str, formats: bool) -> None:
    op = OPS[name]
    general = paths._general_path(op)
    compared = 0
    for case in sample_cases(op):
        for mask in range(2 ** len(case.args)):
            args = [
                formatted(x, traced=mask >> i & 1, formats=formats) for i, x in enumerate(case.args)
            ]
            assert outcome(op.call, args, case.params) == outcome(general, args, case.params)
            compared += 1
    assert compared


def test_a_traceback_shows_the_lines_of_a_path() -> None:
    with pytest.raises(dl.ShapeMismatchError) as caught:
        dl.add(dl.dlarray(np.ones(2)), dl.dlarray(np.ones(3)))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "raise explained(op, [x_value, y_value], params, error) from error" in [
        frame.line for frame in frames
    ]
    assert any(file.startswith("<dlgradient: call path, two") for file in linecache.cache)
