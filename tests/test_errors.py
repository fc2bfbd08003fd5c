"""Every mistake has its class, and a message that says what, where, and how to put it right."""

import ast
import builtins
import math
import pickle
import re
import runpy
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
import dlgradient.testing
from dlgradient import errors

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
TOOL = ROOT / "tools" / "errors_page.py"

X = np.array([1.0, 2.0, 3.0])


def evaluate(function: Any, *args: Any) -> Any:
    """Run a function of dlarrays in `dlfeval`."""
    return dl.dlfeval(function, *[dl.dlarray(a) for a in args or (X,)])


def refused(kind: type[Exception], text: str, function: Any, *args: Any) -> None:
    with pytest.raises(kind, match=text):
        evaluate(function, *args)


# -- the classes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", errors.__all__)
def test_classes_are_public_and_under_one_base(name: str) -> None:
    kind = getattr(errors, name)
    assert getattr(dl, name) is kind
    assert issubclass(kind, dl.DlgradientError)
    # and a built-in exception too, for code that does not know this package
    assert kind is dl.DlgradientError or any(
        base.__module__ == "builtins" for base in kind.__mro__[1:-3]
    )


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"DlgradientError"}))
def test_the_docstring_shows_the_mistake_and_the_fix(name: str) -> None:
    text = getattr(errors, name).__doc__
    mistake, _, fix = text.partition("The fix")
    assert f"dlgradient.errors.{name}: " in mistake
    assert ">>>" in fix


def test_the_page_of_errors_is_written_from_the_docstrings() -> None:
    written = runpy.run_path(str(TOOL))["page"]()
    assert PAGE.read_text(encoding="utf-8") == written, "run python tools/errors_page.py"


@pytest.mark.parametrize("name", errors.__all__)
def test_a_message_ends_with_the_section_of_its_class(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("what was found; what to do")
    assert str(error) == f"what was found; what to do\nSee {kind.page}"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    page, _, anchor = kind.page.partition("#")
    assert page == f"{errors.DOCUMENTATION}errors.html"
    headings = re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading.lower() == anchor] == [name]


# Python shows the text of a KeyError in quotes, on one line.
WITHOUT_ADDRESS = {"KeyError"}
SOURCES = sorted(Path(dl.__file__).parent.rglob("*.py"))


def exceptions(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where an exception of Python is made, and its first argument."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            kind = getattr(builtins, node.func.id, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                given = ast.unparse(node.args[0]) if node.args else ""
                yield f"{path.name}, line {node.lineno}: {node.func.id}", given


def test_every_message_has_an_address() -> None:
    """The classes of this package add theirs; what must be an exception of Python is given one."""
    found = [each for path in SOURCES for each in exceptions(path)]
    bare = [where for where, given in found if not given.startswith("located(")]
    assert [where for where in bare if where.split()[-1] not in WITHOUT_ADDRESS] == []
    assert len(found) > len(bare) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: dl.concatenate,
        lambda _: dl.qwxyz,
        lambda _: dl.rules.qwxyz,
        lambda x: x.detach,
        lambda x: len(x.sum()),
        lambda x: list(x.sum()),
        lambda x: x.sum().__dlpack__(copy=False),
        lambda x: dlgradient.testing.compare("here", "sum", x, "NumPy", x + 1, rtol=0.1),
        lambda x: dl.add(x, [1.0, 2.0]),
    ],
)
def test_the_last_line_is_the_address_of_a_page(wrong: Any) -> None:
    with pytest.raises(Exception, match=r"\nSee https://\S+$") as found:
        wrong(dl.dlarray(X))
    path, _, anchor = str(found.value).rpartition("See ")[2].partition("#")
    page = ROOT / "docs" / path.removeprefix(errors.DOCUMENTATION).replace(".html", ".md")
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert not anchor or anchor in [h.lower().replace(" ", "-") for h in headings]


