"""Calls as MATLAB, NumPy or PyTorch have them are answered with what to write."""

from typing import Any

import numpy as np
import pytest
from scipy.special import log1p

import dlgradient as dl

X = dl.dlarray([1.0, 2.0, 3.0])
A = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dl.maxpool(X, 2, "Padding", "same"), "maxpool: options are.*write padding='same'"),
        (
            lambda: dl.softmax(X, "DataFormat", "CB"),
            "softmax: options are keywords: write data_format='CB'",
        ),
        (
            lambda: dl.dlconv(X, A, 0, "Stride", 2, "DilationFactor", 3),
            "dlconv: .*write stride=2, dilation_factor=3",
        ),
        (lambda: dl.dlconv(X, A, "Padding", 1), "dlconv: .*write padding=1"),
        (
            lambda: dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x, "RetainData", True), X),
            "dlgradient: options are keywords: write retain_data=True",
        ),
        (lambda: dl.reshape(X, 3, 1), r"reshape: .*write shape=\(3, 1\)"),
        (lambda: dl.zeros(3, 2), r"zeros: .*write shape=\(3, 2\)"),
        (lambda: dl.permute_dims(A, 1, 0), r"permute_dims: .*write axes=\(1, 0\)"),
        (lambda: dl.tile(X, 2, 2), r"tile: .*write repetitions=\(2, 2\)"),
        (lambda: dl.sum(A, 0, 1), r"sum: .*write axis=\(0, 1\)"),
        (lambda: dl.max(A, [], 1), "max: .*write axis=0, which counts from 0"),
        (lambda: dl.max(A, [], 2), "max: .*write axis=1, which counts from 0"),
        (lambda: dl.reshape(A, [], 1), r"reshape: .*write shape=\(-1, 1\)"),
        (lambda: dl.max(X, X), r"max: axis .*write maximum\(x, y\)"),
        (lambda: dl.min(X, X), r"min: axis .*write minimum\(x, y\)"),
        (lambda: dl.concat(X, X), r"concat: axis .*write concat\(\[x, y\]\)"),
        (lambda: dl.concat(1, X, X), r"concat: .*write concat\(\[x, y\]\)"),
        (lambda: dl.stack(X, X), r"stack: axis .*write stack\(\[x, y\]\)"),
        (lambda: dl.adamupdate(X, X, lr=0.1), "unknown keyword 'lr'; write learning_rate= "),
        (lambda: dl.training_options("adam", MaxEpochs=3), "'MaxEpochs'; write max_epochs=[^(]*$"),
        (lambda: dl.training_options("adam", banana=3), "'banana'.*it has: batch_normal.*verbose"),
        (lambda: dl.adamupdate(X, X, beta1=0.9), "'beta1'; write gradient_decay= "),
        (lambda: dl.adamupdate(X, X, betas=(0.9, 0.99)), "'betas'; write gradient_decay= and sq_"),
        (lambda: dl.adamupdate(X, X, weight_decay=0.1), "'weight_decay'; .*weight-decay.html"),
        (lambda: dl.dropout(X, p=0.5, seed=1), "'p'; write probability= "),
        (
            lambda: dl.dlfeval(lambda x: dl.dlgradient(x.sum(), x, create_graph=True), X),
            "'create_graph'; write enable_higher_derivatives= ",
        ),
        (
            lambda: dl.dlfeval(lambda x: dl.dlgradient(x, x, grad_outputs=X), X),
            r"'grad_outputs'; write dlvjp\(y, w, x\)",
        ),
        (
            lambda: dl.dlfeval(lambda x: dl.dljvp({"a": x * x}, x, X), X),
            r"dljvp: y must be a dlarray, not dict; .*flatten\(x\) is one array",
        ),
        (lambda: dl.minibatchqueue(A, NumOutputs=2), "'NumOutputs'; it is not needed: there is an"),
        (
            lambda: dl.minibatchqueue(A, OutputAsDlarray=[1, 0]),
            "'OutputAsDlarray'; outputs with a format",
        ),
        (lambda: dl.minibatchqueue(A, DispatchInBackground=1), "environment='background'"),
        (lambda: dl.testnet(1, A, A, CategoricalTargetEncoding="auto"), "write class_names=,"),
        (lambda: dl.testnet(1, A, A, OutputDataFormats="BC"), "compared by their letters"),
        (lambda: dl.metrics.Recall(AverageType="micro"), "'AverageType'; write average=,"),
        (lambda: dl.dlarray([1.0], dtype=np.float32), r"'dtype'; write astype\(x, dtype\)"),
        (
            lambda: dl.crossentropy(dl.dlarray(A, "BC"), dl.dlarray([0, 1], "B")),
            "crossentropy: .*for indices of classes write indexcrossentropy",
        ),
        (
            lambda: dl.dlfeval(lambda x: dl.dlgradient(log1p(x).sum(), x), X),
            "scipy.special.log1p .*write dlgradient.log1p, which is traced",
        ),
    ],
)
def test_what_was_meant(call: Any, text: str) -> None:
    with pytest.raises(dl.DlgradientError, match=text):
        call()


