"""The five declarers: an operation is declared once, by one mathematical rule.

A rule is a function of a tangent ``t`` or a cotangent ``g`` (its first argument). The names of its
other arguments say what must be kept from the forward pass:

* the name of an operand: its value;
* ``out``: the result;
* the name of an operand with ``_like``: its shape and dtype only, which is always free;
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
from collections.abc import Callable, Sequence
from functools import update_wrapper
from types import FunctionType
from typing import Any
from weakref import ref

import numpy as np

from dlgradient import calls
from dlgradient.calls import FUNCTIONS, OUT
from dlgradient.errors import FormatClashError, RuleError
from dlgradient.labels import FAMILIES, without

__all__ = [
    "OPS",
    "Factor",
    "Op",
    "Rule",
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

Formats = Sequence[str | None]
Shapes = Sequence[tuple[int, ...]]
Kernel = Callable[..., Any]


class Factor:
    """Rule ``t * function(value)`` of the operand or ``out``; traced walks share the factor."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class Rule:
    """One rule of one operation: its function, and where its arguments come from.

    Attributes
    ----------
    function : callable
        ``function(g, *arguments)``.
    needs : frozenset of int
        Positions in `Node.kept` whose values the function reads.
    single : int or None
        Position in `Node.kept` of the one argument, where it is one operand or the result.
    bare : bool
        Whether the function has no argument but the cotangent.
    factor : callable or None
        What the tangent is multiplied by, if the rule is a `Factor`.
    pull, pull_traced : callable
        ``pull(node, g)``: the function applied to what a node keeps, raw or as dlarrays.
    """

    __slots__ = (
        "bare",
        "factor",
        "function",
        "getters",
        "needs",
        "pull",
        "single",
        "traced_getters",
    )

    def __init__(self, op: Op, function: Any) -> None:
        self.factor: Callable[[Any], Any] | None = None
        if type(function) is Factor:
            self.factor = factor = function.function
            names = _arguments(factor)
            self.function: Callable[..., Any] = lambda t, value: t * factor(value)
        else:
            names = _arguments(function)[1:]
            self.function = function
        sources = [_source(op, self.factor or function, name) for name in names]
        self.needs = frozenset(
            index for kind, index in sources if kind == "value" for index in _positions(op, index)
        )
        self.getters = [_getter(op, kind, index) for kind, index in sources]
        self.traced_getters = [_traced_getter(op, kind, index) for kind, index in sources]
        # Position of the one value the function reads, if that is all it asks for; None otherwise.
        self.single: int | None = None
        if len(sources) == 1 and sources[0][0] == "value" and not op.variadic:
            self.single = sources[0][1]
        self.bare = not sources
        self.pull = _pull(self.function, sources, self.getters, variadic=op.variadic)

    def pull_traced(self, node: Any, g: Any) -> Any:
        """Apply the rule to traced operands, so that its result can be differentiated."""
        arguments = [get(node) for get in self.traced_getters]
        if self.factor is None:
            return self.function(g, *arguments)
        # The node holds it weakly: the factor was computed from the node, and nothing may point
        # back. It lives as long as the derivative that it is a part of.
        found = getattr(node, "factor", None)
        made_by, value = (None, None) if found is None else (found[0](), found[1]())
        if made_by is not None and value is not None:
            return g * calls.wrap(value, made_by)
        factor = self.factor(*arguments)
        if type(factor._value) is np.ndarray and factor._node is not None:
            node.factor = ref(factor._node), ref(factor._value)
        return g * factor


