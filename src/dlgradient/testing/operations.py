"""`check_operation`: check everything that a declaration of an operation promises.

The checks need only the declaration. Each is a function of a subject (the declaration) and a case
(a sample). `operation_checks` lists those that apply, so that a test runner can show each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.graph import Node
from dlgradient.core.project import project
from dlgradient.core.pulls import compile_pull
from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.engine.evaluate import dlfeval
from dlgradient.testing import formats
from dlgradient.testing.checks import Bound, bind, check_derivatives, evaluate, outputs, pull, push
from dlgradient.testing.complexified import check_complexified, complexified
from dlgradient.testing.oracles import CheckError, compare, inner, random_direction
from dlgradient.testing.samples import Case, error_cases
from dlgradient.testing.saved import check_saved
from dlgradient.testing.subject import Subject
from dlgradient.testing.wrong_calls import check_error

__all__ = ["Check", "check_operation", "operation_checks"]

# Third derivatives of these have special cases.
THIRD_ORDER = frozenset({"pow", "prod", "cumprod", "cumulative_prod"})
_NARROW = {"float64": np.float32, "complex128": np.complex64}


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one sample of an operation.

    Attributes
    ----------
    sample : str
        The operation and the number of the sample, as ``exp-0``; ``exp-error-0`` for a wrong call;
        the operation alone for a check of its own sample.
    aspect : str
        What is checked.
    run : callable
        ``run()`` raises `CheckError` if the check fails.
    """

    sample: str
    aspect: str
    run: Callable[[], None]

    @property
    def id(self) -> str:
        """Return the name of the check: sample and aspect."""
        return f"{self.sample}-{self.aspect}"

    def __call__(self) -> None:
        """Run the check."""
        self.run()


def leaves_of(result: Value) -> list[Value]:
    """Return the raw values of a result, which may be a container."""
    leaves, _ = tree.flatten(result)
    return [extractdata(y) for y in leaves]


def same(
    where: str,
    what: str,
    found: Sequence[Value],
    oracle: str,
    expected: Sequence[Value],
    rtol: float = 0,
) -> None:
    """Compare two lists of arrays, by default bit by bit."""
    if len(found) != len(expected):
        raise CheckError(f"{where}: {what} gives {len(found)} results, {oracle} {len(expected)}")
    for a, b in zip(found, expected, strict=True):
        if np.asarray(a).dtype != np.asarray(b).dtype and not rtol:
            raise CheckError(
                f"{where}: {what} gives dtype {np.asarray(a).dtype}, {oracle} {np.asarray(b).dtype}"
            )
        compare(where, what, a, oracle, b, rtol=rtol)


def gradients(bound: Bound, gs: Sequence[Value] | None = None, **options: bool) -> list[Value]:
    """Return gradients of a call for given cotangents, as dlarrays; by default these are ones."""

    def run(*xs: Value) -> list[Value]:
        ys = outputs(bound(*xs))
        seeds = [np.ones(y.shape, y.dtype) for y in ys] if gs is None else gs
        return pull(ys, seeds, xs, **options)

    found: list[Value] = dlfeval(run, *bound.arrays())
    return found


def cotangents(bound: Bound, seed: int = 1) -> list[Value]:
    """Draw random cotangents for the results of a call."""
    rng = np.random.default_rng(seed)
    return [random_direction(rng, y.shape, y.dtype) for y in evaluate(bound, bound.values)]


# -- the checks ----------------------------------------------------------------------------------


def check_paths(subject: Subject, case: Case, where: str) -> None:
    """Raw arrays, dlarrays and traced dlarrays give the same value."""
    bound = subject.bind(case)
    raw = leaves_of(subject.call(*case.args, **case.params))
    # Python divides complex scalars by another algorithm than NumPy.
    rtol = 1e-15 if any(isinstance(x, complex) for x in bound.leaves) else 0
    same(where, "on dlarrays", leaves_of(bound(*bound.arrays())), "on raw arrays", raw, rtol)
    result = dlfeval(bound, *bound.arrays())
    same(where, "on traced dlarrays", leaves_of(result), "on raw arrays", raw, rtol)
    for y in tree.flatten(result)[0]:
        if type(y) is dlarray and not y.ndim and isinstance(y._value, np.ndarray):
            raise CheckError(
                f"{where}: a value without dimensions is an array, not a scalar; return result[()]"
            )
    leaves, rebuild = tree.flatten(list(case.args))
    scalars = [x.item() if isinstance(x, np.inexact) else x for x in leaves]
    # Operations without an oracle are parts of rules, which never get Python scalars.
    public = subject.declaration.numpy or subject.declaration.reference
    if public and any(a is not b for a, b in zip(leaves, scalars, strict=True)):
        found = leaves_of(subject.call(*rebuild(scalars), **case.params))
        same(where, "on scalars of Python", found, "on raw arrays", raw, rtol)


