"""Write the tables of ``docs/understand/kinks.md`` from the samples of the operations.

A sample with ``kink=True`` is a point where a function has no derivative, and says which gradient
is documented. Run this after such a sample has changed: ``python tools/kinks_page.py``. It replaces
what is between the comments that name it. A test compares the page with what this program writes.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.core.declaration import DERIVED, OPS, Declaration
from dlgradient.testing import Case, Maker, bind

PAGE = Path(__file__).parent.parent / "docs" / "understand" / "kinks.md"
MARK = re.compile(
    r"(?P<head><!-- (?P<table>\w+): written by tools/kinks_page\.py -->\n)"
    r".*?(?P<foot><!-- end of \w+ -->)",
    re.DOTALL,
)

# Where a function has its kink. One that is not here has no row, so this is an error.
PLACES = {
    "abs": "0",
    "adaptivemaxpool": "equal maxima share",
    "angle": "0",
    "atan2": "(0, 0)",
    "cbrt": "0, a vertical tangent",
    "ceil": "at the jumps, as everywhere",
    "clip": "at the bounds",
    "clippedrelu": "0, and the ceiling",
    "complexrelu": "the axes",
    "copysign": "x = 0; none for y",
    "cosineloss": "a vector of zeros",
    "cummax": "equal ones so far share",
    "cummin": "equal ones so far share",
    "elu": "0, unless alpha is 1",
    "floor": "at the jumps, as everywhere",
    "fmod": "x is a multiple of y",
    "hardsigmoid": "both ends of the slope",
    "huber": "none: at ±delta only its slope has one",
    "hypot": "(0, 0)",
    "interp": "at a point: the slope closer to zero",
    "l1loss": "y = targets",
    "leakyrelu": "0: the slope closer to zero",
    "log_softmax": "a row of -inf",
    "logaddexp": "two equal infinities",
    "max": "ties: equal shares",
    "maximum": "x = y",
    "maxpool": "equal maxima share",
    "median": "ties: equal shares",
    "min": "ties: equal shares",
    "minimum": "x = y",
    "nan_to_num": "NaN and infinities are replaced",
    "nanstd": "all elements equal",
    "pow": "x = 0",
    "prelu": "x = 0",
    "relu": "0",
    "remainder": "x is a multiple of y",
    "round": "at the jumps, as everywhere",
    "selu": "0",
    "sign": "0",
    "softmax": "a row of -inf",
    "sort": "ties: equal shares",
    "sqrt": "0, a vertical tangent",
    "std": "all elements equal",
    "trunc": "at the jumps, as everywhere",
    "var": "one element, correction=1: 0/0",
    "zrelu": "the edges of the quadrant",
}

# Numbers of samples that test rounding and overflow; they show nothing of a kink.
EXTREME = 1e-30, 1e30

# Rows of one function; those without NaN come first.
ROWS = 2

# Parts whose special points a composed function does not reach.
UNREACHED = {
    "pow": "its exponent is a constant",
    "softmax": "a row of -inf is a mask",
    "log_softmax": "the same",
}
POSITIVE = {"batchnorm": "its root is that of a variance plus epsilon"}


class Row(NamedTuple):
    """A row of the table: the function, and a call with the gradient that is documented."""

    name: str
    python: str
    result: str


def samples(declaration: Declaration) -> list[Case]:
    """Return the samples of a function."""
    return declaration.samples(Maker(0)) if declaration.samples else []


def declared() -> Iterator[tuple[str, str, Declaration]]:
    """Yield each function of the table: its name, its public name, and its declaration."""
    for name, op in OPS.items():
        yield name, op.shown, op.declaration
    for name, declaration in DERIVED.items():
        yield name, declaration.shown or name, declaration


# -- calls ---------------------------------------------------------------------------------------


def number(x: Any) -> str:
    """Return a number or a text as a reader writes it: 2 for 2.0, and 1j for (-0+1j)."""
    if isinstance(x, str):
        return f'"{x}"'
    value = x.item() if isinstance(x, np.generic) else x
    if isinstance(value, complex):
        real = number(value.real) if value.real else ""
        imaginary = f"{number(value.imag)}j" if value.imag else ""
        return "+".join(filter(None, [real, imaginary])) or "0"
    whole = isinstance(value, float) and value.is_integer()
    return re.sub(r"\b(inf|nan)\b", r"np.\1", repr(int(value) if whole else value))


def literal(x: Any) -> str:
    """Return an operand or a parameter as Python."""
    if not isinstance(x, np.ndarray):
        return number(x)
    if not x.ndim:
        return number(x[()])
    elements = [literal(element) for element in x]
    if x.dtype.kind == "c" and not np.any(x.imag):
        elements[0] += "j" if elements[0] == "0" else "+0j"  # so that the array is complex
    return f"[{', '.join(elements)}]"


def shortened(x: Any) -> str:
    """Return a result as the page shows it, with few digits."""
    if isinstance(x, list):
        return f"[{', '.join(map(shortened, x))}]"
    text = repr(x)
    return re.sub(r"(\d\.\d{3})\d+", r"\1...", text)


def call(name: str, declaration: Declaration, case: Case) -> str:
    """Return the code of a call of the page's function `gradient`."""
    operands = _operands(declaration)[: len(case.args)]
    free = [isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fc" for x in case.args]
    values = [literal(x) for x, is_free in zip(case.args, free, strict=True) if is_free]
    options = [f"{key}={literal(value)}" for key, value in case.params.items()]
    function = f"dl.{name}"
    if not all(free) or options:
        given = [
            operand if is_free else literal(x)
            for operand, is_free, x in zip(operands, free, case.args, strict=True)
        ]
        names = [operand for operand, is_free in zip(operands, free, strict=True) if is_free]
        function = f"lambda {', '.join(names)}: dl.{name}({', '.join([*given, *options])})"
    return f"gradient({', '.join([function, *values])})"


def _operands(declaration: Declaration) -> list[str]:
    parameters = inspect.signature(declaration.function).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]


