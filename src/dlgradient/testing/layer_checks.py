"""`check_layer`: everything that a network expects of a layer, and what users expect of a good one.

The checks do not know what the layer should compute. They compare it with itself: with differences,
with another batch, with a second call, in training and inference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Shape, Value
from dlgradient.engine.array import dlarray, extractdata, stripdims
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.gradient import dlgradient
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.backward import has_backward
from dlgradient.layers.input import AnyInput
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import Layout
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.testing.checks import check_derivatives
from dlgradient.testing.oracles import CheckError

__all__ = ["check_layer"]


@dataclass(frozen=True)
class LayerCheck:
    """The result of one check: what was checked, whether it passed, and what was found."""

    aspect: str
    passed: bool
    found: str


class LayerChecks(Sequence[LayerCheck]):
    """The results of `check_layer`, a sequence that prints as a table.

    Attributes
    ----------
    layer : Layer
    """

    def __init__(self, layer: Layer, checks: Sequence[LayerCheck]) -> None:
        self.layer = layer
        self._checks = list(checks)

    def __getitem__(self, index: Any) -> Any:
        return self._checks[index]

    def __len__(self) -> int:
        return len(self._checks)

    def __repr__(self) -> str:
        failed = sum(not c.passed for c in self)
        width = max(len(c.aspect) for c in self)
        rows = [
            f"  {'passed' if c.passed else 'FAILED'}  {c.aspect:<{width}}  {c.found}".rstrip()
            for c in self
        ]
        return "\n".join([f"{self.layer!r}: {len(self)} checks, {failed} failed", *rows])


@checked
def check_layer(
    layer: Any, *inputs: Any, observation_dimension: int | None = None, seed: int = 0
) -> LayerChecks:
    """Check a layer of your own, in a network of its own.

    * Its learnables and its state are set, of floating-point or complex numbers.
    * `predict` and `forward` give the results that the layer declares, of equal sizes and formats.
    * Single and double precision give results of that precision.
    * Other numbers of observations, one and none too, give results of the same other sizes.
    * Training with a seed is repeatable. The state keeps its sizes, and a call changes it in a new
      table only.
    * Derivatives with respect to inputs and learnables are those of differences, of first and of
      second order, in inference and in training. A backward pass of its own is checked by that.

    Parameters
    ----------
    layer : Layer
    *inputs : Layout, dlarray or tuple of int
        For each input its layout, or its sizes; or an array, whose values are then used, as for
        indices. By default an input layer's own.
    observation_dimension : int, optional
        Which dimension has the observations, if no label says so.
    seed : int
        Of the random inputs and initial values.

    Returns
    -------
    LayerChecks
        The results, which print as a table.

    Raises
    ------
    CheckError
        If a check fails; the message is the table.

    See Also
    --------
    dlgradient.testing.check_derivatives : compare derivatives of a function with differences
    analyze_network : sizes of each layer of a network, and all faults

    Examples
    --------
    >>> dl.check_layer(dl.layers.Softplus(), dl.layers.Layout((3, 2), "CB"))
    Softplus(): 9 checks, 0 failed
      passed  initial values    no learnables, no state
      passed  results           3×2 CB
      passed  single precision  float32
      passed  double precision  float64
      passed  training          as inference
      passed  one observation   3×1 CB
      passed  no observation    3×0 CB
      passed  derivatives       to second order, of 1 array
      passed  ... in training   to second order, of 1 array

    Source: MATLAB ``checkLayer``.
    """
    if not isinstance(layer, Layer):
        raise InvalidArgumentError(
            f"check_layer: layer must be a layer, not {type(layer).__name__}"
            + (f"; write {layer.__name__}()" if isinstance(layer, type) else "")
        )
    found = _Checks(layer, inputs, observation_dimension, seed).run()
    if not all(c.passed for c in found):
        raise CheckError(f"check_layer: {found!r}")
    return found


class _FailedError(Exception):
    """A check failed; the message says what was found."""


class _Checks:
    """The checks of one layer, in the order of the report."""

    def __init__(
        self, layer: Layer, inputs: Sequence[Any], observation: int | None, seed: int
    ) -> None:
        self.layer, self.observation, self.seed = layer, observation, seed
        self.rng = np.random.default_rng(seed)
        if not inputs and isinstance(layer, AnyInput):
            inputs = [layer.example()]
        count = max(len(layer.input_names), 1)
        if len(inputs) != count:
            raise InvalidArgumentError(
                f"check_layer: the layer has the inputs {', '.join(layer.input_names) or 'x'}; "
                f"{len(inputs)} layouts were given"
            )
        self.xs = [self._example(x) for x in inputs]
        self.net: Any = None
        self.results: list[Value] = []

    def _example(self, given: Any) -> Value:
        if type(given) is dlarray or isinstance(given, np.ndarray):
            return given if type(given) is dlarray else dlarray(given)
        layout = given if isinstance(given, Layout) else Layout(tuple(given), None)
        x = self.rng.normal(size=layout.size).astype(np.float32)
        return dlarray(x, layout.format)

    def run(self) -> LayerChecks:
        """Return the results of all checks; those that need a failed one are left out."""
        checks: list[LayerCheck] = []
        first: list[tuple[str, Callable[[], str]]] = [
            ("initial values", self.initial_values),
            ("results", self.of_inference),
        ]
        for aspect, check in first:
            checks.append(_run(aspect, check))
            if not checks[-1].passed:
                return LayerChecks(self.layer, checks)
        others: list[tuple[str, Callable[[], str]]] = [
            ("single precision", lambda: self.precision(np.float32)),
            ("double precision", lambda: self.precision(np.float64)),
            ("training", self.training),
        ]
        if self.net.state:
            others.append(("state", self.state))
        if self._observations() is not None:
            others += [
                ("one observation", lambda: self.observations(1)),
                ("no observation", lambda: self.observations(0)),
            ]
        own = "backward pass" if has_backward(self.layer) else "derivatives"
        others += [
            (own, lambda: self.derivatives(training=False)),
            ("... in training", lambda: self.derivatives(training=True)),
        ]
        checks += [_run(aspect, check) for aspect, check in others]
        return LayerChecks(self.layer, checks)

    # -- one check each --------------------------------------------------------------------------

    def initial_values(self) -> str:
        """Initialise a network of the layer."""
        layer = self.layer if self.layer.name else self.layer._bound({"name": "layer"})
        examples = [] if isinstance(layer, AnyInput) else self.xs
        self.net = dlnetwork([layer], *examples, generator=self.seed)
        shown = []
        for word, table in (("learnables", self.net.learnables), ("state", self.net.state)):
            arrays = [
                f"{key.partition('/')[2]} {_times(a.shape)} {a.dtype}" for key, a in table.items()
            ]
            shown.append(", ".join(arrays) or f"no {word}")
        return ", ".join(shown)

    def of_inference(self) -> str:
        """Call the layer for inference, twice."""
        self.results = _several(self.net.predict(*self.xs))
        for y, name in zip(self.results, self.layer.output_names, strict=True):
            if type(y) is not dlarray:
                raise _FailedError(f"the output {name!r} is a {type(y).__name__}, not a dlarray")
        self._same(self.results, _several(self.net.predict(*self.xs)), "a second call")
        return ", ".join(_shown(y) for y in self.results)

    def precision(self, dtype: Any) -> str:
        """Call the layer with one precision; the learnables have it, too."""
        net, xs = _as(self.net, dtype), [_cast(x, dtype) for x in self.xs]
        ys = _several(net.predict(*xs))
        complex_too = (dtype, np.result_type(dtype, np.complex64))
        for y, name in zip(ys, self.layer.output_names, strict=True):
            if y.dtype.kind in "fc" and y.dtype not in complex_too:
                raise _FailedError(
                    f"inputs and learnables of {np.dtype(dtype)} give an output {name!r} of "
                    f"{y.dtype}; a constant may have another precision: write it with "
                    "np.asarray(c, x.dtype), or as a Python number"
                )
        return ", ".join(dict.fromkeys(y.dtype.name for y in ys))

    def training(self) -> str:
        """Call the layer in training, twice with one seed."""
        *ys, _ = self.net.forward(*self.xs, generator=self.seed)
        for y, other, name in zip(ys, self.results, self.layer.output_names, strict=True):
            if (y.shape, y._format) != (other.shape, other._format):
                raise _FailedError(
                    f"forward gives the output {name!r} of {_shown(y)}, predict of {_shown(other)}"
                )
        *again, _ = self.net.forward(*self.xs, generator=self.seed)
        self._same(ys, again, "a second call of forward with the same seed")
        equal = all(
            np.array_equal(extractdata(a), extractdata(b), equal_nan=a.dtype.kind in "fc")
            for a, b in zip(ys, self.results, strict=True)
        )
        return "as inference" if equal else "other values than inference"

    def state(self) -> str:
        """Call the layer twice, each with the state that the call before has set."""
        before = {key: np.array(extractdata(a)) for key, a in self.net.state.items()}
        *_, state = self.net.forward(*self.xs, generator=self.seed)
        for key, a in self.net.state.items():
            if not np.array_equal(extractdata(a), before[key]):
                raise _FailedError(
                    f"a call changes {key!r} in place; write self.x = self.x + 1, not self.x += 1"
                )
        net = self.net.copy()
        net.state = state
        *_, later = net.forward(*self.xs, generator=self.seed)
        for key, a in later.items():
            if a.shape != state[key].shape:
                raise _FailedError(
                    f"{key!r} has shape {state[key].shape} after a call, {a.shape} after the next"
                )
        moved = [k for k, a in state.items() if not np.array_equal(extractdata(a), before[k])]
        return f"{len(moved)} of {len(before)} change in training"

    def observations(self, count: int) -> str:
        """Call the layer with another number of observations, and differentiate."""
        axis = self._observations()
        xs = [_repeated(x, a, count) for x, a in zip(self.xs, axis or [], strict=True)]
        ys = _several(self.net.predict(*xs))
        number = max(x.shape[a] for x, a in zip(self.xs, axis or [], strict=True) if a is not None)
        for y, full, name in zip(ys, self.results, self.layer.output_names, strict=True):
            place = (full._format or "").find("B")
            wanted = tuple(
                [count if i == place and n == number else n for i, n in enumerate(full.shape)]
            )
            if full._format is not None and (y.shape, y._format) != (wanted, full._format):
                raise _FailedError(
                    f"{count} observations give the output {name!r} of {_shown(y)}; "
                    f"{number} gave {_shown(full)}"
                )
        self._gradients(xs)
        return ", ".join(_shown(y) for y in ys)

    def derivatives(self, *, training: bool) -> str:
        """Compare derivatives of first and second order with differences."""
        net = _as(self.net, np.float64)
        xs = [_cast(x, np.float64) for x in self.xs]
        table: ParameterTable = net.learnables
        free = [i for i, x in enumerate(xs) if x.dtype.kind in "fc"]

        def run(*arrays: Value) -> list[Value]:
            here = net.with_learnables(table.with_arrays(list(arrays[len(free) :])))
            given = list(xs)
            for i, x in zip(free, arrays, strict=False):
                given[i] = dlarray(x, xs[i]._format)
            if training:
                *ys, _ = here.forward(*given, generator=self.seed)
            else:
                ys = _several(here.predict(*given))
            return [stripdims(y) for y in ys if type(y) is dlarray and y.dtype.kind in "fc"]

        learned = [np.array(extractdata(a)) for a in table.arrays()]
        # Not at the initial values, where many learnables are zero or equal.
        learned = [a + self.rng.uniform(0.05, 0.2, a.shape) for a in learned]
        names = [f"input {n!r}" for i, n in enumerate(self._names()) if i in free]
        names += [key.partition("/")[2] for key in table]
        points = [extractdata(xs[i]) for i in free]
        if not points and not learned:
            return "no array to differentiate for"
        try:
            check_derivatives(
                run, *points, *learned, name="", names=names, seed=self.seed, rtol=1e-5
            )
        except CheckError as error:
            raise _FailedError(str(error.args[0]).removeprefix("run, ")) from None
        count = len(points) + len(learned)
        return f"to second order, of {count} array{'s' * (count > 1)}"

    # -- what they share -------------------------------------------------------------------------

    def _names(self) -> Sequence[str]:
        return self.layer.input_names or ("x",)

    def _observations(self) -> list[int | None] | None:
        """Return the dimension of observations of each input; None if none has one."""
        found = [
            x._format.index("B") if x._format and "B" in x._format else self.observation
            for x in self.xs
        ]
        return found if any(a is not None for a in found) else None

    def _same(self, ys: Sequence[Value], others: Sequence[Value], what: str) -> None:
        for y, other, name in zip(ys, others, self.layer.output_names, strict=True):
            nan = y.dtype.kind in "fc"
            if not np.array_equal(extractdata(y), extractdata(other), equal_nan=nan):
                raise _FailedError(
                    f"{what} gives another output {name!r}; take random numbers from "
                    "self.generator, and keep what changes in the state"
                )

    def _gradients(self, xs: Sequence[Value]) -> None:
        """Differentiate the sum of all results in training."""

        def loss(net: Any, xs: list[Value]) -> Any:
            *ys, _ = net.forward(*xs, generator=self.seed)
            total = sum(
                (stripdims(y) ** 2).sum() for y in ys if type(y) is dlarray and y.dtype.kind in "fc"
            )
            leaves = [x for x in xs if x.dtype.kind in "fc"]
            return dlgradient(_real(total), [net.learnables, leaves])

        gradients, of_inputs = dlfeval(loss, self.net, list(xs))
        for key, g in gradients.items():
            if g.shape != self.net.learnables[key].shape:
                raise _FailedError(f"the gradient for {key!r} has shape {g.shape}")
        for g, x in zip(of_inputs, [x for x in xs if x.dtype.kind in "fc"], strict=True):
            if g.shape != x.shape:
                raise _FailedError(
                    f"the gradient for an input of shape {x.shape} has shape {g.shape}"
                )


def _run(aspect: str, check: Callable[[], str]) -> LayerCheck:
    try:
        return LayerCheck(aspect, True, check())
    except _FailedError as failure:
        return LayerCheck(aspect, False, str(failure))
    except Exception as error:  # noqa: BLE001 - a user's layer may raise anything
        text = str(error.args[0]) if error.args else ""
        notes = "; ".join(getattr(error, "__notes__", []))
        found = f"{type(error).__name__}: {text}" + (f" ({notes})" if notes else "")
        return LayerCheck(aspect, False, found)


def _several(found: Any) -> list[Value]:
    return list(found) if isinstance(found, tuple) else [found]


def _real(y: Value) -> Value:
    return (y * 1).real if y.dtype.kind == "c" else y


def _as(net: dlnetwork, dtype: Any) -> dlnetwork:
    """Return a network whose learnables and state have a precision."""
    arrays = [_cast(a, dtype) for a in net.learnables.arrays()]
    new = net.with_learnables(net.learnables.with_arrays(arrays))
    state = [_cast(a, dtype) for a in net.state.arrays()]
    new.state = net.state.with_arrays(state)
    return new


def _cast(x: Value, dtype: Any) -> Value:
    if x.dtype.kind not in "fc":
        return x
    wanted = np.result_type(dtype, np.complex64) if x.dtype.kind == "c" else np.dtype(dtype)
    return dlarray(np.asarray(extractdata(x)).astype(wanted), x._format)


def _repeated(x: Value, axis: int | None, count: int) -> Value:
    """Return an array with another number of observations, all equal to the first."""
    if axis is None:
        return x
    rows = np.take(np.asarray(extractdata(x)), np.zeros(count, int), axis=axis)
    return dlarray(rows, x._format)


def _times(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "1"


def _shown(y: Value) -> str:
    return f"{_times(y.shape)} {y._format or ''}".rstrip()
