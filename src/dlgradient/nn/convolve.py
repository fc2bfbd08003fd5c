"""Convolution as one trilinear form, whose three partial maps are the operations of this module.

With an input ``x`` of shape (batch, channels, *sizes), a kernel ``w`` of shape (filters,
channels / groups, *kernel sizes) and ``y`` of shape (batch, filters, *result sizes), all sums are
contractions of

    T(x, w, y) = Σ x[n, c, s·o + d·k - start] w[f, c, k] y[n, f, o]

with strides s and dilations d, where ``x`` outside of its bounds is zero:

=================  ==========  ==========================================
operation          contracts   also known as
=================  ==========  ==========================================
`convolve`         x and w     convolution, as deep learning calls it
`deconvolve`       y and w     transposed convolution; gradient for ``x``
`correlate`        x and y     gradient for ``w``
=================  ==========  ==========================================

The adjoints of each are the other two, so derivatives of every order stay in this module. ``size``
is always the tuple of sizes of the result behind its first two dimensions.

The kernels unfold a few images at a time into a matrix that stays in the cache, and multiply it;
the batch is split over the cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from dlgradient.backend.threads import in_blocks, one_blas_thread
from dlgradient.calls import FUNCTIONS
from dlgradient.ops.samples import case
from dlgradient.rules import general, multilinear

# The operations are not public: `dlgradient.nn.conv` is what users call.
__all__ = ["places"]

Sizes = tuple[int, ...]
Array = np.ndarray[Any, Any]

_CACHE = 1 << 19  # bytes of unfolded images that are multiplied at once
_WIDE = 1.35  # the most that rows are lengthened by columns that are thrown away
_WORK = 1 << 20  # multiplications; below, a second thread costs more than it saves


def _conj(x: Any) -> Any:
    return FUNCTIONS["conj"](x) if x.dtype.kind == "c" else x


class _Images:
    """Padded images of a block, and the view that unfolds them.

    Attributes
    ----------
    rows : tuple of int
        Sizes of the unfolded result of one image. If `wide`, its last two dimensions are one run
        through the padded image, in which columns between the rows are computed and thrown away;
        copying runs of several hundred elements is much faster than of some twenty.
    block : int
        Number of images that are unfolded at once.
    """

    def __init__(
        self,
        x: Array,
        kernel: Sizes,
        size: Sizes,
        dtype: Any,
        *,
        stride: Sizes,
        dilation: Sizes,
        start: Sizes,
        groups: int,
        wide: bool = True,
    ) -> None:
        self.x, self.kernel, self.size, self.groups = x, kernel, size, groups
        self.stride, self.dilation = stride, dilation
        self.channels = x.shape[1]
        reach = [
            s * (o - 1) + d * (k - 1) + 1
            for s, o, d, k in zip(stride, size, dilation, kernel, strict=True)
        ]
        self.padded = tuple(reach)
        # What lies in both, the image and the padded image, in the coordinates of each.
        self.inner = tuple(
            [
                slice(max(a, 0), max(min(n, a + i), a, 0))
                for a, n, i in zip(start, reach, x.shape[2:], strict=True)
            ]
        )
        self.source = tuple(
            [slice(s.start - a, s.stop - a) for s, a in zip(self.inner, start, strict=True)]
        )
        self.wide = (
            wide
            and len(size) > 1
            and stride[-2:] == (1, 1)
            and size[-1] > 0
            and size[-1] < reach[-1] <= _WIDE * size[-1]
        )
        width = reach[-1] if self.wide else size[-1]
        self.laid = (*size[:-1], width)
        self.rows = (*size[:-2], size[-2] * width) if self.wide else size
        self.dtype = dtype
        per_image = self.channels * prod(kernel) * prod(self.rows) * np.dtype(dtype).itemsize
        self.block = max(1, _CACHE // max(per_image, 1))

    def columns(self, part: slice) -> Iterator[tuple[slice, Array]]:
        """Yield blocks of images, and each unfolded to (groups, channels·kernel, block·rows)."""
        size = min(self.block, part.stop - part.start)
        for first in range(part.start, part.stop, size or 1):
            block = slice(first, min(first + size, part.stop))
            if first == part.start or block.stop - block.start != size:
                image, view, unfolded = self._buffers(block.stop - block.start)
            image[...] = self.x[block][(slice(None), slice(None), *self.source)]
            unfolded[...] = view
            yield (
                block,
                unfolded.reshape(
                    self.groups, -1, view.shape[-1 - len(self.rows)] * prod(self.rows)
                ),
            )

    def _buffers(self, count: int) -> tuple[Array, Array, Array]:
        """Return the inside of padded images, their unfolding view, and room for what it shows."""
        tail = sum(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        flat = np.zeros(count * self.channels * prod(self.padded) + tail, self.dtype)
        padded = flat[: flat.size - tail].reshape(count, self.channels, *self.padded)
        of_image, of_channel, *steps = padded.strides
        moves = [s * t for s, t in zip(self.stride, steps, strict=True)]
        if self.wide:
            moves[-2:] = moves[-1:]
        view = np.lib.stride_tricks.as_strided(
            flat,
            (self.channels, *self.kernel, count, *self.rows),
            (
                of_channel,
                *[d * t for d, t in zip(self.dilation, steps, strict=True)],
                of_image,
                *moves,
            ),
            writeable=False,
        )
        inside = padded[(slice(None), slice(None), *self.inner)]
        return inside, view, np.empty(view.shape, self.dtype)


def _enough(x: Array, w_shape: Sizes, size: Sizes) -> bool:
    return bool(x.shape[0] * prod(w_shape) * prod(size) >= _WORK)


# -- kernels -------------------------------------------------------------------------------------


def _convolve(
    x: Array, w: Array, size: Sizes, groups: int, bias: Any = None, **geometry: Any
) -> Array:
    dtype = np.result_type(x, w) if bias is None else np.result_type(x, w, bias)
    filters, kernel = w.shape[0], w.shape[2:]
    out = np.empty((x.shape[0], filters, *size), dtype)
    if not out.size:
        return out
    if not w.size or not x.size:
        out[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(size))
        return out
    images = _Images(x, kernel, size, dtype, groups=groups, **geometry)
    offsets = None if bias is None else bias.reshape(groups, filters // groups, 1)
    weights = w.reshape(groups, filters // groups, -1).astype(dtype, copy=False)

    def work(part: slice) -> None:
        y = np.empty(0, dtype)
        for block, columns in images.columns(part):
            shape = (groups, filters // groups, columns.shape[-1])
            if y.shape != shape:
                y = np.empty(shape, dtype)
            np.matmul(weights, columns, out=y)
            if offsets is not None:
                y += offsets
            count = block.stop - block.start
            laid = y.reshape(filters, count, *images.laid)[..., : size[-1]]
            out[block] = laid.swapaxes(0, 1)

    with one_blas_thread():
        in_blocks(work, x.shape[0], split=_enough(x, w.shape, size))
    return out


def _correlate(
    x: Array, y: Array, kernel: Sizes, groups: int, *, wide: bool = True, **geometry: Any
) -> Array:
    dtype = np.result_type(x, y)
    filters, size = y.shape[1], y.shape[2:]
    shape = (filters, x.shape[1] // groups, *kernel)
    if not (x.size and y.size and prod(kernel)):
        return np.zeros(shape, dtype)
    images = _Images(x, kernel, size, dtype, groups=groups, wide=wide, **geometry)

    def work(part: slice) -> Array:
        total = np.zeros((groups, filters // groups, prod(shape[1:])), dtype)
        product = np.empty_like(total)
        laid = np.empty((0, 0), dtype)
        for block, columns in images.columns(part):
            count = block.stop - block.start
            if laid.shape[1] != count:
                # Zero in the columns between the rows, which are no part of the result.
                laid = np.zeros((filters, count, *images.laid), dtype)
            laid[..., : size[-1]] = y[block].swapaxes(0, 1)
            rows = laid.reshape(groups, filters // groups, -1)
            np.matmul(rows, columns.swapaxes(1, 2), out=product)
            total += product
        return total

    # Of what is thrown away nobody need be warned.
    with one_blas_thread(), np.errstate(invalid="ignore" if images.wide else None):
        parts = in_blocks(work, x.shape[0], split=_enough(x, shape, size))
    total: Array = sum(parts[1:], start=parts[0])
    if images.wide and not np.isfinite(total).all():
        # Columns between the rows count with the factor zero, which is none for infinity and NaN.
        return _correlate(x, y, kernel, groups, wide=False, **geometry)
    return total.reshape(shape)


def _deconvolve(
    y: Array, w: Array, size: Sizes, groups: int, stride: Sizes, dilation: Sizes, start: Sizes
) -> Array:
    filters, per_group, *kernel = w.shape
    channels = per_group * groups
    if set(stride) == {1} and filters <= 2 * channels:
        return _flipped(y, w, size, groups, dilation, start)
    dtype = np.result_type(y, w)
    out = np.zeros((y.shape[0], channels, *size), dtype)
    if not (out.size and y.size and w.size):
        return out
    weights = w.reshape(groups, filters // groups, -1).swapaxes(1, 2).astype(dtype, copy=False)
    moves = list(places(tuple(kernel), size, y.shape[2:], stride, dilation, start))
    per_image = channels * prod(kernel) * prod(y.shape[2:]) * dtype.itemsize
    step = max(1, _CACHE // per_image)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            block = slice(first, min(first + step, part.stop))
            rows = y[block].swapaxes(0, 1).reshape(groups, filters // groups, -1)
            unfolded = np.matmul(weights, rows.astype(dtype, copy=False))
            count = block.stop - block.start
            unfolded = unfolded.reshape(channels, *kernel, count, *y.shape[2:])
            target = out[block].swapaxes(0, 1)
            for index, to, of in moves:
                target[(slice(None), slice(None), *to)] += unfolded[
                    (slice(None), *index, slice(None), *of)
                ]

    with one_blas_thread():
        in_blocks(work, y.shape[0], split=_enough(y, w.shape, y.shape[2:]))
    return out


def _flipped(y: Array, w: Array, size: Sizes, groups: int, dilation: Sizes, start: Sizes) -> Array:
    """Transposed convolution of stride one: a convolution with the kernel turned round."""
    filters, per_group, *kernel = w.shape
    turned = np.flip(w, tuple(range(2, w.ndim)))
    turned = turned.reshape(groups, filters // groups, per_group, *kernel).swapaxes(1, 2)
    turned = turned.reshape(groups * per_group, filters // groups, *kernel)
    starts = tuple([d * (k - 1) - a for d, k, a in zip(dilation, kernel, start, strict=True)])
    ones = (1,) * len(size)
    return _convolve(y, turned, size, groups, stride=ones, dilation=dilation, start=starts)


def places(
    kernel: Sizes, size: Sizes, result: Sizes, stride: Sizes, dilation: Sizes, start: Sizes
) -> Iterator[tuple[Sizes, tuple[slice, ...], tuple[slice, ...]]]:
    """For each element of a kernel: where it takes its elements, and the results it gives to."""
    for index in np.ndindex(*kernel):
        to, of = [], []
        for k, n, o, s, d, a in zip(index, size, result, stride, dilation, start, strict=True):
            offset = d * k - a
            first = max(0, -(offset // s))  # the first result whose element is not before the array
            last = min(o, -((offset - n) // s))  # behind the last one that is not beyond it
            last = max(first, last)
            of.append(slice(first, last))
            # Empty slices must not have a negative start.
            begin = max(0, s * first + offset)
            to.append(slice(begin, begin + max(0, s * (last - first - 1) + 1), s))
            if last == first:
                to[-1] = slice(0, 0)
        yield index, tuple(to), tuple(of)


# -- operations ----------------------------------------------------------------------------------


def _samples(m: Any, first: str) -> list[Any]:
    """Samples of the three operations: `first` names the operands, and what the result is."""
    geometries: list[tuple[Any, ...]] = [
        # x, w, sizes of y, stride, dilation, start, groups
        ((2, 2, 4), (3, 2, 2), (3,), (1,), (1,), (0,), 1),
        ((1, 2, 5), (2, 2, 2), (3,), (2,), (2,), (2,), 1),
        ((2, 4, 3, 4), (2, 2, 2, 3), (3, 4), (1, 1), (1, 1), (1, 1), 2),
        ((1, 2, 4, 3), (2, 1, 3, 2), (2, 2), (2, 1), (1, 2), (1, 1), 2),
        ((1, 1, 2, 3, 2), (5, 1, 2, 2, 1), (2, 2, 2), (1, 1, 2), (1, 1, 1), (1, 0, 1), 1),
        ((0, 2, 3), (2, 2, 2), (2,), (1,), (1,), (0,), 1),
    ]
    cases = []
    for i, (x, w, o, stride, dilation, start, groups) in enumerate(geometries):
        draw = m.complex if i == 1 else m.real
        y = (x[0], w[0], *o)
        shapes = {"x": x, "w": w, "y": y}
        (result,) = set("xwy") - set(first)
        cases.append(
            case(
                *[draw(*shapes[name]) for name in first],
                size=shapes[result][2:],
                stride=stride,
                dilation=dilation,
                start=start,
                groups=groups,
            )
        )
    return cases


def _convolve_x(
    g: Any, x_like: Any, w: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return deconvolve(
        g,
        _conj(w),
        size=x_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


def _convolve_w(
    g: Any, x: Any, w_like: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return correlate(
        _conj(x),
        g,
        size=w_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


@multilinear(x=_convolve_x, w=_convolve_w, labels="new", samples=lambda m: _samples(m, "xw"))
def convolve(
    x: Any, w: Any, /, *, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    """Σ over channels c and places k of x[n, c, s·o + d·k - start] w[f, c, k].

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    w : array
        Shape (filters, channels / groups, *kernel sizes); filters of one group are neighbours.
    size : tuple of int
        Sizes of the result. Where ``x`` would be read out of bounds, it is zero.
    stride, dilation, start : tuple of int
        For each dimension: distance of results, distance of the elements of the kernel, and
        number of zeros in front.
    groups : int

    Returns
    -------
    array
        Shape (batch, filters, *size).
    """
    return _convolve(x, w, size, groups, stride=stride, dilation=dilation, start=start)


def _biased_b(g: Any) -> Any:
    return FUNCTIONS["sum"](g, axis=(0, *range(2, g.ndim)))


def _biased_tangent_x(
    t: Any, w: Any, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return convolve(t, w, size=size, stride=stride, dilation=dilation, start=start, groups=groups)


def _biased_tangent_w(
    t: Any, x: Any, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return convolve(x, t, size=size, stride=stride, dilation=dilation, start=start, groups=groups)


def _biased_tangent_b(t: Any, size: Any) -> Any:
    return FUNCTIONS["reshape"](t, shape=(-1, *[1] * len(size)))


def _biased_samples(m: Any) -> list[Any]:
    return [
        case(*c.args, (m.complex if i == 1 else m.real)(c.args[1].shape[0]), **c.params)
        for i, c in enumerate(_samples(m, "xw"))
    ]


@general(
    x=_convolve_x,
    w=_convolve_w,
    b=_biased_b,
    jvp={"x": _biased_tangent_x, "w": _biased_tangent_w, "b": _biased_tangent_b},
    labels="new",
    samples=_biased_samples,
)
def biased_convolve(
    x: Any, w: Any, b: Any, /, *, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    """`convolve` plus a bias for each filter, which is added while the result is in the cache.

    Parameters
    ----------
    x, w : array
        As for `convolve`.
    b : array
        Shape (filters,).
    size, stride, dilation, start, groups
        As for `convolve`.

    Returns
    -------
    array
        Shape (batch, filters, *size).
    """
    return _convolve(x, w, size, groups, b, stride=stride, dilation=dilation, start=start)


def _deconvolve_y(
    g: Any, y_like: Any, w: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return convolve(
        g,
        _conj(w),
        size=y_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


def _deconvolve_w(
    g: Any, y: Any, w_like: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return correlate(
        g,
        _conj(y),
        size=w_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


@multilinear(y=_deconvolve_y, w=_deconvolve_w, labels="new", samples=lambda m: _samples(m, "yw"))
def deconvolve(
    y: Any, w: Any, /, *, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    """Σ over filters f and places k of y[n, f, o] w[f, c, k], added where s·o + d·k - start says.

    Parameters
    ----------
    y : array
        Shape (batch, filters, *sizes).
    w : array
        Shape (filters, channels / groups, *kernel sizes).
    size : tuple of int
        Sizes of the result; what lies outside is dropped.
    stride, dilation, start : tuple of int
    groups : int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    return _deconvolve(y, w, size, groups, stride, dilation, start)


def _correlate_x(
    g: Any, x_like: Any, y: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return deconvolve(
        _conj(y),
        g,
        size=x_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


def _correlate_y(
    g: Any, x: Any, y_like: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    return convolve(
        _conj(x),
        g,
        size=y_like.shape[2:],
        stride=stride,
        dilation=dilation,
        start=start,
        groups=groups,
    )


@multilinear(x=_correlate_x, y=_correlate_y, labels="new", samples=lambda m: _samples(m, "xy"))
def correlate(
    x: Any, y: Any, /, *, size: Any, stride: Any, dilation: Any, start: Any, groups: Any
) -> Any:
    """Σ over images n and places o of x[n, c, s·o + d·k - start] y[n, f, o].

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    y : array
        Shape (batch, filters, *result sizes).
    size : tuple of int
        Sizes of the kernel.
    stride, dilation, start : tuple of int
    groups : int

    Returns
    -------
    array
        Shape (filters, channels / groups, *size).
    """
    return _correlate(x, y, size, groups, stride=stride, dilation=dilation, start=start)
