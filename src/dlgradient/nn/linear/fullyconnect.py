"""Fully connected layers: weights times inputs, plus a bias."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import checked_format
from dlgradient.core.samples import Error, case
from dlgradient.core.values import as_value
from dlgradient.errors import FormatClashError, FormatError, ShapeMismatchError
from dlgradient.nn.shared.arguments import finished, formatted
from dlgradient.ops.complex import conj
from dlgradient.ops.linalg import matmul, matrix_transpose
from dlgradient.ops.reduce import spread
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import permute_dims, reshape
from dlgradient.rules import derived, general

__all__ = ["fullyconnect"]


def _conj(x: Any) -> Any:
    return conj(x) if x.dtype.kind == "c" else x


# -- the product with the bias added in place ----------------------------------------------------


def _weights_adjoint(g: Any, x: Any, weights: Any) -> Any:
    # In the memory order of the weights, so that updates that add the two run along memory.
    raw = weights._value if type(weights) is calls.dlarray else weights
    if raw.flags.c_contiguous:
        return matmul(matrix_transpose(g), _conj(x))
    return matrix_transpose(matmul(matrix_transpose(_conj(x)), g))


@general(
    x=lambda g, weights: matmul(g, _conj(weights)),
    weights=_weights_adjoint,
    bias=lambda g: sum_(g, axis=0),
    jvp={
        "x": lambda t, weights: matmul(t, matrix_transpose(weights)),
        "weights": lambda t, x: matmul(x, matrix_transpose(t)),
        "bias": lambda t, x_like: spread(
            t, shape=(x_like.shape[0], *t.shape), axis=0, keepdims=False
        ),
    },
    format="contract",
    shown="fullyconnect",
    samples=lambda m: [
        case(m.real(3, 2), m.real(4, 2), m.real(4)),
        case(m.complex(3, 2), m.complex(4, 2), m.complex(4)),
        case(m.real(3, 2), m.complex(1, 2), m.real(1)),
        case(m.real(0, 2), m.real(4, 2), m.real(4)),
        case(m.complex(3, 2), m.complex(2, 4).T, m.real(4)),
    ],
    reference=lambda x, weights, bias: np.einsum("ni,oi->no", x, weights) + bias,
)
def affine(x: Any, weights: Any, bias: Any, /) -> Any:
    """Return x Wᵀ + b for inputs in rows, weights W and a bias b."""
    out = matmul(x, weights.T)
    if np.result_type(out, bias) == out.dtype:  # in place, which saves an array
        out += bias
        return out
    return out + bias


# -- fullyconnect --------------------------------------------------------------------------------


def _parameter(name: str, value: Any) -> Any:
    if type(value) is calls.dlarray:
        return value
    return calls.wrap(as_value(value, f"fullyconnect: {name}"), None)


def _as_matrix(weights: Any, weights_format: str | None, size: int, x: Any) -> Any:
    """Return weights as outputs × inputs; with a format, 'U' labels the outputs, 'C' the inputs."""
    w = _parameter("weights", weights)
    if weights_format is not None and w._format is None:
        fmt = checked_format(weights_format, w.shape, "fullyconnect: weights")
    else:
        fmt = w._format
    w = calls.wrap(w._value, w._node)
    if fmt is not None and fmt not in ("UC", "CU"):
        raise FormatClashError(
            f"fullyconnect: weights of shape {w.shape} have the format {fmt!r}; it must be 'UC' "
            "(outputs × inputs, the default) or 'CU'"
        )
    if fmt == "CU":
        w = matrix_transpose(w)
    if w.ndim != 2 or w.shape[1] != size:
        raise ShapeMismatchError(
            f"fullyconnect: weights have shape {w.shape}, outputs × inputs; x of shape {x.shape} "
            f"and format {x._format!r} has {size} inputs (channels times spatial sizes)"
        )
    return w


def _as_vector(bias: Any, outputs: int) -> Any:
    b = _parameter("bias", bias)
    b = calls.wrap(b._value, b._node)
    if b.size != outputs:
        raise ShapeMismatchError(
            f"fullyconnect: bias has shape {b.shape}, the weights have {outputs} outputs; it must "
            "be a vector of one number for each output, or 0"
        )
    return b if b.ndim == 1 else reshape(b, (outputs,))


@cache  # it depends only on the format, and every call needs it
def _layout(fmt: str) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    """Return the order for the product (others, channels, spatial), its inverse, and the format."""
    inputs = [i for i, c in enumerate(fmt) if c == "C"] + [i for i, c in enumerate(fmt) if c == "S"]
    others = [i for i, c in enumerate(fmt) if c not in "CS"]
    labels = [fmt[i] for i in others]
    before = sum(i < inputs[0] for i in others)  # channels of the result are where those of x are
    back = (*range(before), len(others), *range(before, len(others)))
    return (*others, *inputs), back, "".join([*labels[:before], "C", *labels[before:]])


@derived(
    samples=lambda m: [
        case(m.real(3, 2), m.real(4, 3), m.real(4), data_format="CB"),
        case(m.real(2, 3), m.real(4, 3), m.real(4), data_format="BC"),
        case(m.real(2, 2, 3), m.real(1, 3), m.real(1), data_format="TBC"),
        case(m.real(2, 3, 2, 1), m.real(2, 12), m.real(2), data_format="SCSB"),
        case(m.real(3, 2), m.real(3, 4), data_format="CB", weights_format="CU"),
        case(m.real(3, 2), m.complex(2, 3), 0, data_format="CB"),
        case(m.real(3), m.real(2, 3), m.real(2, 1), data_format="C"),
        case(m.real(0, 3), m.real(2, 3), m.real(2), data_format="BC"),
    ],
    errors=lambda m: [
        Error(
            case(m.real(3, 2), m.real(4, 2), data_format="CB"),
            ShapeMismatchError,
            r"weights have shape \(4, 2\), outputs × inputs; .*'CB' has 3 inputs",
        ),
        Error(
            case(m.real(3, 2), m.real(4, 3), m.real(3), data_format="CB"),
            ShapeMismatchError,
            r"bias has shape \(3,\), the weights have 4 outputs",
        ),
        Error(case(m.real(3, 2), m.real(4, 3)), FormatError, "x of shape .* no data format"),
        Error(
            case(m.real(3, 2), m.real(4, 3), data_format="TB"), FormatError, "neither 'C' nor 'S'"
        ),
        Error(
            case(m.real(3, 2), m.real(4, 3), data_format="CB", weights_format="CB"),
            FormatClashError,
            "format 'CB'; it must be 'UC'",
        ),
    ],
)
def fullyconnect(
    x: Any,
    weights: Any,
    bias: Any = None,
    /,
    *,
    data_format: str | None = None,
    weights_format: str | None = None,
) -> Any:
    """Fully connected layer: weights times the channels of every observation, plus a bias.

    Spatial dimensions are inputs too. They are flattened with the channels, channels first, and the
    last spatial dimension changes fastest, as in ``reshape`` of the formats 'CSS' and 'BCSS'.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex, with a data format with 'C' or 'S', or with `data_format`.
    weights : dlarray or array_like
        A matrix of outputs × inputs, 'UC', or of inputs × outputs if the format is 'CU'.
    bias : dlarray or array_like, optional
        A vector with a number for each output; None or 0 for no bias.
    data_format, weights_format : str, optional
        Data formats of arrays that have none.

    Returns
    -------
    dlarray
        The dimensions of `x` without the spatial ones; the channels are the outputs.

    Raises
    ------
    ShapeMismatchError
        If the sizes of weights, inputs and bias do not match.
    FormatError
        If there is no format, or one without 'C' and 'S'.
    FormatClashError
        If the format of the weights is neither 'UC' nor 'CU'.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.fullyconnect(x, [[1.0, 10.0]], [0.5])
    1(C) × 2(B) dlarray
    [[31.5 42.5]]

    Source: MATLAB ``fullyconnect``.
    """
    x, strip = formatted("fullyconnect", x, data_format)
    if "C" not in x._format and "S" not in x._format:
        raise FormatError(
            f"fullyconnect: x of shape {x.shape} has the format {x._format!r}, with neither 'C' "
            "nor 'S', so there are no inputs to weight"
        )
    order, back, fmt = _layout(x._format)
    count = len(back) - 1
    rows = calls.wrap(x._value, x._node)
    if order != tuple(range(len(order))):
        rows = permute_dims(rows, axes=order)
    others = rows.shape[:count]
    size = prod(rows.shape[count:])
    w = _as_matrix(weights, weights_format, size, x)
    if rows.ndim != 2 or count != 1:
        rows = reshape(rows, (prod(others), size))
    if bias is None or (type(bias) in (int, float) and bias == 0):
        y = matmul(rows, matrix_transpose(w))
    else:
        y = affine(rows, w, _as_vector(bias, w.shape[0]))
    if count != 1:
        y = reshape(y, (*others, w.shape[0]))
    if back != tuple(range(count + 1)):
        y = permute_dims(y, axes=back)
    return finished(calls.wrap(y._value, y._node, fmt), strip)
