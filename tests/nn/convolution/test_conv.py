"""Convolutions: values against plain loops and SciPy, every form of every argument."""

import tracemalloc
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from rounding import assert_close
from scipy.signal import correlate as scipy_correlate

import dlgradient as dl
from dlgradient.core import threads
from dlgradient.nn.convolution import depthwise
from dlgradient.nn.convolution import unfold as unfolding
from dlgradient.nn.convolution.conv import dlconv, dltranspconv
from dlgradient.nn.convolution.trilinear import (
    biased_convolve,
    convolve,
    correlate,
    deconvolve,
)
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.testing import check_derivatives


def loops(x, w, form):
    """Sum every product of the trilinear form that is not zero, one by one."""
    y = np.zeros((x.shape[0], w.shape[0], *form.results), np.result_type(x, w))
    for f, c, k in product(range(w.shape[0]), range(w.shape[1]), np.ndindex(*w.shape[2:])):
        channel = f // (w.shape[0] // form.groups) * w.shape[1] + c
        for o in np.ndindex(*form.results):
            place = [
                s * i + d * j - a
                for s, i, d, j, a in zip(form.stride, o, form.dilation, k, form.start, strict=True)
            ]
            if all(0 <= p < n for p, n in zip(place, x.shape[2:], strict=True)):
                y[(slice(None), f, *o)] += x[(slice(None), channel, *place)] * w[(f, c, *k)]
    return y