def test_an_error_of_a_user_has_the_page_of_the_class_it_extends() -> None:
    class Unusual(dl.NonScalarError):
        pass

    assert Unusual.page == dl.NonScalarError.page


# -- y -------------------------------------------------------------------------------------------


def test_outside_dlfeval() -> None:
    x = dl.dlarray(X)
    with pytest.raises(dl.OutsideDlfevalError, match=r"dlgradient: no dlfeval is running.*dlfeval"):
        dl.dlgradient(x.sum(), x)
    with pytest.raises(dl.OutsideDlfevalError, match="dlvjp: no dlfeval is running"):
        dl.dlvjp(x, X, x)


def test_calling_the_function_instead_of_giving_it() -> None:
    with pytest.raises(dl.NotDlarrayError, match=r"dlfeval\(function, x\)|dlfeval\(fun, x\)"):
        dl.dlfeval(dl.dlarray(X).sum(), dl.dlarray(X))


@pytest.mark.parametrize(("y", "kind"), [(1.0, "float"), (X, "ndarray"), (None, "NoneType")])
def test_y_is_no_dlarray(y: Any, kind: str) -> None:
    refused(dl.NotDlarrayError, f"y must be a dlarray, not {kind}", lambda x: dl.dlgradient(y, x))


def test_y_is_not_traced() -> None:
    text = r"dlgradient: y is a dlarray of shape \(\) float64 that is not traced.*as an argument"
    refused(dl.NotTracedError, text, lambda x: dl.dlgradient(dl.dlarray(1.0), x))
    refused(
        dl.NotTracedError, text, lambda x: dl.dlgradient(dl.dlarray(dl.extractdata(x)).sum(), x)
    )


def test_y_is_no_scalar() -> None:
    refused(
        dl.NonScalarError,
        r"dlgradient: y is a dlarray of shape \(3,\) float64.*real scalar.*dlvjp.*dljacobian",
        lambda x: dl.dlgradient(x * 2, x),
    )


def test_y_is_complex() -> None:
    refused(
        dl.ComplexValueError,
        r"y is a dlarray of shape \(\) complex128; it must be real.*real\(y\)",
        lambda x: dl.dlgradient((x * 1j).sum(), x),
    )


def test_y_is_an_integer() -> None:
    refused(
        dl.IntegerVariableError,
        r"y is a dlarray of shape \(\) int64.*no derivative",
        lambda x: dl.dlgradient(x.argmax(), x),
    )


# -- x -------------------------------------------------------------------------------------------


def test_y_is_made_of_integers_only() -> None:
    refused(
        dl.IntegerVariableError,
        r"y is a dlarray of shape \(\) int64: integers carry no derivative",
        lambda n: dl.dlgradient(n.sum(), n),
        np.array([1, 2]),
    )
    refused(
        dl.NotTracedError,
        r"y is a dlarray of shape \(\) float64 that is not traced: it was .*made of integers only",
        lambda n: dl.dlgradient((n * 1.5).sum(), n),
        np.array([1, 2]),
    )


def test_x_is_missing() -> None:
    refused(dl.NotDlarrayError, r"dlgradient\(y, x\)", lambda x: dl.dlgradient(x.sum()))


@pytest.mark.parametrize("bad", [X, 1.0, "x"])
def test_x_is_no_dlarray(bad: Any) -> None:
    refused(
        dl.NotDlarrayError,
        f"dlgradient: x must be a dlarray, not {type(bad).__name__}",
        lambda x: dl.dlgradient(x.sum(), bad),
    )


def test_x_is_created_inside_the_function() -> None:
    text = r"x is a dlarray of shape \(3,\) float64 that is not traced: it was created inside"
    refused(dl.NotTracedError, text, lambda x: dl.dlgradient(x.sum(), dl.dlarray(np.ones(3))))


def test_x_is_from_outside() -> None:
    outside = dl.dlarray(X)
    refused(dl.NotTracedError, "Pass it to dlfeval", lambda x: dl.dlgradient(x.sum(), outside))


