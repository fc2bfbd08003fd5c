"""Fully connected layers: weights times inputs, plus a bias."""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.formats import checked_format
from dlgradient.core.reading import is_c_contiguous
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, Format, Operand, Shape, Value
from dlgradient.core.values import WEAK_SCALARS
from dlgradient.errors import FormatClashError, FormatError, ShapeMismatchError
from dlgradient.nn.linear.arguments import weight_rows
from dlgradient.nn.shared.arguments import (
    as_array,
    check_vector,
    described,
    finished,
    formatted,
    is_formatted,
    rearranged,
)
from dlgradient.ops.complex import conjugated
from dlgradient.ops.linalg import matmul, matrix_transpose
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.reduce import spread
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived, general

__all__ = ["fullyconnect"]


# -- the product with the bias added in place ----------------------------------------------------


def _weights_adjoint(g: Value, x: Value, weights: Value) -> Value:
    # In the memory order of the weights, so that updates that add the two run along memory.
    if is_c_contiguous(weights):
        return matmul(matrix_transpose(g), conjugated(x))
    return matrix_transpose(matmul(matrix_transpose(conjugated(x)), g))


@general(
    x=lambda g, weights: matmul(g, conjugated(weights)),
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
    samples=lambda m: _affine_samples(m),
    reference=lambda x, weights, bias: np.einsum("ni,oi->no", x, weights) + bias,
)
def affine(x: Value, weights: Value, bias: Value, /) -> Value:
    """Return x Wᵀ + b for inputs in rows, weights W and a bias b."""
    out: Value = matmul(x, weights.T)
    if np.result_type(out, bias) == out.dtype:  # in place, which saves an array
        out += bias
        return out
    return out + bias


def _affine_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(4, 2), m.real(4)),
        case(m.complex(3, 2), m.complex(4, 2), m.complex(4)),
        case(m.real(3, 2), m.complex(1, 2), m.real(1)),
        case(m.real(0, 2), m.real(4, 2), m.real(4)),
        case(m.complex(3, 2), m.complex(2, 4).T, m.real(4)),
    ]


# -- fullyconnect --------------------------------------------------------------------------------


@cache  # it depends only on the format, and every call needs it
def input_layout(fmt: str) -> tuple[Axes, Axes, str]:
    """Return the order for the product (others, inputs), its inverse, and the format.

    The inputs are unspecified dimensions, channels and spatial ones. So the last spatial one
    changes fastest, as the first does in MATLAB, which stores columns.
    """
    inputs = [i for label in "UCS" for i, c in enumerate(fmt) if c == label]
    others = [i for i, c in enumerate(fmt) if c in "BT"]
    labels = [fmt[i] for i in others]
    place = fmt.find("C") if "C" in fmt else inputs[0]
    before = sum(i < place for i in others)  # channels of the result are where those of x are
    back = (*range(before), len(others), *range(before, len(others)))
    return (*others, *inputs), back, "".join([*labels[:before], "C", *labels[before:]])


@derived(
    samples=lambda m: _fullyconnect_samples(m),
    errors=lambda m: _fullyconnect_errors(m),
)
def fullyconnect(
    x: Operand,
    weights: Operand,
    bias: Operand | None = None,
    /,
    *,
    data_format: Format = None,
    weights_format: Format = None,
    bias_format: Format = None,
) -> Value:
    """Fully connected layer: weights times the channels of every observation, plus a bias.

    Spatial and unspecified dimensions are inputs too. They are flattened with the channels, in the
    order 'UCS'. The last one changes fastest, as in ``reshape`` of the formats 'CSS' and 'BCSS'.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex, with a data format with 'C', 'S' or 'U', or with `data_format`.
    weights : dlarray or array_like
        A matrix of outputs × inputs, 'UC', or of inputs × outputs if the format is 'CU'. Or with a
        dimension for each of the inputs, in any order: the first 'U' are the outputs, the other
        labels are those of the inputs of `x`.
    bias : dlarray or array_like, optional
        A vector with a number for each output; None or 0 for no bias. If it has a format, its
        dimension is 'C' or 'U'.
    data_format, weights_format, bias_format : str, optional
        Data formats of arrays that have none.

    Returns
    -------
    dlarray
        The dimensions 'B' and 'T' of `x`, and 'C' for the outputs.

    Raises
    ------
    ShapeMismatchError
        If the sizes of weights, inputs and bias do not match.
    FormatError
        If there is no format, or one without 'C', 'S' and 'U'.
    FormatClashError
        If the format of the weights is not 'UC' or 'CU' and does not name the inputs of `x`. Also
        if the bias has another dimension.

    See Also
    --------
    matmul : matrix product
    dlconv : convolution

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    >>> dl.fullyconnect(x, [[1.0, 10.0]], [0.5])
    dlarray([[31.5, 42.5]], 'CB')

    Source: MATLAB ``fullyconnect``.
    """
    array, strip = formatted("fullyconnect", x, data_format, weights, bias)
    given = array._format or ""
    if not set(given) & set("SCU"):
        raise FormatError(
            f"fullyconnect: x of shape {array.shape} has the format {given!r}, with neither 'C' "
            "nor 'S' or 'U', so there are no inputs to weight"
        )
    order, back, fmt = input_layout(given)
    count = len(back) - 1
    rows = unlabelled(array)
    if order != tuple(range(len(order))):
        rows = permute_dims(rows, axes=order)
    others = rows.shape[:count]
    size = prod(rows.shape[count:])
    labels = "".join([given[i] for i in order[count:]])
    weights = _flattened(weights, weights_format, labels, rows.shape[count:], array)
    w = weight_rows("fullyconnect", weights, weights_format, "UC", "outputs × inputs", array)
    if w.ndim != 2 or w.shape[1] != size:
        raise ShapeMismatchError(
            f"fullyconnect: weights have shape {w.shape}, outputs × inputs; x of "
            f"{described(array)} has {size} inputs (channels times spatial sizes)"
        )
    if rows.ndim != 2 or count != 1:
        rows = reshape(rows, (prod(others), size))
    if bias is None or (type(bias) in WEAK_SCALARS and bias == 0):
        y = matmul(rows, matrix_transpose(w))
    else:
        y = affine(rows, w, _as_vector(bias, bias_format, array, w.shape[0]))
    if count != 1:
        y = reshape(y, (*others, w.shape[0]))
    if back != tuple(range(count + 1)):
        y = permute_dims(y, axes=back)
    return finished(labelled(y, fmt), strip)