GEOMETRIES = [
    # sizes, window, results, stride, dilation, start, groups
    ((7,), (3,), (5,), (1,), (1,), (0,), 1),
    ((9,), (2,), (4,), (3,), (2,), (1,), 2),
    ((6, 9), (2, 3), (6, 9), (1, 1), (1, 1), (1, 1), 1),  # rows in one run
    ((4, 8), (3, 3), (4, 8), (1, 1), (2, 1), (2, 1), 4),
    ((5, 6), (3, 2), (2, 3), (2, 2), (1, 1), (0, 0), 2),
    ((6, 5), (3, 3), (8, 7), (1, 1), (1, 1), (2, 2), 1),
    ((3, 4, 6), (2, 2, 2), (3, 4, 6), (1, 1, 1), (1, 1, 1), (1, 0, 1), 2),
    ((3, 4, 5), (1, 3, 2), (2, 2, 4), (2, 1, 1), (1, 1, 1), (0, 0, 0), 1),
    ((5, 6), (4, 4), (2, 3), (1, 1), (1, 1), (0, 0), 1),
    ((6,), (2,), (2,), (3,), (1,), (5,), 1),  # starts far before the array
    ((7, 7), (1, 1), (7, 7), (1, 1), (1, 1), (0, 0), 1),  # products without unfolding
    ((50,), (1,), (50,), (1,), (2,), (0,), 2),
    ((7, 7), (1, 1), (7, 7), (1, 1), (1, 1), (1, 0), 1),  # has the size, and is moved
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("filters", [4, 12])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("cache", [1 << 20, 1 << 10])
def test_core_operations_are_one_trilinear_form(rng, monkeypatch, geometry, filters, batch, cache):
    # Of what does not fit into the cache, strips of each image are unfolded.
    monkeypatch.setattr(unfolding, "UNFOLDED_BYTES", cache)
    monkeypatch.setattr(unfolding, "CONV_THREAD_MULTIPLICATIONS", cache)
    monkeypatch.setattr(threads, "_count", lambda: 2)
    form = Geometry(*geometry)
    x = rng.normal(size=(batch, 4, *form.sizes))
    w = rng.normal(size=(filters, 4 // form.groups, *form.window))
    y = rng.normal(size=(batch, filters, *form.results))
    expected = loops(x, w, form)
    assert_close(convolve(x, w, geometry=form), expected, w[0].size)
    value, sums = np.sum(expected * y), (expected.size, np.sum(np.abs(expected * y)))
    assert_close(np.sum(deconvolve(y, w, geometry=form) * x), value, *sums)
    assert_close(np.sum(correlate(x, y, geometry=form) * w), value, *sums)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("run", [1, 1 << 18])
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(
    "geometry",
    [
        ((7,), (3,), (5,), (1,), (1,), (0,), 4),
        ((5, 6), (3, 2), (5, 6), (1, 1), (2, 1), (2, 1), 4),
        ((3, 4, 3), (2, 1, 3), (2, 3, 4), (1, 1, 1), (1, 2, 1), (0, -1, 2), 4),
        ((6,), (2,), (4,), (1,), (1,), (7,), 4),  # the first results are in the padding alone
        ((9, 8), (3, 2), (5, 3), (2, 3), (1, 1), (1, 0), 4),
        ((8,), (3,), (4,), (2,), (2,), (2,), 4),
    ],
)
def test_channels_with_a_filter_of_their_own(rng, monkeypatch, geometry, small, run, dtype):
    # As runs of one image each, or of all of them; with channels last, and one or all rows.
    monkeypatch.setattr(depthwise, "DEPTHWISE_RUN_ELEMENTS", 1 << 30 if small else 1)
    monkeypatch.setattr(depthwise, "DEPTHWISE_ROWS_BYTES", run)
    monkeypatch.setattr(depthwise, "DEPTHWISE_RUN_BYTES", run)
    monkeypatch.setattr(unfolding, "CONV_THREAD_MULTIPLICATIONS", run)
    monkeypatch.setattr(threads, "_count", lambda: 2)
    form = Geometry(*geometry)

    def normal(*shape):
        x = rng.normal(size=shape)
        return x if dtype == np.float64 else x + 1j * rng.normal(size=shape)

    x, w, bias = normal(3, 4, *form.sizes), normal(4, 1, *form.window), normal(4)
    y = normal(3, 4, *form.results)
    expected = loops(x, w, form)
    assert_close(convolve(x, w, geometry=form), expected, w[0].size)
    biased = expected + bias.reshape(4, *[1] * len(form.sizes))
    assert_close(biased_convolve(x, w, bias, geometry=form), biased, w[0].size + 1)
    value, sums = np.sum(expected * y), (expected.size, np.sum(np.abs(expected * y)))
    assert_close(np.sum(deconvolve(y, w, geometry=form) * x), value, *sums)
    assert_close(np.sum(correlate(x, y, geometry=form) * w), value, *sums)
    # A factor zero does not hide what is not finite, and padding does not meet it.
    w[2] = 0
    x[1, 2:, *[n // 2 for n in form.sizes]] = np.inf
    with np.errstate(invalid="ignore"):
        wrong = ~np.isfinite(loops(x, w, form))
        np.testing.assert_array_equal(~np.isfinite(convolve(x, w, geometry=form)), wrong)
        met = correlate(1.0 * np.isinf(x), np.ones(y.shape), geometry=form) != 0
        np.testing.assert_array_equal(~np.isfinite(correlate(x, y, geometry=form)), met)


@pytest.mark.parametrize("cost", [0, np.inf])
@pytest.mark.parametrize("sizes", [(7, 8), (8, 5)])
@pytest.mark.parametrize("kernel", [(1, 4), (2, 3), (5, 4)])
@pytest.mark.parametrize("stride", [(2, 2), (3, 1), (2, 4)])
@pytest.mark.parametrize("start", [(0, 0), (1, 2), (3, 1)])
@pytest.mark.parametrize(("groups", "cache"), [(1, 1 << 20), (2, 1 << 20), (2, 1 << 9)])
def test_gathering_and_scattering_agree(
    rng, monkeypatch, cost, sizes, kernel, stride, start, groups, cache
):
    monkeypatch.setattr(unfolding, "ADD_NANOSECONDS", cost)
    monkeypatch.setattr(unfolding, "UNFOLDED_BYTES", cache)
    x, w = rng.normal(size=(2, 4, *sizes)), rng.normal(size=(6, 4 // groups, *kernel))
    y = rng.normal(size=(2, 6, 3, 2))
    form = Geometry(sizes, kernel, (3, 2), stride, (1, 1), start, groups)
    expected = loops(x, w, form)
    back = deconvolve(y, w, geometry=form)
    assert_close(np.sum(back * x), np.sum(expected * y), y.size, np.sum(np.abs(expected * y)))
    y[0, 0, 1, 1] = np.inf
    unit = np.zeros_like(y)
    unit[0, 0, 1, 1] = 1
    touched = deconvolve(unit, w * 0 + 1, geometry=form) != 0
    np.testing.assert_array_equal(~np.isfinite(deconvolve(y, w, geometry=form)), touched)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize("batch", [1, 5])
def test_windows_of_one_element_on_two_cores(rng, monkeypatch, batch, dtype):
    monkeypatch.setattr(unfolding, "CONV_THREAD_MULTIPLICATIONS", 1)
    monkeypatch.setattr(threads, "_count", lambda: 2)
    form = Geometry((8, 9), (1, 1), (8, 9), (1, 1), (1, 1), (0, 0), 2)
    x = rng.normal(size=(batch, 6, 8, 9)).astype(dtype)
    w, bias = rng.normal(size=(10, 3, 1, 1)).astype(np.float32), rng.normal(size=10)
    want = np.einsum("ngchw,gfc->ngfhw", x.reshape(batch, 2, 3, 8, 9), w.reshape(2, 5, 3))
    want = want.reshape(batch, 10, 8, 9) + bias[:, None, None]
    found = biased_convolve(x, w, bias.astype(np.float32), geometry=form)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)
    turned = np.asfortranarray(x)  # images that are no matrices are copied
    np.testing.assert_allclose(
        convolve(turned, w, geometry=form), convolve(x, w, geometry=form), rtol=1e-4, atol=1e-5
    )


def test_large_batches_use_all_cores_and_several_blocks(rng, monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 2)
    x = rng.normal(size=(37, 8, 12, 12)).astype(np.float32)
    w = rng.normal(size=(8, 8, 3, 3)).astype(np.float32)
    form = Geometry((12, 12), (3, 3), (12, 12), (1, 1), (1, 1), (1, 1))
    y = convolve(x, w, geometry=form)
    assert y.dtype == np.float32
    for n in (0, 17, 18, 36):
        expected = sum(scipy_correlate(x[n], w[f], "same")[4] * (f == 2) for f in range(8))
        assert_close(y[n, 2], expected, w[0].size)
    one = [correlate(x[n : n + 1], y[n : n + 1], geometry=form) for n in range(37)]
    assert_close(correlate(x, y, geometry=form), sum(one), y[:, 0].size)
    steps = replace(form, results=(6, 6), stride=(2, 2))
    z = y[:, :, :6, :6]
    one = [deconvolve(z[n : n + 1], w, geometry=steps) for n in range(37)]
    assert_close(deconvolve(z, w, geometry=steps), np.concatenate(one), w[:, 0].size)


def test_one_large_image_needs_little_memory(rng):
    x = rng.normal(size=(1, 16, 128, 128)).astype(np.float32)
    w = rng.normal(size=(16, 16, 3, 3)).astype(np.float32)
    form = Geometry((128, 128), (3, 3), (128, 128), (1, 1), (1, 1), (1, 1))
    tracemalloc.start()
    y = convolve(x, w, geometry=form)
    deconvolve(y, w, geometry=form)
    correlate(x, y, geometry=form)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Unfolded at once it were nine times the image.
    assert peak < 8 * x.nbytes


def test_value_is_that_of_scipy(rng):
    x = rng.normal(size=(6, 5, 2))
    w = rng.normal(size=(3, 2, 2, 4))
    b = rng.normal(size=4)
    y = np.asarray(dlconv(dl.dlarray(x, "SSC"), w, b))
    for f in range(4):
        expected = scipy_correlate(x, w[..., f], "valid")[..., 0] + b[f]
        assert_close(y[..., f], expected, w[..., 0].size)


ORDERS = ["SSCB", "BCSS", "BSSC", "CSBS", "SBSC"]


@pytest.mark.parametrize("fmt", ORDERS)
@pytest.mark.parametrize("function", [dlconv, dltranspconv])
def test_any_order_of_dimensions(rng, function, fmt):
    x = rng.normal(size=(4, 5, 2, 3))  # SSCB
    w = rng.normal(size=(3, 2, 2, 2))
    base = np.asarray(function(dl.dlarray(x, "SSCB"), w, 0.5, stride=(1, 2)))
    order, back = order_of("SSCB", fmt), order_of(fmt, "SSCB")
    turned = np.transpose(x, order)
    y = function(dl.dlarray(turned, fmt), w, 0.5, stride=(1, 2))
    assert dl.dims(y) == fmt
    assert_close(np.transpose(np.asarray(y), back), base, w[..., 0].size)
    plain = function(turned, w, 0.5, stride=(1, 2), data_format=fmt)
    assert dl.dims(plain) == ""
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(y))


def order_of(fmt, target):
    """Return the order that brings the dimensions of a format to another; S keep their order."""
    numbered = [(c, fmt[:i].count(c)) for i, c in enumerate(fmt)]
    return [numbered.index((c, target[:i].count(c))) for i, c in enumerate(target)]


def test_weights_and_bias_with_formats(rng):
    x = dl.dlarray(rng.normal(size=(3, 4, 5, 2)), "BCSS")
    w = rng.normal(size=(2, 2, 2, 3, 2))  # SSCUU: two groups of three filters
    b = rng.normal(size=(3, 2))
    y = np.asarray(dlconv(x, w, b))
    turned = dl.dlarray(np.transpose(w, (3, 0, 2, 4, 1)), "USCUS")
    assert_close(dlconv(x, turned, b), y, w[..., 0, 0].size)
    flat = b.T.reshape(-1)  # filters of a group are neighbours
    for bias, fmt in ((flat, None), (dl.dlarray(flat, "C"), None), (b, "CU"), (flat[None], "UC")):
        again = dlconv(x, w, bias, bias_format=fmt)
        assert_close(again, y, w[..., 0, 0].size)
    names = np.transpose(w, (2, 3, 4, 0, 1))
    again = dlconv(x, names, b, weights_format="CUUSS")
    assert_close(again, y, w[..., 0, 0].size)
    for group in range(2):
        part = dlconv(x[:, 2 * group : 2 * group + 2], w[..., group], b[:, group])
        assert_close(part, y[:, 3 * group : 3 * group + 3], w[..., 0, 0].size)


def test_channel_wise(rng):
    x = rng.normal(size=(6, 3))
    w = rng.normal(size=(2, 1, 1, 3))
    y = np.asarray(dlconv(dl.dlarray(x, "SC"), w))
    for c in range(3):
        expected = np.correlate(x[:, c], w[:, 0, 0, c], "valid")
        assert_close(y[:, c], expected, len(w))


def test_over_time_and_causal(rng):
    x = rng.normal(size=(2, 5, 3))  # CTB
    w = rng.normal(size=(3, 2, 4))
    y = dlconv(dl.dlarray(x, "CTB"), w, weights_format="TCU", padding="causal", dilation_factor=2)
    assert dl.dims(y) == "CTB"
    assert y.shape == (4, 5, 3)
    past = np.concatenate([np.zeros((2, 4, 3)), x], axis=1)
    expected = np.einsum(
        "tkcb,kcf->ftb", np.stack([past[:, [t, t + 2, t + 4]].swapaxes(0, 1) for t in range(5)]), w
    )
    assert_close(y, expected, w[..., 0].size)


def test_space_and_time_together_or_time_as_a_batch(rng):
    x = dl.dlarray(rng.normal(size=(4, 2, 3, 2)), "TSCB")
    w = rng.normal(size=(2, 3, 5))
    y = np.asarray(dlconv(x, w))
    assert y.shape == (4, 1, 5, 2)
    one = np.asarray(dlconv(dl.dlarray(np.asarray(x)[1], "SCB"), w))
    assert_close(y[1], one, w[..., 0].size)
    both = rng.normal(size=(3, 2, 3, 1))  # time, space, channels, filter
    y = np.asarray(dlconv(x, dl.dlarray(both, "TSCU"), stride=(2, 1)))
    assert y.shape == (2, 1, 1, 2)
    expected = np.einsum("tscb,tscf->fb", np.asarray(x)[1:4], both)
    assert_close(y[1, 0], expected, both.size)


PADDINGS = [
    (1, ((1, 1), (1, 1))),
    ((2, 1), ((2, 2), (1, 1))),
    ([[1, 0], [2, 3]], ((1, 2), (0, 3))),
    ("same", ((0, 1), (1, 1))),
]
MODES = [
    (0, {"mode": "constant"}),
    (2.5, {"mode": "constant", "constant_values": 2.5}),
    ("symmetric-include-edge", {"mode": "symmetric"}),
    ("symmetric-exclude-edge", {"mode": "reflect"}),
    ("replicate", {"mode": "edge"}),
]


@pytest.mark.parametrize(("padding", "pairs"), PADDINGS, ids=str)
@pytest.mark.parametrize(("value", "mode"), MODES, ids=str)
def test_padding(rng, padding, pairs, value, mode):
    x, w = rng.normal(size=(3, 4, 2)), rng.normal(size=(2, 3, 2, 1))
    padded = np.pad(x, (*pairs, (0, 0)), **mode)
    expected = scipy_correlate(padded, w[..., 0], "valid")
    y = dlconv(x, w, padding=padding, padding_value=value, data_format="SSC")
    assert_close(y, expected, w[..., 0].size)


@pytest.mark.parametrize("mode", ["symmetric-include-edge", "symmetric-exclude-edge"])
def test_padding_that_is_larger_than_the_array(mode):
    numpy_mode = "symmetric" if mode.endswith("include-edge") else "reflect"
    x = np.array([1.0, 2.0, 4.0])
    one = np.ones((1, 1, 1))
    y = dlconv(x[:, None], one, padding=7, padding_value=mode, data_format="SC")
    np.testing.assert_array_equal(np.asarray(y)[:, 0], np.pad(x, 7, mode=numpy_mode))


@pytest.mark.parametrize(("size", "stride"), [(5, 1), (5, 2), (6, 3), (7, 4)])
def test_same_gives_the_size_over_the_stride_and_back(size, stride):
    x = np.ones((size, 1))
    y = dlconv(x, np.ones((3, 1, 1)), stride=stride, padding="same", data_format="SC")
    assert y.shape == (-(-size // stride), 1)
    z = dltranspconv(x, np.ones((3, 1, 1)), stride=stride, cropping="same", data_format="SC")
    assert z.shape == (size * stride, 1)


def test_transposed_is_the_adjoint(rng):
    x, z = rng.normal(size=(7, 5, 4)), rng.normal(size=(4, 2, 6))
    w = rng.normal(size=(3, 2, 2, 3, 2))  # channels, filters of a group, groups
    options = {"stride": (2, 3), "dilation_factor": (1, 2)}
    crop = [[1, 0], [1, 1]]
    y = np.asarray(dlconv(x, w, padding=crop, data_format="SSC", **options))
    # Of the transposed one, the filters of `dlconv` are the channels.
    t = dltranspconv(z, w, cropping=crop, data_format="SSC", **options)
    assert t.shape == (7, 5, 4)
    assert_close(np.sum(np.asarray(t) * x), np.sum(y * z), y.size, np.sum(np.abs(y * z)))


def test_transposed_with_bias_by_hand():
    # Twice the kernel, two apart.
    y = dltranspconv(dl.dlarray([[1.0], [3.0]], "SC"), [[[1.0]], [[2.0]], [[4.0]]], 10, stride=2)
    assert y.tolist() == [[11.0], [12.0], [17.0], [16.0], [22.0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_precision_stays(dtype):
    x = dl.dlarray(np.ones((4, 4, 2, 2)).astype(dtype), "SSCB")
    w = np.ones((2, 2, 2, 3)).astype(dtype)

    def fun(x, w):
        y = dlconv(x, w, 0.5, padding=1, padding_value=1.0)
        y = dltranspconv(y, w, stride=2)
        return y, dl.dlgradient(dl.real(y).sum(), [x, w])

    y, (gx, gw) = dl.dlfeval(fun, x, dl.dlarray(w))
    assert y.dtype == gx.dtype == gw.dtype == dtype
    assert dl.dims(gx) == "SSCB"


def test_empty_batch():
    x = dl.dlarray(np.zeros((0, 2, 5, 5), np.float32), "BCSS")
    w = dl.dlarray(np.ones((3, 3, 2, 4), np.float32))

    def fun(x, w):
        y = dlconv(x, w, padding="same")
        return y, dl.dlgradient(y.sum(), [x, w])

    y, (gx, gw) = dl.dlfeval(fun, x, w)
    assert y.shape == (0, 4, 5, 5)
    assert gx.shape == x.shape
    assert not np.asarray(gw).any()


def test_second_derivatives_of_a_gradient_penalty(rng):
    x = dl.dlarray(rng.normal(size=(2, 1, 4, 4)), "BCSS")
    w = rng.normal(size=(3, 3, 1, 2))
    v = rng.normal(size=(2, 2, 1, 2))

    def penalty(x, w, v):
        y = dltranspconv(dl.tanh(dlconv(x, w, stride=2, padding=1)), v, stride=2)
        g = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        return (g**2).sum()

    check_derivatives(penalty, x, w, v, order=1)


def test_nonsense_is_refused():
    x = dl.dlarray(np.ones((4, 2)), "SC")
    with pytest.raises(dl.FormatClashError, match=r"'SBU'.*'C' for the channels"):
        dlconv(x, np.ones((2, 2, 1)), weights_format="SBU")
    with pytest.raises(dl.FormatClashError, match="has 2 spatial dimensions"):
        dlconv(x, np.ones((2, 2, 2, 1)), weights_format="SSCU")
    with pytest.raises(dl.ShapeMismatchError, match=r"\(filters of a group, groups\) = \(3, 2\)"):
        dlconv(dl.dlarray(np.ones((4, 4)), "SC"), np.ones((2, 2, 3, 2)), np.ones((2, 3)))
    with pytest.raises(dl.InvalidArgumentError, match=r"padding of shape \(2, 2\)"):
        dlconv(x, np.ones((2, 2, 1)), padding=[[1, 1], [1, 1]])


def test_an_error_on_another_core_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 2)

    def work(block):
        if block.start:
            raise MemoryError("second block")
        return block

    with pytest.raises(MemoryError, match="second block"):
        threads.in_blocks(work, 4)
    assert threads.in_blocks(work, 4, split=False) == [slice(0, 4)]


@pytest.mark.timeout(20)
def test_blocks_inside_blocks_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 2)

    def inner(block):
        return list(range(block.start, block.stop))

    found = threads.in_blocks(lambda _: threads.in_blocks(inner, 4), 2)
    assert [[i for part in parts for i in part] for parts in found] == [[0, 1, 2, 3]] * 2


def test_blas_has_its_threads_again_afterwards():
    functions = threads._blas()
    if functions is None:
        pytest.skip("the linear algebra does not say how many threads it has")
    get, put = functions
    before = get()
    put(2)
    try:
        with threads.one_blas_thread(), threads.one_blas_thread():
            assert get() == 1
        assert get() == 2
    finally:
        put(before)


# With AVX-512, OpenBLAS multiplies what is not finite by zeros of its own, and NumPy warns of it,
# also for a plain product of matrices. The numbers are right.
@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul:RuntimeWarning")
@pytest.mark.parametrize("operand", [0, 1])
@pytest.mark.parametrize("operation", [convolve, deconvolve, correlate])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("cost", [0, np.inf])
def test_one_element_that_is_not_finite_reaches_only_its_products(
    rng, monkeypatch, operand, operation, geometry, value, cost
):
    # Transposed convolutions scatter if adding costs nothing, and gather if it costs much.
    monkeypatch.setattr(unfolding, "ADD_NANOSECONDS", cost)
    form = Geometry(*geometry)
    x, y = np.ones((2, 4, *form.sizes)), np.ones((2, 8, *form.results))
    w = np.ones((8, 4 // form.groups, *form.window))
    operands = {convolve: [x, w], deconvolve: [y, w], correlate: [x, y]}[operation]
    broken, unit = np.ones(operands[operand].shape), np.zeros(operands[operand].shape)
    place = tuple(int(rng.integers(n)) for n in unit.shape)
    broken[place], unit[place] = value, 1
    operands[operand] = unit
    touched = operation(*operands, geometry=form) != 0
    operands[operand] = broken
    found = operation(*operands, geometry=form)
    np.testing.assert_array_equal(~np.isfinite(found), touched)
    if operation is convolve:
        found = biased_convolve(*operands, np.ones(8), geometry=form)
        np.testing.assert_array_equal(~np.isfinite(found), touched)


def test_infinite_weights_meet_no_padding():
    x, w = dl.dlarray([[1.0], [2.0], [3.0]], "SC"), np.array([np.inf, 1.0, 1.0]).reshape(3, 1, 1)
    y = dltranspconv(x, w)
    assert y.tolist() == [[np.inf], [np.inf], [np.inf], [5.0], [3.0]]
    y, (gx, gw) = dl.dlfeval(
        lambda x, w: (y := dlconv(x, w, 1.0, padding=1), dl.dlgradient(y.sum(), [x, w])),
        x,
        dl.dlarray(w),
    )
    assert y.tolist() == [[4.0], [np.inf], [np.inf]]
    assert gx.tolist() == [[np.inf], [np.inf], [2.0]]
    assert np.isfinite(np.asarray(gw)).all()
