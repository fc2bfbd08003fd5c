"""`dlfeval` opens a trace, evaluates a function in it, and closes it.

`dlfeval` turns the dlarrays of its arguments into variables, calls the function, and closes the
trace. What it returns is untraced. A traced value that was stored elsewhere is then a constant. The
open trace is a context variable, so threads and tasks are independent. A `dlfeval` inside another
joins its trace, and so does one in another thread that gets a traced argument.
"""

from __future__ import annotations

from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from dlgradient.core import calls, tree
from dlgradient.core.calls import open_node, variable, wrap
from dlgradient.core.recorder import Recorder
from dlgradient.core.trace import Trace, current_trace, open_traces, the_trace, two_traces
from dlgradient.core.types import P, R
from dlgradient.engine import collector
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, LeavingTraceError, NotDlarrayError

__all__ = ["dlfeval"]


def leaf(array: Any, trace: Trace) -> Any:
    """Return a traced dlarray of the same value, a new variable; integers have no trace."""
    if open_node(array) is not None:
        # An outer function traces it. With a new node, only uses in this function count.
        inner = calls.FUNCTIONS["positive"](array)
        trace.note_argument(inner._node)
        return inner
    value = array._value
    if value.dtype.kind in "iu":
        return wrap(value, None, array._format)
    return wrap(value, variable(value, trace), array._format)


def dlfeval(fun: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Evaluate a function with automatic differentiation enabled.

    Parameters
    ----------
    fun : callable
        A function that may call `dlgradient`.
    *args, **kwargs
        Its arguments. Every dlarray in them becomes a new traced variable, at any depth of
        containers: list, tuple, dict (and their subclasses), namedtuple, dataclass,
        SimpleNamespace, array of objects and Layer/Parameter/Value table. So does a dlarray that an
        outer `dlfeval` traces already. Everything else is passed as it is.

    Returns
    -------
    object
        What `fun` returns, with every dlarray untraced.

    See Also
    --------
    dlgradient : gradient of a real scalar
    dljvp : derivative forwards, along a tangent
    dlvjp : derivative backwards, from an array of cotangents
    dlarray : array for automatic differentiation

    Examples
    --------
    >>> import dlgradient as dl
    >>> def rosenbrock(x):
    ...     y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    ...     return y, dl.dlgradient(y, x)
    >>> y, gradient = dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
    >>> y.item(), gradient.tolist()
    (104.0, [396.0, 200.0])

    Source: MATLAB ``dlfeval``.
    """
    if not callable(fun):
        raise NotDlarrayError(
            f"dlfeval: fun must be a function, not {type(fun).__name__}; write "
            "dlfeval(fun, x), not dlfeval(fun(x))"
        )
    outer = current_trace()
    if outer is None and open_traces:  # of other threads
        outer = _trace_of_arguments([args, kwargs])
    trace = outer if outer is not None else Trace(fun)

    def traced(value: Any) -> Any:
        return leaf(value, trace) if type(value) is dlarray else value

    given: Any
    named: Any
    result: Any
    found: R
    token = the_trace.set(trace)
    try:
        given = tree.map_leaves(traced, args)
        named = tree.map_leaves(traced, kwargs) if kwargs else kwargs
        result = fun(*given, **named)
        if outer is not None:
            found = result
            return found
        check_has_run(fun, result)
        found = untraced(result, trace)
        return found  # noqa: TRY300 - `finally` clears what an `else` block would still need
    except (TypeError, ValueError) as error:
        _explain(error)
        raise
    finally:
        the_trace.reset(token)
        if outer is None:
            given = named = result = None  # `close` counts the nodes that are left
            trace.close()
            collector.restore()


def untraced(result: Any, trace: Trace) -> Any:
    """Return a result whose dlarrays are not traced by `trace`."""

    def leaf_of_result(value: Any) -> Any:
        if type(value) is dlarray and value._node is not None:
            other = value._node.trace
            if other is trace or not other.is_open:
                return wrap(value._value, None, value._format)
        return value

    return tree.map_leaves(leaf_of_result, result)


def evaluate(fun: Callable[..., Any], run: Callable[[Trace], R], recorder: Recorder) -> R:
    """Return ``run(trace)``, in a trace of its own that has a recorder.

    Parameters
    ----------
    fun : callable
        The function that `run` calls, for messages.
    run : callable
        Makes variables of the arguments, and takes the nodes from the result.
    recorder : Recorder
    """
    trace = Trace(fun)
    trace.recorder = recorder
    token = the_trace.set(trace)
    try:
        return run(trace)
    except (TypeError, ValueError) as error:
        _explain(error)
        raise
    finally:
        the_trace.reset(token)
        trace.recorder = None
        trace.close()
        collector.restore()


def check_has_run(fun: Callable[..., Any], result: Any) -> None:
    """Raise the error for a function whose body would run after the trace is closed."""
    if type(result) in _RUN_LATER:
        raise _too_late(fun, result)


def _explain(error: TypeError | ValueError) -> None:
    """Say what an exception of Python or NumPy means here."""
    if str(error) == _CALLED and not hasattr(error, "__notes__"):  # an inner dlfeval said it
        error.add_note("For MATLAB's x(1) write x[0]: the index is in brackets, and begins at 0")
    # NumPy hides the error of the conversion that `array[i] = x` is.
    if isinstance(error.__cause__, LeavingTraceError):
        raise error.__cause__.with_traceback(error.__traceback__) from None


# What Python says of x(1).
_CALLED = f"'{dlarray.__name__}' object is not callable"

# What a function returns if its body has not run yet.
_RUN_LATER = {AsyncGeneratorType, CoroutineType, GeneratorType}


def _too_late(fun: Callable[..., Any], result: Any) -> InvalidArgumentError:
    """Return the error for a function whose body would run after the trace is closed."""
    if type(result) is CoroutineType:
        result.close()  # else Python warns that it was not awaited
        kind, fix = "coroutine", "await outside, and evaluate a function that does not"
    else:
        kind, fix = "generator", "collect what it yields in a list, and return that"
    return InvalidArgumentError(
        f"dlfeval: {getattr(fun, '__name__', fun)} returned a {kind}, whose code would run after "
        f"dlfeval, where nothing is traced; {fix}"
    )


def _trace_of_arguments(arguments: Any) -> Trace | None:
    """Return the trace of another thread that traces some of the arguments."""
    leaves, _ = tree.flatten(arguments)
    nodes = [open_node(x) for x in leaves if type(x) is dlarray]
    traces = list(dict.fromkeys([node.trace for node in nodes if node is not None]))
    if len(traces) > 1:
        raise two_traces("dlfeval", *traces[:2])
    return traces[0] if traces else None


calls.install(dlarray)
dlfeval(int)  # `Trace.close` measures how many references a trace without nodes has