def _flattened(
    weights: Operand, weights_format: Format, inputs: str, sizes: Shape, x: Value
) -> Operand:
    """Return weights with a dimension for each label of the inputs as a matrix of the format 'UC'.

    Others are returned as they are.
    """
    if weights_format is None and not is_formatted(weights):
        return weights
    w = as_array("fullyconnect", "weights", weights, x)
    fmt = w._format
    if fmt is None and weights_format is not None:
        fmt = checked_format(weights_format, w.shape, "fullyconnect: weights")
    if fmt is None or fmt in ("UC", "CU") or sorted(fmt) != sorted("U" + inputs):
        return weights
    w = unlabelled(rearranged(unlabelled(w), fmt, "U" + inputs))
    if w.shape[1:] != sizes:
        raise ShapeMismatchError(
            f"fullyconnect: weights have the sizes {w.shape} of {'U' + inputs!r}; x of "
            f"{described(x)} has the inputs {inputs!r} of sizes {sizes}"
        )
    return labelled(reshape(w, (w.shape[0], prod(sizes))), "UC")


def _as_vector(bias: Operand, bias_format: Format, x: Value, outputs: int) -> Value:
    if type(bias) in WEAK_SCALARS:
        bias = np.asarray(bias, x.dtype)
    b = as_array("fullyconnect", "bias", bias, x)
    if b._format is None and bias_format is not None:
        b = labelled(b, checked_format(bias_format, b.shape, "fullyconnect: bias"))
    if any(c not in "CU" for c, n in zip(b._format or "", b.shape, strict=False) if n != 1):
        raise FormatClashError(
            f"fullyconnect: bias has {described(b)}; its dimension of the outputs must be 'C' or "
            "'U'"
        )
    check_vector("fullyconnect", "bias", b)
    b = unlabelled(b)
    if b.size != outputs:
        raise ShapeMismatchError(
            f"fullyconnect: bias has shape {b.shape}, the weights have {outputs} outputs; it must "
            "be a vector of one number for each output, or 0"
        )
    return b if b.ndim == 1 else reshape(b, (outputs,))


def _fullyconnect_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(4, 3), m.real(4), data_format="CB"),
        case(m.real(2, 3), m.real(4, 3), m.real(4), data_format="BC"),
        case(m.real(2, 2, 3), m.real(1, 3), m.real(1), data_format="TBC"),
        case(m.real(2, 3, 2, 1), m.real(2, 12), m.real(2), data_format="SCSB"),
        case(m.real(3, 2), m.real(3, 4), data_format="CB", weights_format="CU"),
        case(
            m.real(2, 3, 2, 1),
            m.real(3, 4, 2, 2),
            m.real(4, 1),
            data_format="SCSB",
            weights_format="CUSS",
            bias_format="UB",
        ),
        case(m.real(3, 2, 2), m.real(4, 6), data_format="CBU"),
        case(m.real(3, 2), m.complex(2, 3), 0, data_format="CB"),
        case(m.real(3), m.real(2, 3), m.real(2, 1), data_format="C"),
        case(m.real(0, 3), m.real(2, 3), m.real(2), data_format="BC"),
    ]


def _fullyconnect_errors(m: Maker) -> list[Error]:
    return [
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
        Error(case(m.real(3, 2), m.real(4, 3), data_format="TB"), FormatError, "neither 'C' nor"),
        Error(
            case(m.real(3, 2), m.real(4, 3), data_format="CB", weights_format="CB"),
            FormatClashError,
            "format 'CB'; it must be 'UC'",
        ),
        Error(
            case(m.real(2, 3, 4), m.real(5, 3, 2), data_format="SCB", weights_format="USC"),
            ShapeMismatchError,
            r"sizes \(5, 2, 3\) of 'UCS'.*'CS' of sizes \(3, 2\)",
        ),
        Error(
            case(m.real(3, 2), m.real(4, 3), m.real(4), data_format="CB", bias_format="B"),
            FormatClashError,
            "bias has .*'B'.*'C' or 'U'",
        ),
    ]
