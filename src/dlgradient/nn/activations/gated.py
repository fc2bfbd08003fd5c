"""Gated activations: one half of the channels decides how much of the other passes."""

from __future__ import annotations

from dlgradient.core.samples import Error, case
from dlgradient.core.types import Axis, Format, Operand, Value
from dlgradient.errors import FormatError, InvalidArgumentError
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.shared.arguments import finished, with_axis
from dlgradient.ops.index import getitem
from dlgradient.rules import derived

__all__ = ["glu"]


@derived(
    samples=lambda m: [
        case(m.real(4, 2), data_format="CB"),
        case(m.real(2, 2, 3), data_format="SCB"),
        case(m.real(0, 2), axis=1),
        case(m.real(3, 4), axis=-1),
        case(m.complex(2, 2), axis=0),
    ],
    errors=lambda m: [
        Error(case(m.real(3, 2), axis=0), InvalidArgumentError, "odd size 3"),
        Error(case(m.real(2), data_format="B"), FormatError, "'C'"),
    ],
)
def glu(x: Operand, /, *, axis: Axis | None = None, data_format: Format = None) -> Value:
    """Gated linear unit: the first half of the channels times the sigmoid of the second.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex, with a data format, or with `axis` or `data_format`.
    axis : int, optional
        Dimension to halve; by default that of the channels.
    data_format : str, optional
        Data format of `x` if it has none.

    Returns
    -------
    dlarray
        Of half the size of `x` along `axis`.

    Raises
    ------
    InvalidArgumentError
        If the size is odd.
    FormatError
        If there is neither `axis` nor a format with 'C'.

    See Also
    --------
    sigmoid : logistic function
    swish : x times sigmoid

    Examples
    --------
    >>> dl.glu(dl.dlarray([[1.0], [2.0], [0.0], [100.0]], "CB"))
    dlarray([[0.5],
             [2. ]], 'CB')

    Source: Dauphin et al. 2017; torch ``glu``.
    """
    array, along, strip = with_axis("glu", x, axis, data_format)
    first, second = _halves(array, along)
    return finished(first * sigmoid(second), strip)


def _halves(x: Value, axis: Axis) -> tuple[Value, Value]:
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(f"glu: axis={axis} does not exist, x has shape {x.shape}")
    size = x.shape[axis]
    if size % 2:
        raise InvalidArgumentError(
            f"glu: x of shape {x.shape} has the odd size {size} along dimension {axis}; it is cut "
            "in two halves of equal size"
        )
    before = (slice(None),) * (axis % x.ndim)
    half = size // 2
    return getitem(x, (*before, slice(0, half))), getitem(x, (*before, slice(half, None)))
