"""A call that is recorded: it runs eagerly, and its trace becomes a program.

The arguments are taken apart and put together again with followed variables. What a program could
not repeat is a refusal: the result is right all the same, and the call was an eager one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.calls import open_node, wrap
from dlgradient.core.trace import Trace
from dlgradient.engine.evaluate import check_has_run, evaluate, untraced
from dlgradient.program.lines import Program, Unrecordable, program_of
from dlgradient.program.recorder import Recorder
from dlgradient.program.structure import Structure, Unknown, structure_of
from dlgradient.program.watch import Unwatchable, Watch, watched

__all__ = ["Recording", "record"]

_PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None), type, np.dtype})


class Recording(NamedTuple):
    """What a recorded call gave.

    Attributes
    ----------
    refusal : str
        Why there is no program; '' if there is one.
    program : Program or None
    watch : Watch or None
    structure : Structure or None
        Of the result.
    """

    refusal: str
    program: Program | None = None
    watch: Watch | None = None
    structure: Structure | None = None


def record(
    fun: Callable[..., Any], given: Structure, *, watches: bool = True
) -> tuple[Any, Recording]:
    """Call a function, and return its result and the recording.

    Parameters
    ----------
    fun : callable
    given : Structure
        Of its arguments, ``(args, kwargs)``.
    watches : bool
        Whether it may read what changes besides its arguments; else it may not draw.
    """
    recorder = Recorder()
    watch = _watch(recorder, fun, given) if watches else None
    drawn = _random_state()
    parts: list[Any] = []

    def run(trace: Trace) -> Any:
        arrays = [
            recorder.argument(x, trace, static=static)
            for x, static in zip(given.arrays, given.static, strict=True)
        ]
        args, kwargs = given.rebuilt(arrays)
        try:
            result = fun(*args, **kwargs)
            check_has_run(fun, result)
            if watch is not None:
                _let_draw(recorder, watch)
            elif recorder.draws.nodes or recorder.draws.handed:
                recorder.refuse("it draws random numbers")
            found = _structure_of_result(recorder, result)
            if found is None:
                return untraced(result, trace)
            parts.extend((found, _program(recorder, found)))
            # The structure stays: with traced arrays, the trace would look for all their nodes.
            found.arrays = [wrap(x._value, None, x._format) for x in found.arrays]
            return found.rebuilt(found.arrays)
        finally:
            recorder.clear()

    result = evaluate(fun, run, recorder)
    if drawn != _random_state():
        recorder.refuse("it draws random numbers")
    if watch is not None and watch.change():
        recorder.refuse(f"it changes {watch.change()}")
    if recorder.refusals:
        return result, Recording("; ".join(recorder.refusals))
    return result, Recording("", parts[1], watch, parts[0])


def _watch(recorder: Recorder, fun: Callable[..., Any], given: Structure) -> Watch | None:
    try:
        watch = watched([fun, *given.objects])
    except Unwatchable as error:
        recorder.refuse(f"it reads {error}, whose changes could not be noticed")
        return None
    for name in watch.unsteady:
        recorder.refuse(f"it uses {name}, which differs from call to call")
    return watch


def _let_draw(recorder: Recorder, watch: Watch) -> None:
    """Let the program draw, if it can draw all that the call has drawn."""
    draws = recorder.draws
    known = draws.generators()
    for generator in known:
        before = watch.state_before(generator)
        if before is None or not draws.are_all(generator, before):
            recorder.refuse("it draws random numbers, and not only by functions of this library")
            return
        watch.let_draw(generator)
    handed = [g for g in draws.handed if not any(g is k for k in known)]
    if any(watch.state_before(g) is None for g in handed):
        recorder.refuse("a layer draws random numbers, as of a generator that is not watched")


def _structure_of_result(recorder: Recorder, result: Any) -> Structure | None:
    """Return the structure of a result, if a program can return the like."""
    try:
        found = structure_of(result)
    except (Unknown, RecursionError) as error:
        recorder.refuse(f"it returns {error}")
        return None
    for x in found.others:
        if type(x) not in _PLAIN and not isinstance(x, np.generic):
            recorder.refuse(f"it returns a {type(x).__name__}; return a dlarray, or a number")
    return found


def _program(recorder: Recorder, result: Structure) -> Program | None:
    nodes = [open_node(x) for x in result.arrays]
    roots = [x._value if n is None else n for x, n in zip(result.arrays, nodes, strict=True)]
    try:
        return program_of(recorder, roots)
    except Unrecordable as error:
        recorder.refuse(str(error))
        return None


def _random_state() -> Any:
    """Return the states of the generators that Python and NumPy share with everybody."""
    own = sys.modules.get("random")
    state: list[Any] = [] if own is None else [own.getstate()]
    if "numpy.random" in sys.modules:
        found: Any = np.random.get_state()  # noqa: NPY002 - it is asked whether it is used
        state.append((found[1].tobytes(), *found[2:]))
    return state
