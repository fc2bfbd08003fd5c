"""The five declarers: an operation is declared once, by one mathematical rule.

A rule is a function of a tangent ``t`` or a cotangent ``g`` (its first argument). The names of its
other arguments say what must be kept from the forward pass:

* the name of an operand: its value;
* ``out``: the result;
* the name of an operand with ``_like``: its shape and dtype only, which is always free;
* the name of an operand with ``_wanted``: whether it is traced, for a joint rule that can omit the
  cotangent of data (None in its place);
* anything else: a static parameter of the operation.

============  ==========================================  =======================================
declarer      the author writes                           what follows
============  ==========================================  =======================================
elementwise   the differential, linear in ``t``           backward ``conj(F(conj g))``, forward
              (``exp``: ``t * out``)                      ``F(t)``
linear        the adjoint of the (real- or complex-)      forward is the operation itself
              linear map
multilinear   one adjoint for each operand                forward: the operation with one operand
                                                          replaced, summed
constant      nothing                                     both are zero
general       ``vjp``, and ``jvp`` where it is known      a missing jvp is the pull-back pulled
                                                          back
============  ==========================================  =======================================

A joint rule may have a ``fast_vjp=`` at its side: the same derivative on raw arrays of real values,
where a kernel pays in a benchmark. Raw walks take it, all others ``vjp=``; the generated checks
compare the two.

With ``domain="real"`` complex operands are refused, by an error that names the function, the
operand and the fix; the generated checks try it.

An elementwise rule of one operand may be given as a `Factor`, what the tangent is multiplied by.
Derivatives of higher order walk over the same node again and again; the factor is then computed
once for all walks that are traced.

Rules are written in the public functions and operators, so the same text runs on raw arrays (the
fast backward pass) and on traced dlarrays (derivatives of any order). Nothing that no rule names is
kept alive. The table is checked when a module of operations is loaded: a name that is neither an
operand nor a parameter, a rule for an operand that does not exist, an operation without samples
or without a docstring, are errors at import.

The decorated function is the kernel, on raw arrays; its signature and docstring are what the user
sees. Operands are positional-only; what stands behind them is a static parameter. An operation of
any number of operands has one, a sequence, with the name ``arrays``.

Examples
--------
>>> from dlgradient.rules import OPS
>>> OPS["exp"].kind, OPS["matmul"].kind, OPS["floor"].kind
('elementwise', 'multilinear', 'constant')
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.docstrings import completed
from dlgradient.core.domain import DOMAINS, Domain, restricted
from dlgradient.core.formats import FAMILIES, without
from dlgradient.core.pulls import ALL, Factor, Rule, parameters_of
from dlgradient.core.samples import Case, Error, Errors, Maker, Samples, case
from dlgradient.core.types import Declarer, Formats, Kernel, P, R, Shapes
from dlgradient.errors import FormatClashError, RuleError

__all__ = [
    "OPS",
    "Case",
    "Error",
    "Factor",
    "Maker",
    "Op",
    "Rule",
    "case",
    "constant",
    "derived",
    "elementwise",
    "general",
    "linear",
    "multilinear",
]

# The table of all operations, by name.
OPS: dict[str, Op] = {}
# Public functions that are compositions of operations: name -> (function, samples, reference).
DERIVED: dict[str, Derived] = {}


class Op:
    """One operation: kernel, format family and rules, side by side.

    Attributes
    ----------
    name, kind : str
        Name in the table; the declarer.
    shown : str
        Name in messages: the public function that the operation is a part of.
    kernel : callable
        ``kernel(*operands, **params)`` on raw arrays.
    domain : {"complex", "real"}
        Which numbers the operands may be; an operation of real ones refuses complex ones.
    operands : tuple of str
        Names of the differentiable (array) operands.
    params : dict
        Static parameters and their defaults.
    rules : dict
        Operand name -> `Rule` for its cotangent (or differential); empty for a joint rule.
    joint : Rule or None
        One rule that returns the cotangents of all operands.
    jvps : dict
        Operand name -> `Rule` for the tangent it contributes (`general` only).
    masks : bool
        Whether cotangents get structural zeros here (where, indexing, clip, ...).
    selects : bool
        Whether the rules of an operation that masks only select or scale, so that a zero cotangent
        stays zero by itself.
    indexing : {"get", "set", "pick"} or None
        Operations whose cotangents the reverse walk treats in a way of its own.
    outputs : int
        Number of results if the kernel returns a tuple of them, else 0. The rules of such an
        operation are joint, and get a sequence of cotangents, None for a result that was not used.
    """

    __slots__ = (
        "_needs",
        "by_position",
        "call",
        "domain",
        "errors",
        "format_family",
        "format_rule",
        "indexing",
        "joint",
        "jvps",
        "kernel",
        "kind",
        "masks",
        "name",
        "numpy",
        "operands",
        "outputs",
        "params",
        "pointwise",
        "positional",
        "reference",
        "ruled",
        "rules",
        "samples",
        "selects",
        "shown",
        "variadic",
    )

    def __init__(  # noqa: PLR0913 - one for each part of a declaration
        self,
        kind: str,
        function: Callable[..., Any],
        *,
        kernel: Kernel | None = None,
        domain: Domain = "complex",
        format: str | Callable[[Formats, Shapes, dict[str, Any]], str | None] = "same",
        format_family: str | None = None,
        pointwise: bool = False,
        masks: bool = False,
        selects: bool = True,
        indexing: str | None = None,
        outputs: int = 0,
        samples: Samples | None = None,
        errors: Errors | None = None,
        numpy: Any = None,
        reference: Callable[..., Any] | None = None,
        shown: str | None = None,
    ) -> None:
        self.name = function.__name__
        self.shown = shown or self.name
        self.kind = kind
        self.kernel = kernel or function
        self.domain = domain
        self.pointwise = pointwise
        self.masks = masks
        self.selects = masks and selects
        self.indexing = indexing
        self.outputs = outputs
        self.samples = samples
        self.errors = errors
        self.numpy = numpy
        self.reference = reference
        self.format_family = format if isinstance(format, str) else (format_family or "permute")
        self.format_rule = None if isinstance(format, str) else format
        parameters, kinds = parameters_of(function), inspect.Parameter
        self.operands = tuple(n for n, kind, _ in parameters if kind is kinds.POSITIONAL_ONLY)
        self.variadic = self.operands == ("arrays",)
        self.params = {
            n: value for n, kind, value in parameters if kind is not kinds.POSITIONAL_ONLY
        }
        # Static parameters that may also be given by position, behind the operands.
        self.positional = tuple(
            n for n, kind, _ in parameters if kind is kinds.POSITIONAL_OR_KEYWORD
        )
        if any(kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) for _, kind, _ in parameters):
            raise RuleError(
                f"operation {self.name}: operands are positional-only (before /), a variable "
                "number of them is one sequence named arrays, and every parameter has a name"
            )
        if domain not in DOMAINS:
            raise RuleError(f"operation {self.name}: domain={domain!r} is not 'complex' or 'real'")
        if domain == "real":
            self.kernel = restricted(self)
        self._needs: dict[tuple[bool, ...], frozenset[int]] = {}
        self.call: Callable[..., Any] = function  # the call path, once it is made
        self.rules: dict[str, Rule] = {}
        self.joint: Rule | None = None
        self.jvps: dict[str, Rule] = {}
        # Rule for each operand by position; None where there is no derivative.
        self.by_position: tuple[Rule | None, ...] = ()
        # Position and rule, where there is one.
        self.ruled: tuple[tuple[int, Rule], ...] = ()

    def needs(self, traced: tuple[bool, ...]) -> frozenset[int]:
        """Positions to keep when the operands marked in `traced` are traced."""
        needs = self._needs.get(traced)
        if needs is None:
            needs = self._needs[traced] = self._find_needs(traced)
        return needs

    def _find_needs(self, traced: tuple[bool, ...]) -> frozenset[int]:
        if self.joint is not None:
            wanted = self.joint.needs if any(traced) else frozenset()
        else:
            wanted = frozenset().union(
                *[r.needs for r, t in zip(self.by_position, traced, strict=False) if t and r]
            )
        if ALL in wanted:
            return (wanted - {ALL}) | frozenset(range(len(traced)))
        return wanted

    def operand_name(self, position: int) -> str:
        """Name of an operand for a message; 'arrays[2]' in a variadic operation."""
        if self.variadic:
            return f"{self.operands[0]}[{position}]"
        return self.operands[position]

    def result_format(self, formats: Formats, shapes: Shapes, params: dict[str, Any]) -> str | None:
        """Format of the result, by the format family; some operand has a format."""
        if self.format_rule is not None:
            return self.format_rule(formats, shapes, params)
        if self.format_family in ("same", "align"):
            return next(fmt for fmt in formats if fmt is not None)
        if self.format_family == "reduce":
            return reduced_format(formats[0], shapes[0], params)
        if self.format_family == "new":
            return None
        raise FormatClashError(
            f"{self.name}: needs unformatted operands, the formats are "
            f"{', '.join(repr(f) for f in formats)}; take the labels off with stripdims"
        )

    def __repr__(self) -> str:
        return f"<Op {self.name}: {self.kind}, {self.format_family}, operands {self.operands}>"


def reduced_format(fmt: str | None, shape: tuple[int, ...], params: dict[str, Any]) -> str | None:
    """Format after a reduction over ``params["axis"]``."""
    if fmt is None or params["keepdims"]:
        return fmt
    axis = params["axis"]
    if axis is None:
        return None
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return without(fmt, tuple(sorted(a % len(shape) for a in axes)))


class Derived:
    """A public function composed of operations: it needs no rule, and is tested like one."""

    __slots__ = ("domain", "errors", "function", "name", "numpy", "reference", "samples")

    def __init__(
        self,
        function: Callable[..., Any],
        samples: Samples,
        errors: Errors | None,
        numpy: Any,
        reference: Callable[..., Any] | None,
        domain: Domain,
    ) -> None:
        self.name = function.__name__
        self.domain = domain
        self.function = function
        self.samples = samples
        self.errors = errors
        self.numpy = numpy
        self.reference = reference


def _finish(op: Op, function: Callable[P, R]) -> Callable[P, R]:
    """Check a declaration, make its call path and enter it in the table."""
    op.by_position = tuple(op.rules.get(name) for name in op.operands)
    op.ruled = tuple((i, rule) for i, rule in enumerate(op.by_position) if rule is not None)
    _lint(op, function)
    if op.format_family in ("same", "align") and not op.params:
        function.__doc__ = completed(function.__doc__ or "", op.operands, op.domain)
    path = calls.make_path(op)
    update_wrapper(path, function)
    path.op = op  # type: ignore[attr-defined]
    OPS[op.name] = op
    FUNCTIONS[op.name] = path
    op.call = path
    return path


def _lint(op: Op, function: Callable[..., Any]) -> None:
    if op.name in FUNCTIONS:
        raise RuleError(f"operation {op.name} is declared twice")
    if not op.operands:
        raise RuleError(f"operation {op.name}: no operand (a parameter before /)")
    for name in (*op.rules, *op.jvps):
        if name not in op.operands:
            raise RuleError(f"operation {op.name}: a rule for {name!r}, operands {op.operands}")
    if op.kind == "constant":
        if op.rules or op.joint:
            raise RuleError(f"operation {op.name}: constant operations have no rule")
    elif not op.rules and op.joint is None:
        raise RuleError(f"operation {op.name}: {op.kind} needs a rule for an operand")
    if op.outputs and (op.kind != "general" or op.joint is None):
        raise RuleError(f"operation {op.name}: several results need general(vjp=...)")
    if op.format_family not in FAMILIES:
        raise RuleError(f"operation {op.name}: unknown format family {op.format_family!r}")
    if op.samples is None:
        raise RuleError(f"operation {op.name}: no samples, so nothing would test it")
    if not function.__doc__:
        raise RuleError(f"operation {op.name}: no docstring")


def _pick(x: Any, /, *, index: int) -> Any:
    """One result of an operation with several."""
    return x[index]


calls.install_pick(Op("linear", _pick, indexing="pick"))


def _declarer(kind: str, rules: dict[str, Any], options: dict[str, Any]) -> Declarer:
    joint, fast = rules.pop("vjp", None), options.pop("fast_vjp", None)
    jvps = options.pop("jvp", {})

    def declare(function: Callable[P, R], /) -> Callable[P, R]:
        op = Op(kind, function, **options)
        op.rules = {name: Rule(op, rule) for name, rule in rules.items()}
        op.joint = Rule(op, joint, fast) if joint is not None else None
        op.jvps = {name: Rule(op, rule) for name, rule in jvps.items()}
        return _finish(op, function)

    return declare


_OPTIONS = (
    "kernel",
    "domain",
    "format",
    "format_family",
    "masks",
    "selects",
    "indexing",
    "outputs",
    "samples",
    "errors",
    "numpy",
    "reference",
    "shown",
    "jvp",
    "fast_vjp",
)


def _split(arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the declaration, and the rest: rules by the names of their operands."""
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    return arguments, options