@pytest.mark.parametrize("call", [lambda: dl.sum(X, 0, 1.5, 2), lambda: dl.eye(2, 2, 2)])
def test_nothing_is_suggested_where_nothing_fits(call: Any) -> None:
    with pytest.raises(dl.UnknownKeywordError) as found:
        call()
    assert "write" not in str(found.value)


READ_BY_COLUMNS = (
    lambda x: dl.reshape(x, (6, 4), order="F"),
    lambda x: np.reshape(x, (6, 4), order="F"),
    lambda x: x.reshape(6, 4, order="F"),
    lambda x: np.ravel(x, order="F"),
    lambda x: x.ravel("F"),
    lambda x: x.flatten(order="F"),
)


@pytest.mark.parametrize("call", READ_BY_COLUMNS)
def test_the_order_of_matlab_is_answered_by_what_has_it(call: Any) -> None:
    with pytest.raises(dl.DlgradientError, match=r"write (x\.T\.reshape\(shape\[::-1\]\)\.T)"):
        call(dl.zeros((2, 3, 4)))


@pytest.mark.parametrize("shape", [(6, 4), (4, 3, 2), (24,), (8, -1)])
def test_reversed_sizes_are_the_order_of_matlab(rng: np.random.Generator, shape: Any) -> None:
    raw = rng.normal(size=(2, 3, 4))
    x = dl.dlarray(raw)
    np.testing.assert_array_equal(x.T.reshape(shape[::-1]).T, raw.reshape(shape, order="F"))
    np.testing.assert_array_equal(x.reshape(shape, order="C"), raw.reshape(shape))


@pytest.mark.parametrize("parameters", [X, {"w": X}, [X]])
def test_an_empty_list_is_a_state_before_the_first_step(parameters: Any) -> None:
    ours = dl.adamupdate(parameters, parameters, None, None, 1, 0.1)
    as_in_matlab = dl.adamupdate(parameters, parameters, [], [], 1, 0.1)
    assert repr(as_in_matlab) == repr(ours)
    for update in (dl.sgdmupdate, dl.rmspropupdate):
        assert repr(update(parameters, parameters, [])) == repr(update(parameters, parameters))
    with pytest.raises(dl.InvalidArgumentError, match="average must have the structure"):
        dl.adamupdate({"w": X}, {"w": X}, {}, {}, 1)
    np.testing.assert_array_equal(dl.adamupdate([], [], [], [], 1)[0], [])


def test_a_call_of_the_namespace_of_transforms_names_the_function():
    with pytest.raises(TypeError, match=r"write dl\.fft\.fft\(x, axis=0\) for MATLAB's"):
        dl.fft(dl.dlarray([1.0, 2.0]))
