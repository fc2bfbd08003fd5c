"""What an author declares, what follows from it, and the table of both.

A `Declaration` is what an author wrote about a function: its kernel, its rules, its format, its
samples and oracles. With a rule, it declares an operation, and an `Op` is what follows from it: the
names of operands and parameters, the compiled pulls, what nodes save, the call path. Without a
rule, it declares a derived function, which is composed of operations.

Declarations are checked when a module is loaded: one that is incomplete or contradicts itself is an
error at import.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import update_wrapper
from typing import Any, ClassVar

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, is_variable
from dlgradient.core.docstrings import completed
from dlgradient.core.domain import DOMAINS, Domain, in_floating_point, restricted
from dlgradient.core.formats import FAMILIES, reduced
from dlgradient.core.kinds import ANY, Kind, kinds_of, parameters_of
from dlgradient.core.paths import make_path
from dlgradient.core.pulls import Factor, Pull, compile_pull
from dlgradient.core.samples import Errors, Samples
from dlgradient.core.spelling import nearest
from dlgradient.core.surroundings import remember
from dlgradient.core.types import (
    Counterpart,
    FormatRule,
    Formats,
    Function,
    Kernel,
    P,
    Params,
    R,
    Rule,
    Shapes,
)
from dlgradient.core.user_code import forward_outputs, isolated
from dlgradient.errors import FormatClashError, RuleError

__all__ = ["DERIVED", "OPS", "Declaration", "Op", "enter_derived", "enter_operation"]

# The table of all operations, by name.
OPS: dict[str, Op] = {}
# Public functions that are compositions of operations.
DERIVED: dict[str, Declaration] = {}


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Declaration:
    """What an author wrote about one function of the table.

    Attributes
    ----------
    function : callable
        The decorated function. Users see its signature and docstring. Operands are positional-only.
    kind : str
        The declarer: "elementwise", "linear", "multilinear", "constant", "general" or "derived".
    rules : dict
        Operand name -> rule for its cotangent (elementwise: for the differential).
    vjp : callable or None
        One rule that returns the cotangents of all operands.
    fast_vjp : callable or None
        The same derivative as `vjp` on raw arrays of real values, faster.
    jvp : dict
        Operand name -> rule for the tangent it contributes (general only).
    kernel : callable or None
        ``kernel(*operands, **params)`` on raw arrays; None if it is the function itself.
    domain : {"complex", "real"}
        Which numbers the operands may be. An operation of real ones refuses complex ones.
    floating : bool
        Whether the operation of one operand computes with integers and logical values as float64.
    format : str, callable or None
        Format family of the result, or ``format(formats, shapes, params)``. By default "align" for
        elementwise operations, "same" for others.
    format_family : str or None
        The family of a callable `format`; "permute" by default.
    masks : bool
        Whether the operation makes structural zeros of cotangents, as where, indexing and clip do.
    selects : bool
        Whether the rules of an operation with masks only select or scale, so that a zero cotangent
        stays zero without help.
    indexing : {"get", "set", "pick"} or None
        Operations whose cotangents the reverse walk adds or clears in place.
    outputs : int
        Number of results if the kernel returns a tuple of them, else 0. `vjp` then gets a sequence
        of cotangents, None for a result that was not used.
    samples, errors : callable or None
        Functions of a maker that return the cases to test, and the wrong calls.
    numpy : callable, tuple of callables or None
        NumPy's counterpart: an oracle of the value, and the function that NumPy's protocols
        translate.
    reference : callable or None
        Another oracle of the value.
    shown : str or None
        Name in messages, if it is not the function's: the public function to which it belongs.
    """

    function: Function
    kind: str = "derived"
    rules: dict[str, Rule | Factor] = field(default_factory=dict)
    vjp: Rule | None = None
    fast_vjp: Rule | None = None
    jvp: dict[str, Rule] = field(default_factory=dict)
    kernel: Kernel | None = None
    domain: Domain = "complex"
    floating: bool = False
    format: str | FormatRule | None = None
    format_family: str | None = None
    masks: bool = False
    selects: bool = True
    indexing: str | None = None
    outputs: int = 0
    samples: Samples | None = None
    errors: Errors | None = None
    numpy: Counterpart = None
    reference: Function | None = None
    shown: str | None = None

    @property
    def name(self) -> str:
        """Name in the table."""
        return self.function.__name__

    @property
    def of_user(self) -> bool:
        """Whether its code is not of this library, so that nothing is known about it."""
        return self.function.__module__.partition(".")[0] != "dlgradient"


# What a keyword of a declarer may be, if it is not an operand.
_OPTIONS = {f.name for f in fields(Declaration)} - {"function", "kind", "rules"}


class Op:
    """One operation: what follows from its declaration.

    Attributes
    ----------
    declaration : Declaration
    name, shown, kind, kernel, domain, indexing, outputs
        As declared. The kernel is never None, and refuses what is outside the domain.
    operands : tuple of str
        Names of the differentiable (array) operands.
    variadic : bool
        Whether it takes any number of operands, as one sequence with the name ``arrays``.
    params : dict
        Parameters and their defaults.
    kinds : dict
        Parameters and their kinds; empty until the first call that gives one.
    required, positional : tuple of str
        Parameters without a default, and those that may follow the operands by position.
    format_family : str
    format_rule : callable or None
        The function, if the format is declared as one.
    keeps_format : bool
        Whether the result has the format of its operands after they are aligned.
    pointwise : bool
        Whether an element of the result depends only on the same element of each operand.
    masks : bool
        Whether it makes structural zeros.
    joint : Pull or None
        One pull for the cotangents of all operands.
    pulls : tuple of (int, Pull, bool)
        Place of the operand, pull for its cotangent, and whether that may multiply a structural
        zero by an infinite derivative. Operands without a rule have no entry.
    by_position : tuple of Pull or None
        The same pulls, by place.
    jvps : dict
        Operand name -> pull for the tangent it contributes.
    call : callable
        What users call.
    """

    __slots__ = (
        "_saves",
        "by_position",
        "call",
        "declaration",
        "domain",
        "format_family",
        "format_rule",
        "indexing",
        "joint",
        "jvps",
        "keeps_format",
        "kernel",
        "kind",
        "kinds",
        "masks",
        "name",
        "operands",
        "outputs",
        "params",
        "pointwise",
        "positional",
        "pulls",
        "required",
        "shown",
        "variadic",
    )

    # The operation of a node that picks one result of several.
    pick: ClassVar[Op]

    def __init__(self, declaration: Declaration, joint: Pull | None = None) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.shown = declaration.shown or self.name
        self.kind = declaration.kind
        self.kernel: Kernel = declaration.kernel or declaration.function
        if declaration.of_user and not isinstance(self.kernel, np.ufunc):
            self.kernel = isolated(self.kernel, f"the kernel of {self.name}", forward_outputs)
        self.domain = declaration.domain
        self.masks = declaration.masks
        self.indexing = declaration.indexing
        self.outputs = declaration.outputs
        self.call: Function = declaration.function
        self._read_format()
        self._read_signature()
        self._check_domain()
        self._check_rules()
        self._compile(joint)
        self._saves: dict[tuple[bool, ...], tuple[bool, ...]] = {}
        self.kinds: dict[str, Kind] = {}

    def _read_format(self) -> None:
        declared = self.declaration.format
        if declared is None:
            declared = "align" if self.kind == "elementwise" else "same"
        self.format_rule = None if isinstance(declared, str) else declared
        family = self.declaration.format_family or "permute"
        self.format_family = declared if isinstance(declared, str) else family
        self.keeps_format = self.format_rule is None and self.format_family in ("same", "align")
        aligned = self.kind in ("constant", "general") and self.format_family == "align"
        self.pointwise = self.kind == "elementwise" or aligned

    def _read_signature(self) -> None:
        parameters, kinds = parameters_of(self.declaration.function), inspect.Parameter
        self.operands = tuple(n for n, kind, _ in parameters if kind is kinds.POSITIONAL_ONLY)
        self.variadic = self.operands == ("arrays",)
        static = [p for p in parameters if p[1] is not kinds.POSITIONAL_ONLY]
        self.params: Params = {n: default for n, _, default in static}
        self.required = tuple(n for n, _, default in static if default is kinds.empty)
        self.positional = tuple(n for n, kind, _ in static if kind is kinds.POSITIONAL_OR_KEYWORD)
        if any(kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) for _, kind, _ in static):
            raise RuleError(
                f"operation {self.name}: operands are positional-only (before /), a variable "
                "number of them is one sequence named arrays, and every parameter has a name"
            )

    def _check_domain(self) -> None:
        if self.domain not in DOMAINS:
            raise RuleError(
                f"operation {self.name}: domain={self.domain!r} is not 'complex' or 'real'"
            )
        if self.declaration.floating:
            if len(self.operands) != 1 or self.variadic:
                raise RuleError(
                    f"operation {self.name}: floating=True is for one operand, and there are "
                    f"{self.operands}; convert them in the kernel, x * 1.0"
                )
            self.kernel = in_floating_point(self)
        elif self.domain == "real":
            self.kernel = restricted(self)

    def _check_rules(self) -> None:
        for name in (*self.declaration.rules, *self.declaration.jvp):
            if not self.operands:
                raise RuleError(f"operation {self.name}: no operand (a parameter before /)")
            if name not in self.operands:
                meant = nearest(name, [*_OPTIONS, *self.operands])
                raise RuleError(
                    f"operation {self.name}: a rule for {name!r}, operands {self.operands}"
                    + (f"; write {meant}=" if meant else "")
                )

    def _compile(self, joint: Pull | None) -> None:
        declared = self.declaration
        if declared.vjp is not None:
            joint = compile_pull(self, declared.vjp, declared.fast_vjp, joint=True)
        self.joint = joint
        pulls = {name: compile_pull(self, rule) for name, rule in declared.rules.items()}
        self.jvps = {name: compile_pull(self, rule) for name, rule in declared.jvp.items()}
        self.by_position = tuple(pulls.get(name) for name in self.operands)
        selects = declared.masks and declared.selects
        self.pulls = tuple(
            (i, pull, bool(pull.needs) and not selects)
            for i, pull in enumerate(self.by_position)
            if pull is not None
        )

    def read_kinds(self) -> dict[str, Kind]:
        """Read the kinds of the parameters from the annotations of the declared function."""
        found = kinds_of(self.declaration.function)
        self.kinds = {name: found.get(name, ANY) for name in self.params}
        return self.kinds

    def saves(self, traced: tuple[bool, ...]) -> tuple[bool, ...]:
        """Return which values a node saves when the operands marked in `traced` are traced.

        One entry for each operand, the last for the result; an empty tuple if it saves nothing.
        """
        found = self._saves.get(traced)
        if found is None:
            found = self._saves[traced] = self._find_saves(traced)
        return found

    def _find_saves(self, traced: tuple[bool, ...]) -> tuple[bool, ...]:
        if self.joint is not None:
            needs = self.joint.needs if any(traced) else frozenset()
        else:
            pulls = [p for p, t in zip(self.by_position, traced, strict=False) if t and p]
            needs = frozenset().union(*[pull.needs for pull in pulls])
        names = self.operands * len(traced) if self.variadic else self.operands
        return tuple([name in needs for name in (*names, "out")]) if needs else ()

    def operand_name(self, place: int) -> str:
        """Return the name of an operand for a message; 'arrays[2]' in a variadic operation."""
        if self.variadic:
            return f"{self.operands[0]}[{place}]"
        return self.operands[place]

    def result_format(self, formats: Formats, shapes: Shapes, params: Params) -> Any:
        """Return the format of the result, or of each of several; some operand has a format."""
        if self.format_rule is not None:
            return self.format_rule(formats, shapes, params)
        if self.keeps_format:
            return next(fmt for fmt in formats if fmt is not None)
        if self.format_family == "reduce":
            return reduced(formats[0], len(shapes[0]), params)
        if self.format_family == "new":
            return None
        raise FormatClashError(
            f"{self.name}: needs unlabelled operands, the formats are "
            f"{', '.join(repr(f) for f in formats)}; take the labels off with stripdims"
        )

    def __repr__(self) -> str:
        return f"<Op {self.name}: {self.kind}, {self.format_family}, operands {self.operands}>"


def _pick(x: Any, /, *, index: int) -> Any:
    """One result of an operation with several."""
    return x[index]


Op.pick = Op(Declaration(function=_pick, kind="linear", indexing="pick"))


# -- the table -----------------------------------------------------------------------------------


def enter_operation(declaration: Declaration, function: Callable[P, R]) -> Callable[P, R]:
    """Check the declaration of an operation, make its call path and add it to the table."""
    op = Op(declaration)
    _check_name("operation", declaration)
    _check(op)
    if op.format_family in ("same", "align") and not op.params:
        function.__doc__ = completed(op.name, function.__doc__ or "", op.operands, op.domain)
    path = make_path(op)
    if declaration.of_user:
        path = _noting(op, path)
    op.call = path
    update_wrapper(path, function)
    path.op = op  # type: ignore[attr-defined]
    OPS[op.name] = op
    FUNCTIONS[op.name] = path
    return path


def _noting(op: Op, path: Function) -> Function:
    """Return the call path of a user's operation, which notes what its functions read."""
    declared = op.declaration
    first = (declared.kernel or declared.function,)
    rules = (*declared.rules.values(), *declared.jvp.values(), declared.vjp, declared.fast_vjp)
    later = [r.function if isinstance(r, Factor) else r for r in rules if r is not None]

    def call(*args: Any, **given: Any) -> Any:
        found = path(*args, **given)
        out = found[0] if op.outputs else found
        if is_variable(out):
            remember(out._node, f"operation {op.name}", op.name, first, later)
        return found

    return call