def elementwise(**arguments: Any) -> Declarer:
    """Declare an elementwise operation by its differential for each operand."""
    rules, options = _split(arguments)
    options.setdefault("format", "align")
    return _declarer("elementwise", rules, {"pointwise": True, **options})


def linear(**arguments: Any) -> Declarer:
    """Declare a linear operation by its adjoint, for each operand or jointly (``vjp=``)."""
    rules, options = _split(arguments)
    return _declarer("linear", rules, options)


def multilinear(**arguments: Any) -> Declarer:
    """Declare an operation that is linear in each operand, by one adjoint for each."""
    rules, options = _split(arguments)
    return _declarer("multilinear", rules, options)


def constant(**arguments: Any) -> Declarer:
    """Declare an operation whose derivative is zero wherever it exists."""
    rules, options = _split(arguments)
    return _declarer("constant", rules, {"pointwise": options.get("format") == "align", **options})


def general(**arguments: Any) -> Declarer:
    """Declare an operation by its vjp, for each operand or jointly, and its jvp where known."""
    rules, options = _split(arguments)
    return _declarer("general", rules, {"pointwise": options.get("format") == "align", **options})


def derived(
    *,
    samples: Samples,
    errors: Errors | None = None,
    numpy: Any = None,
    reference: Callable[..., Any] | None = None,
    domain: Domain = "complex",
) -> Declarer:
    """Enter a composition of operations in the table, so that it is tested like one."""

    def declare(function: Callable[P, R], /) -> Callable[P, R]:
        if function.__name__ in FUNCTIONS:
            raise RuleError(f"function {function.__name__} is declared twice")
        parameters = parameters_of(function)
        if all(kind is inspect.Parameter.POSITIONAL_ONLY for _, kind, _ in parameters):
            names = [name for name, _, _ in parameters]
            function.__doc__ = completed(function.__doc__ or "", names, domain)
        FUNCTIONS[function.__name__] = function
        DERIVED[function.__name__] = Derived(function, samples, errors, numpy, reference, domain)
        return function

    return declare
