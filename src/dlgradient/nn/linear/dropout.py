"""Dropout, with a generator or a seed from the caller."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Format, Generator, Operand, Probability, Size, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.nn.shared.arguments import as_array, axes_of, finished, floating, formatted
from dlgradient.nn.shared.batches import uniform
from dlgradient.ops.choice import where
from dlgradient.rules import derived

__all__ = ["dropout"]


def _generator(generator: Generator, seed: int | None) -> np.random.Generator:
    if (generator is None) == (seed is None):
        raise InvalidArgumentError(
            "dropout: give either generator=, a numpy.random.Generator that goes on from call to "
            "call, or seed=, for the same mask at every call; without one a run could not be "
            "repeated"
        )
    return np.random.default_rng(seed if generator is None else generator)


@derived(
    samples=lambda m: _dropout_samples(m),
    errors=lambda m: _dropout_errors(m),
)
def dropout(
    x: Operand,
    /,
    *,
    probability: Probability = 0.5,
    spatial: bool = False,
    generator: Generator = None,
    seed: Size | None = None,
    data_format: Format = None,
) -> Value:
    """Set random elements to zero, and divide the others by 1 - p, so that the mean is the same.

    Dropped elements have no gradient.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.
    probability : float
        Probability p of each element to be dropped, from 0 to 1.
    spatial : bool
        Whether whole channels are dropped, with one draw for all elements along 'S'. `x` then needs
        a format.
    generator : numpy.random.Generator
        Source of randomness; each call draws new numbers. Give this, or `seed`.
    seed : int
        A seed, for the same mask at every call.
    data_format : str, optional
        Data format of `x` if it has none, for `spatial`.

    Returns
    -------
    dlarray
        Of the shape, dtype and format of `x`.

    Raises
    ------
    InvalidArgumentError
        If there is neither or both of `generator` and `seed`, or `probability` is out of range.
    FormatError
        If `spatial` and there is no format.

    See Also
    --------
    initialize_he : normal numbers for layers with relu
    batchnorm : normalize each channel over the batch

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.dropout(dl.dlarray([1.0, 2.0, 3.0, 4.0]), seed=0)
    dlarray([2., 4., 6., 0.])

    Source: MATLAB ``dropoutLayer``, ``spatialDropoutLayer``.
    """
    rng = _generator(generator, seed)
    array, strip = floating(as_array("dropout", "x", x)), False
    if spatial or data_format is not None:
        array, strip = formatted("dropout", array, data_format)
    shape = list(array.shape)
    for axis in axes_of(array, "S") if spatial else ():
        shape[axis] = 1
    # Single precision decides as well, and is drawn faster.
    batch = (array._format or "").find("B")
    observations = batch if batch >= 0 else None
    keep = uniform(rng, tuple(shape), observations, np.float32, given=generator) >= probability
    y = where(keep, array, 0)
    # All are dropped: 1 / (1 - p) would be infinite.
    return finished(y if probability == 1 else y * (1 / (1 - probability)), strip)


def _dropout_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 4), seed=1),
        case(m.real(5), probability=0.2, seed=1),
        case(m.complex(4), seed=1),
        case(m.real(2, 2), probability=0, seed=1),
        case(m.real(2, 2), probability=1, seed=1),
        case(m.real(2, 3, 2), spatial=True, data_format="SCB", seed=1),
        case(m.real(0, 3), seed=1),
    ]


def _dropout_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3)), InvalidArgumentError, "give either generator=.*or seed="),
        Error(case(m.real(3), generator=-7), InvalidArgumentError, "Generator.*not -7"),
        Error(
            case(m.real(3), probability=1.5, seed=0),
            InvalidArgumentError,
            "from 0 to 1, not 1.5",
        ),
    ]
