"""What hypothesis draws: arrays away from kinks, shapes, keys, formats, containers."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlgradient.testing import maker

MAX_SIDE = 3
LABELS = "SCBTU"


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0) -> Any:
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=MAX_SIDE
    )


def filled(shape: tuple[int, ...], seed: int, dtype: Any = np.float64) -> Any:
    """Distinct values between 0.3 and 1.9 of both signs, or of any phase: nothing is near a kink.

    The values are made from a seed instead of drawn one by one: what is searched for are shapes and
    structures, and examples that fail stay short. Like all data, they follow DLGRADIENT_SEED.
    """
    rng = maker(str(seed)).rng
    size = int(np.prod(shape, dtype=int))
    values = 0.3 + 1.6 * (np.arange(size) + rng.uniform(0.3, 0.7, size)) / max(size, 1)
    rng.shuffle(values)
    values *= rng.choice([-1.0, 1.0], size)
    if np.dtype(dtype).kind == "c":
        values = values * np.exp(1j * rng.uniform(0.2, 1.2, size))
    return values.reshape(shape).astype(dtype)[()]


seeds = st.integers(0, 2**16)
dtypes = st.sampled_from([np.float64, np.complex128])


@st.composite
def arrays(draw: Any, shape: Any = None, dtype: Any = np.float64) -> Any:
    """One array of a drawn shape."""
    return filled(draw(shapes() if shape is None else shape), draw(seeds), dtype)


@st.composite
def broadcastable(draw: Any) -> tuple[Any, Any]:
    """Two arrays whose shapes broadcast."""
    found = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=MAX_SIDE))
    seed = draw(seeds)
    sizes = [int(np.prod(shape, dtype=int)) for shape in found.input_shapes]
    x, y = np.split(filled((sum(sizes),), seed), [sizes[0]])  # so the two have no ties
    return x.reshape(found.input_shapes[0])[()], y.reshape(found.input_shapes[1])[()]


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> Any:
    """Draw any index that NumPy allows for an array of this shape."""
    kind = draw(st.sampled_from(["basic", "integer", "mask", "mixed"]))
    if kind == "integer" and shape and 0 not in shape:
        result = hnp.array_shapes(min_dims=1, max_dims=2, max_side=3)
        return draw(hnp.integer_array_indices(shape, result_shape=result, dtype=np.intp))
    if kind == "mask":
        ndim = draw(st.integers(0, len(shape)))
        return draw(hnp.arrays(bool, shape[:ndim]))
    if kind == "mixed" and len(shape) > 1 and 0 not in shape:
        return draw(_mixed(shape))
    return draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))


@st.composite
def _mixed(draw: Any, shape: tuple[int, ...]) -> Any:
    """Integer arrays, slices, integers, newaxes and an ellipsis side by side."""
    length = draw(st.integers(1, 3))
    parts: list[Any] = []
    for size in shape:
        kind = draw(st.sampled_from(["array", "slice", "integer"]))
        index = st.integers(-size, size - 1)
        if kind == "array":
            parts.append(np.array(draw(st.lists(index, min_size=length, max_size=length))))
        elif kind == "slice":
            parts.append(draw(st.slices(size)))
        else:
            parts.append(draw(index))
    extra = draw(st.sampled_from(["none", "newaxis", "ellipsis"]))
    at = draw(st.integers(0, len(parts)))
    if extra == "newaxis":
        parts.insert(at, None)
    elif extra == "ellipsis":
        parts.insert(at, Ellipsis)
    return tuple(parts)


@st.composite
def formats(draw: Any, ndim: int) -> str:
    """Draw a valid format: C, B and T at most once, S and U any number of times."""
    single = draw(st.lists(st.sampled_from("CBT"), unique=True, max_size=min(3, ndim)))
    rest = draw(
        st.lists(st.sampled_from("SU"), min_size=ndim - len(single), max_size=ndim - len(single))
    )
    return "".join(draw(st.permutations([*single, *rest])))


class Pair(NamedTuple):
    """A named tuple of learnables."""

    weights: Any
    bias: Any


@dataclass
class Layer:
    """A dataclass of learnables."""

    pair: Any
    scale: Any


def containers(leaves: Any) -> Any:
    """Nested containers whose leaves are drawn from `leaves`."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.sampled_from(["z", "a", "m"]), inner, min_size=1, max_size=3),
            st.builds(Pair, inner, inner),
            st.builds(Layer, inner, inner),
        ),
        max_leaves=6,
    )
