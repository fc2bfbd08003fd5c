"""The evaluation of a batch as a program: what `dlaccelerate` does for a function of the user.

Loss, gradients, new state and outputs are a function of a network and a batch. Batches of a
training are alike, so after a few of one shape the others are answered by a program (rows train-mlp
and train-lstm). A program calls the kernels of an eager evaluation in the same order, so its
results are the same bits. So is a training that goes on from a checkpoint, though it records anew.

Steps of small networks go further, see `dlgradient.train.whole`.

Layers and losses of the user run eagerly: what their Python does besides, such as printing, would
be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.trace import current_trace
from dlgradient.engine.array import dlarray
from dlgradient.layers.activation import Function
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import held_networks
from dlgradient.native.switch import mode
from dlgradient.network.network import dlnetwork
from dlgradient.program.accelerate import AcceleratedFunction
from dlgradient.program.draws import state_of

__all__ = ["Replay", "has_own_layers"]

# How many evaluations may be recorded beyond those that were replayed, before all are eager: if
# batches have ever new shapes, as sequences may, recording costs more than it saves.
PATIENCE = 16


class _Silent(AcceleratedFunction[[dlnetwork, tuple[Any, ...], Any], Any]):
    """An accelerated function of which the user knows nothing.

    It reads only an objective of its own, which no one else has, and this library.
    """

    __slots__ = ()
    _warns: ClassVar[bool] = False
    _exact: ClassVar[bool] = True
    _watches: ClassVar[bool] = False

    @property
    def hits(self) -> int:
        """How many calls were replayed."""
        return self._hits.total

    @property
    def misses(self) -> int:
        """How many calls ran eagerly."""
        return self._others

    @property
    def refuses(self) -> bool:
        """Whether calls were met of which there will be no program."""
        return bool(self._misses.reasons) or any(entry.refusal for _, entry in self._cache)


class Replay:
    """The evaluations of batches by one network, or by those that training makes of it.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(net, batch, mask)``, in which `dlgradient` may be called.
    net : dlnetwork
    generator : numpy.random.Generator
        What it draws from, and nothing else does.

    Attributes
    ----------
    function : AcceleratedFunction
        With counts of its calls.
    """

    def __init__(
        self,
        evaluate: Callable[[dlnetwork, tuple[Any, ...], Any], Any],
        net: dlnetwork,
        generator: np.random.Generator,
    ) -> None:
        self.function = _Silent(evaluate)
        self._generator = generator
        self._draws: bool | None = None  # until an evaluation is over
        # Networks with the same layers may be trained in several threads: one of them is replayed.
        self._lock = Lock()
        self._pays = has_own_layers(net)

    def takes(self, batch: tuple[Any, ...]) -> bool:
        """Return whether a batch has dlarrays and vectors only, and replays pay."""
        return (
            self._pays
            and mode() != "none"
            and current_trace() is None
            and all(type(x) is dlarray or (type(x) is np.ndarray and x.ndim == 1) for x in batch)
        )

    def __call__(
        self, net: dlnetwork, batch: tuple[Any, ...], mask: Any, generator: np.random.Generator
    ) -> Any:
        """Return what the function returns, with the next random numbers of a generator.

        None if another thread is in the function.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._called(net, batch, mask, generator)
        finally:
            self._lock.release()

    def _called(
        self, net: dlnetwork, batch: tuple[Any, ...], mask: Any, generator: np.random.Generator
    ) -> Any:
        # A vector that is no dlarray, as that of classes, would be a constant of the program.
        arrays = tuple([x if type(x) is dlarray else _as_dlarray(x) for x in batch])
        function, before = self.function, self.function.misses
        if self._draws is False:
            found = function(net, arrays, mask)
        else:
            own, given = self._generator.bit_generator, generator.bit_generator
            own.state = given.state
            try:
                found = function(net, arrays, mask)
                if self._draws is None:
                    self._draws = state_of(self._generator) != state_of(generator)
            finally:
                given.state = own.state
        if function.misses > before:
            # An eager call of this function computes derivatives that can be differentiated again.
            self._pays = not function.refuses and function.misses <= PATIENCE + function.hits
        return found


def _as_dlarray(x: Any) -> Any:
    # Nothing changes it during the call, so it needs no copy; one of texts is an error.
    return wrap(x, None) if x.dtype.kind in "iuf" else dlarray(x)


def has_own_layers(net: dlnetwork) -> bool:
    """Return whether all layers are of this library, and call no function of a user."""
    return all(
        type(layer).__module__.startswith("dlgradient.") and not isinstance(layer, Function)
        for layer in _all_layers(net)
    )


def _all_layers(net: dlnetwork) -> Iterator[Layer]:
    """Yield the layers, each before those of the networks that it holds."""
    for layer in net.layers.values():
        yield layer
        for _, held in held_networks(layer):
            yield from _all_layers(held)
