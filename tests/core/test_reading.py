"""What Python reads of a value goes through `dlgradient.core.reading`, so that it can be noted."""

import ast
from pathlib import Path

import pytest

import dlgradient as dl
from dlgradient.core.reading import decided, is_traced, raw, read

SRC = Path(dl.__file__).parent
# Where raw values are taken out to compute an operation, and nothing is decided by them.
COMPUTING = {
    *("core/calls.py", "core/paths.py", "core/pulls.py", "core/project.py", "core/reading.py"),
    *("core/surroundings.py", "core/user_code.py", "core/domain.py", "core/ownership.py"),
    *("engine/array.py", "engine/evaluate.py", "engine/forward.py", "engine/function_call.py"),
    *("engine/gradient.py", "engine/walk.py", "engine/zeros.py", "engine/temporary.py"),
    # They look at dtype and memory, or compute where nothing is followed.
    *(
        "ops/index.py",
        "interop/protocol.py",
        "core/kinds.py",
        "nn/normalization/compiled.py",
        "native/pieces.py",
    ),
    # They hand values on, or run outside of all traces.
    *("engine/checkpoint.py", "engine/variables.py", "engine/vmap.py", "train/whole.py"),
}
MODULES = {p.relative_to(SRC).as_posix(): p for p in SRC.rglob("*.py")}
OTHERS = [
    name
    for name in MODULES
    if name not in COMPUTING and not name.startswith(("program/", "testing/"))
]


@pytest.mark.parametrize("name", OTHERS)
def test_no_module_reads_values_by_itself(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    found = [
        ast.unparse(n)
        for n in ast.walk(tree)
        if (isinstance(n, ast.Attribute) and n.attr == "_value" and ast.unparse(n.value) != "self")
        or (isinstance(n, ast.Constant) and n.value == "_value")
    ]
    assert not found


def test_without_a_recording_reads_are_values() -> None:
    x = dl.dlarray([1.0, 2.0])

    def fun(y: dl.dlarray) -> tuple[bool, bool]:
        assert read(y) is x._value
        assert raw(y) is x._value
        assert raw(3) == 3
        assert decided(lambda a, b: bool(a[0] < b), y, 2)
        return is_traced(y), is_traced(x)

    assert dl.dlfeval(fun, x) == (True, False)
