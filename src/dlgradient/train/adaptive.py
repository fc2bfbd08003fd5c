"""More update functions: AdamW, NAdam, Lion, Adagrad, Adadelta and Muon.

They have the form of those in `update`: each is a formula for one learnable.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, NonNegative, Value
from dlgradient.ops.choice import maximum
from dlgradient.ops.linalg import matrix_transpose
from dlgradient.ops.powers import root_of_squares
from dlgradient.ops.reduce import sum
from dlgradient.train.computing import positive_root, root, sign
from dlgradient.train.step import Factor
from dlgradient.train.update import Iteration, Number, Rate, adam_formula, update_all

__all__ = [
    "adadeltaupdate",
    "adagradupdate",
    "adamwupdate",
    "lionupdate",
    "muonupdate",
    "nadamupdate",
]

_C = TypeVar("_C")  # an array or a container; states have the structure of the learnables


@checked
def adamwupdate(
    parameters: _C,
    gradients: _C,
    average: _C | None = None,
    average_sq: _C | None = None,
    iteration: Iteration = 1,
    learning_rate: Number = 0.001,
    gradient_decay: Rate = 0.9,
    sq_gradient_decay: Rate = 0.999,
    epsilon: Number = 1e-8,
    weight_decay: Number = 0.01,
) -> tuple[_C, _C, _C]:
    """One step of Adam with decoupled weight decay (AdamW).

    p ← (1 − learning_rate · weight_decay) p, then a step of `adamupdate`. In a network, the decay
    of each learnable has its L2 factor.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average, average_sq : container, optional
        The averages that the last step returned; None before the first, or ``[]``.
    iteration : int
        Number of this step, from 1.
    learning_rate : float
    gradient_decay, sq_gradient_decay : float
        At least 0 and less than 1.
    epsilon : float
        Prevents a division by zero.
    weight_decay : float

    Returns
    -------
    parameters, average, average_sq : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    adamupdate : without the decay
    lionupdate : a step of one size, with the decay

    Examples
    --------
    >>> p, m, s = dl.adamwupdate(dl.dlarray([1.0, -2.0]), dl.dlarray([0.5, 0.5]), None, None, 1)
    >>> p.round(decimals=5).tolist()
    [0.99899, -2.00098]

    Source: Loshchilov and Hutter, arXiv:1711.05101; PyTorch's ``AdamW``.
    """
    formula = adam_formula(iteration, learning_rate, gradient_decay, sq_gradient_decay, epsilon)

    def decayed(factor: Factor, p: Value, *others: Value) -> tuple[Value, ...]:
        return formula(factor, _left(factor, learning_rate, weight_decay) * p, *others)

    states = {"average": average, "average_sq": average_sq}
    found = update_all("adamwupdate", decayed, parameters, gradients, states, decays=True)
    return found[0], found[1], found[2]


def _left(factor: Factor, rate: Value, decay: Value) -> Value:
    """Return which part of a learnable the decay leaves."""
    return 1 - (factor.rate * factor.decay) * (rate * decay)


@checked
def nadamupdate(
    parameters: _C,
    gradients: _C,
    average: _C | None = None,
    average_sq: _C | None = None,
    iteration: Count = 1,
    learning_rate: Number = 0.002,
    gradient_decay: Rate = 0.9,
    sq_gradient_decay: Rate = 0.999,
    epsilon: Number = 1e-8,
    momentum_decay: NonNegative = 0.004,
) -> tuple[_C, _C, _C]:
    """One step of Adam with Nesterov's momentum (NAdam).

    With μₜ = β₁ (1 − 0.96^(t · momentum_decay) / 2) and the averages m and s of `adamupdate`:

        d = (1 − μₜ) g / (1 − μ₁⋯μₜ) + μₜ₊₁ m / (1 − μ₁⋯μₜ₊₁),
        p ← p − learning_rate · d / (√(s / (1 − β₂ᵗ)) + epsilon).

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average, average_sq : container, optional
        The averages that the last step returned; None before the first, or ``[]``.
    iteration : int
        Number of this step, from 1.
    learning_rate : float
    gradient_decay, sq_gradient_decay : float
        β₁ and β₂, at least 0 and less than 1.
    epsilon : float
        Prevents a division by zero.
    momentum_decay : float

    Returns
    -------
    parameters, average, average_sq : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    adamupdate : update by Adam

    Examples
    --------
    >>> p, m, s = dl.nadamupdate(dl.dlarray([1.0, -2.0]), dl.dlarray([0.5, 0.5]), None, None, 1)
    >>> p.round(decimals=5).tolist()
    [0.99789, -2.00211]

    Source: Dozat, ICLR workshop 2016; PyTorch's ``NAdam``.
    """
    beta1, beta2 = gradient_decay, sq_gradient_decay
    shrinking = 1 - 0.5 * 0.96 ** (momentum_decay * np.array([iteration, iteration + 1]))
    now, after = (beta1 * float(x) for x in shrinking)
    product = beta1**iteration * _product(iteration, momentum_decay)
    of_gradient, of_average = (1 - now) / (1 - product), after / (1 - product * after)
    correction = (1 - beta2**iteration) ** 0.5

    def formula(factor: Factor, p: Value, g: Value, m: Value, s: Value) -> tuple[Value, ...]:
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g * g)
        step = (of_gradient * g + of_average * m) / (root(s) / correction + epsilon)
        return p - (factor.rate * learning_rate) * step, m, s

    states = {"average": average, "average_sq": average_sq}
    found = update_all("nadamupdate", formula, parameters, gradients, states)
    return found[0], found[1], found[2]


def _product(count: int, decay: float) -> float:
    """Return the product of 1 − 0.96^(i · decay) / 2 for i from 1 to a count."""
    return float(_products(1 << count.bit_length(), decay)[count - 1])


@lru_cache(8)  # each step would multiply as many numbers as there were steps
def _products(count: int, decay: float) -> Array:
    found: Array = np.cumprod(1 - 0.5 * 0.96 ** (decay * np.arange(1, count + 1)))
    return found


@checked
def lionupdate(
    parameters: _C,
    gradients: _C,
    average: _C | None = None,
    learning_rate: Number = 0.0001,
    gradient_decay: Rate = 0.9,
    average_decay: Rate = 0.99,
    weight_decay: Number = 0.001,
) -> tuple[_C, _C]:
    """One step of the evolved sign momentum (Lion).

    With the decay rates β₁ and β₂ and the decay of weights λ:

        p ← p − learning_rate · (sign(β₁ m + (1 − β₁) g) + λ p), then m ← β₂ m + (1 − β₂) g.

    In a network, the decay of each learnable has its L2 factor.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average : container, optional
        The m that the last step returned; None before the first, or ``[]``.
    learning_rate : float
    gradient_decay, average_decay : float
        β₁ and β₂, at least 0 and less than 1.
    weight_decay : float

    Returns
    -------
    parameters, average : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    adamwupdate : steps by the size of the gradients, with the decay

    Examples
    --------
    >>> p, m = dl.lionupdate(dl.dlarray([1.0, -2.0]), dl.dlarray([0.5, 0.5]), None, 0.1)
    >>> p.round(decimals=4).tolist(), m.round(decimals=4).tolist()
    ([0.8999, -2.0998], [0.005, 0.005])

    Source: Chen et al., arXiv:2302.06675; Optax ``lion``.
    """
    beta1, beta2 = gradient_decay, average_decay

    def formula(factor: Factor, p: Value, g: Value, m: Value) -> tuple[Value, ...]:
        step = sign(beta1 * m + (1 - beta1) * g)
        p = _left(factor, learning_rate, weight_decay) * p
        return p - (factor.rate * learning_rate) * step, beta2 * m + (1 - beta2) * g

    states = {"average": average}
    found = update_all("lionupdate", formula, parameters, gradients, states, decays=True)
    return found[0], found[1]


@checked
def adagradupdate(
    parameters: _C,
    gradients: _C,
    sum_sq: _C | None = None,
    learning_rate: Number = 0.01,
    epsilon: Number = 1e-10,
) -> tuple[_C, _C]:
    """One step of the adaptive gradient method (Adagrad).

    s ← s + g² and p ← p − learning_rate · g / (√s + epsilon).

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    sum_sq : container, optional
        The s that the last step returned; None before the first, or ``[]``.
    learning_rate : float
    epsilon : float
        Prevents a division by zero.

    Returns
    -------
    parameters, sum_sq : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    adadeltaupdate : forgets old gradients, and finds its own learn rate
    rmspropupdate : forgets old gradients

    Examples
    --------
    >>> p, s = dl.adagradupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([4.0, 1.0]), None, 0.1)
    >>> p.round(decimals=4).tolist(), s.tolist()
    ([0.9, 1.9], [16.0, 1.0])

    Source: Duchi, Hazan and Singer, JMLR 12 (2011); PyTorch's ``Adagrad``.
    """

    def formula(factor: Factor, p: Value, g: Value, s: Value) -> tuple[Value, ...]:
        s = s + g * g
        return p - (factor.rate * learning_rate) * (g / (root(s) + epsilon)), s

    found = update_all("adagradupdate", formula, parameters, gradients, {"sum_sq": sum_sq})
    return found[0], found[1]


@checked
def adadeltaupdate(
    parameters: _C,
    gradients: _C,
    average_sq: _C | None = None,
    average_sq_step: _C | None = None,
    learning_rate: Number = 1.0,
    sq_gradient_decay: Rate = 0.9,
    epsilon: Number = 1e-6,
) -> tuple[_C, _C, _C]:
    """One step of Adadelta, which measures its steps by those before.

    With the decay rate ρ:

        s ← ρ s + (1 − ρ) g²,   d = g √(u + epsilon) / √(s + epsilon),
        u ← ρ u + (1 − ρ) d²,   p ← p − learning_rate · d.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average_sq, average_sq_step : container, optional
        The s and u that the last step returned; None before the first, or ``[]``.
    learning_rate : float
    sq_gradient_decay : float
        ρ, at least 0 and less than 1.
    epsilon : float
        The size of the first steps, and what prevents a division by zero.

    Returns
    -------
    parameters, average_sq, average_sq_step : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    rmspropupdate : with a learn rate in place of the u

    Examples
    --------
    >>> p, s, u = dl.adadeltaupdate(dl.dlarray([1.0, 2.0]), dl.dlarray([4.0, 1.0]))
    >>> p.round(decimals=5).tolist()
    [0.99684, 1.99684]

    Source: Zeiler, arXiv:1212.5701; PyTorch's ``Adadelta``.
    """
    rho = sq_gradient_decay

    def formula(factor: Factor, p: Value, g: Value, s: Value, u: Value) -> tuple[Value, ...]:
        s = rho * s + (1 - rho) * (g * g)
        step = g * (positive_root(u + epsilon) / positive_root(s + epsilon))
        u = rho * u + (1 - rho) * (step * step)
        return p - (factor.rate * learning_rate) * step, s, u

    states = {"average_sq": average_sq, "average_sq_step": average_sq_step}
    found = update_all("adadeltaupdate", formula, parameters, gradients, states)
    return found[0], found[1], found[2]


@checked
def muonupdate(
    parameters: _C,
    gradients: _C,
    average: _C | None = None,
    average_sq: _C | None = None,
    iteration: Iteration = 1,
    learning_rate: Number = 0.001,
    momentum: Rate = 0.95,
    weight_decay: Number = 0.1,
) -> tuple[_C, _C, _C]:
    """One step of momentum with orthogonal matrices (Muon), for matrices; AdamW for the others.

    For a learnable P of m × n elements with the gradient G:

        M ← momentum M + (1 − momentum) G,   D = momentum M + (1 − momentum) G,
        P ← (1 − learning_rate · weight_decay) P − 0.2 √max(m, n) learning_rate · orth(D).

    Five steps of Newton and Schulz find orth(D), whose singular values are near 1. Its factor gives
    it the size of a step of AdamW, so one learn rate suits all learnables. Those with another
    number of dimensions, such as a bias, take a step of `adamwupdate` with its other options.

    Parameters
    ----------
    parameters : dlarray, array or container
        Floating-point arrays, in any nesting of containers.
    gradients : dlarray, array or container
        Of the same structure, as `dlgradient` returns them.
    average, average_sq : container, optional
        The averages that the last step returned; None before the first, or ``[]``.
    iteration : int
        Number of this step, from 1.
    learning_rate : float
    momentum : float
        At least 0 and less than 1.
    weight_decay : float
        In a network, that of each learnable has its L2 factor.

    Returns
    -------
    parameters, average, average_sq : container
        New dlarrays in the structure of `parameters`. Nothing is changed in place.

    See Also
    --------
    adamwupdate : update by AdamW

    Examples
    --------
    >>> p = dl.dlarray([[1.0, 0.0], [0.0, 1.0]])
    >>> new, m, s = dl.muonupdate(p, 0.5 * p, None, None, 1, 0.1, weight_decay=0.0)
    >>> (p - new).round(decimals=3).tolist()
    [[0.031, 0.0], [0.0, 0.031]]

    Source: Jordan et al., https://kellerjordan.github.io/posts/muon/; the factor of Liu et al.,
    arXiv:2502.16982; PyTorch's ``Muon`` with ``adjust_lr_fn="match_rms_adamw"``.
    """
    others = adam_formula(iteration, learning_rate, 0.9, 0.999, 1e-8)

    def formula(factor: Factor, p: Value, g: Value, m: Value, s: Value) -> tuple[Value, ...]:
        p = _left(factor, learning_rate, weight_decay) * p
        if p.ndim != 2 or p.size == 0:
            return others(factor, p, g, m, s)
        m = momentum * m + (1 - momentum) * g
        step = _orthogonal(momentum * m + (1 - momentum) * g)
        size = 0.2 * math.sqrt(max(p.shape))
        return p - (factor.rate * learning_rate * size) * step, m, np.zeros(p.shape, p.dtype)

    states = {"average": average, "average_sq": average_sq}
    found = update_all(
        "muonupdate", formula, parameters, gradients, states, decays=True, whole=True
    )
    return found[0], found[1], found[2]


def _orthogonal(x: Value) -> Value:
    """Return a matrix with the singular vectors of another, and singular values near 1."""
    if x.shape[0] > x.shape[1]:
        return matrix_transpose(_orthogonal(matrix_transpose(x)))
    x = x / maximum(root_of_squares(sum(x * x)), 1e-7)
    for _ in range(5):
        gram = x @ matrix_transpose(x)
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * (gram @ gram)) @ x
    return x
