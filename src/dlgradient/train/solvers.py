"""Which update function a solver of `training_options` is, and with which of the options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlgradient.train.adaptive import (
    adadeltaupdate,
    adagradupdate,
    adamwupdate,
    lionupdate,
    muonupdate,
    nadamupdate,
)
from dlgradient.train.options import TrainingOptions
from dlgradient.train.update import adamupdate, rmspropupdate, sgdmupdate

__all__ = ["updated"]

# By solver: the function, how many states it has, whether it counts iterations, and its options
# after the learn rate.
_UPDATES: dict[str, tuple[Callable[..., Any], int, bool, tuple[str, ...]]] = {
    "sgdm": (sgdmupdate, 1, False, ("momentum",)),
    "rmsprop": (rmspropupdate, 1, False, ("squared_gradient_decay_factor", "epsilon")),
    "adagrad": (adagradupdate, 1, False, ("epsilon",)),
    "adadelta": (adadeltaupdate, 2, False, ("squared_gradient_decay_factor", "epsilon")),
    "lion": (
        lionupdate,
        1,
        False,
        ("gradient_decay_factor", "squared_gradient_decay_factor", "l2_regularization"),
    ),
    "muon": (muonupdate, 2, True, ("momentum", "l2_regularization")),
    **{
        name: (
            function,
            2,
            True,
            ("gradient_decay_factor", "squared_gradient_decay_factor", "epsilon", *more),
        )
        for name, function, more in (
            ("adam", adamupdate, ()),
            ("nadam", nadamupdate, ()),
            ("adamw", adamwupdate, ("l2_regularization",)),
        )
    },
}


def updated(
    options: TrainingOptions,
    net: Any,
    gradients: Any,
    states: tuple[Any, ...],
    iteration: int,
    rate: float,
) -> tuple[Any, tuple[Any, ...]]:
    """Take a step of the solver; return the network and the states, which are () at first."""
    function, count, counts, names = _UPDATES[options.solver]
    given = (*(states or (None,) * count), *((iteration,) if counts else ()))
    chosen = [getattr(options, name) for name in names]
    net, *new = function(net, gradients, *given, rate, *chosen)
    return net, tuple(new)