def gradient(fun: Any, *values: Any) -> Any:
    """Do what the function of the same name on the page does."""
    xs = [dl.dlarray(value) for value in values]
    with np.errstate(all="ignore"):
        result = dl.dlfeval(lambda *xs: dl.dlgradient(dl.real(fun(*xs)).sum(), *xs), *xs)
    return [g.tolist() for g in result] if len(xs) > 1 else result.tolist()


def is_extreme(case: Case) -> bool:
    """Tell whether a sample has numbers that no reader meets."""
    sizes = np.concatenate([np.abs(np.ravel(x)).astype(float) for x in case.args])
    finite = sizes[np.isfinite(sizes) & (sizes > 0)]
    return bool(np.any((finite < EXTREME[0]) | (finite > EXTREME[1])))


def rows() -> list[Row]:
    """Return the rows of all functions with a kink, by name."""
    found = []
    for _, name, declaration in declared():
        for case in samples(declaration):
            if not case.kink or not case.gradient or is_extreme(case):
                continue
            if name not in dl.__all__ or not _is_call_of(name, declaration):
                continue
            if getattr(dl, name)(*case.args, **case.params).dtype.kind not in "fc":
                continue  # a logical result, as of signbit
            python = call(name, declaration, case)
            result = eval(python, {"dl": dl, "np": np, "gradient": gradient})
            found.append(Row(name, python, shortened(result)))
    chosen: dict[str, list[Row]] = {}
    order = {row: i for i, row in reversed(list(enumerate(found)))}
    for row in sorted(
        order, key=lambda row: (row.name, "nan" in row.python + row.result, order[row])
    ):
        chosen.setdefault(row.name, []).append(row)
    return [row for several in chosen.values() for row in several[:ROWS]]


def _is_call_of(name: str, declaration: Declaration) -> bool:
    """Tell whether the public function has the operands of a private operation."""
    if declaration.function.__name__ == name:
        return True
    public = OPS[name].declaration if name in OPS else DERIVED[name]
    return _operands(public) == _operands(declaration)


# -- functions that are composed -----------------------------------------------------------------


def parts(declaration: Declaration, name: str) -> set[str]:
    """Return the public names of the operations that a function's samples go through."""
    found: set[str] = set()
    for case in samples(declaration):
        bound = bind(getattr(dl, name), case.args, case.params)

        def run(*xs: Any, bound: Any = bound) -> None:
            results = [y for y in tree.flatten(bound(*xs))[0] if getattr(y, "_node", None)]
            found.update(op.shown for y in results for op in _operations(y._node))

        dl.dlfeval(run, *bound.arrays())
    return found


def _operations(node: Any) -> Iterator[Any]:
    """Yield the operations of a graph that have a derivative."""
    seen, waiting = {id(node)}, [node]
    while waiting:
        node = waiting.pop()
        if node.op is None:
            continue
        if node.op.kind != "constant":
            yield node.op
        for parent in node.parents:
            if hasattr(parent, "parents") and id(parent) not in seen:
                seen.add(id(parent))
                waiting.append(parent)


def composed() -> dict[str, list[str]]:
    """Return the functions without a row that are composed of functions with one."""
    with_row = {row.name for row in rows()}
    found = {}
    for name, declaration in DERIVED.items():
        if name in with_row or name in POSITIVE or name not in dl.__all__:
            continue
        inside = sorted((parts(declaration, name) & with_row) - UNREACHED.keys())
        if inside:
            found[name] = inside
    return found


# -- the page ------------------------------------------------------------------------------------


def cell(code: str) -> str:
    """Return code for a cell of a table."""
    return "`{}`".format(code.replace("|", "\\|"))


def link(name: str) -> str:
    """Return a name that leads into the reference."""
    return f"{{func}}`~dlgradient.{name}`"


def tables() -> dict[str, list[str]]:
    """Return the lines of both tables."""
    kinks = ["| function | kink | Python | Result |", "|---|---|---|---|"]
    kinks += [
        f"| {link(row.name)} | {PLACES[row.name]} | {cell(row.python)} | {cell(row.result)} |"
        for row in rows()
    ]
    inner = ["| function | kinks of |", "|---|---|"]
    inner += [
        f"| {link(name)} | {', '.join(map(link, inside))} |"
        for name, inside in sorted(composed().items())
    ]
    return {"kinks": kinks, "composed": inner}


def page(text: str) -> str:
    """Return a page with its tables written again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sample may divide by zero on purpose
        written = tables()

    def replaced(match: re.Match[str]) -> str:
        lines = written[match["table"]]
        return f"{match['head']}\n" + "\n".join(lines) + f"\n\n{match['foot']}"

    return MARK.sub(replaced, text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"written: {PAGE}")
