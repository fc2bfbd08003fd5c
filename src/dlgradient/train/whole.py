"""Steps of training as one function of machine code: from a batch to new learnables and states.

A step of a small network is little arithmetic, and more that Python does around it (row own-mlp).
So loss, gradients and update are recorded as one program, of the vectors of learnables and of the
solver's states. It becomes one function, by `dlgradient.program.machine`.

Results differ by rounding from those of other steps. So which steps are answered so must not depend
on time, and not on what the process did before: a training that goes on from a checkpoint would end
with other bits. Therefore

* they begin after a fixed number of iterations, and the first one waits for the compiler;
* data must be arrays, of which batches have two shapes at most;
* in a program, Python has decided as it does for common batches: there is no NaN, targets are
  classes, no probability underflows. For any other batch the step is an ordinary one. After some
  of these, all steps are; a checkpoint has their number.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.shares import current_share
from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.gradient import dlgradient
from dlgradient.engine.zeros import MET, holds_nan
from dlgradient.native.lanes import Text, numbers_of, written
from dlgradient.native.switch import chosen, mode, uses_native
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.nn.losses.classification import are_classes, has_negative_infinity
from dlgradient.nn.losses.sources import any_of
from dlgradient.ops.complex import sign
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import reshape
from dlgradient.program.entry import MISS, Enter, Hits, no_entry
from dlgradient.program.lines import Program, alike
from dlgradient.program.passes import improved
from dlgradient.program.record import record
from dlgradient.program.structure import structure_of
from dlgradient.program.watch import Watch
from dlgradient.train.buffers import spans_of
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.replay import has_own_layers
from dlgradient.train.step import Factor, Formula
from dlgradient.train.training import Training

__all__ = ["WholeSteps"]

# Iterations before: to make machine code takes as long as some hundred steps.
SETTLED = 32
# Steps with a batch that is not common, until all steps are ordinary ones.
PATIENCE = 16

# What Python decides for common batches.
_COMMON: dict[Any, bool] = {
    any_of: False,
    are_classes: True,
    has_negative_infinity: False,
    holds_nan: False,
}
_OPERATIONS: dict[str, Callable[..., Value]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "sqrt": sqrt,
    "sign": sign,
}


class Found(NamedTuple):
    """What a step has computed: the loss, new vectors, and the outputs if they were wanted."""

    loss: float
    learnables: Array
    states: Sequence[Array]
    ys: tuple[Value, ...]


class WholeSteps:
    """The steps of a training that are whole functions.

    Parameters
    ----------
    training : Training
    decays : bool
        Whether the formula uses the factors of the L2 regularisation, else gradients have it.

    Attributes
    ----------
    uncommon : int
        How many steps had a batch that is not common.
    """

    def __init__(self, training: Training, *, decays: bool) -> None:
        self.uncommon = 0
        self._factor = _factor_of(training, decays=decays)
        self._wants_outputs = bool(training.options.metrics)
        l2 = 0.0 if decays else training.options.l2_regularization or 0.0
        self._decay = _decay_of(training.net, l2) if self._factor is not None else None
        # By the size of a batch.
        self._entries: dict[int, Enter] = {}

    def takes(self, iteration: int, batch: Batch) -> bool:
        """Return whether `step` may take a step."""
        if self._factor is None or (iteration <= SETTLED and mode() != "native"):
            return False
        refuses = self._entries.get(len(batch.numbers)) is _refused
        return not refuses and self.uncommon < PATIENCE

    def step(
        self, training: Training, states: Sequence[ParameterTable], batch: Batch, formula: Formula
    ) -> Found | None:
        """Return what a step computes; None if it must be an ordinary one.

        Parameters
        ----------
        training : Training
        states : sequence of ParameterTable
            Of the solver, not empty.
        batch : Batch
        formula : callable
            Of the update, in this iteration.
        """
        vectors: list[Any] = [table.buffers() for table in (training.net.learnables, *states)]
        formula = partial(formula, self._factor)
        numbers = numbers_of(formula, (None, *vectors))
        if numbers is None or None in vectors:
            return None
        given: list[Any] = [wrap(np.array(numbers, vectors[0][0].dtype), None)]
        given += [wrap(vector, None) for (vector,) in vectors]
        for x in batch:
            if type(x) is dlarray:
                given.append(x)
                continue
            if type(x) is not np.ndarray or x.ndim != 1 or x.dtype.kind not in "iuf":
                return None
            # Numbers of classes are integers of 64 bits.
            given.append(wrap(x if x.dtype.kind == "f" else x.astype(np.int64, copy=False), None))
        enter = self._entries.get(len(batch.numbers), no_entry)
        if enter is no_entry:
            enter = self._entry(training, tuple(given), formula, len(states))
            self._entries[len(batch.numbers)] = enter
        found = enter(tuple(given))
        if found is MISS:
            self.uncommon += enter is not _refused
            return None
        loss, square, *new, ys = found
        loss = float(loss._value)
        if not (isfinite(loss) and isfinite(square._value)):
            return None  # the ordinary step says what is wrong
        made = [x._value for x in new]
        for x in made:
            x.setflags(write=False)
        return Found(loss, made[0], made[1:], ys)

    def _entry(
        self, training: Training, given: tuple[dlarray, ...], formula: Formula, count: int
    ) -> Enter:
        """Return what answers steps with arrays like these, or misses them.

        All trainings of networks of a plan share what was made.
        """
        text, _ = written(formula, given[1:2] * (2 + count)) or (None, None)
        if text is None:
            return _refused
        net, objective = training.net, training.objective
        decay = None if self._decay is None else self._decay.tobytes()
        outputs = tuple(objective.outputs or ()), self._wants_outputs
        key = "step", objective.name, objective.inputs, outputs, text, decay, chosen.get()
        known = net.programs.setdefault(key, {})
        like = tuple([(x.shape, x.dtype, x._format) for x in given])
        if like not in known:
            made = self._made(net, objective, text, given)
            if made is None:
                return no_entry
            known[like] = made
        found: Enter = known[like]
        return found

    def _made(
        self, net: dlnetwork, objective: Objective, text: Text, given: tuple[dlarray, ...]
    ) -> Enter | None:
        """Return the function for a batch, one that misses if there is none; None if uncommon."""
        count = len(text.operands)
        if not uses_native(given[1].dtype, pays=True):
            return _refused
        run = self._recorded(net, objective, text)
        # Another batch shows what differs from one to the next; the order changes no decision.
        others = (*given[:count], *[_rolled(x) for x in given[count:]])
        (result, first), (_, second) = [
            record(run, structure_of((x, {})), watches=False) for x in (given, others)
        ]
        for recording in (first, second):
            if recording.refusal:
                return None if MET in recording.refusal else _refused
        program = first.program
        assert program is not None
        if not alike(program, second.program):
            return _refused
        if any(check.function not in _COMMON for check in program.checks):
            return _refused
        if any(check.found is not _COMMON[check.function] for check in program.checks):
            return None
        return _compiled(given, result, improved(program))

    def _recorded(self, net: dlnetwork, objective: Objective, text: Text) -> Callable[..., Any]:
        """Return the function of numbers, vectors and batch that is recorded."""
        columns, decay, count = net.learnables.columns, self._decay, len(text.operands) - 1
        # That of the training draws the order of the data, too; a program draws nothing.
        kind = type(objective.generator.bit_generator)
        own = replace(objective, generator=np.random.Generator(kind()))

        def step(numbers: Value, p: Value, *others: Value) -> tuple[Any, ...]:
            states, batch = others[: count - 1], others[count - 1 :]
            places = zip(columns.places, columns.shapes, strict=True)
            arrays = [reshape(p[start:stop], shape) for (_, start, stop), shape in places]
            table = ParameterTable.of(columns, arrays)
            loss, _, ys = own.forward(net.with_learnables(table), batch, None)
            g = dlgradient(loss, p, allow_complex=False)
            if decay is not None:
                g = decay * p + g
            new = _computed(text, numbers, (p, g, *states))
            outputs = ys if self._wants_outputs else ()
            return loss, sum_(new[0] * new[0]), *new, outputs

        return step


def _computed(text: Text, numbers: Value, arrays: Sequence[Value]) -> list[Value]:
    """Return the results of a formula that is written down."""
    values: dict[str, Value] = dict(zip(text.operands, arrays, strict=True))
    values.update({f"n{i}": numbers[i] for i in range(text.numbers)})
    for i, (name, *operands) in enumerate(text.steps):
        values[f"s{i}"] = _OPERATIONS[name](*[values[x] for x in operands])
    return [values[name] for name in text.results]


def _compiled(given: tuple[dlarray, ...], result: Any, program: Program) -> Enter:
    """Return the function of a program, one that misses if there is none."""
    from dlgradient.program.machine.entry import machine_entry  # with LLVM only

    try:
        found = machine_entry(given, result, program, Watch(), chosen.get(), Hits())
    except (OSError, RuntimeError):  # of LLVM
        return _refused
    return _refused if isinstance(found, str) else found


def _refused(_args: tuple[Any, ...]) -> Any:
    """Answer nothing: there is no such function."""
    return MISS


# -- whether a training can have them ------------------------------------------------------------


def _factor_of(training: Training, *, decays: bool) -> Factor | None:
    """Return the factor of all learnables; None if steps of the training are ordinary ones."""
    objective, queue, net = training.objective, training.queue, training.net
    named = type(objective) is Objective and objective.is_named
    if not named or not queue._reader.takes_parts or current_share() is not None:
        return None
    if isfinite(training.options.gradient_threshold) or len(net.state) or not has_own_layers(net):
        return None
    columns = net.learnables.columns
    if len(columns.groups) != 1 or net.learnables.arrays()[0].dtype.kind != "f":
        return None
    (spans,) = spans_of(columns, net, decays=decays)
    factor = spans[0][0]
    return factor if len(spans) == 1 and factor.rate else None


def _decay_of(net: dlnetwork, l2: float) -> Array | None:
    """Return for each learnable by what it is multiplied in the gradient of the regularisation."""
    factors = net.l2_factors() if l2 else {}
    if not any(factors.values()):
        return None
    columns = net.learnables.columns
    dtype = net.learnables.arrays()[0].dtype
    spans = columns.spans(0, factors, 1.0)
    return np.concatenate([np.full(stop - start, l2 * f, dtype) for f, start, stop in spans])


# -- arrays ---------------------------------------------------------------------------------------


def _rolled(x: Any) -> Any:
    """Return a batch in which the observations have another order."""
    axis = max((x._format or "").find("B"), 0)
    return wrap(np.ascontiguousarray(np.roll(x._value, 1, axis)), None, x._format)