def check_value(subject: Subject, case: Case, where: str) -> None:
    """The value is that of NumPy's function, or of the reference."""
    found = leaves_of(subject.call(*case.args, **case.params))
    oracles = {"numpy": subject.declaration.numpy, "reference": subject.declaration.reference}
    for kind, function in oracles.items():
        if function is None:
            continue
        several = function if isinstance(function, tuple) else (function,)
        for one in several:
            expected = leaves_of(_oracle(subject, one, case))
            same(where, "value", found, f"{kind}={getattr(one, '__name__', one)}", expected, 1e-12)


def _oracle(subject: Subject, function: Callable[..., Value], case: Case) -> Value:
    """Call an oracle with keywords or, where its names differ, by position."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of values that are NaN on purpose
        try:
            return function(*case.args, **case.params)
        except TypeError:
            values = {**subject.op.params, **case.params} if subject.op else case.params
            return function(*case.args, *values.values())


def check_derivatives_of(subject: Subject, case: Case, where: str) -> None:
    """Compare both modes with differences and with each other, to second order or higher."""
    check_derivatives(
        subject.bind(case),
        *subject.bind(case).values,
        order=3 if subject.name in THIRD_ORDER else 2,
        name=where,
        names=subject.bind(case).names,
    )


def check_complex(subject: Subject, case: Case, where: str) -> None:
    """Where a real result enters complex values, only its real part counts in reverse mode."""
    bound = subject.bind(case)

    def turned(*xs: Value) -> Value:
        return [y * (0.6 + 0.8j) for y in outputs(bound(*xs))]

    check_derivatives(turned, *bound.values, order=1, name=where, names=bound.names)


def check_adjoint(subject: Subject, case: Case, where: str) -> None:
    """At a kink both modes use the same partial derivatives."""
    bound = subject.bind(case)
    rng = np.random.default_rng(3)
    ts = [random_direction(rng, x.shape, x.dtype) for x in bound.values]
    gs = cotangents(bound)

    def run(*xs: Value) -> Value:
        ys = outputs(bound(*xs))
        pulled = pull(ys, gs, xs, retain_data=True)
        return pulled, [push(ys, x, t) for x, t in zip(xs, ts, strict=True)]

    pulled, pushed = dlfeval(run, *bound.arrays())
    for name, t, c, p in zip(bound.names, ts, pulled, pushed, strict=True):
        backward = np.all(np.isfinite(extractdata(c)))
        forward = all(np.all(np.isfinite(a)) for a in p)
        if backward != forward:
            raise CheckError(f"{where}, argument {name}: vjp gives {c._value}, jvp {p}")
        if not backward:
            continue
        found = inner(t, extractdata(c))
        expected = sum([inner(a, g) for a, g in zip(p, gs, strict=True)])
        scale = float(np.sum(np.abs(extractdata(c)))) + abs(expected)
        label = f"{where}, argument {name}"
        compare(label, "vjp", found, "jvp", expected, rtol=1e-9, scale=scale)


def check_kink(subject: Subject, case: Case, where: str) -> None:
    """At a kink the gradient is the documented one."""
    bound = subject.bind(case)
    declared = _declared_gradients(subject, case, where)
    for name, at, c in zip(bound.names, bound.positions, gradients(bound), strict=True):
        if at not in declared:
            raise CheckError(f"{where}: gradient= says nothing of argument {name}, a variable")
        target = np.broadcast_to(declared[at], c.shape)
        # Element by element: next to a large gradient, zero must still be zero.
        for place in np.ndindex(c.shape):
            label = f"{where}, argument {name}, element {place}"
            compare(
                label, "gradient", c._value[place], "the declaration", target[place], rtol=1e-12
            )


def _declared_gradients(subject: Subject, case: Case, where: str) -> dict[int, Value]:
    """Return the declared gradients of a case, by the places of their operands among all leaves."""
    declared = dict(case.gradient or {})
    found: dict[int, Value] = {}
    place = 0
    for name, operand in zip(subject.operands, case.args, strict=False):
        size = len(tree.flatten(operand)[0])
        if name in declared:
            gradient = declared.pop(name)
            several = gradient if isinstance(operand, list | tuple) else [gradient]
            found.update(zip(range(place, place + size), several, strict=True))
        place += size
    if declared:
        raise CheckError(
            f"{where}: gradient= names {', '.join(declared)}; the operands are "
            f"{', '.join(subject.operands)}"
        )
    return found


def _narrowed(values: list[Value], which: Callable[[int], bool]) -> list[Value]:
    return [
        v.astype(_NARROW.get(v.dtype.name, v.dtype)) if which(i) else v
        for i, v in enumerate(values)
    ]


def check_dtype(subject: Subject, case: Case, where: str) -> None:
    """Single precision stays single in values, tangents and gradients."""
    bound = subject.bind(case)
    wide = [np.asarray(y).dtype for y in leaves_of(bound(*bound.arrays()))]
    values = _narrowed(bound.values, lambda _: True)
    narrow = [np.asarray(y).dtype for y in leaves_of(bound(*bound.arrays(values)))]
    # With an array of integers, NumPy's promotion turns single precision into double.
    integers = any(isinstance(x, np.ndarray) and x.dtype.kind in "iu" for x in bound.leaves)
    promoted = integers and subject.op is not None and subject.op.format_family == "align"
    if values and case.params.get("dtype") is None and not promoted:
        for a, b in zip(narrow, wide, strict=True):
            if a != np.dtype(_NARROW.get(b.name, b)):
                raise CheckError(
                    f"{where}: the result is {a} for operands of single precision, {b} for double"
                )
    _check_gradient_dtypes(bound, values, where)
    if len(values) > 1:
        _check_gradient_dtypes(bound, _narrowed(bound.values, lambda i: i == 0), where)
        _check_gradient_dtypes(bound, _narrowed(bound.values, lambda i: i > 0), where)


def _check_gradient_dtypes(bound: Bound, values: list[Value], where: str) -> None:
    def run(*xs: Value) -> list[Value]:
        ys = outputs(bound(*xs))
        for x in xs:
            for y, p in zip(ys, push(ys, x, np.ones(x.shape, x.dtype)), strict=True):
                if p.dtype != y.dtype:
                    raise CheckError(f"{where}: the tangent is {p.dtype}, the result {y.dtype}")
        return pull(ys, [np.ones(y.shape, y.dtype) for y in ys], xs)

    for name, x, c in zip(bound.names, values, dlfeval(run, *bound.arrays(values)), strict=True):
        # The gradient for a real variable may be complex, of the same precision.
        allowed = {x.dtype, np.result_type(x.dtype, np.complex64)}
        if c.dtype not in allowed:
            raise CheckError(
                f"{where}, argument {name}: the gradient is {c.dtype}, the variable {x.dtype}"
            )


def check_untouched(subject: Subject, case: Case, where: str) -> None:
    """Operands and cotangents may be read-only, and do not change."""
    leaves, rebuild = tree.flatten(list(case.args))
    numbers = [x for x in leaves if np.asarray(x).dtype.kind in "biufc"]  # not words, as of einsum
    before = [np.array(x) for x in numbers]
    for x in leaves:
        if isinstance(x, np.ndarray):
            x.flags.writeable = False
    result = subject.call(*rebuild(leaves), **case.params)
    bound = subject.bind(case)
    arrays = bound.arrays()
    gs = [
        random_direction(np.random.default_rng(2), y.shape, y.dtype)
        for y in evaluate(bound, bound.values)
    ]
    seeds = [dlarray(g) for g in gs]

    def run(*xs: Value) -> Value:
        ys = outputs(bound(*xs))
        return ys, pull(ys, seeds, xs)

    dlfeval(run, *arrays)
    after = [np.array(x) for x in numbers]
    same(where, "an operand after the call", after, "before", before)
    values = [extractdata(a) for a in arrays]
    same(where, "a variable after the gradient", values, "before", bound.values)
    same(where, "a cotangent after the gradient", [extractdata(s) for s in seeds], "before", gs)
    again = subject.call(*rebuild(leaves), **case.params)
    same(where, "a second call", leaves_of(again), "the first", leaves_of(result))


def _poisoned(value: Value) -> Value:
    if type(value) in (float, complex):
        return float("nan")
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype.kind not in "fc":
        return value
    return np.full(np.shape(value), np.nan, dtype)[()]


def check_unkept(subject: Subject, case: Case, where: str) -> None:
    """What no rule names is not read: if it is NaN, the gradient is the same."""
    bound = subject.bind(case)
    gs = cotangents(bound)
    op = subject.op

    def run(*xs: Value) -> list[Value]:
        ys = outputs(bound(*xs))
        for x in xs:
            x._node.saved = (_poisoned(x._value),)
        for y in ys:
            node = y._node
            if node is None or node.op is not op or op is None:
                continue
            saves = op.saves(tuple([type(p) is Node for p in node.parents]))
            named = saves or [False] * len(node.parents)
            node.parents = tuple(
                [
                    p if type(p) is Node or wanted else _poisoned(p)
                    for p, wanted in zip(node.parents, named, strict=False)
                ]
            )
            node.saved = tuple(
                [v if wanted else None for v, wanted in zip(node.saved, saves, strict=True)]
            )
        # Each of several results has a walk, and a second would recompute from poisoned values.
        return pull(ys, gs, xs, retain_data=len(ys) > 1)

    found = [extractdata(c) for c in dlfeval(run, *bound.arrays())]
    expected = [extractdata(c) for c in gradients(bound, gs)]
    same(where, "gradient with unkept values poisoned", found, "without", expected)


def check_again(subject: Subject, case: Case, where: str) -> None:
    """A second gradient, from recomputed values, is the same, and so is one with `retain_data`."""
    bound = subject.bind(case)
    gs = cotangents(bound)

    def run(*xs: Value) -> Value:
        # The operands are intermediate values, so that there is something to recompute.
        ys = outputs(bound(*[x * 1.0 for x in xs]))
        ys = [y * 1.0 for y in ys]
        return [pull(ys, gs, xs) for _ in range(2)], pull(ys, gs, xs, retain_data=True)

    (first, second), retained = dlfeval(run, *bound.arrays())
    reference = [extractdata(c) for c in first]
    same(where, "a second gradient", [extractdata(c) for c in second], "the first", reference)
    same(where, "retain_data=True", [extractdata(c) for c in retained], "false", reference)


def check_traced(subject: Subject, case: Case, where: str) -> None:
    """``enable_higher_derivatives`` does not change first derivatives."""
    bound = subject.bind(case)
    gs = cotangents(bound)
    traced = gradients(bound, gs, enable_higher_derivatives=True)
    eager = [extractdata(c) for c in gradients(bound, gs)]
    found = [extractdata(c) for c in traced]
    same(where, "the traced gradient", found, "the eager one", eager, 1e-12)


def check_fast(subject: Subject, case: Case, where: str) -> None:
    """The faster rule of raw arrays, ``fast_vjp``, gives what the rule gives."""
    op, declared = subject.op, subject.declaration
    assert op is not None
    rules = (declared.fast_vjp, declared.vjp)
    fast, rule = (compile_pull(op, r).raw for r in rules if r is not None)
    bound = subject.bind(case)
    gs = cotangents(bound)

    def run(*xs: Any) -> None:
        node = outputs(bound(*xs))[0]._node
        if op.outputs:
            node = node.parents[0]
        for g in _used_results(gs) if op.outputs else gs:
            for i, parent in enumerate(node.parents):
                if type(parent) is not Node:
                    continue
                a, b = (_fitted(pull(node, g)[i], parent) for pull in (fast, rule))
                label = f"{where}, argument {op.operand_name(i)}"
                compare(label, "fast_vjp", a, "vjp", b, rtol=1e-12)

    dlfeval(run, *bound.arrays())


def _used_results(gs: list[Any]) -> Iterator[list[Any]]:
    """Cotangents of several results: all of them, then each alone, None for those not used."""
    yield gs
    for i, g in enumerate(gs):
        yield [g if j == i else None for j in range(len(gs))]


def _fitted(c: Any, parent: Node) -> Any:
    """Return the cotangent for an operand with its shape; zeros for None."""
    if c is None:
        return np.zeros(parent.shape, parent.dtype)
    return project(c, parent.shape, parent.dtype, real=True)


def check_real(subject: Subject, case: Case, where: str) -> None:
    """With ``allow_complex=False`` the gradient of real variables is the real part."""
    bound = subject.bind(case)
    gs = cotangents(bound)
    real = gradients(bound, gs, allow_complex=False)
    both = [np.real(extractdata(c)) for c in gradients(bound, gs)]
    for name, c in zip(bound.names, real, strict=True):
        if c.dtype.kind != "f":
            raise CheckError(f"{where}, argument {name}: allow_complex=False gives {c.dtype}")
    found = [extractdata(c) for c in real]
    same(where, "allow_complex=False", found, "the real part", both, 1e-12)


def check_format(subject: Subject, case: Case, where: str) -> None:
    """Formats do not change values, follow the declared family, and gradients have them."""
    formats.check_format(subject, case, where)


def check_reshaped(subject: Subject, case: Case, where: str) -> None:
    """An elementwise operation works on arrays without dimensions and without elements."""
    for shape in ((), (0,), (2, 0)):
        args = [
            np.resize(np.asarray(a), shape)[()] if isinstance(a, np.ndarray | np.generic) else a
            for a in case.args
        ]
        bound = bind(subject.call, args, case.params, subject.names(case))
        for y in leaves_of(bound(*bound.arrays())):
            if np.shape(y) != shape:
                raise CheckError(f"{where}: operands of shape {shape} give {np.shape(y)}")
        for name, c in zip(bound.names, gradients(bound), strict=True):
            if c.shape != shape:
                raise CheckError(
                    f"{where}, argument {name}: a variable of shape {shape} has a gradient of "
                    f"shape {c.shape}"
                )


# -- which checks apply --------------------------------------------------------------------------


def _named_checks(subject: Subject, case: Case) -> Iterator[tuple[str, Callable[..., None]]]:
    yield "paths", check_paths
    yield "untouched", check_untouched
    yield "dtype", check_dtype
    if subject.declaration.numpy is not None or subject.declaration.reference is not None:
        yield "value", check_value
    bound = subject.bind(case)
    if any(np.ndim(v) for v in bound.values):
        yield "format", check_format
    op = subject.op
    # Complex operands with Python scalars have no smaller form of the same meaning.
    if op is not None and op.pointwise and not op.params:
        yield "reshaped", check_reshaped
    if not bound.values:
        return
    if case.gradient is not None:
        yield "kink", check_kink
    if case.kink:
        yield "adjoint", check_adjoint
    else:
        yield "derivatives", check_derivatives_of
        yield "complex", check_complex
    yield "traced", check_traced
    yield "again", check_again
    if op is not None:
        yield "unkept", check_unkept
    if all(v.dtype.kind == "f" for v in bound.values):
        yield "real", check_real
        if subject.declaration.fast_vjp is not None:
            yield "fast", check_fast


def operation_checks(operation: Any) -> Iterator[Check]:
    """List all checks of an operation.

    Parameters
    ----------
    operation : str, callable, Op or Declaration
        The public function or its name.

    Yields
    ------
    Check
        Call it to run the check.

    See Also
    --------
    check_operation : check all that a declaration promises
    sample_cases : the samples of an operation

    Examples
    --------
    >>> from dlgradient.testing import operation_checks
    >>> [check.id for check in operation_checks("exp")][:2]
    ['exp-0-paths', 'exp-0-untouched']
    """
    subject = Subject(operation)
    for index, case in enumerate(subject.cases):
        where = subject.title(case, index)
        for aspect, check in _named_checks(subject, case):
            yield Check(f"{subject.name}-{index}", aspect, _run(check, subject, index, where))
    if subject.op is not None:
        yield Check(subject.name, "saved", partial(check_saved, subject.op))
    if (made := complexified(subject)) is not None:
        yield Check(subject.name, "complexified", partial(check_complexified, subject, made))
    for index, wrong in enumerate(error_cases(subject.declaration)):
        yield Check(f"{subject.name}-error-{index}", "error", partial(check_error, subject, wrong))


def _run(
    check: Callable[..., None], subject: Subject, index: int, where: str
) -> Callable[[], None]:
    # Every check makes its samples again, so that one check cannot affect the next.
    def run() -> None:
        with np.errstate(all="ignore"):
            check(subject, subject.cases[index], where)

    return run


def check_operation(operation: Any) -> None:
    """Check everything that the declaration of an operation promises.

    Values are compared with NumPy or the reference, derivatives of both modes, and of the gradient
    map, with central differences, and kinks with documented gradients. Dtypes and formats must be
    right, operands must not change, and a rule must not read what it does not name. A second
    gradient in one trace must be right, and wrong calls must raise the declared errors.

    Parameters
    ----------
    operation : str, callable, Op or Declaration
        The public function or its name.

    Raises
    ------
    CheckError
        If a check fails; the message names the operation, the sample, the argument and what was
        compared.

    See Also
    --------
    check_derivatives : compare derivatives of a function with differences
    operation_checks : the checks of an operation, one by one
    dlgradient.define_operation : make an operation of a NumPy function and its rule

    Examples
    --------
    >>> import dlgradient as dl
    >>> from dlgradient.testing import check_operation
    >>> check_operation(dl.exp)
    """
    for check in operation_checks(operation):
        check()
