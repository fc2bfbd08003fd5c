"""`dlaccelerate`: a function whose calls are recorded, and then answered by a program."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any, ClassVar, Generic, Literal, TypeAlias

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.calls import open_node
from dlgradient.core.kinds import kinds_of
from dlgradient.core.shares import current_share
from dlgradient.core.trace import Trace, current_trace
from dlgradient.core.types import Count, NonNegative, P, R
from dlgradient.engine.array import dlarray
from dlgradient.engine.evaluate import check_has_run, dlfeval, evaluate, leaf, untraced
from dlgradient.native.switch import mode
from dlgradient.program.cache import Cache, Entry
from dlgradient.program.comparison import compare_results
from dlgradient.program.draws import rewind
from dlgradient.program.entry import MISS, Enter, Hits, no_entry
from dlgradient.program.explain import Misses, explanation
from dlgradient.program.numpy_printer import BROKEN
from dlgradient.program.path import Path
from dlgradient.program.record import record
from dlgradient.program.recorder import Eager
from dlgradient.program.rooms import clear_rooms
from dlgradient.program.structure import Structure, Unknown, structure_of
from dlgradient.program.watch import Watch

__all__ = ["AcceleratedFunction", "dlaccelerate"]

CheckMode: TypeAlias = Literal["none", "tolerance"]


def _options(
    enabled: bool = True,
    cache_size: Count = 50,
    check_mode: CheckMode = "none",
    check_tolerance: NonNegative = 1e-4,
) -> None:
    """Say which values the properties of an accelerated function take."""


class AcceleratedFunction(AnswersByName, Generic[P, R]):
    """A function that replays what it has recorded; `dlaccelerate` makes it.

    It is called like the function, and returns the same. A call evaluates the function as `dlfeval`
    does, so `dlgradient` works in it, and its derivatives can be differentiated again by default.
    `dlfeval` may call it too.

    Attributes
    ----------
    enabled : bool
        Whether calls may be replayed. If false, the function runs eagerly.
    cache_size : int
        How many programs are kept; the least recently used are forgotten.
    check_mode : {"none", "tolerance"}
        With "tolerance", a replayed call also runs eagerly. A warning says if results differ, and
        the eager ones are returned.
    check_tolerance : float
        How far they may differ, relative to the largest element.

    See Also
    --------
    dlaccelerate : make one
    dlfeval : evaluate a function and trace it

    Examples
    --------
    >>> import dlgradient as dl
    >>> square = dl.dlaccelerate(lambda x: (x * x, dl.dlgradient((x * x).sum(), x)))
    >>> for value in (1.0, 2.0, 3.0, 4.0):
    ...     y, g = square(dl.dlarray([value]))
    >>> y.tolist(), g.tolist(), square.hit_rate
    ([16.0], [8.0], 50.0)

    Source: MATLAB ``AcceleratedFunction``.
    """

    __slots__ = ("__dict__", "__weakref__", "_enter")  # a slot is read in half the time
    _page = "reference/evaluation.html"
    _instead: ClassVar = {
        "function": "dlaccelerate(fun) makes another one",
        **dict.fromkeys(("hit_rate", "occupancy"), "clear_cache() begins anew"),
    }
    _warns: ClassVar[bool] = True  # that calls are not replayed
    _exact: ClassVar[bool] = False  # whether replays have the bits of eager calls
    _watches: ClassVar[bool] = True  # what the function reads besides its arguments

    def __init__(self, fun: Callable[P, R]) -> None:
        self._function = fun
        self._enabled = True
        self._check_mode: CheckMode = "none"
        self._check_tolerance = 1e-4
        self._cache = Cache(50)
        self._misses = Misses(fun, warns=self._warns)
        self._hits = Hits()
        self._others = 0
        # What answers calls like the last one, by looking at the arguments itself.
        self._enter: Enter = no_entry
        self._second: Enter = no_entry
        update_wrapper(self, fun)

    # -- properties ------------------------------------------------------------------------------

    @property
    def function(self) -> Callable[P, R]:
        """The function."""
        return self._function

    @property
    def enabled(self) -> bool:
        """Whether calls may be replayed."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = _accepted("enabled", value)
        self._enter = self._second = no_entry

    @property
    def cache_size(self) -> int:
        """How many programs are kept."""
        return self._cache.size

    @cache_size.setter
    def cache_size(self, value: int) -> None:
        self._cache.size = _accepted("cache_size", value)
        self._cache.shrink()
        self._enter = self._second = no_entry

    @property
    def check_mode(self) -> CheckMode:
        """Whether replayed calls run eagerly too."""
        return self._check_mode

    @check_mode.setter
    def check_mode(self, value: CheckMode) -> None:
        self._check_mode = _accepted("check_mode", value)
        self._enter = self._second = no_entry

    @property
    def check_tolerance(self) -> float:
        """How far results may differ."""
        return self._check_tolerance

    @check_tolerance.setter
    def check_tolerance(self, value: float) -> None:
        self._check_tolerance = _accepted("check_tolerance", value)

    @property
    def hit_rate(self) -> float:
        """Percentage of calls that were replayed."""
        return 100.0 * self._hits.total / self._calls if self._calls else 0.0

    @property
    def _calls(self) -> int:
        return self._hits.total + self._others

    @property
    def occupancy(self) -> float:
        """Percentage of the cache that is in use."""
        return 100.0 * self._cache.count / self._cache.size

    # -- calls -----------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns."""
        if not kwargs:
            enter = self._enter
            found = enter(args)  # it counts the hit
            if found is not MISS:
                return found  # type: ignore[no-any-return]
        return self._answer(args, kwargs)  # type: ignore[no-any-return]

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def clear_cache(self) -> None:
        """Forget all programs, and why others were not made; begin to count anew.

        Source: MATLAB ``clearCache``.
        """
        self._enter = self._second = no_entry
        self._cache.clear()
        clear_rooms()
        self._misses = Misses(self._function, warns=self._warns)
        self._hits = Hits()
        self._others = 0

    def source(self) -> str:
        """Return the text of all programs, as Python functions.

        Returns
        -------
        str
            The last one used first. If there is none, a comment that says so.
        """
        paths = [path for _, entry in self._cache for path in reversed(entry.paths)]
        texts = [path.source for path in reversed(paths)]
        return (
            "\n\n".join(texts) or "# no program yet: two calls make one, or explain() says why not"
        )

    def explain(self) -> str:
        """Return what was recorded, why, and why calls were not replayed.

        Returns
        -------
        str
        """
        return explanation(self._function, self._cache, self._misses, self._calls, self._hits.total)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", repr(self._function))
        count = self._cache.count
        return f"<AcceleratedFunction {name}: {count} of {self.cache_size} programs>"

    def _program_function(self) -> Callable[..., Any]:
        """Return what another program must watch of this function."""
        return self._function

    # -- answers ---------------------------------------------------------------------------------

    def _answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call that the first entry did not answer."""
        if not kwargs and self._second is not no_entry:
            found = self._second(args)
            if found is not MISS:
                return found
        trace = current_trace()
        if trace is not None and trace.function is self:
            # `dlfeval` calls it, which makes its results constants: its variables are not needed.
            args, kwargs = untraced(args, trace), untraced(kwargs, trace)
            trace = None
        reason = self._reason_against(trace)
        given = None
        if not reason:
            try:
                given = structure_of((args, kwargs))
            except (Unknown, RecursionError) as error:
                reason = f"an argument is, or contains, {error}, which cannot be compared"
            else:
                if any(open_node(x) is not None for x in given.arrays):
                    reason = "an argument is traced by another evaluation"
        if given is None or reason:
            self._misses.add_reason(reason)
            self._others += 1
            return self._eagerly(args, kwargs)
        entry = self._cache.entry(given.key)
        states = self._states_of(entry)
        found = self._replayed(entry, given, None if kwargs else args)
        if found is not MISS:
            self._hits.counted[0] += 1
            return self._checked(found, args, kwargs, states)
        self._others += 1
        self._misses.add(given.key, entry)
        if entry.refusal:
            entry.eager += 1
            return self._eagerly(args, kwargs)
        return self._recorded(entry, given, args, kwargs)

    def _reason_against(self, trace: Trace | None) -> str:
        """Return why no program may answer now, '' if one may."""
        if not self._enabled:
            return "enabled is false"
        if mode() == "none":
            return 'acceleration is "none"'
        if trace is not None:
            return f"it was called in {trace.name}, which traces its operations"
        return "several processes share the batch" if current_share() is not None else ""

    def _replayed(self, entry: Entry, given: Structure, args: tuple[Any, ...] | None) -> Any:
        """Return the answer of a path with this key, or `MISS`; arguments without names if any."""
        values = [x._value for x in given.arrays]
        for path in list(entry.paths):
            if not path.watch.unchanged():
                continue
            try:
                found = path.run(values)
            except Exception:  # noqa: BLE001 - the eager call raises what there is to raise
                break
            if found is not BROKEN:
                entry.answered(path)
                result = path.wrapped(found)
                if self._check_mode == "none" and args is not None:
                    self._enter, self._second = path.entries(args, result, self._hits)
                return result
        return MISS

    def _recorded(
        self, entry: Entry, given: Structure, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run the function and record it."""
        result, recording = record(self._function, given)
        if structure_of((args, kwargs)).key != given.key:
            recording = recording._replace(refusal="it changes its arguments")
        if not self._watches and recording.watch is not None:
            recording = recording._replace(watch=Watch())
        name = getattr(self._function, "__name__", "program")
        name = name if name.isidentifier() else "program"
        entry.recorded(recording, lambda: Path(name, recording, exact=self._exact))
        self._cache.shrink()
        return result

    def _eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the function eagerly, with derivatives that can be differentiated again."""
        fun = self._function
        outer = current_trace()
        if outer is not None and outer.function is not self:
            before, outer.recorder = outer.recorder, outer.recorder or Eager()
            try:
                return dlfeval(fun, *args, **kwargs)
            finally:
                outer.recorder = before

        def run(trace: Trace) -> Any:
            def variable(x: Any) -> Any:
                return leaf(x, trace) if type(x) is dlarray else x

            result = fun(*tree.map_leaves(variable, args), **tree.map_leaves(variable, kwargs))
            check_has_run(fun, result)
            return untraced(result, trace)

        return evaluate(fun, run, Eager())

    def _states_of(self, entry: Entry) -> list[Any]:
        """Return the generators that programs draw from, and their states, if calls are checked."""
        if self._check_mode == "none":
            return []
        return [(g, g.bit_generator.state) for path in entry.paths for g in path.generators]

    def _checked(
        self, found: Any, args: tuple[Any, ...], kwargs: dict[str, Any], states: list[Any]
    ) -> Any:
        """Return an answer; in the mode "tolerance" that of an eager call, compared with it."""
        if self._check_mode == "none":
            return found
        rewind(states)  # the eager call draws the same numbers
        eager = self._eagerly(args, kwargs)
        compare_results(found, eager, self._check_tolerance)
        return eager


def _accepted(name: str, value: Any) -> Any:
    return kinds_of(_options)[name].accepted("AcceleratedFunction", name, value)


@checked
def dlaccelerate(fun: Callable[P, R], /) -> AcceleratedFunction[P, R]:
    """Make a function fast: record its calls, and replay the operations without Python.

    The first two calls with arguments of the same shapes, dtypes and formats run eagerly, and
    record. Later ones are replayed by a program of NumPy, which `AcceleratedFunction.source` shows.
    A replay returns what the function would return, to rounding. If nothing can be recorded, the
    function runs eagerly; `AcceleratedFunction.explain` says why.

    Parameters
    ----------
    fun : callable
        A function that may call `dlgradient`. Its dlarrays are inputs, at any depth of containers,
        as are the arrays of networks. Everything else is compared by value: a number that varies,
        such as a learning rate, should be a dlarray.

    Returns
    -------
    AcceleratedFunction

    See Also
    --------
    AcceleratedFunction : its properties
    dlfeval : evaluate a function and trace it
    dlgradient : gradient of a real scalar

    Examples
    --------
    >>> import dlgradient as dl
    >>> @dl.dlaccelerate
    ... def loss(w, x):
    ...     y = ((w * x - 1) ** 2).sum()
    ...     return y, dl.dlgradient(y, w)
    >>> for value in (1.0, 2.0, 3.0):
    ...     y, g = loss(dl.dlarray(value), dl.dlarray([1.0, 2.0]))
    >>> y.item(), g.item()
    (29.0, 24.0)

    Source: MATLAB ``dlaccelerate``; JAX ``jit``.
    """
    return AcceleratedFunction(fun)
