"""Rectified linear units of complex values."""

from __future__ import annotations

import numpy as np

from dlgradient.core import calls
from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Operand, Value
from dlgradient.nn.activations.piecewise import relu
from dlgradient.ops.choice import where
from dlgradient.ops.complex import complex, imag, real
from dlgradient.ops.logical import greater_equal, logical_and, not_equal
from dlgradient.rules import derived

__all__ = ["complexrelu", "zrelu"]


def _is_complex(x: Operand) -> bool:
    return np.result_type(x.dtype if type(x) is calls.dlarray else x).kind == "c"


def _shapes(m: Maker) -> list[Case]:
    return [case(m.complex(4)), case(m.complex()), case(m.real(3)), case(m.complex(2, 0))]


@derived(
    samples=lambda m: [
        *_shapes(m),
        case(np.array([1 + 0j, 1j]), kink=True, gradient={"x": [1, 0]}),
    ],
    reference=lambda x: (
        np.maximum(x.real, 0) + 1j * np.maximum(x.imag, 0)
        if np.iscomplexobj(x)
        else np.maximum(x, 0)
    ),
)
def complexrelu(x: Operand, /) -> Value:
    """Rectified linear unit of real and imaginary part: max(Re x, 0) + i max(Im x, 0).

    The parts have the gradients of `relu`, 0 at 0. For real values it is `relu`.

    Examples
    --------
    >>> dl.complexrelu(dl.dlarray([-1.0 + 2.0j]))
    dlarray([0.+2.j])

    Source: MATLAB ``complexReluLayer``; Trabelsi et al. 2018.
    """
    if not _is_complex(x):
        return relu(x)
    return complex(relu(real(x)), relu(imag(x)))


@derived(
    samples=lambda m: [
        *_shapes(m),
        case(np.array([1 + 0j, 1j, 0, -1, -1j]), kink=True, gradient={"x": [1, 1, 0, 0, 0]}),
    ],
    reference=lambda x: np.where((np.real(x) >= 0) & (np.imag(x) >= 0), x, 0),
)
def zrelu(x: Operand, /) -> Value:
    """Complex values whose phase lies between 0 and π/2, elsewhere zero; `relu` of real ones.

    The gradient is 1 where the value is not zero, also on the two half-axes, and 0 elsewhere.

    Examples
    --------
    >>> dl.zrelu(dl.dlarray([1.0 + 2.0j, -1.0 + 2.0j])).tolist()
    [(1+2j), 0j]

    Source: MATLAB ``zreluLayer``; Guberman 2016.
    """
    if not _is_complex(x):
        return relu(x)
    first = logical_and(greater_equal(real(x), 0), greater_equal(imag(x), 0))
    return where(logical_and(first, not_equal(x, 0)), x, 0)
