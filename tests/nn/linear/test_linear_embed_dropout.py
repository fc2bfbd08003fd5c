"""Fully connected layers, embeddings, one-hot vectors and dropout."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rounding import assert_close

import dlgradient as dl
from dlgradient.errors import FormatClashError, IndexingError, InvalidArgumentError
from dlgradient.nn.linear.dropout import dropout
from dlgradient.nn.linear.embed import embed, onehotdecode, onehotencode
from dlgradient.nn.linear.fullyconnect import fullyconnect
from dlgradient.testing import check_derivatives


@pytest.mark.parametrize(
    ("fmt", "expected", "formula"),
    [
        ("BC", "BC", "ac,oc->ao"),
        ("CB", "CB", "ca,oc->oa"),
        ("CBT", "CBT", "cab,oc->oab"),
        ("TBC", "TBC", "abc,oc->abo"),
        ("BCT", "BCT", "acb,oc->aob"),
        ("C", "C", "c,oc->o"),
        ("BCSS", "BC", "acst,ocst->ao"),
        ("SSCB", "CB", "stca,ocst->oa"),
        ("SBSC", "BC", "satc,ocst->ao"),
        ("SSB", "CB", "sta,ost->oa"),
        ("SCBU", "CB", "scab,obcs->oa"),
        ("UCT", "CT", "bca,obc->oa"),
        ("UUB", "CB", "sta,ost->oa"),
    ],
)
def test_fullyconnect_in_any_order(rng, fmt, expected, formula):
    sizes = dict(zip("cstabo", (3, 2, 4, 5, 6, 7), strict=True))
    left, right = formula.split("->")[0].split(",")
    x = rng.normal(size=[sizes[i] for i in left])
    w = rng.normal(size=[sizes[i] for i in right])
    matrix, bias = w.reshape(7, -1), rng.normal(size=7)
    shape = [7 if c == "C" else 1 for c in expected]
    wanted = np.einsum(formula, x, w) + bias.reshape(shape)
    y = fullyconnect(dl.dlarray(x, fmt), matrix, bias)
    assert dl.dims(y) == expected
    assert_close(y, wanted, w[0].size)
    plain = fullyconnect(x, matrix.T, bias, data_format=fmt, weights_format="CU")
    assert dl.dims(plain) == ""
    assert_close(plain, wanted, w[0].size)


def test_fullyconnect_with_a_dimension_for_each_input(rng):
    x, w, b = rng.normal(size=(4, 5, 3, 2)), rng.normal(size=(5, 7, 4, 3)), rng.normal(size=7)
    expected = np.einsum("stcb,tosc->ob", x, w) + b[:, None]
    x = dl.dlarray(x, "SSCB")
    turned = w.transpose(1, 3, 2, 0)
    for weights in (dl.dlarray(turned, "UCSS"), dl.dlarray(turned.transpose(2, 0, 3, 1), "SUSC")):
        assert_close(fullyconnect(x, weights, dl.dlarray(b, "C")), expected, 60)
    assert_close(fullyconnect(x, turned, b[:, None], weights_format="UCSS", bias_format="CB"),
                 expected, 60)  # fmt: skip
    with pytest.raises(dl.FormatClashError, match=r"bias has .*'TB'.*'C' or 'U'"):
        fullyconnect(x, turned, b[:, None], weights_format="UCSS", bias_format="TB")


def test_weights_from_matlab_for_several_spatial_dimensions(rng):
    """Its columns are x(:) of one observation 'SSC': the first index changes fastest."""
    x, imported = rng.normal(size=(4, 5, 3, 2)), rng.normal(size=(7, 60))
    expected = np.stack([imported @ x[..., b].ravel(order="F") for b in range(2)], axis=1)
    weights = imported.reshape((7, 4, 5, 3), order="F")
    y = fullyconnect(x, weights, data_format="SSCB", weights_format="USSC")
    assert_close(y, expected, 60)
    matrix = weights.transpose(0, 3, 1, 2).reshape(7, 60)
    assert_close(fullyconnect(x, matrix, data_format="SSCB"), expected, 60)
    # One spatial dimension, or an unspecified one, needs no conversion.
    one = rng.normal(size=(4, 3, 2))
    by_columns = np.stack([imported[:, :12] @ one[..., b].ravel(order="F") for b in range(2)], 1)
    for fmt in ("SCB", "CUB"):
        assert_close(fullyconnect(one, imported[:, :12], data_format=fmt), by_columns, 12)


def test_fullyconnect_in_single_precision_and_for_empty_batches():
    x = dl.dlarray(np.ones((4, 3), np.float32), "BC")
    w, b = np.ones((2, 3), np.float32), np.ones(2, np.float32)
    assert fullyconnect(x, w, b).dtype == np.float32
    assert fullyconnect(dl.dlarray(np.ones((0, 3)), "BC"), w, b).shape == (0, 2)
    assert_array_equal(np.asarray(fullyconnect(x, w, 0)), 3)
    assert_array_equal(np.asarray(fullyconnect(x, w)), 3)


def test_fullyconnect_of_several_derivatives(rng):
    def loss(x, w, b):
        h = dl.tanh(fullyconnect(x, w, b, data_format="SCB"))
        return h.sum()

    check_derivatives(
        loss, rng.normal(size=(2, 2, 2)), rng.normal(size=(2, 4)), rng.normal(size=2), order=3
    )


def test_embed_in_any_order(rng):
    table = rng.normal(size=(5, 3))
    ids = np.array([[0, 4, 4], [2, 0, 1]])
    for fmt, x, expected in [
        ("BT", ids, "BTC"),
        ("BCT", ids[:, None], "BCT"),
        ("CBT", ids[None], "CBT"),
        ("TBC", ids[:, :, None], "TBC"),
    ]:
        y = embed(dl.dlarray(x, fmt), table.T)
        assert dl.dims(y) == expected
        wanted = np.moveaxis(table[ids], -1, expected.index("C"))
        assert_array_equal(np.asarray(y), wanted)
        z = embed(x, dl.dlarray(table, "UC"), data_format=fmt)
        assert dl.dims(z) == ""
        assert_array_equal(np.asarray(z), wanted)
    assert_array_equal(np.asarray(embed(dl.dlarray([4.0, 1.0], "T"), table.T)), table[[4, 1]])


@pytest.mark.parametrize("fmt", ["CU", "UC"])
def test_gradient_of_embed_is_added_up(rng, fmt):
    ids = rng.integers(0, 6, (4, 5))
    table = rng.normal(size=(3, 7) if fmt == "CU" else (7, 3))
    g = rng.normal(size=(4, 5, 3))

    def run(w):
        y = embed(ids, w, data_format="BT", weights_format=fmt)
        return dl.dlgradient((y * g).sum(), w)

    wanted = np.zeros((7, 3))
    np.add.at(wanted, ids, g)
    found = np.asarray(dl.dlfeval(run, dl.dlarray(table)))
    assert_close(found, wanted.T if fmt == "CU" else wanted, ids.size)

    def square(w):
        return (embed(ids, w, data_format="BT", weights_format=fmt) ** 3).sum()

    check_derivatives(square, table)


def test_indices_outside_of_the_table():
    with pytest.raises(IndexingError, match="index 5, but the weights have 5 symbols"):
        embed(np.array([5]), np.zeros((2, 5)), data_format="B")


def test_one_hot_and_back():
    labels = np.array(["b", "a", "c", "a"])
    hot = onehotencode(labels)
    assert hot.dtype == np.float32
    assert_array_equal(hot, np.eye(3)[[1, 0, 2, 0]])
    assert_array_equal(onehotdecode(hot, ["a", "b", "c"]), labels)
    x = dl.dlarray([[1, 0, 2]], "TB")
    y = onehotencode(x, 1, class_names=range(4), dtype=np.float64)
    assert dl.dims(y) == "TCB"
    assert y.shape == (1, 4, 3)
    assert_array_equal(onehotdecode(y, range(4)), [[1, 0, 2]])
    assert onehotencode(np.zeros((0,), int), class_names=range(3)).shape == (0, 3)
    with pytest.raises(InvalidArgumentError, match=r"labels has 7, none of the class_names"):
        onehotencode([0, 7], class_names=range(3))
    with pytest.raises(InvalidArgumentError, match="axis=2 does not exist"):
        onehotencode([0, 7], 2)
    with pytest.raises(FormatClashError, match="'CB'"):
        onehotencode(dl.dlarray([[1, 0]], "CB"), 0)


def test_dropout(rng):
    x = dl.dlarray(np.ones((50, 40), np.float32), "CB")
    y = dropout(x, probability=0.25, seed=3)
    assert y.dtype == np.float32
    assert dl.dims(y) == "CB"
    values = np.asarray(y)
    assert_allclose(np.unique(values), [0, 1 / 0.75], rtol=1e-6)
    assert abs((values == 0).mean() - 0.25) < 0.05
    assert_array_equal(values, np.asarray(dropout(x, probability=0.25, seed=3)))
    first, second = (np.asarray(dropout(x, generator=rng)) for _ in range(2))
    assert (first != second).any()
    with pytest.raises(InvalidArgumentError, match="either generator="):
        dropout(x, generator=rng, seed=1)


def test_dropped_elements_have_no_gradient():
    def run(x):
        return dl.dlgradient(dropout(dl.sqrt(x), probability=1, seed=0).sum(), x)

    assert np.asarray(dl.dlfeval(run, dl.dlarray([0.0, 0.0]))).tolist() == [0, 0]


def test_dropout_of_whole_channels():
    x = np.ones((3, 4, 5, 6))
    y = np.asarray(dropout(dl.dlarray(x, "SCSB"), spatial=True, seed=0))
    assert (y == y[:1, :, :1]).all()
    assert 0 < (y[0, :, 0] == 0).mean() < 1


def test_one_index_alone():
    y = dl.embed(2, dl.dlarray([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], "UC"), data_format="")
    assert y.tolist() == [4.0, 5.0]


@pytest.mark.parametrize("names", [[1, 1, 0], [(1, 2), (3, 4)]])
def test_class_names_are_different_numbers_or_strings(names):
    with pytest.raises(dl.InvalidArgumentError, match="onehotencode: class_names must be diff"):
        dl.onehotencode([1, 0], class_names=names)


def test_decoding_needs_the_dimension_of_the_classes():
    y = np.eye(2)
    with pytest.raises(dl.FormatClashError, match=r"onehotdecode.*'SB' without 'C'.*axis="):
        dl.onehotdecode(dl.dlarray(y, "SB"), ["a", "b"])
    assert dl.onehotdecode(dl.dlarray(y, "SB"), ["a", "b"], axis=0).tolist() == ["a", "b"]
    with pytest.raises(dl.InvalidArgumentError, match=r"onehotdecode: axis=5.*shape \(2, 2\)"):
        dl.onehotdecode(y, ["a", "b"], 5)
