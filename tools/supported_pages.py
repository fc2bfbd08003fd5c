"""Write the tables of ``docs/supported/``: which names of other libraries work, and how.

``tools/peers.txt`` has the names, with the version of each library. What works is found out: by
the table of NumPy's functions, by the names of this package, and by calls of the functions, which
are differentiated three times. What to write otherwise is what errors say, from
`dlgradient.interop.counterparts`. A test compares the pages with what this program writes.

Run ``python tools/supported_pages.py`` after a change.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.core.spelling import same_name
from dlgradient.interop.counterparts import NOTES
from dlgradient.interop.expressions import Expression, expressions, qualified
from dlgradient.interop.scipy_names import BY_NAME, MODULES, expressions_of, note_of
from dlgradient.interop.table import find
from dlgradient.interop.translate import Translation
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing import sample_cases

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "tools" / "peers.txt"
FOLDER = ROOT / "docs" / "supported"

ORDERS = 3  # what is differentiated three times is differentiated by the same rules again
SAMPLES = 6  # of a function; the first ones differ most


# -- what a function supports, by calling it -----------------------------------------------------


class Support(NamedTuple):
    """The cells of a row."""

    derivative: str
    complex: str
    format: str


# Functions without samples in the table of operations, and operands to call them with.
_X = np.array([0.3, 0.7, 1.2])
_SIGNAL = np.linspace(-1.0, 1.0, 16)[None]
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "index_add": (dl.index_add, (_X, [0, 2], _X[:2]), {}),
    "dlstft": (dl.dlstft, (_SIGNAL,), {"window": np.ones(4), "data_format": "CT"}),
    "dlistft": (
        dl.dlistft,
        (np.ones((3, 1, 5)) + 0j,),
        {"window": np.ones(4), "data_format": "SCT"},
    ),
    "dlode45": (lambda y: dl.dlode45(lambda _, y: -y, [0.0, 0.5], y), (_X,), {}),
}
FAMILIES = {
    "same": "kept",
    "align": "kept",
    "reduce": "of the other dimensions",
    "permute": "follows",
    "new": "removed",
    "contract": "unlabelled only",
}
# Of what several samples show, the first.
DERIVATIVES = ("every order", "zero", "constant", "none")


def probe(function: Callable[..., Any], args: Any, params: dict[str, Any]) -> Support:
    """Return what a function supports, from calls with these operands."""
    leaves, rebuild = tree.flatten(list(args))
    places = [k for k, leaf in enumerate(leaves) if np.asarray(leaf).dtype.kind in "fc"]

    def call(changed: Callable[[Any], Any], places: list[int] = places) -> Any:
        given = [changed(leaf) if k in places else leaf for k, leaf in enumerate(leaves)]
        return function(*rebuild(given), **params)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        derivative = _derivative(call, [leaves[k] for k in places])
        number = _complex(call, places or list(range(len(leaves))))
        has_axis = "axis" in inspect.signature(function).parameters
        return Support(derivative, number, _format(call, leaves, params, has_axis=has_axis))


def _floats(result: Any) -> list[Any]:
    """Return the dlarrays of floating point in a result."""
    found = tree.flatten(result)[0]
    return [v for v in found if dl.isdlarray(v) and v.dtype.kind in "fc"]


def _derivative(call: Callable[..., Any], values: list[Any]) -> str:
    def scalar(result: Any) -> Any:
        return sum((dl.sum(dl.abs2(dl.stripdims(v)) + dl.real(v)) for v in _floats(result)), 0.0)

    def differentiate(*xs: Any) -> str:
        given = iter(xs)
        result = call(lambda _: next(given))
        if not _floats(result):
            return "none"
        y = scalar(result)
        for order in range(ORDERS):
            try:
                gradient = dl.dlgradient(y, list(xs), enable_higher_derivatives=True)
            except dl.NotTracedError:
                return "constant" if not order else "every order"
            if not order and not any(np.any(dl.extractdata(g)) for g in gradient):
                return "zero"
            y = scalar(gradient)
        return "every order"

    return dl.dlfeval(differentiate, *[dl.dlarray(v) for v in values]) if values else "none"


def _complex(call: Callable[..., Any], places: list[int]) -> str:
    try:
        call(lambda leaf: dl.dlarray(leaf) * (1 + 0.1j), places)
    except (dl.DlgradientError, TypeError):
        return "no"
    return "yes"


def _format(
    call: Callable[..., Any], leaves: list[Any], params: dict[str, Any], *, has_axis: bool
) -> str:
    """Return what becomes of the format of operands."""
    if "data_format" in params or any(dl.isdlarray(v) and dl.dims(v) for v in leaves):
        return "says what to do"
    try:
        result = call(lambda v: dl.dlarray(v, "SSSSS"[: np.ndim(v)]))
    except dl.DlgradientError:
        return "unlabelled only"
    found = [v for v in tree.flatten(result)[0] if dl.isdlarray(v)]
    if found and all(map(dl.dims, found)):
        return FAMILIES["same"]
    # A sample that is reduced over all dimensions has none left that could have a label.
    reduces = found and not any(v.ndim for v in found) and any(map(np.ndim, leaves))
    return FAMILIES["reduce" if reduces and has_axis else "new"]


@cache
def of_function(name: str) -> Support | None:
    """Return what a function of this package supports, by its samples."""
    if name in CALLS:
        return probe(*CALLS[name])
    space, _, short = name.rpartition(".")
    declared = OPS.get(short) or DERIVED.get(short)
    if declared is None:
        return None
    function = getattr(getattr(dl, space) if space else dl, short)
    found = [probe(function, c.args, c.params) for c in _plain(sample_cases(declared))]
    if not found:
        return Support("none", "no", "kept")
    derivative = min((s.derivative for s in found), key=DERIVATIVES.index)
    if short in OPS and OPS[short].kind == "constant" and derivative == "every order":
        derivative = "zero"
    number = "no" if declared.domain == "real" else max(s.complex for s in found)
    if name == "full_like":  # its samples are of numbers; a traced one is differentiated
        derivative = probe(lambda fill: dl.full_like(_X, fill), (_X[0],), {}).derivative
    fmt = FAMILIES[OPS[short].format_family] if short in OPS else found[0].format
    if any(s.format == "says what to do" for s in found):
        fmt = "says what to do"
    return Support(derivative, number, fmt)


def _plain(cases: Iterable[Any]) -> Iterator[Any]:
    """Yield the first samples with elements and without kinks."""
    found = [c for c in cases if not c.kink]
    sized = [c for c in found if all(np.size(v) for v in tree.flatten(list(c.args))[0])]
    yield from sized[:SAMPLES]


# Operands to try with functions of NumPy that only NumPy's protocol answers.
_A = np.array([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.1, 0.6, 1.1]])
PATTERNS: tuple[tuple[Any, ...], ...] = (
    (_A,),
    (_X,),
    (_X, _X + 0.5),
    (_A, _X),
    ([_X, _X + 0.5],),
    (_A, 0),
    (_A, 0, 1),
    (_X, [1]),
    (_X, _X > 0.5, _X[1:]),
    (_X, _A),
    (_A, 3),
    (_A[None] * np.ones((2, 1, 1)), 3),
    ([0, 2, 1], _X),
    ([_X > 0.5], [_X]),
    (_X, [_X > 0.5], [np.sin, 0.0]),
    (_X > 0.5, _X),
    (_X > 0.5, [_X, 2 * _X]),
    (np.sum, 1, _A),
    (np.sum, _A, [0, 1]),
)


# Names of the adaptors whose results are indices, answers to questions, or files.
NO_ARRAYS = ("answer", "constants", "nonzero", "save")
# Those of functions that would write into a dlarray, or leave its trace.
REFUSING = ("write", "array")


@cache
def of_numpy(function: Any) -> Support | None:
    """Return what a function of NumPy supports, from the first operands that it takes."""
    answer = find(function)
    if getattr(answer, "__name__", "") in NO_ARRAYS:
        return Support("none", "yes", "removed")
    for pattern in PATTERNS:
        try:
            with np.errstate(all="ignore"):
                function(*pattern)
            return probe(function, pattern, {})
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
            continue
    return None


# -- answers -------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """What a name of another library is here: a function, an expression or a reason."""

    kind: str
    text: str
    support: Support | None = None


# Whose expressions a library takes: those of a case that names none of these, or its own.
LIBRARIES = ("NumPy", "SciPy", "PyTorch", "JAX", "MATLAB")
OWN = {"jax": ("JAX", "NumPy", "SciPy"), "torch": ("PyTorch",), "scipy": ("SciPy",)}
OWN |= {"numpy": ("NumPy",), "array_api": ("NumPy",)}


def written(library: str, name: str) -> Answer | None:
    """Return the expressions for a name of a library, as the cell of a table."""
    cases = [e for e in expressions().get(name, ()) if _is_of(library, e)]
    return Answer("expression", in_cell(cases)) if cases else None


def in_cell(cases: Iterable[Expression]) -> str:
    """Return expressions as the cell of a table."""
    cells = [f"`{qualified(e.text, dl.__all__)}`{e.when and f' ({e.when})'}" for e in cases]
    return "; ".join(cells)


def _is_of(library: str, case: Expression) -> bool:
    named = [name for name in LIBRARIES if name in case.when]
    return not named or any(name in OWN.get(library, ("MATLAB",)) for name in named)


REASON = {name: Answer("reason", note) for note, names in NOTES.items() for name in names.split()}
# What the function of the same name is here with the defaults of the other one.
OTHER_DEFAULTS = {
    "torch.nn.functional.hardsigmoid": "hardsigmoid(x, alpha=1 / 6)",
    "jax.nn.hard_sigmoid": "hardsigmoid(x, alpha=1 / 6)",
    "jax.nn.gelu": 'gelu(x, approximation="tanh")',
    "torch.std": "std(x, correction=1)",
    "torch.var": "var(x, correction=1)",
    "torch.equal": "np.array_equal(x, y)",
    "torch.median": 'quantile(x, 0.5, method="lower")',
    "torch.nanmedian": 'nanquantile(x, 0.5, method="lower")',
    "torch.nonzero": "np.argwhere(x)",
    "torch.sort": "(sort(x), argsort(x))",
    "torch.cummax": "cummax(x, axis=0)",
    "torch.cummin": "cummin(x, axis=0)",
    "jax.nn.identity": "x",
    "torch.meshgrid": 'meshgrid(x, y, indexing="ij")',
    "torch.nn.functional.cross_entropy": (
        'indexcrossentropy(Y, labels, from_logits=True, normalization_factor="all-elements")'
    ),
    "torch.nn.functional.l1_loss": "mean(abs(x - y))",
}
# Names that mean something else in another library than here, or than in MATLAB.
DIFFERENT = {
    **BY_NAME,
    "jax.scipy.special": ("bernoulli",),
    "torch": ("gather", "unflatten"),
}
# Special functions outside torch.special.
IN_TORCH = ("torch.igamma", "torch.igammac", "torch.mvlgamma")
REASONS = {
    **dict.fromkeys(
        ("scipy.special.bernoulli", "jax.scipy.special.bernoulli"),
        "gives Bernoulli numbers, which are constants; call SciPy's function",
    ),
    "torch.gather": "is take_along_axis(x, i, axis=0) here; gather is MATLAB's",
    "torch.unflatten": "is reshape(A, (3, -1)) here; unflatten is for containers",
    "numpy.random": (
        "draws a constant; write dlarray(rng.normal(size=3)), and so on, with "
        "rng = numpy.random.default_rng(seed)"
    ),
    "numpy": (
        "has no traced form; call it with extractdata(x), a constant, or make an operation of it "
        "with define_operation"
    ),
    **dict.fromkeys(
        ("scipy.special", "jax.scipy.special", "torch.special", *IN_TORCH),
        "is a special function that is not here; define_operation makes an operation of SciPy's "
        "function and its rule",
    ),
    "scipy.linalg": next(note for note, names in NOTES.items() if "schur" in names.split()),
    "scipy.fft": note_of("scipy.fft", ""),
    "scipy": "has no traced form; define_operation makes an operation of it and its rule",
    "": (
        "is not here; call the other library with extractdata(x), a constant, or make an operation "
        "with define_operation"
    ),
}


SPACES = ("fft", "linalg", "special")
NAMES = {*dl.__all__, *(f"{s}.{name}" for s in SPACES for name in getattr(dl, s).__all__)}
NAMES -= {*SPACES, "errors", "rules"}


def answer(space: str, name: str) -> Answer:
    """Return what a name in a namespace is here."""
    if space in MODULES and space != "scipy.fft":
        return _in_scipy(space, name)
    library = space.partition(".")[0]
    if space != "numpy.random" and name not in DIFFERENT.get(space, ()):
        if library in ("numpy", "array_api"):
            found = _in_numpy(space, name)
            if found:
                return found
        if f"{space}.{name}" in OTHER_DEFAULTS:
            text = OTHER_DEFAULTS[f"{space}.{name}"]
            return Answer("expression", in_cell([Expression(text, "")]))
        here = _same(space, name)
        if here:
            return Answer("function", link(here), of_function(here))
        found = written(library, name) or REASON.get(name)
        if not found and library in ("jax", "torch"):
            found = _in_numpy("numpy", name)
        if found:
            return found
    reason = next(REASONS[s] for s in (f"{space}.{name}", space, library, "") if s in REASONS)
    return Answer("reason", reason)


def _in_scipy(space: str, name: str) -> Answer:
    cases = expressions_of(space).get(name)
    return Answer("expression", in_cell(cases)) if cases else Answer("reason", note_of(space, name))


def _same(space: str, name: str) -> str:
    """Return the function of this package with the same name, or ''."""
    fourier = f"fft.{name}"
    if fourier in NAMES and (space.endswith("fft") or space.startswith("interpolation")):
        return fourier
    for own in ("linalg", "special"):
        if space.endswith(own) and f"{own}.{name}" in NAMES:
            return f"{own}.{name}"
    return same_name(name, sorted(NAMES)) or ""


def link(name: str) -> str:
    """Return a link to the entry of a function in the reference."""
    return f"{{py:obj}}`~dlgradient.{name}`"


def _in_numpy(space: str, name: str) -> Answer | None:
    module = np.linalg if space == "numpy.linalg" else np.fft if space == "numpy.fft" else np
    function = getattr(module, name, None)
    found = find(function) if function is not None else None
    if found is None or getattr(found, "__name__", "") in REFUSING:
        return None
    own = found.function if isinstance(found, Translation) else found
    here = own.__name__
    if here not in NAMES or getattr(dl, here) is not own:
        here = name
    if space in ("numpy.fft", "numpy.linalg") and f"{space[6:]}.{name}" in NAMES:
        here = f"{space[6:]}.{name}"
    if here in NAMES and of_function(here):
        return Answer("function", link(here), of_function(here))
    path = f"{module.__name__.replace('numpy', 'np')}.{name}"
    return Answer("function", f"`{path}(x)`", of_numpy(function))


# -- pages ---------------------------------------------------------------------------------------

SECTIONS = """
numpy: NumPy
array-api: array-API standard
scipy: SciPy
torch: PyTorch
jax: JAX
matlab: MATLAB
"""
KINDS = ("function", "expression", "reason")


@cache
def peers() -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Return the names of each library, by namespace, after its title with the version."""
    libraries: dict[str, tuple[str, dict[str, list[str]]]] = {}
    for line in PEERS.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            title = line.strip("[]")
            found = next(k for k, t in _sections() if title.startswith(t))
            libraries[found] = (title, {})
        elif line and not line.startswith("#"):
            space, _, names = line.partition(": ")
            libraries[found][1][space] = names.split()
    return libraries


