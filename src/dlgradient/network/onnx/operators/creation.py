"""Operators that make arrays of sizes or numbers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.network.onnx.operator import Operator
from dlgradient.network.onnx.reading import DTYPES
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import ints, number, raw

__all__: list[str] = []


@operator("ConstantOfShape")
def constant_of_shape(sizes: Any, *, value: Any = None) -> Any:
    """Return an array of one number."""
    fill = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(ints(sizes)), fill.reshape(-1)[0], fill.dtype)


@operator("Range")
def steps(start: Any, limit: Any, delta: Any) -> Any:
    """Return equally spaced numbers."""
    first, last, step = (raw(a).reshape(-1)[0].item() for a in (start, limit, delta))
    count = max(int(np.ceil((last - first) / step)), 0)
    return (first + np.arange(count) * step).astype(raw(start).dtype)


@operator("EyeLike")
def eye_like(x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    """Return ones on a diagonal."""
    rows, columns = x.shape
    found = np.eye(rows, columns, k)
    return found.astype(x.dtype if dtype is None else DTYPES[dtype])


class Random(Operator):
    """Random numbers, from the generator of the call."""

    random: ClassVar[bool] = True

    def predict(self, *xs: Any) -> Any:
        """Return random numbers."""
        options = dict(self.attributes)
        (like,) = self.gathered(xs) or [None]
        seed = options.pop("seed", None)
        generator = self.generator if seed is None else np.random.default_rng(abs(hash(seed)))
        return self.finished(_drawn(self.operator, like, generator, **options))


def _drawn(
    kind: str,
    like: Any,
    generator: np.random.Generator,
    *,
    dtype: int | None = None,
    shape: Any = None,
    **numbers: float,
) -> Any:
    sizes = like.shape if shape is None else tuple(shape)
    result: Any
    if kind == "Bernoulli":
        result = generator.random(sizes) < np.asarray(raw_of(like))
    elif kind.startswith("RandomNormal"):
        result = generator.normal(numbers.get("mean", 0.0), numbers.get("scale", 1.0), sizes)
    else:
        result = generator.uniform(numbers.get("low", 0.0), numbers.get("high", 1.0), sizes)
    usual = np.dtype("float32") if like is None else like.dtype
    return result.astype(usual if dtype is None else DTYPES[dtype])


@operator("RandomNormal", "RandomUniform", layer=Random)
def random(
    *,
    dtype: int = 1,
    high: float = 1.0,
    low: float = 0.0,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
    shape: Any = (),
) -> Any:
    """Return random numbers, in a layer."""
    raise NotImplementedError


@operator("Bernoulli", "RandomNormalLike", "RandomUniformLike", layer=Random)
def random_like(
    x: Any,
    *,
    dtype: int | None = None,
    high: float = 1.0,
    low: float = 0.0,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Any:
    """Return random numbers of the shape of x, in a layer."""
    raise NotImplementedError


def _window(size: Any, periodic: int, dtype: int, weights: tuple[float, ...]) -> Any:
    n = ints(size)[0]
    angles = 2 * np.pi * np.arange(n) / max(n if periodic else n - 1, 1)
    window = sum(w * np.cos(k * angles) for k, w in enumerate(weights))
    return np.asarray(window).astype(DTYPES[dtype])


@operator("HannWindow")
def hann(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
    """Return a window of Hann."""
    return _window(size, periodic, output_datatype, (0.5, -0.5))


@operator("HammingWindow")
def hamming(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
    """Return a window of Hamming."""
    return _window(size, periodic, output_datatype, (25 / 46, -21 / 46))


@operator("BlackmanWindow")
def blackman(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
    """Return a window of Blackman."""
    return _window(size, periodic, output_datatype, (0.42, -0.5, 0.08))


@operator("MelWeightMatrix")
def mel_weights(
    bins: Any, fft_length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1
) -> Any:
    """Return the weights of triangular filters on the mel scale."""
    count, length = ints(bins)[0], ints(fft_length)[0]
    ends = 2595 * np.log10(1 + np.array([number(low), number(high)], float) / 700)
    edges = ends[0] + np.arange(count + 2) * (ends[1] - ends[0]) / (count + 2)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    places = np.floor((length + 1) * hertz / ints(rate)[0]).astype(int)
    weights = np.zeros((length // 2 + 1, count))
    for i in range(count):
        low_place, middle, high_place = places[i : i + 3]
        if low_place == middle:
            weights[middle, i] = 1
        else:
            rise = np.arange(low_place, middle + 1)
            weights[rise, i] = (rise - low_place) / (middle - low_place)
        if high_place > middle:
            fall = np.arange(middle, high_place)
            weights[fall, i] = (high_place - fall) / (high_place - middle)
    return weights.astype(DTYPES[output_datatype])
