"""One step of an optimiser: a formula for one learnable, applied to all in a container."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.calls import labelled, open_node, unlabelled, wrap
from dlgradient.core.reading import read
from dlgradient.core.types import Dtype, Format, Operand, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import (
    FormatClashError,
    IntegerVariableError,
    NotDlarrayError,
    ShapeMismatchError,
)
from dlgradient.ops.casting import astype
from dlgradient.ops.complex import complex, imag, real
from dlgradient.train.computing import compute_in_one_pass
from dlgradient.train.containers import Container, Results, map_together, take_result

__all__ = ["Factor", "Formula", "check_parameter", "is_empty", "update_leaves"]


class Factor(NamedTuple):
    """By what the layer of a learnable multiplies the learn rate, and the decay of weights."""

    rate: float = 1.0
    decay: float = 1.0


# formula(factor, p, g, *states) -> new p, *new states, of real arrays; a state is 0.0 at first.
Formula = Callable[..., tuple[Value, ...]]


def update_leaves(
    name: str,
    formula: Formula,
    parameters: Container,
    gradients: Container,
    states: dict[str, Container],
    factors: Mapping[str, Factor],
) -> tuple[Container, ...]:
    """Update each learnable of any container; the factors are by path."""
    given = {label: state for label, state in states.items() if not is_empty(state)}
    labels = ["parameters", "gradients", *given]

    def update(path: str, p: Operand, *others: Operand) -> Results:
        where = f" at {path}" if path else ""
        check_parameter(name, f"parameters{where}", p)
        for label, value in zip(labels[1:], others, strict=True):
            _check_alike(name, f"{label}{where}", value, f"parameters{where}", p)
        old = dict(zip(given, others[1:], strict=True))
        return Results(
            _update_one(
                partial(formula, factors.get(path, Factor())),
                p,
                others[0],
                [old.get(label, 0.0) for label in states],
            )
        )

    found = map_together(name, update, labels, [parameters, gradients, *given.values()], "")
    return tuple([take_result(found, i) for i in range(1 + len(states))])


def is_empty(state: Container) -> bool:
    """Return whether a state is that before the first step: None, or MATLAB's ``[]``."""
    return state is None or (type(state) is list and not state)


def _update_one(
    formula: Formula, p: Operand, g: Operand, states: Sequence[Operand]
) -> tuple[Value, ...]:
    """Update one learnable: raw values in, dlarrays of its format out, unless it is traced."""
    fmt = p._format if type(p) is dlarray else None
    p, g, *states = [_unwrap(x) for x in (p, g, *states)]
    # Formulas square gradients and divide by roots, which is meant for real numbers.
    if p.dtype.kind == "c":
        results = _update_parts(formula, p, g, states)
    else:
        g = _convert(real(g) if g.dtype.kind == "c" else g, p.dtype)
        results = _of_vectors(formula, p, g, states) or formula(p, g, *states)
    return tuple([_wrap(_convert(r, p.dtype), fmt) for r in results])


def _of_vectors(formula: Formula, p: Value, g: Value, states: Sequence[Value]) -> tuple[Value, ...]:
    """Return the results of a formula of arrays in one pass; none if that is not possible."""
    operands: list[Any] = [p, g, *states]
    arrays = [x for x in operands if type(x) is not float]
    if not all(
        type(x) is np.ndarray and x.dtype == p.dtype and x.flags.c_contiguous for x in arrays
    ):
        return ()
    results = [np.empty_like(p) for _ in operands[1:]]
    return tuple(results) if compute_in_one_pass(formula, operands, results) else ()


def _update_parts(
    formula: Formula, p: Value, g: Value, states: Sequence[Value]
) -> tuple[Value, ...]:
    """Update real and imaginary part as two real learnables, and so the states."""
    g = _convert(g, p.dtype)
    parts = [
        formula(part(p), part(g), *[s if type(s) is float else part(s) for s in states])
        for part in (real, imag)
    ]
    return tuple([complex(a, b) for a, b in zip(*parts, strict=True)])


def _unwrap(x: Operand) -> Value:
    """Return the raw value of an array that is not traced, and a traced one unlabelled."""
    if type(x) is not dlarray:
        return x if type(x) is float or isinstance(x, np.generic) else np.asarray(x)
    # Raw arrays cost less for each operation of a formula, and training traces no update.
    return read(x) if open_node(x) is None else unlabelled(x)


def _convert(x: Value, dtype: Dtype) -> Value:
    return x if x.dtype == dtype else astype(x, dtype)


def _wrap(x: Value, fmt: Format) -> Value:
    return labelled(x, fmt) if type(x) is dlarray else wrap(x, None, fmt)


def check_parameter(name: str, where: str, p: Operand) -> None:
    """Refuse what is no array of a dtype with derivatives."""
    if not hasattr(p, "dtype") or not hasattr(p, "shape"):
        raise NotDlarrayError(
            f"{name}: {where} must be a dlarray or an array, not {type(p).__name__}; keep "
            "other values in another container"
        )
    if p.dtype.kind not in "fc":
        raise IntegerVariableError(
            f"{name}: {where} has shape {p.shape} and dtype {p.dtype}, which carries no "
            "derivative; make it floating point, or keep it out of the parameters"
        )


def _check_alike(name: str, where: str, value: Operand, parameter: str, p: Operand) -> None:
    check_parameter(name, where, value)
    if value.shape != p.shape:
        raise ShapeMismatchError(
            f"{name}: {where} has shape {value.shape}, {parameter} has shape {p.shape}; they must "
            "be equal. Give the gradients dlgradient returned for these parameters, and the state "
            "the last update returned"
        )
    if type(value) is dlarray and type(p) is dlarray:
        formats = value._format, p._format
        if None not in formats and formats[0] != formats[1]:
            raise FormatClashError(
                f"{name}: {where} has the format {formats[0]!r}, {parameter} has {formats[1]!r}; "
                "permute_dims brings one to the order of the other"
            )