def _sections() -> list[tuple[str, str]]:
    return [tuple(line.split(": ")) for line in SECTIONS.strip().splitlines()]  # type: ignore[misc]


def page(library: str) -> str:
    """Return the page of a library."""
    title, spaces = peers()[library]
    rows = {space: {n: answer(space, n) for n in names} for space, names in spaces.items()}
    lines = [f"# {title}", "", HEADS[library].strip(), "", WRITTEN, "", *_counts(rows), ""]
    for space, found in rows.items():
        lines += [f"## {space}", "", *_functions(found), *_expressions(found), *_reasons(found)]
    return "\n".join(lines).rstrip() + "\n\n" + TAIL


def _counts(rows: dict[str, dict[str, Answer]]) -> list[str]:
    lines = ["| names | functions here | in other words | not here |", "|---|---|---|---|"]
    for space, found in rows.items():
        counts = [sum(a.kind == kind for a in found.values()) for kind in KINDS]
        lines.append(f"| [{space}](#{anchor(space)}) | {' | '.join(map(str, counts))} |")
    return lines


def anchor(space: str) -> str:
    """Return the anchor of a heading."""
    kept = [c for c in space.lower() if c.isalnum() or c in " -_"]
    return "".join(kept).replace(" ", "-")


def _functions(found: dict[str, Answer]) -> list[str]:
    rows = [(name, a) for name, a in found.items() if a.kind == "function"]
    if not rows:
        return []
    lines = ["| name | here | derivative | complex | format |", "|---|---|---|---|---|"]
    for name, a in rows:
        cells = a.support or ("—", "—", "—")
        lines.append(f"| `{name}` | {a.text} | {' | '.join(cells)} |")
    return [*lines, ""]