_MORE = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter, as `inspect.signature` tells them.

    For plain functions they are read from the code: an import has some hundred of them, and
    `inspect` would take a good part of it.
    """
    plain = inspect.unwrap(function)
    if type(plain) is not FunctionType or plain.__code__.co_flags & _MORE:
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in found]
    code, missing = plain.__code__, inspect.Parameter.empty
    count, first = code.co_argcount, code.co_posonlyargcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_ONLY] * first
    kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * (count - first)
    kinds += [inspect.Parameter.KEYWORD_ONLY] * code.co_kwonlyargcount
    given = plain.__defaults__ or ()
    named = plain.__kwdefaults__ or {}
    defaults = [
        *[missing] * (count - len(given)),
        *given,
        *[named.get(n, missing) for n in names[count:]],
    ]
    return list(zip(names, kinds, defaults, strict=True))


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name, _, _ in _parameters(function))


def _source(op: Op, function: Any, name: str) -> tuple[str, Any]:
    if name == "out":
        return "value", OUT
    if name in op.operands:
        return "value", op.operands.index(name)
    if name.endswith("_like") and name[:-5] in op.operands:
        return "like", op.operands.index(name[:-5])
    if name in op.params:
        return "param", name
    raise RuleError(
        f"operation {op.name}: the rule {function.__name__} asks for {name!r}, which is neither an "
        f"operand {op.operands}, nor one with _like, nor out, nor a parameter {tuple(op.params)}"
    )


def _positions(op: Op, index: int) -> tuple[int, ...]:
    # A variadic operation has as many positions as it is given operands; -2 stands for all.
    return (ALL,) if op.variadic and index != OUT else (index,)


ALL = -2


def _getter(op: Op, kind: str, index: Any) -> Callable[[Any], Any]:
    if kind == "param":
        return lambda node: node.params[index]
    if kind == "like":
        return (lambda node: node.parents) if op.variadic else (lambda node: node.parents[index])
    if op.variadic and index != OUT:
        return lambda node: node.kept[:-1]
    return lambda node: node.kept[index]


def _traced_getter(op: Op, kind: str, index: Any) -> Callable[[Any], Any]:
    if kind != "value":
        return _getter(op, kind, index)
    if index == OUT and op.outputs:
        return lambda node: [
            calls.wrap(value, calls.picked(node, i, value))
            for i, value in enumerate(node.kept[OUT])
        ]
    if index == OUT:
        return lambda node: calls.wrap(node.kept[OUT], node)
    if op.variadic:
        return lambda node: [
            _operand(value, parent)
            for value, parent in zip(node.kept[:-1], node.parents, strict=True)
        ]
    return lambda node: _operand(node.kept[index], node.parents[index])


def _operand(value: Any, parent: Any) -> Any:
    return calls.wrap(value, parent) if type(parent) is calls.Node else value


def _pull(
    function: Callable[..., Any],
    sources: list[tuple[str, Any]],
    getters: list[Callable[[Any], Any]],
    *,
    variadic: bool,
) -> Callable[[Any, Any], Any]:
    """Specialise the common cases, which are called once for each node of a backward pass."""
    if not sources:
        return lambda _node, g: function(g)
    if not variadic and all(kind == "value" for kind, _ in sources):
        if len(sources) == 1:
            i = sources[0][1]
            return lambda node, g: function(g, node.kept[i])
        if len(sources) == 2:
            i, j = sources[0][1], sources[1][1]
            return lambda node, g: function(g, node.kept[i], node.kept[j])
    return lambda node, g: function(g, *[get(node) for get in getters])


class Op:
    """One operation: kernel, label family and rules, side by side.

    Attributes
    ----------
    name, kind : str
        Name in the table; the declarer.
    shown : str
        Name in messages: the public function that the operation is a part of.
    kernel : callable
        ``kernel(*operands, **params)`` on raw arrays.
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
        "errors",
        "family",
        "indexing",
        "joint",
        "jvps",
        "kernel",
        "kind",
        "label_rule",
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
        labels: str | Callable[[Formats, Shapes, dict[str, Any]], str | None] = "same",
        family: str | None = None,
        pointwise: bool = False,
        masks: bool = False,
        selects: bool = True,
        indexing: str | None = None,
        outputs: int = 0,
        samples: Callable[..., Any] | None = None,
        errors: Callable[..., Any] | None = None,
        numpy: Any = None,
        reference: Callable[..., Any] | None = None,
        shown: str | None = None,
    ) -> None:
        self.name = function.__name__
        self.shown = shown or self.name
        self.kind = kind
        self.kernel = kernel or function
        self.pointwise = pointwise
        self.masks = masks
        self.selects = masks and selects
        self.indexing = indexing
        self.outputs = outputs
        self.samples = samples
        self.errors = errors
        self.numpy = numpy
        self.reference = reference
        self.family = labels if isinstance(labels, str) else (family or "permute")
        self.label_rule = None if isinstance(labels, str) else labels
        parameters, kinds = _parameters(function), inspect.Parameter
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
        """Format of the result, by the label family; some operand has a format."""
        if self.label_rule is not None:
            return self.label_rule(formats, shapes, params)
        if self.family in ("same", "align"):
            return next(fmt for fmt in formats if fmt is not None)
        if self.family == "reduce":
            return reduced_format(formats[0], shapes[0], params)
        if self.family == "new":
            return None
        raise FormatClashError(
            f"{self.name}: needs unformatted operands, the formats are "
            f"{', '.join(repr(f) for f in formats)}; take the labels off with stripdims"
        )

    def __repr__(self) -> str:
        return f"<Op {self.name}: {self.kind}, {self.family}, operands {self.operands}>"


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

    __slots__ = ("errors", "function", "name", "numpy", "reference", "samples")

    def __init__(
        self,
        function: Callable[..., Any],
        samples: Callable[..., Any],
        errors: Callable[..., Any] | None,
        numpy: Any,
        reference: Callable[..., Any] | None,
    ) -> None:
        self.name = function.__name__
        self.function = function
        self.samples = samples
        self.errors = errors
        self.numpy = numpy
        self.reference = reference