def test_x_is_from_a_dlfeval_that_has_ended() -> None:
    kept = []
    evaluate(kept.append)
    refused(dl.NotTracedError, "has ended", lambda x: dl.dlgradient(x.sum(), kept[0]))


def test_x_is_an_integer() -> None:
    refused(
        dl.IntegerVariableError,
        r"x is a dlarray of shape \(2,\) int64: integers carry no derivative.*float",
        lambda x, n: dl.dlgradient((x.sum() * n).sum(), n),
        X,
        np.array([1, 2]),
    )


Pair = namedtuple("Pair", "weights bias")  # noqa: PYI024 - the plain kind is tested


@pytest.mark.parametrize(
    ("pack", "path"),
    [
        (lambda good, bad: [good, bad], r"x\[1\]"),
        (lambda good, bad: {"w": good, "b": (good, bad)}, r"x\['b'\]\[1\]"),
        (Pair, r"x\.bias"),
    ],
)
def test_the_path_in_a_container_is_named(pack: Any, path: str) -> None:
    refused(
        dl.NotTracedError,
        rf"dlgradient: {path} is a dlarray of shape \(2,\) float64 that is not traced",
        lambda x: dl.dlgradient(x.sum(), pack(x, dl.dlarray(np.ones(2)))),
    )
    refused(
        dl.NotDlarrayError,
        rf"dlgradient: {path} must be a dlarray, not str",
        lambda x: dl.dlgradient(x.sum(), pack(x, "text")),
    )
    refused(
        dl.ComplexValueError,
        rf"dlgradient: {path} is a dlarray of shape \(3,\) complex128.*allow_complex=False.*real\(",
        lambda x, z: dl.dlgradient(x.sum() + dl.real(z).sum(), pack(x, z), allow_complex=False),
        X,
        X * 1j,
    )


def test_which_of_several_variables_is_named() -> None:
    refused(
        dl.NotTracedError,
        r"dlgradient: xs\[1\]|dlgradient: x2",
        lambda x: dl.dlgradient(x.sum(), x, dl.dlarray(1.0)),
    )


def test_dlvjp_with_a_cotangent_of_another_shape() -> None:
    refused(
        dl.ShapeMismatchError,
        r"dlvjp: cotangent has shape \(2,\), y has shape \(3,\)",
        lambda x: dl.dlvjp(x * 2, [1.0, 2.0], x),
    )


# -- formats, shapes and dtypes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("CX", "unknown label 'X'.*'S' spatial, 'C' channel"),
        ("CC", "label 'C' appears 2 times"),
        ("C", r"names 1 dimensions but the array has 2, shape \(2, 2\)"),
        (3, "must be a string such as 'SSCB', not int"),
    ],
)
def test_bad_format(fmt: Any, text: str) -> None:
    with pytest.raises(dl.FormatError, match=text):
        dl.dlarray(np.ones((2, 2)), fmt)


def test_clashing_formats() -> None:
    w = dl.dlarray(np.ones((2, 2)), "CB")
    with pytest.raises(dl.FormatClashError, match=r"matmul.*'CB', 'CB'.*stripdims"):
        w @ w
    with pytest.raises(dl.FormatClashError, match=r"add: .*'CB'.*\(3, 2, 2\).*stripdims"):
        w + np.ones((3, 1, 1))


@pytest.mark.parametrize("traced", [False, True])
def test_shape_mismatch(traced: bool) -> None:
    a, b = np.ones(3), np.ones(4)
    with pytest.raises(dl.ShapeMismatchError, match=r"add: .*x: shape \(3,\) float64; y: shape"):
        evaluate(lambda x, y: x + y, a, b) if traced else dl.dlarray(a) + dl.dlarray(b)
    with pytest.raises(dl.ShapeMismatchError, match=r"matmul: x has shape \(2, 3\), y \(2, 3\)"):
        dl.dlarray(np.ones((2, 3))) @ np.ones((2, 3))
    with pytest.raises(dl.ShapeMismatchError, match="product of matrices write x @ y"):
        dl.dlarray(np.ones((2, 3))) * np.ones((3, 2))


