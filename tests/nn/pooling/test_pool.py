"""Pooling: values against plain loops, ties, indices and their inverse."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from rounding import assert_close

import dlgradient as dl
from dlgradient.core import threads
from dlgradient.nn.pooling import kernels
from dlgradient.nn.pooling.adaptive import adaptiveavgpool, adaptivemaxpool
from dlgradient.nn.pooling.pool import avgpool, maxpool, maxunpool
from dlgradient.nn.shared.geometry import Geometry


def windows(x, window, stride, pairs, fill):
    """Windows over the leading dimensions of an array: (place of the result, elements)."""
    rest = [(0, 0)] * (x.ndim - len(window))
    padded = np.pad(x, [*pairs, *rest], constant_values=fill)
    counts = [(n - w) // s + 1 for n, w, s in zip(padded.shape, window, stride, strict=False)]
    for place in np.ndindex(*counts):
        key = tuple(slice(s * i, s * i + w) for s, i, w in zip(stride, place, window, strict=True))
        yield place, padded[key]


CASES = [
    ((7,), (3,), (1,), 0, ((0, 0),)),
    ((7,), (3,), (2,), "same", ((1, 1),)),
    ((8,), (3,), (2,), "same", ((0, 1),)),
    ((5, 6), (2, 3), (2, 1), [[1, 0], [0, 2]], ((1, 0), (0, 2))),
    ((5, 6), (2, 2), (2, 2), 1, ((1, 1), (1, 1))),
    ((3, 4, 5), (2, 2, 3), (1, 2, 2), (1, 0, 1), ((1, 1), (0, 0), (1, 1))),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(rng, case):
    sizes, window, stride, padding, pairs = case
    x = rng.normal(size=(*sizes, 2, 3))
    fmt = "S" * len(sizes) + "CB"
    options = {"stride": stride, "padding": padding}
    largest = np.asarray(maxpool(dl.dlarray(x, fmt), window, **options))
    mean = np.asarray(avgpool(dl.dlarray(x, fmt), window, **options))
    inner = np.asarray(avgpool(dl.dlarray(x, fmt), window, padding_value="mean", **options))
    filled = np.asarray(avgpool(dl.dlarray(x, fmt), window, padding_value=-2, **options))
    axes = tuple(range(len(sizes)))
    terms, scale = int(np.prod(window)), np.abs(x).max()
    found = 0
    for place, elements in windows(x, window, stride, pairs, np.nan):
        found += 1
        np.testing.assert_array_equal(largest[place], np.nanmax(elements, axes))
        assert_close(inner[place], np.nanmean(elements, axes), terms, scale)
        zeros = np.nan_to_num(elements)
        assert_close(mean[place], zeros.mean(axes), terms, scale)
        twos = np.nan_to_num(elements, nan=-2.0)
        assert_close(filled[place], twos.mean(axes), terms, scale)
    assert found == np.prod(largest.shape[: len(sizes)])


@pytest.mark.parametrize("padding_value", [0, "mean"])
@pytest.mark.parametrize("dilation", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("pads", [(0, 0), (1, 1), (0, 2), (3, 1), (4, 5), "same"])
def test_windows_with_all_elements_in_the_padding_are_refused(
    pads, stride, dilation, padding_value
):
    refused = 0
    for n, window in product(range(1, 8), range(1, 4)):
        x, reach = dl.dlarray(np.arange(1.0, n + 1), "S"), dilation * (window - 1) + 1
        if pads == "same":
            total = max((-(-n // stride) - 1) * stride + reach - n, 0)
            before, after = total // 2, total - total // 2
        else:
            before, after = pads
        firsts = range(-before, n + after - reach + 1, stride)
        if not firsts:
            continue
        inside = [[p for p in range(f, f + reach, dilation) if 0 <= p < n] for f in firsts]
        options = {"stride": stride, "dilation_factor": dilation}
        options["padding"] = pads if pads == "same" else [[before], [after]]
        if all(inside):
            y, indices = maxpool(x, window, return_indices=True, **options)
            assert indices.tolist() == [max(places) for places in inside]
            assert y.tolist() == [p + 1 for p in indices.tolist()]
            mean = avgpool(x, window, padding_value=padding_value, **options)
            whole = [len(places) if padding_value else window for places in inside]
            sums = np.array([sum(places) + len(places) for places in inside])
            assert_close(mean, sums / whole, window)
            continue
        refused += 1
        first = [not places for places in inside].index(True)
        for call in (maxpool, partial(avgpool, padding_value=padding_value)):
            with pytest.raises(dl.InvalidArgumentError, match=f"window {first} along .*alone"):
                call(x, window, **options)
    assert refused or pads in ((0, 0), (1, 1), "same")


def each_window(geometry):
    """Yield the index of each result, and the elements of its window."""
    g = geometry
    for index in np.ndindex(*g.results):
        begin = [s * i - a for s, i, a in zip(g.stride, index, g.start, strict=True)]
        lines = [
            [b + d * k for k in range(w) if 0 <= b + d * k < n]
            for b, d, w, n in zip(begin, g.dilation, g.window, g.sizes, strict=True)
        ]
        yield index, np.ix_(*lines), all(lines)


def random_geometry(rng, dimensions, is_dilated):
    while True:
        sizes = tuple(rng.integers(4, 14, dimensions).tolist())
        window = tuple([int(rng.integers(1, n + 1)) for n in sizes])
        stride = tuple(rng.integers(1, 7, dimensions).tolist())
        dilation = (
            tuple(rng.integers(1, 4, dimensions).tolist()) if is_dilated else (1,) * dimensions
        )
        start = tuple([int(rng.integers(0, w)) for w in window])
        reach = [d * (w - 1) + 1 for d, w in zip(dilation, window, strict=True)]
        lines = zip(sizes, start, reach, stride, rng.integers(0, 3, dimensions), strict=True)
        results = tuple([int((n + a + after - r) // s + 1) for n, a, r, s, after in lines])
        geometry = Geometry(sizes, window, results, stride, dilation, start)
        if min(results) > 0 and all(full for _, _, full in each_window(geometry)):
            return geometry


# Elements from which on windows are intervals, or merged; bytes of masks that are held at once.
WAYS = {
    "intervals": (0, 1 << 40, 1 << 23),
    "merged": (1 << 40, 0, 1 << 23),
    "masks at once": (1 << 40, 1 << 40, 1 << 23),
    "mask by mask": (1 << 40, 1 << 40, 0),
}


@pytest.mark.parametrize("kind", ["different", "ties", "nan", "lowest"])
@pytest.mark.parametrize("is_dilated", [False, True])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_maxima_are_those_of_each_window(rng, monkeypatch, way, dimensions, is_dilated, kind):
    limits = ("POOL_INTERVAL_ELEMENTS", "POOL_MERGED_ELEMENTS", "POOL_MASK_BYTES")
    for name, limit in zip(limits, WAYS[way], strict=True):
        monkeypatch.setattr(kernels, name, limit)
    for _ in range(4):
        geometry = random_geometry(rng, dimensions, is_dilated)
        x = rng.normal(size=(2, 1, *geometry.sizes))
        if kind != "different":
            x = np.maximum(np.rint(x), 0)
        if kind == "lowest":  # the value with which what is outside of the array is filled
            x[x == 0] = -np.inf
        if kind == "nan":
            x[rng.random(x.shape) < 0.1] = np.nan
        g, t = rng.normal(size=(2, 1, *geometry.results)), rng.normal(size=x.shape)
        best, mean, pull = np.empty(g.shape), np.empty(g.shape), np.zeros(x.shape)
        for index, elements, _ in each_window(geometry):
            for image, out, means, of, pulled, g_one in zip(x, best, mean, t, pull, g, strict=True):
                window = image[0][elements]
                top = out[0][index] = window.max()
                same = (window == top) | (np.isnan(window) & np.isnan(top))
                means[0][index] = of[0][elements][same].mean()
                pulled[0][elements] += same * g_one[0][index] / same.sum()
        y = kernels.maximum(x, geometry=geometry)
        np.testing.assert_array_equal(y, best)
        assert_close(kernels.maximum_adjoint(g, x, y, geometry=geometry), pull, 8)
        assert_close(kernels.maximum_tangent(t, x, y, geometry=geometry), mean, 8)


@pytest.mark.parametrize(("window", "stride"), [(40, 1), (40, 8), (40, 40), (150, 150)])
def test_large_windows_of_other_data_types(rng, window, stride):
    for dtype in (np.float32, np.int16, np.bool_):
        x = rng.integers(0, 2, (1, 1, 300)).astype(dtype)
        y = maxpool(dl.dlarray(x, "BCS"), window, stride=stride)
        places = np.lib.stride_tricks.sliding_window_view(x[0, 0], window)[::stride]
        np.testing.assert_array_equal(np.asarray(y)[0, 0], places.max(axis=1))


@pytest.mark.parametrize("pool", [maxpool, avgpool, adaptivemaxpool, adaptiveavgpool])
@pytest.mark.parametrize("fmt", ["SSCB", "BCSS", "CSBS", "BSSC"])
def test_any_order_of_dimensions(rng, pool, fmt):
    x = rng.normal(size=(4, 5, 2, 3))
    numbered = [(c, "SSCB"[:i].count(c)) for i, c in enumerate("SSCB")]
    order = [numbered.index((c, fmt[:i].count(c))) for i, c in enumerate(fmt)]
    base = np.asarray(pool(dl.dlarray(x, "SSCB"), (2, 3)))
    turned = np.transpose(x, order)
    y = pool(dl.dlarray(turned, fmt), (2, 3))
    assert dl.dims(y) == fmt
    assert_close(y, np.transpose(base, order), x.size)
    plain = pool(turned, (2, 3), data_format=fmt)
    assert dl.dims(plain) == ""
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(y))


@pytest.mark.parametrize("pool", [maxpool, avgpool])
def test_over_time_and_globally(rng, pool):
    x = rng.normal(size=(3, 4, 5, 2))
    reduce = {"maxpool": np.max, "avgpool": np.mean}[pool.__name__]
    xs = dl.dlarray(x, "TSSC")
    y = pool(xs, "global")
    assert dl.dims(y) == "TSSC"
    assert_close(y, reduce(x, axis=(1, 2), keepdims=True), x.size)
    y = pool(xs, "global", pool_format="T")
    assert_close(y, reduce(x, axis=0, keepdims=True), len(x))
    # Space, then time: the order of the format is that of the sizes.
    y = np.asarray(pool(xs, (2, 1, 3), pool_format="SST"))
    assert y.shape == (1, 3, 5, 2)
    assert_close(y[0, 1], reduce(x[:, 1:3], axis=(0, 1)), 6)


def test_ties_share_also_in_windows_that_overlap():
    x = dl.dlarray([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "SS")
    g = dl.dlfeval(lambda x: dl.dlgradient(maxpool(x, (1, 2)).sum(), x), x)
    assert g.tolist() == [[0.5, 1.0, 0.5], [0.0, 2.0, 0.0]]


def test_nan_is_the_maximum_and_takes_the_cotangent():
    x = dl.dlarray([1.0, np.nan, 3.0, 2.0], "S")
    y, g = dl.dlfeval(lambda x: (maxpool(x, 2), dl.dlgradient(maxpool(x, 2).sum(), x)), x)
    np.testing.assert_array_equal(np.asarray(y), [np.nan, np.nan, 3])
    np.testing.assert_array_equal(np.asarray(g), [0, 2, 1, 0])
    _, indices = maxpool(x, 2, return_indices=True)
    assert indices.tolist() == [1, 1, 2]


@pytest.mark.parametrize("fmt", ["BCSS", "SSCB"])
def test_indices_and_their_inverse(rng, fmt):
    x = dl.dlarray(rng.normal(size=(4, 6, 4, 6)), fmt)
    y, indices = maxpool(x, 2, stride=2, return_indices=True)
    assert dl.dims(indices) == fmt
    assert indices.dtype == np.int64
    back = np.asarray(maxunpool(y, indices, x.shape))
    values = np.asarray(x)
    np.testing.assert_array_equal(back[back != 0], values[back != 0])
    assert np.count_nonzero(back) == y.size
    again = maxpool(dl.where(dl.dlarray(back, fmt) == 0, -9.0, dl.dlarray(back, fmt)), 2, stride=2)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(y))
    sizes = [n for n, c in zip(x.shape, fmt, strict=True) if c == "S"]
    again = maxunpool(np.asarray(y), np.asarray(indices), sizes, data_format=fmt)
    np.testing.assert_array_equal(np.asarray(again), back)


def test_windows_that_overlap_put_a_maximum_back_once():
    x = dl.dlarray([1.0, 7.0, 2.0, 5.0, 3.0], "S")
    y, indices = maxpool(x, 3, return_indices=True)
    assert indices.tolist() == [1, 1, 3]
    assert maxunpool(y, indices, 5).tolist() == [0, 7, 0, 5, 0]

    def run(y):
        z = maxunpool(y, indices, 5)
        return z, dl.dlgradient((z * z).sum(), y)

    z, slope = dl.dlfeval(run, dl.dlarray([1.0, 2.0, 3.0], "S"))
    assert z.tolist() == [0, 2, 0, 3, 0]
    assert slope.tolist() == [0, 4, 6]


def test_indices_of_everything():
    x = dl.dlarray([[1.0, 5.0], [7.0, 5.0], [2.0, 3.0]], "SC")
    y, indices = maxpool(x, "global", return_indices=True)
    assert y.tolist() == [[7.0, 5.0]]
    assert indices.tolist() == [[1, 0]]


def test_gradient_through_pooling_and_back():
    x = dl.dlarray([1.0, 4.0, 3.0, 2.0], "S")

    def fun(x):
        y, indices = maxpool(x, 2, stride=2, return_indices=True)
        z = maxunpool(y**2, indices, x.shape)
        g = dl.dlgradient((z * x).sum(), x, enable_higher_derivatives=True)
        return g, dl.dlgradient(g.sum(), x)

    g, h = dl.dlfeval(fun, x)
    assert g.tolist() == [0.0, 48.0, 27.0, 0.0]
    assert h.tolist() == [0.0, 24.0, 18.0, 0.0]


@pytest.mark.parametrize(("n", "count"), [(5, 2), (7, 3), (4, 4), (3, 5), (6, 1)])
def test_adaptive_windows(rng, n, count):
    x = rng.normal(size=(n, 2))
    bounds = [
        (int(np.floor(i * n / count)), int(np.ceil((i + 1) * n / count))) for i in range(count)
    ]
    mean = np.asarray(adaptiveavgpool(x, count, data_format="SC"))
    largest = np.asarray(adaptivemaxpool(x, count, data_format="SC"))
    assert_close(mean, [x[a:b].mean(axis=0) for a, b in bounds], n, np.abs(x).max())
    np.testing.assert_array_equal(largest, [x[a:b].max(axis=0) for a, b in bounds])


@pytest.mark.parametrize("pool", [maxpool, avgpool, adaptivemaxpool, adaptiveavgpool])
def test_single_precision_and_empty_batches(pool):
    for batch in (0, 2):
        x = dl.dlarray(np.ones((batch, 3, 4, 4), np.float32), "BCSS")
        y, g = dl.dlfeval(lambda x: (pool(x, 2), dl.dlgradient(pool(x, 2).sum(), x)), x)
        assert y.dtype == g.dtype == np.float32
        assert g.shape == x.shape
        assert y.shape[:2] == (batch, 3)


def test_large_arrays_use_all_cores(rng, monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 2)
    x = rng.normal(size=(9, 4, 64, 64)).astype(np.float32)
    y = np.asarray(maxpool(dl.dlarray(x, "BCSS"), 2, stride=2))
    np.testing.assert_array_equal(y, x.reshape(9, 4, 32, 2, 32, 2).max(axis=(3, 5)))
    g = dl.dlfeval(lambda x: dl.dlgradient(maxpool(x, 2, stride=2).sum(), x), dl.dlarray(x, "BCSS"))
    expected = x == np.repeat(np.repeat(y, 2, 2), 2, 3)
    np.testing.assert_array_equal(np.asarray(g), expected)


@pytest.mark.parametrize(
    ("size", "window", "stride", "dilation", "start"),
    [
        ((4, 3), (2, 3), (2, 2), (1, 1), (0, 0)),
        ((8, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
        ((3, 3), (2, 3), (3, 2), (2, 1), (1, 0)),
        ((8, 7), (1, 1), (1, 1), (1, 1), (0, 0)),
    ],
)
@pytest.mark.parametrize("special", [0, np.nan, np.inf])
def test_blocks_of_images(rng, monkeypatch, size, window, stride, dilation, start, special):
    form = Geometry((8, 7), window, size, stride, dilation, start)
    x = rng.integers(0, 4, (5, 2, 8, 7)).astype(np.float64)  # many are equal
    x[1, 0, 2, 3] = special
    expected = kernels.maximum(x, geometry=form), kernels.sum(x, geometry=form)
    # One image at a time.
    monkeypatch.setattr(kernels, "POOL_CHUNK_BYTES", 1)
    y = kernels.maximum(x, geometry=form)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(kernels.sum(x, geometry=form), expected[1])

    g, t = rng.normal(size=y.shape), rng.normal(size=x.shape)
    spread = kernels.spread(g, geometry=form)
    if not special:
        products = g * expected[1]
        assert_close(np.sum(spread * x), products.sum(), g.size, np.abs(products).sum())
    g[2, 1, 1, 1] = special
    pulled, pushed = np.zeros(x.shape), np.zeros(y.shape)
    for o in np.ndindex(y.shape):
        met = elements(form, o)
        largest = [i for i in met if x[i] == y[o] or (np.isnan(x[i]) and np.isnan(y[o]))]
        for i in largest:
            pulled[i] += g[o] / len(largest)
            pushed[o] += t[i] / len(largest)
    places = int(np.prod(window))
    assert_close(kernels.maximum_adjoint(g, x, y, geometry=form), pulled, places)
    assert_close(kernels.maximum_tangent(t, x, y, geometry=form), pushed, places)


def elements(form, o):
    """List the elements of the window of one result, by the formula."""
    n, c, *at = o
    found = []
    for k in np.ndindex(*form.window):
        lines = zip(form.stride, at, form.dilation, k, form.start, strict=True)
        i = [s * a + d * b - before for s, a, d, b, before in lines]
        if all(0 <= j < size for j, size in zip(i, form.sizes, strict=True)):
            found.append((n, c, *i))
    return found


def test_dilation():
    x = dl.dlarray([1.0, 9.0, 2.0, 5.0, 3.0, 0.0], "S")
    assert maxpool(x, 2, dilation_factor=3).tolist() == [5.0, 9.0, 2.0]
    assert avgpool(x, 2, dilation_factor=3).tolist() == [3.0, 6.0, 1.0]
    _, indices = maxpool(x, 2, dilation_factor=3, stride=2, return_indices=True)
    assert indices.tolist() == [3, 2]