def _expressions(found: dict[str, Answer]) -> list[str]:
    rows = [(name, a) for name, a in found.items() if a.kind == "expression"]
    if not rows:
        return []
    lines = ["| name | write |", "|---|---|"]
    lines += [f"| `{name}` | {a.text.replace('|', chr(92) + '|')} |" for name, a in rows]
    return [*lines, ""]


def _reasons(found: dict[str, Answer]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, a in found.items():
        if a.kind == "reason":
            reasons.setdefault(a.text, []).append(f"`{name}`")
    lines = [f"* {', '.join(names)}: it {reason}." for reason, names in reasons.items()]
    return ["Not here:", "", *lines, ""] if lines else []


HEADS = {
    "numpy": """
NumPy's functions of the first tables take dlarrays, as `np.sin(x)`, and are traced. A function
under "Not here" computes on the values of dlarrays that are not traced. With a traced one it is an
[error](../errors.md#unsupportedfunctionerror), since its derivative would be lost. So are keywords
as `where=` and `initial=`, and most methods of ufuncs:
[Keywords and ufuncs](../coming-from/numpy.md#keywords-and-methods-of-ufuncs) says what to write.
""",
    "array-api": """
The module `dlgradient` is a namespace of the standard: `x.__array_namespace__()` returns it. Most
functions of the extension for linear algebra are missing.
""",
    "scipy": """
SciPy's functions do not take traced dlarrays. These tables say which have a counterpart here.
`scipy.optimize` needs none: its functions take one that returns a value and a gradient. A function
that is linear in the array, as a filter, a transform or a spline, becomes an operation in a few
lines: [Signals](../recipes/signals.md#linear-functions-of-scipy).
""",
    "torch": """
The first tables have functions of the same name, apart from case and underscores. Parameters and
defaults may differ. Left out are functions that change their operand, that are for one device, for
quantization or for settings.
""",
    "jax": """
`jax.numpy` has NumPy's names, and NumPy's functions are traced here. Left out are functions for
devices, debugging and settings.
""",
    "matlab": """
These are MATLAB's functions with support for dlarrays, by task. Options have MATLAB's names in
lower case with underscores: `DataFormat` is `data_format`. Defaults may differ, as the dimension of
`sum`: see the [silent traps](../coming-from/matlab.md#silent-traps).
""",
}
WRITTEN = """\
In the expressions, `dl` is this package, `x` and `y` are vectors, `A` and `B` matrices, `i`
indices, `c` a mask, `n` a number and `f` a function. `X` is an image of format `"SSCB"`, `Y` a
sequence of format `"CBT"`. Brackets say for which arguments an expression is."""
TAIL = """\
## See also

* [What the columns say](index.md).
* [Names in other libraries](other-names.md), in one table.
"""


def pages() -> dict[str, str]:
    """Return all pages by the names of their files."""
    return {f"{library}.md": page(library) for library, _ in _sections()}


if __name__ == "__main__":
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
        print(f"written: {FOLDER / file}")