def test_assignment_of_another_shape() -> None:
    def assign(x: Any) -> None:
        x[:2] = np.ones(3)

    refused(dl.ShapeMismatchError, r"assignment: .*x: shape \(3,\).*v: shape \(3,\)", assign)


def test_index_out_of_range() -> None:
    out = r"shape \(3,\) float64 with 7: index 7 is out .*; the first index is 0"
    refused(dl.IndexingError, out, lambda x: x[7])
    refused(dl.IndexingError, "float64: an index must be integer", lambda x: x[np.ones(1)])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (np.array([1, None]), r"dtype object of shape \(2,\)"),
        (np.array(["2024-01-01"], dtype="datetime64[D]"), r"dtype datetime64\[D\]"),
        (np.ones(2, np.float16), "dtype float16"),
        (np.array(["a"]), "dtype <U1"),
        ([[1.0], [1.0, 2.0]], "ragged"),
    ],
)
def test_unsupported_dtype(data: Any, found: str) -> None:
    with pytest.raises(dl.UnsupportedDtypeError, match=rf"dlarray: data: .*{found}.*float32"):
        dl.dlarray(data)
    if isinstance(data, np.ndarray):
        with pytest.raises(dl.UnsupportedDtypeError, match=rf"add: y: {found}"):
            dl.dlarray(X[:1]) + data


def test_sparse_data() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(
        dl.UnsupportedDtypeError, match=r"a sparse array of type csr.*data\.toarray\(\)"
    ):
        dl.dlarray(sparse.csr_array(np.eye(2)))


# -- leaving the trace ---------------------------------------------------------------------------


def assign_into_ndarray(x: Any) -> None:
    a = np.zeros(3)
    a[:] = x


def assign_element_into_ndarray(x: Any) -> None:
    a = np.zeros(3)
    a[0] = x[0]


def add_to_ndarray(x: Any) -> None:
    a = np.zeros(3)
    a += x


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda x: float(x[0]),
            r"float\(\) would take a traced dlarray of shape \(\).*x\.item\(\)",
        ),
        (lambda x: int(x[0]), r"int\(\) would take.*x\.item\(\)"),
        (lambda x: complex(x[0]), r"complex\(\) would take"),
        (lambda x: math.exp(x[0]), r"float\(\) would take"),
        (np.asarray, r"Conversion to a NumPy array.*shape \(3,\) float64.*extractdata"),
        (
            lambda x: np.array([x[0], x[1]]),
            r"Conversion to a NumPy array.*write dl\.dlarray\(\[x, y\]\)",
        ),
        (lambda x: range(x[0]), "Use as an index"),
        (lambda x: [1, 2, 3][x.argmax()], r"Use as an index.*x\.item\(\)"),
        (pickle.dumps, r"Pickling would take.*extractdata"),
        (assign_into_ndarray, "Conversion to a NumPy array|float"),
        (add_to_ndarray, r"numpy\.add: .*NumPy array of shape \(3,\).*a = a \+ x.*dlarray\(a\)"),
        (lambda x: np.add.at(np.zeros(3), [0], x[0]), r"numpy\.add\.at: writing"),
        (lambda x: np.sum(x, out=np.zeros(())), r"numpy\.sum: writing"),
        (lambda x: np.dot(x, x, out=np.zeros(())), r"numpy\.dot: writing"),
        (lambda x: np.copyto(np.zeros(3), x), r"numpy\.copyto: writing"),
        (lambda x: np.full((2, 3), x), "Conversion to a NumPy array"),
        (lambda x: np.full_like(X, x[0]), r"full_like\(a, x\) write x \* ones_like\(a\)"),
        (lambda x: np.save("never", x), r"numpy\.save would take a traced"),
    ],
)
def test_leaving_the_trace(call: Any, text: str) -> None:
    refused(dl.LeavingTraceError, text, call)


