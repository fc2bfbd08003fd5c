"""Weighted means, covariances and correlations. They are composed."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from dlgradient.core.conversion import as_array
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import AxisLike, Kernel, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.complex import conj, real
from dlgradient.ops.join import concat
from dlgradient.ops.linalg import matmul
from dlgradient.ops.moments import mean
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import sum, wrong_axis
from dlgradient.ops.shape import broadcast_to, reshape
from dlgradient.rules import derived

__all__ = ["average", "corrcoef", "cov"]


# -- weighted mean -------------------------------------------------------------------------------


# NumPy's overloads of it know `keepdims` only as a literal.
_numpy_average: Kernel = np.average


def _average_reference(
    x: Operand, weights: Operand = None, *, axis: AxisLike = None, keepdims: bool = False
) -> Value:
    return _numpy_average(x, axis, weights, keepdims=keepdims)


@derived(
    reference=_average_reference,
    samples=lambda m: _average_samples(m),
    errors=lambda m: [
        *wrong_axis(m),
        Error(
            case(m.real(2, 3), m.positive(2), axis=1),
            ShapeMismatchError,
            r"weights has shape \(2,\), x has shape \(2, 3\)",
        ),
    ],
)
def average(
    x: Operand,
    weights: Operand | None = None,
    /,
    axis: AxisLike = None,
    *,
    keepdims: bool = False,
) -> Value:
    """Weighted mean, Σᵢ wᵢ xᵢ / Σᵢ wᵢ.

    Parameters
    ----------
    x : array
    weights : array, optional
        Of the shape of ``x``, or with the dimensions in `axis` only. They may be traced.
    axis : int or tuple of int, optional
        Dimensions to average over; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        NaN or infinite where the weights have the sum zero.

    Raises
    ------
    ShapeMismatchError
        If the weights do not fit ``x``.
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    mean : arithmetic mean
    cov : covariances

    Examples
    --------
    >>> dl.average(dl.dlarray([1.0, 2.0]), [3.0, 1.0]).item()
    1.25

    Source: NumPy ``average``; MATLAB ``mean`` with ``Weights``.
    """
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    x, w = as_array(x, "average: x"), as_array(weights, "average: weights")
    if w.shape != x.shape:
        axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
        if w.shape != tuple([x.shape[i] for i in axes]):
            raise ShapeMismatchError(
                f"average: weights has shape {w.shape}, x has shape {x.shape}; weights must have "
                f"the shape of x, or that of the dimensions axis={axis}"
            )
        order = [int(i) for i in np.argsort(axes)]
        sizes = [n if i in axes else 1 for i, n in enumerate(x.shape)]
        w = reshape(permute_dims(w, tuple(order)), sizes)
    # The sum of narrow weights is as precise as the result.
    dtype = np.result_type(x.dtype.type(0).real.dtype, w.dtype)
    total = sum(broadcast_to(w, x.shape), axis=axis, dtype=dtype, keepdims=keepdims)
    return sum(x * w, axis=axis, keepdims=keepdims) / total


def _average_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.real(2, 3), axis=0),
        case(m.real(3), m.positive(3)),
        case(m.complex(2, 3), m.positive(3), axis=1),
        case(m.real(2, 3), m.positive(2, 3), axis=1, keepdims=True),
        case(m.real(2, 3, 2), m.positive(2, 2), axis=(2, 0)),
    ]


# -- covariance ----------------------------------------------------------------------------------


def _observations(name: str, x: Operand, y: Operand | None, rowvar: bool) -> Value:
    """Return a matrix with a row for each variable."""
    rows = []
    for key, operand in (("x", x), ("y", y)):
        if operand is None:
            continue
        a = as_array(operand, f"{name}: {key}")
        if a.ndim > 2:
            raise InvalidArgumentError(
                f"{name}: {key} has shape {a.shape}; it must have one dimension, or two"
            )
        if a.ndim < 2:
            a = reshape(a, (1, -1))
        elif not rowvar and (key == "x" or a.shape[0] != 1):
            a = permute_dims(a, (1, 0))
        rows.append(a)
    if len(rows) == 2 and rows[0].shape[1] != rows[1].shape[1]:
        raise ShapeMismatchError(
            f"{name}: x and y have {rows[0].shape[1]} and {rows[1].shape[1]} observations; the "
            "numbers must be equal"
        )
    rows = [a if a.dtype.kind in "fc" else a * 1.0 for a in rows]
    both = rows[0] if len(rows) == 1 else concat(rows, axis=0)
    return reshape(both, both.shape)  # unlabelled


def _covariance(
    z: Value, correction: float, fweights: Operand | None, aweights: Operand | None
) -> Value:
    """Return the matrix of covariances of rows, divided as NumPy does."""
    counts, shares = (
        None if v is None else astype(as_array(v, f"cov: {name}"), z.dtype.type(0).real.dtype)
        for name, v in (("fweights", fweights), ("aweights", aweights))
    )
    given = [v for v in (counts, shares) if v is not None]
    w = given[0] * given[-1] if len(given) == 2 else given[0] if given else None
    if w is None:
        centre = mean(z, axis=1, keepdims=True)
        weighted = z - centre
        divisor = z.shape[1] - correction
        divisor = divisor if divisor > 0 else np.nan
    else:
        total = sum(w)
        centre = sum(z * w, axis=1, keepdims=True) / total
        weighted = (z - centre) * w
        divisor = total - correction * (1 if shares is None else sum(w * shares) / total)
        divisor = where(divisor > 0, divisor, np.nan)
    return matmul(weighted, conj(permute_dims(z - centre, (1, 0)))) / divisor


def _squeezed(c: Value) -> Value:
    return c[0, 0] if c.shape == (1, 1) else c


def _cov_reference(
    x: Operand,
    y: Operand = None,
    *,
    rowvar: bool = True,
    correction: float = 1,
    fweights: Operand = None,
    aweights: Operand = None,
) -> Value:
    return np.cov(x, y, rowvar, ddof=correction, fweights=fweights, aweights=aweights)


@derived(
    reference=_cov_reference,
    samples=lambda m: [
        *_matrix_samples(m),
        case(m.real(2, 3), correction=0),
        case(m.real(2, 3), fweights=np.array([1, 3, 2])),
        case(m.real(2, 4), aweights=np.array([0.5, 1.0, 2.0, 0.2])),
        case(m.real(2, 3), fweights=np.array([1, 3, 2]), aweights=np.array([0.5, 1.0, 2.0])),
    ],
    errors=lambda m: _matrix_errors(m, "cov"),
)
def cov(
    x: Operand,
    y: Operand | None = None,
    /,
    *,
    rowvar: bool = True,
    correction: float = 1,
    fweights: Operand | None = None,
    aweights: Operand | None = None,
) -> Value:
    """Covariances of variables, Cᵢⱼ = Σₖ (xᵢₖ - x̄ᵢ)(xⱼₖ - x̄ⱼ)* / (n - c).

    Parameters
    ----------
    x : array
        A matrix with a row for each variable and a column for each observation, or one variable.
    y : array, optional
        More variables.
    rowvar : bool
        False if columns are variables, as in MATLAB.
    correction : float
        c: one for an unbiased estimate from a sample.
    fweights, aweights : array, optional
        How often each observation was made, and its weight.

    Returns
    -------
    array
        A matrix with a row for each variable, or a number for one variable; unlabelled. NaN where
        the number of observations does not exceed the correction.

    Raises
    ------
    InvalidArgumentError
        If an operand has more than two dimensions.
    ShapeMismatchError
        If the numbers of observations differ.

    See Also
    --------
    corrcoef : correlations
    var : variance

    Examples
    --------
    >>> dl.cov(dl.dlarray([[1.0, 3.0], [0.0, 1.0]])).tolist()
    [[2.0, 1.0], [1.0, 0.5]]

    Source: NumPy ``cov``; MATLAB ``cov`` (whose variables are columns).
    """
    z = _observations("cov", x, y, rowvar)
    return _squeezed(_covariance(z, correction, fweights, aweights))


@derived(
    reference=lambda x, y=None, *, rowvar=True: np.corrcoef(x, y, rowvar),
    samples=lambda m: _matrix_samples(m)[1:],  # of one variable it is constant
    errors=lambda m: _matrix_errors(m, "corrcoef"),
)
def corrcoef(x: Operand, y: Operand | None = None, /, *, rowvar: bool = True) -> Value:
    """Correlations of variables: covariances, divided by both standard deviations.

    Parameters
    ----------
    x : array
        A matrix with a row for each variable and a column for each observation, or one variable.
    y : array, optional
        More variables.
    rowvar : bool
        False if columns are variables, as in MATLAB.

    Returns
    -------
    array
        A matrix with a row for each variable, or a number for one variable; unlabelled. NaN for a
        variable whose observations are equal.

    Raises
    ------
    InvalidArgumentError
        If an operand has more than two dimensions.
    ShapeMismatchError
        If the numbers of observations differ.

    See Also
    --------
    cov : covariances
    std : standard deviation

    Examples
    --------
    >>> x, y = dl.dlarray([1.0, 2.0, 4.0]), dl.dlarray([2.0, 4.0, 5.0])
    >>> round(dl.corrcoef(x, y)[0, 1].item(), 6)
    0.928571

    Source: NumPy ``corrcoef``; MATLAB ``corrcoef`` (whose variables are columns).
    """
    c = _covariance(_observations("corrcoef", x, y, rowvar), 1, None, None)
    places = np.arange(c.shape[0])
    deviations = sqrt(real(c[places, places]))
    return _squeezed(c / deviations[:, None] / deviations)


def _matrix_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.real(2, 4)),
        case(m.real(4, 2), rowvar=False),
        case(m.real(4), m.real(4)),
        case(m.complex(2, 4), m.real(1, 4)),
    ]


def _matrix_errors(m: Maker, name: str) -> list[Error]:
    return [
        Error(case(m.real(2, 2, 2)), InvalidArgumentError, rf"{name}: x has shape \(2, 2, 2\)"),
        Error(case(m.real(2, 3), m.real(2)), ShapeMismatchError, "3 and 2 observations"),
    ]
