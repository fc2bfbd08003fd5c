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
"""

from __future__ import annotations

from typing import Any

from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.samples import case
from dlgradient.nn.convolution import unfold as unfolding
from dlgradient.rules import general, multilinear

# The operations are not public: `dlgradient.nn.convolution.conv` is what users call.
__all__: list[str] = []


def _conj(x: Any) -> Any:
    return FUNCTIONS["conj"](x) if x.dtype.kind == "c" else x


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


@multilinear(x=_convolve_x, w=_convolve_w, format="new", samples=lambda m: _samples(m, "xw"))
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
    return unfolding.convolve(x, w, size, groups, stride=stride, dilation=dilation, start=start)


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
    format="new",
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
    return unfolding.convolve(x, w, size, groups, b, stride=stride, dilation=dilation, start=start)


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


@multilinear(y=_deconvolve_y, w=_deconvolve_w, format="new", samples=lambda m: _samples(m, "yw"))
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
    return unfolding.deconvolve(y, w, size, groups, stride, dilation, start)


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


@multilinear(x=_correlate_x, y=_correlate_y, format="new", samples=lambda m: _samples(m, "xy"))
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
    return unfolding.correlate(x, y, size, groups, stride=stride, dilation=dilation, start=start)
