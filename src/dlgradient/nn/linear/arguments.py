"""Weights of fully connected layers and embeddings: matrices whose format says what is a row."""

from __future__ import annotations

from dlgradient.core.calls import unlabelled
from dlgradient.core.formats import checked_format
from dlgradient.core.types import Format, Operand, Value
from dlgradient.errors import FormatClashError
from dlgradient.nn.shared.arguments import as_array
from dlgradient.ops.linalg import matrix_transpose

__all__ = ["weight_rows"]


def weight_rows(
    function: str,
    weights: Operand,
    weights_format: Format,
    default: str,
    words: str,
    like: Value | None = None,
) -> Value:
    """Return weights in the order 'UC', unlabelled.

    Parameters
    ----------
    function : str
        Name for messages.
    weights : dlarray or array_like
    weights_format : str or None
        Format of weights that have none.
    default : {"UC", "CU"}
        Their order if nothing says it.
    words : str
        What the dimensions are, in the order of `default`.
    like : dlarray, optional
        The operand that they multiply, for their dtype if they are integers.

    Raises
    ------
    FormatClashError
        If the format is neither 'UC' nor 'CU'.
    """
    w = as_array(function, "weights", weights, like)
    fmt = w._format
    if fmt is None and weights_format is not None:
        fmt = checked_format(weights_format, w.shape, f"{function}: weights")
    if fmt not in (None, "UC", "CU"):
        raise FormatClashError(
            f"{function}: weights of shape {w.shape} have the format {fmt!r}; it must be "
            f"{default!r} ({words}, the default) or {default[::-1]!r}"
        )
    w = unlabelled(w)
    return matrix_transpose(w) if (fmt or default) == "CU" and w.ndim == 2 else w