def test_assignment_of_an_element_into_an_ndarray() -> None:
    # NumPy puts an error of its own before ours, which dlfeval puts right.
    with pytest.raises(dl.LeavingTraceError, match=r"z\[i\] = x.*zeros\(n\)") as found:
        evaluate(assign_element_into_ndarray)
    assert found.traceback[-1].name == assign_element_into_ndarray.__name__


@pytest.mark.parametrize("number", [2.0, 1j, True, [1], np.array([1, 2])])
def test_an_index_or_a_size_that_is_no_integer(number: Any) -> None:
    x = dl.dlarray(number)
    with pytest.raises(dl.UnsupportedDtypeError, match=r"index or a size.*shape.*write int\(x\)"):
        [1, 2, 3][x]
    with pytest.raises(dl.UnsupportedDtypeError, match=str(x.dtype)):
        range(x)
    assert [1, 2, 3][dl.dlarray(np.int8(1))] == 2


def test_leaving_the_trace_on_purpose() -> None:
    def leave(x: Any) -> Any:
        assert dl.extractdata(x).tolist() == [1.0, 2.0, 3.0]
        assert x[1].item() == 2.0
        assert x.tolist() == [1.0, 2.0, 3.0]
        assert bool(x[0] > 0)
        assert f"{x[0]:.1f}" == "1.0"
        return dl.dlgradient((x * x[0].item()).sum(), x)

    assert evaluate(leave).tolist() == [1.0, 1.0, 1.0]


def test_an_untraced_dlarray_may_leave() -> None:
    x = dl.dlarray(X)
    assert float(x[0]) == 1.0
    assert int(x[1]) == 2
    np.testing.assert_array_equal(np.asarray(x), X)
    assert pickle.loads(pickle.dumps(x)).tolist() == X.tolist()
    a = np.zeros(3)
    a[0] = x[2]
    assert a[0] == 3.0


# -- keywords and functions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("RetainData", "retain_data"),
        ("retainData", "retain_data"),
        ("retain_graph", "retain_data"),
        ("EnableHigherDerivatives", "enable_higher_derivatives"),
        ("AllowComplex", "allow_complex"),
    ],
)
def test_unknown_keyword_of_dlgradient(given: str, right: str) -> None:
    refused(
        dl.UnknownKeywordError,
        f"dlgradient: unknown keyword '{given}'; write {right}=",
        lambda x: dl.dlgradient(x.sum(), x, **{given: True}),
    )
    refused(
        dl.UnknownKeywordError,
        f"dlvjp: unknown keyword '{given}'; write {right}=",
        lambda x: dl.dlvjp(x, X, x, **{given: True}),
    )


@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod"])
@pytest.mark.parametrize(("given", "right"), [("dim", "axis"), ("keepdim", "keepdims")])
def test_unknown_keyword_of_an_operation(name: str, given: str, right: str) -> None:
    with pytest.raises(
        dl.UnknownKeywordError, match=f"{name}: unknown keyword '{given}'; write {right}="
    ):
        getattr(dl, name)(dl.dlarray(X), **{given: 0})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (np.linalg.tensorinv, r"numpy\.linalg\.tensorinv is not supported.*functions of linalg"),
    ],
)
def test_unknown_function_of_numpy(call: Any, text: str) -> None:
    refused(dl.UnsupportedFunctionError, text, call)


@pytest.mark.parametrize("function", [dl.matmul, dl.add])
def test_wrong_arguments_of_two_operands(function):
    x = dl.dlarray([[1.0]])
    name = function.__name__
    with pytest.raises(
        dl.UnknownKeywordError, match=rf"{name}: takes x, y by position, 1 arguments"
    ):
        function(x)
    with pytest.raises(
        dl.UnknownKeywordError, match=rf"{name}: takes x, y by position, 3 arguments"
    ):
        function(x, x, x)
    with pytest.raises(dl.UnknownKeywordError, match=rf"{name}: unknown keyword 'axis'"):
        function(x, x, axis=0)
