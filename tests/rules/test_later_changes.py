"""What the user changes after a call is not what the backward pass reads, for every operation.

Each sample is evaluated with one operand traced. The others are raw arrays, and the parameters are
lists and arrays. All of them are changed after the call. The gradient must be that of the values
which the call saw; or the change is an error.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import calls, trace, tree
from dlgradient.core.calls import open_node
from dlgradient.core.samples import Case
from dlgradient.nn.losses.alignment import chain
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import outputs, pull, push
from dlgradient.testing.subject import Subject

NAMES = [*OPS, *DERIVED]


def mutable(value: Any, *, lists: bool = False) -> Any:
    """Return the same argument, with arrays and lists of its own."""
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, tuple | list):
        numbers = all(isinstance(v, int | float) for v in value)
        items = [mutable(v) for v in value]
        return items if numbers and lists else type(value)(items)
    return dl.dlarray(value._value, value._format) if type(value) is dl.dlarray else value


def viewed(value: Any) -> Any:
    """Return an argument with views of its arrays, through which a lock can be passed by."""
    if isinstance(value, np.ndarray):
        return value.view()
    return tree.map_leaves(viewed, value) if isinstance(value, tuple | list | dict) else value


def change(value: Any) -> None:
    """Change an argument in place, at any depth."""
    if isinstance(value, np.ndarray):
        if value.flags.writeable:  # a lock is an error of NumPy's for who writes
            value[...] = ~value if value.dtype == bool else 3
    elif isinstance(value, dl.dlarray):
        value[...] = 3
    elif isinstance(value, tuple | list):
        for item in value:
            change(item)
    elif isinstance(value, dict):
        change(list(value.values()))
    if isinstance(value, list):
        value.clear()


def products(
    subject: Subject, case: Case, at: int, x: Any, *, lists: bool, changes: Callable[[Any], None]
) -> Any:
    """Return products with ones in both modes, with changes of the arguments after the call."""
    bound = subject.bind(case)
    leaves = [mutable(v) for v in bound.leaves]
    place = bound.positions[at]
    params = {name: mutable(value, lists=lists) for name, value in case.params.items()}
    others = viewed([*leaves[:place], *leaves[place + 1 :]]), params, viewed(params)
    leaves[place] = x
    ys = outputs(subject.call(*bound.rebuild(leaves), **params))
    changes(others)
    gs = [np.ones(y.shape, y.dtype) for y in ys]
    pulled = [
        pull(ys, gs, [x], enable_higher_derivatives=higher) for higher in (False, False, True)
    ]
    return pulled, push(ys, x, np.ones(x.shape, x.dtype))


def differences(subject: Subject, case: Case, *, lists: bool) -> Iterator[str]:
    """Yield what a change after the call changes in the derivatives, for each operand."""
    for at, x in enumerate(subject.bind(case).arrays()):

        def run(x: Any, changes: Callable[[Any], None], at: int = at) -> Any:
            return products(subject, case, at, x, lists=lists, changes=changes)

        expected, _ = tree.flatten(dl.dlfeval(run, x, lambda _: None))
        try:
            found, _ = tree.flatten(dl.dlfeval(run, x, change))
        except dl.ChangedArrayError:
            continue
        for a, b in zip(map(dl.extractdata, found), map(dl.extractdata, expected), strict=True):
            if not np.array_equal(a, b, equal_nan=True):
                yield f"{subject.title(case, 0)}, operand {at}: {a} is not {b}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", ["small", "large"])
def test_operands_and_parameters_that_change(
    name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if size == "large":  # samples are small: let them be held as large ones are
        monkeypatch.setattr(trace, "COPY_BYTES", -1)
        monkeypatch.setitem(calls.NAMES, "COPY_BYTES", -1)
    subject = Subject(name)
    found: list[str] = []
    for case in subject.cases:
        try:
            found += differences(subject, case, lists=True)
        except (TypeError, ValueError):  # it takes tuples only
            found += differences(subject, case, lists=False)
    assert not found, "\n".join(["", *found])


def test_an_array_that_is_in_a_list_several_times_stays_one() -> None:
    step = np.ones((2, 1))

    def run(g: Any) -> Any:
        y = chain(g, np.ones((3, 2, 1)), steps=[step] * 3)
        held = open_node(y).params["steps"]
        assert held[0] is not step
        assert len({id(array) for array in held}) == 1
        return dl.dlgradient(y.sum(), g)

    assert dl.dlfeval(run, dl.dlarray(np.ones((4, 2, 1)))).shape == (4, 2, 1)