def _finish(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a declaration, make its call path and enter it in the table."""
    op.by_position = tuple(op.rules.get(name) for name in op.operands)
    op.ruled = tuple((i, rule) for i, rule in enumerate(op.by_position) if rule is not None)
    _lint(op, function)
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
    if op.family not in FAMILIES:
        raise RuleError(f"operation {op.name}: unknown label family {op.family!r}")
    if op.samples is None:
        raise RuleError(f"operation {op.name}: no samples, so nothing would test it")
    if not function.__doc__:
        raise RuleError(f"operation {op.name}: no docstring")


def _pick(x: Any, /, *, index: int) -> Any:
    """One result of an operation with several."""
    return x[index]


calls.install_pick(Op("linear", _pick, indexing="pick"))


Declarer = Callable[[Callable[..., Any]], Callable[..., Any]]


def _declarer(kind: str, rules: dict[str, Any], options: dict[str, Any]) -> Declarer:
    joint = rules.pop("vjp", None)
    jvps = options.pop("jvp", {})

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        op = Op(kind, function, **options)
        op.rules = {name: Rule(op, rule) for name, rule in rules.items()}
        op.joint = Rule(op, joint) if joint is not None else None
        op.jvps = {name: Rule(op, rule) for name, rule in jvps.items()}
        return _finish(op, function)

    return declare


_OPTIONS = (
    "kernel",
    "labels",
    "family",
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
)


def _split(arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the declaration, and the rest: rules by the names of their operands."""
    options = {name: arguments.pop(name) for name in _OPTIONS if name in arguments}
    return arguments, options


def elementwise(**arguments: Any) -> Declarer:
    """Declare an elementwise operation by its differential for each operand."""
    rules, options = _split(arguments)
    options.setdefault("labels", "align")
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
    return _declarer("constant", rules, {"pointwise": options.get("labels") == "align", **options})


def general(**arguments: Any) -> Declarer:
    """Declare an operation by its vjp, for each operand or jointly, and its jvp where known."""
    rules, options = _split(arguments)
    return _declarer("general", rules, {"pointwise": options.get("labels") == "align", **options})


def derived(
    *,
    samples: Callable[..., Any],
    errors: Callable[..., Any] | None = None,
    numpy: Any = None,
    reference: Callable[..., Any] | None = None,
) -> Declarer:
    """Enter a composition of operations in the table, so that it is tested like one."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        if function.__name__ in FUNCTIONS:
            raise RuleError(f"function {function.__name__} is declared twice")
        FUNCTIONS[function.__name__] = function
        DERIVED[function.__name__] = Derived(function, samples, errors, numpy, reference)
        return function

    return declare
