"""What to write for data that do not fit an input layer: another format, or one more dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

from dlgradient.core.types import Shape

__all__ = ["fits_label", "fix", "sizes_of"]

# By label, the sizes that a layer fixes; None where one may vary.
Sizes = Mapping[str, tuple[int | None, ...]]
# Orders in which data usually are, before all others.
USUAL = ("BC", "CB", "BSSC", "SSCB", "BCSS", "BTC", "TCB", "CBT", "BCT", "BSSSC", "SSSCB", "BCSSS")
WORDS = {"S": "space", "C": "the channels", "B": "the observations", "T": "the times"}


def _fits(shape: Shape, fmt: str, sizes: Sizes) -> bool:
    """Return whether an array of a format has the sizes of a layer."""
    return all(fits_label(shape, fmt, label, wanted) for label, wanted in sizes.items())


def fits_label(shape: Shape, fmt: str, label: str, wanted: tuple[int | None, ...]) -> bool:
    """Return whether the dimensions with one label fit; a single one may be left out."""
    found = sizes_of(shape, fmt, label)
    if not found:
        return wanted in ((1,), (None,))
    return len(found) == len(wanted) and all(
        w is None or n == w for n, w in zip(found, wanted, strict=True)
    )


def sizes_of(shape: Shape, fmt: str, label: str) -> tuple[int, ...]:
    """Return the sizes of the dimensions with a label."""
    return tuple([n for n, f in zip(shape, fmt, strict=True) if f == label])


def fix(shape: Shape, labels: str, sizes: Sizes) -> str:
    """Return what to write for data of a shape, with the labels that a layer expects.

    Examples
    --------
    >>> fix((8, 28, 28, 3), "SSCB", {"S": (28, 28), "C": (3,)})[:34]
    "the sizes fit the format 'BSSC': g"
    >>> fix((28, 28), "SSCB", {"S": (28, 28), "C": (1,)})
    'there are 2 dimensions, and 4 are expected; add those of size one with reshape'
    """
    for order in _orders(labels):
        if len(order) == len(shape) and _fits(shape, order, sizes):
            return (
                f"the sizes fit the format {order!r}: give dlarray(x, {order!r}), in training "
                f"input_data_formats={order!r}, or data_format={order!r} to the layer"
            )
    if len(shape) == len(labels) - 1:
        for label in "BTC":
            rest = labels.replace(label, "")
            if len(rest) == len(shape) and _fits(shape, rest, sizes):
                axis = labels.index(label)
                return (
                    f"the dimension of {WORDS[label]} is missing: np.expand_dims(x, axis={axis}) "
                    "adds it"
                )
    if len(shape) < len(labels):
        return (
            f"there are {len(shape)} dimensions, and {len(labels)} are expected; add those of size "
            "one with reshape"
        )
    return "give data of these sizes, or the layer those of the data"


def _orders(labels: str) -> Iterator[str]:
    """Yield all orders of labels, usual ones first."""
    yield from [order for order in USUAL if sorted(order) == sorted(labels)]
    yield from map("".join, permutations(labels))
