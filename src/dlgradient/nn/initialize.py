"""Initial values of learnables.

Each function takes a shape and returns an untraced dlarray of single precision. Random ones have a
``generator``: a NumPy generator, or a seed, so that they can be repeated.

In weights of two dimensions, the first counts outputs and the second inputs, as in ``weights @ x``.
Of any others, ``weights_format`` says what the dimensions are, in the labels that `dlconv` and
`fullyconnect` use: 'C' are inputs, the first 'U' outputs, and all but 'C' and 'U' the extent of a
filter. Or ``fan_in`` and ``fan_out`` give the numbers of inputs and outputs of an element.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.formats import checked_format
from dlgradient.core.types import (
    Dtype,
    DtypeLike,
    Format,
    Generator,
    Operand,
    Positive,
    Shape,
    Sizes,
    Value,
)
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.casting import supported_dtype
from dlgradient.ops.create import wrap_new

__all__ = [
    "initialize",
    "initialize_glorot",
    "initialize_he",
    "initialize_narrow_normal",
    "initialize_ones",
    "initialize_orthogonal",
    "initialize_unit_forget_gate",
    "initialize_zeros",
]


def _checked(name: str, shape: Sizes, dtype: DtypeLike) -> tuple[Shape, Dtype]:
    """Shape and dtype of the result."""
    found = np.dtype(supported_dtype(dtype, f"{name}: dtype"))
    if found.kind != "f":
        raise InvalidArgumentError(
            f"{name}: dtype is {found}; it must be float32 or float64. For complex learnables make "
            "two arrays and combine them: complex(re, im)"
        )
    return (shape,) if isinstance(shape, int) else tuple(shape), found


def _fan(name: str, label: str, given: float | None, shape: Shape, fmt: Format) -> float:
    """Return inputs or outputs of an element, as given, or counted from the shape of weights."""
    if given is not None:
        return given
    if fmt is None and len(shape) == 2:
        fmt = "UC"
    elif fmt is not None:
        fmt = checked_format(fmt, shape, f"{name}: weights_format")
    if fmt is None or label not in fmt:
        raise InvalidArgumentError(
            f"{name}: weights of shape {shape} "
            + ("do" if fmt is None else f"and format {fmt!r} do")
            + " not say how many inputs and outputs they have; give weights_format=, as 'SSCU' of "
            "dlconv, with C for inputs and U for outputs, or fan_in= and fan_out="
        )
    extent = math.prod(n for n, c in zip(shape, fmt, strict=True) if c not in "CU")
    return float(shape[fmt.index(label)] * extent)


@checked
def initialize_glorot(
    shape: Sizes,
    *,
    fan_in: Positive | None = None,
    fan_out: Positive | None = None,
    weights_format: Format = None,
    generator: Generator = None,
    dtype: DtypeLike = np.float32,
) -> Value:
    """Initial weights by Glorot and Bengio: uniform in ±√(6 / (fan_in + fan_out)).

    If activations are nearly linear around zero, as tanh is, the variances of values and of
    gradients are then about the same in every layer.

    Parameters
    ----------
    shape : int or tuple of int
        (outputs, inputs), or any shape with `weights_format` or both fans.
    fan_in, fan_out : int, optional
        The number of elements that a result is a sum of, and of results that an element enters. By
        default the sizes of 'C' and of the first 'U', each times the extent of a filter.
    weights_format : str, optional
        What the dimensions are, as in `dlconv`: "SSCU" for filters of two spatial dimensions. It
        only serves to count. "UC" is the default of two dimensions.
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If fans are neither given nor determined, or a number is not valid.

    See Also
    --------
    initialize_he : normal numbers for layers with relu
    initialize_orthogonal : random orthogonal matrix

    Examples
    --------
    >>> import dlgradient as dl
    >>> w = dl.initialize_glorot((30, 20), generator=0)
    >>> w.shape, w.dtype, bool(dl.max(dl.abs(w)) <= (6 / 50) ** 0.5)
    ((30, 20), dtype('float32'), True)
    >>> filters = dl.initialize_glorot((3, 3, 8, 16), weights_format="SSCU", generator=0)
    >>> bool(dl.max(dl.abs(filters)) <= (6 / (9 * 8 + 9 * 16)) ** 0.5)
    True

    Source: MATLAB ``WeightsInitializer="glorot"``; Glorot and Bengio (2010).
    """
    name = "initialize_glorot"
    sizes, kind = _checked(name, shape, dtype)
    fans = [
        _fan(name, "C", fan_in, sizes, weights_format),
        _fan(name, "U", fan_out, sizes, weights_format),
    ]
    total = sum(fans)
    bound = math.sqrt(6 / total) if total else 0.0
    values = np.random.default_rng(generator).random(sizes, kind.type)
    return wrap_new((2 * values - 1) * kind.type(bound))


@checked
def initialize_he(
    shape: Sizes,
    *,
    fan_in: Positive | None = None,
    weights_format: Format = None,
    generator: Generator = None,
    dtype: DtypeLike = np.float32,
) -> Value:
    """Initial weights by He et al.: normal with mean 0 and variance 2 / fan_in.

    The variance of values is then about the same in every layer of a network of relus.

    Parameters
    ----------
    shape : int or tuple of int
        (outputs, inputs), or any shape with `weights_format` or `fan_in`.
    fan_in : int, optional
        The number of elements that a result is a sum of; by default the size of 'C' times the
        extent of a filter.
    weights_format : str, optional
        As in `initialize_glorot`.
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If `fan_in` is neither given nor determined, or a number is not valid.

    See Also
    --------
    initialize_glorot : uniform numbers by the sizes of a layer
    initialize_narrow_normal : normal numbers of a small deviation

    Examples
    --------
    >>> import dlgradient as dl
    >>> w = dl.initialize_he((100, 50), generator=0)
    >>> round(dl.std(w).item(), 2)  # the square root of 2 / 50
    0.2

    Source: MATLAB ``WeightsInitializer="he"``; He, Zhang, Ren and Sun (2015).
    """
    name = "initialize_he"
    sizes, kind = _checked(name, shape, dtype)
    fan = _fan(name, "C", fan_in, sizes, weights_format)
    values = np.random.default_rng(generator).standard_normal(sizes, kind.type)
    return wrap_new(np.asarray(values * kind.type(math.sqrt(2 / fan) if fan else 0)))


@checked
def initialize_orthogonal(
    shape: Sizes, *, generator: Generator = None, dtype: DtypeLike = np.float32
) -> Value:
    """Weights with orthonormal rows or columns, whichever are fewer: W Wᵀ = 1 or Wᵀ W = 1.

    They are uniformly distributed among all such matrices: the factor Q of a normal matrix, with
    the signs that make the diagonal of R positive.

    Parameters
    ----------
    shape : tuple of int
        With two or more dimensions; those after the first count as one.
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two dimensions, or a number is not valid.

    See Also
    --------
    initialize_glorot : uniform numbers by the sizes of a layer
    initialize_he : normal numbers for layers with relu

    Examples
    --------
    >>> import dlgradient as dl
    >>> w = dl.initialize_orthogonal((4, 2), generator=0, dtype="float64")
    >>> bool(dl.max(dl.abs(w.mT @ w - dl.eye(2))) < 1e-12)
    True

    Source: MATLAB ``RecurrentWeightsInitializer="orthogonal"``; Saxe, McClelland and Ganguli
    (2014).
    """
    name = "initialize_orthogonal"
    sizes, kind = _checked(name, shape, dtype)
    if len(sizes) < 2:
        raise InvalidArgumentError(
            f"{name}: shape {sizes} is no matrix; give (rows, columns), or more dimensions"
        )
    rows, columns = sizes[0], math.prod(sizes[1:])
    normal = np.random.default_rng(generator).standard_normal(
        (max(rows, columns), min(rows, columns))
    )
    q, r = np.linalg.qr(normal)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return wrap_new(np.ascontiguousarray(q if rows >= columns else q.T, kind).reshape(sizes))


@checked
def initialize_narrow_normal(
    shape: Sizes, *, generator: Generator = None, dtype: DtypeLike = np.float32
) -> Value:
    """Normal values with mean 0 and standard deviation 0.01.

    Parameters
    ----------
    shape : int or tuple of int
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If the shape or the dtype is not valid.

    See Also
    --------
    initialize_he : normal numbers for layers with relu
    initialize_zeros : zeros

    Examples
    --------
    >>> import dlgradient as dl
    >>> round(dl.std(dl.initialize_narrow_normal((50, 50), generator=0)).item(), 3)
    0.01

    Source: MATLAB ``WeightsInitializer="narrow-normal"``.
    """
    name = "initialize_narrow_normal"
    sizes, kind = _checked(name, shape, dtype)
    values = np.random.default_rng(generator).standard_normal(sizes, kind.type)
    return wrap_new(np.asarray(values * kind.type(0.01)))


@checked
def initialize_zeros(
    shape: Sizes, *, generator: Generator = None, dtype: DtypeLike = np.float32
) -> Value:
    """Zeros, for instance for a bias.

    Parameters
    ----------
    shape : int or tuple of int
    generator : numpy.random.Generator or int, optional
        Accepted by every initialiser; not used here.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If the shape or the dtype is not valid.

    See Also
    --------
    initialize_ones : ones
    zeros : array of zeros

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.initialize_zeros(3).tolist()
    [0.0, 0.0, 0.0]

    Source: MATLAB ``BiasInitializer="zeros"``.
    """
    return wrap_new(np.zeros(*_checked("initialize_zeros", shape, dtype)))


@checked
def initialize_ones(
    shape: Sizes, *, generator: Generator = None, dtype: DtypeLike = np.float32
) -> Value:
    """Ones, for instance for the scale factors of a normalisation.

    Parameters
    ----------
    shape : int or tuple of int
    generator : numpy.random.Generator or int, optional
        Accepted by every initialiser; not used here.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If the shape or the dtype is not valid.

    See Also
    --------
    initialize_zeros : zeros
    ones : array of ones

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.initialize_ones((1, 2)).tolist()
    [[1.0, 1.0]]

    Source: MATLAB ``BiasInitializer="ones"``.
    """
    return wrap_new(np.ones(*_checked("initialize_ones", shape, dtype)))


@checked
def initialize_unit_forget_gate(
    shape: Sizes, *, generator: Generator = None, dtype: DtypeLike = np.float32
) -> Value:
    """Bias of an LSTM: one for the forget gate, zero for the other gates.

    A network that forgets nothing at first passes gradients through many time steps.

    Parameters
    ----------
    shape : int or tuple of int
        Its first dimension is four times the number of hidden units: input gate, forget gate, cell
        candidate, output gate.
    generator : numpy.random.Generator or int, optional
        Accepted by every initialiser; not used here.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If the first dimension is not a multiple of four, or the dtype is not valid.

    See Also
    --------
    initialize_zeros : zeros
    lstm : long short-term memory

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.initialize_unit_forget_gate(8).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]

    Source: MATLAB ``BiasInitializer="unit-forget-gate"``.
    """
    name = "initialize_unit_forget_gate"
    sizes, kind = _checked(name, shape, dtype)
    if not sizes or sizes[0] % 4:
        raise InvalidArgumentError(
            f"{name}: shape {sizes} is no bias of an LSTM; its first dimension must be four times "
            "the number of hidden units"
        )
    bias = np.zeros(sizes, kind)
    hidden = sizes[0] // 4
    bias[hidden : 2 * hidden] = 1
    return wrap_new(bias)


Name: TypeAlias = Literal[
    "glorot", "he", "narrow-normal", "ones", "orthogonal", "unit-forget-gate", "zeros"
]
_BY_NAME: dict[str, Callable[..., Value]] = {
    "glorot": initialize_glorot,
    "he": initialize_he,
    "narrow-normal": initialize_narrow_normal,
    "ones": initialize_ones,
    "orthogonal": initialize_orthogonal,
    "unit-forget-gate": initialize_unit_forget_gate,
    "zeros": initialize_zeros,
}
_COUNTING = {
    "glorot": ("fan_in", "fan_out", "weights_format"),
    "he": ("fan_in", "weights_format"),
}


@checked
def initialize(
    initializer: Name | Callable[[Shape], Operand],
    shape: Sizes,
    *,
    fan_in: Positive | None = None,
    fan_out: Positive | None = None,
    weights_format: Format = None,
    generator: Generator = None,
    dtype: DtypeLike = np.float32,
) -> Value:
    """Initial values from the name of an initialiser, or from a function.

    Parameters
    ----------
    initializer : str or callable
        "glorot", "he", "narrow-normal", "ones", "orthogonal", "unit-forget-gate" or "zeros"; or a
        function, which is called with the shape.
    shape : int or tuple of int
    fan_in, fan_out : int, optional
    weights_format : str, optional
        For initialisers that count inputs and outputs, see `initialize_glorot`.
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.
    dtype : dtype_like
        float32 or float64.

    Returns
    -------
    dlarray
        Without a format.

    Raises
    ------
    InvalidArgumentError
        If there is no such initialiser, or a function returns another shape.

    See Also
    --------
    initialize_glorot : uniform numbers by the sizes of a layer
    initialize_he : normal numbers for layers with relu
    initialize_zeros : zeros

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.initialize("zeros", (2, 1)).tolist()
    [[0.0], [0.0]]
    >>> dl.initialize(lambda shape: dl.full(shape, 0.5), 2).tolist()
    [0.5, 0.5]

    Source: MATLAB ``WeightsInitializer``, ``BiasInitializer``.
    """
    sizes, kind = _checked("initialize", shape, dtype)
    if callable(initializer):
        value = np.asarray(initializer(sizes), kind)
        if value.shape != sizes:
            raise InvalidArgumentError(
                f"initialize: the function returned shape {value.shape} for shape {sizes}"
            )
        return wrap_new(value.copy())
    fans = {"fan_in": fan_in, "fan_out": fan_out, "weights_format": weights_format}
    counted = {name: fans[name] for name in _COUNTING.get(initializer, ())}
    return _BY_NAME[initializer](sizes, generator=generator, dtype=kind, **counted)