def enter_derived(declaration: Declaration, function: Callable[P, R]) -> Callable[P, R]:
    """Add a composition of operations to the table."""
    _check_name("function", declaration)
    parameters = parameters_of(function)
    if all(kind is inspect.Parameter.POSITIONAL_ONLY for _, kind, _ in parameters):
        names = [name for name, _, _ in parameters]
        written = function.__doc__ or ""
        function.__doc__ = completed(declaration.name, written, names, declaration.domain)
    declaration.function = answered = checked(function)
    FUNCTIONS[declaration.name] = answered
    DERIVED[declaration.name] = declaration
    return answered


def _check_name(what: str, declaration: Declaration) -> None:
    """Refuse a name that is taken, unless the same place declares it again, as in a notebook."""
    taken, function = FUNCTIONS.get(declaration.name), declaration.function
    if taken is None:
        return
    if (taken.__module__, taken.__qualname__) != (function.__module__, function.__qualname__):
        raise RuleError(
            f"{what} {declaration.name} is declared twice: in {taken.__module__} as "
            f"{taken.__qualname__}, and in {function.__module__} as {function.__qualname__}; give "
            "one of them another name"
        )


def _check(op: Op) -> None:
    """Refuse a declaration that is incomplete or contradicts itself."""
    declared, ruled = op.declaration, bool(op.declaration.rules or op.joint)
    faults = (
        (not op.operands, "no operand (a parameter before /)"),
        (op.kind == "constant" and ruled, "constant operations have no rule"),
        (op.kind != "constant" and not ruled, f"{op.kind} needs a rule for an operand"),
        (declared.fast_vjp and not declared.vjp, "fast_vjp= needs the vjp= it is compared with"),
        (
            op.outputs and (op.kind != "general" or not op.joint),
            "several results need general(vjp=...)",
        ),
        (
            op.outputs and op.format_rule is None and op.format_family in ("same", "align"),
            "several results need format= as 'new', or a function that returns a format for each",
        ),
        (op.format_family not in FAMILIES, f"unknown format family {op.format_family!r}"),
        (
            declared.format == "reduce" and "axis" not in op.params,
            "the format family 'reduce' needs a parameter axis, which says what is reduced; "
            "declare one, or format= as 'new' or a function",
        ),
        (declared.samples is None, "no samples, so nothing would test it"),
        (not declared.function.__doc__, "no docstring"),
    )
    for wrong, what in faults:
        if wrong:
            raise RuleError(f"operation {op.name}: {what}")
