"""The estimators for scikit-learn: its own checks, and what goes beyond them."""

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dlgradient as dl
from dlgradient.errors import InvalidArgumentError, UnknownKeywordError
from dlgradient.sklearn import DlnetClassifier, DlnetRegressor

Rng = np.random.Generator


@parametrize_with_checks([DlnetClassifier(), DlnetRegressor()])
def test_the_checks_of_scikit_learn_pass(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def linear(num_features: int, num_outputs: int) -> list[dl.layers.Layer]:
    return [
        dl.layers.FeatureInput(num_features),
        dl.layers.FullyConnected(num_outputs),
    ]


def logistic(num_features: int, num_classes: int) -> list[dl.layers.Layer]:
    return [*linear(num_features, num_classes), dl.layers.Softmax()]


def with_everything(num_features: int, num_classes: int) -> list[dl.layers.Layer]:
    return [
        dl.layers.FeatureInput(num_features, normalization="zscore"),
        dl.layers.FullyConnected(16),
        dl.layers.BatchNormalization(),
        dl.layers.Dropout(0.1),
        dl.layers.Relu(),
        dl.layers.FullyConnected(num_classes),
        dl.layers.Softmax(),
    ]


def test_a_logistic_network_is_logistic_regression() -> None:
    x, y = load_iris(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    weights = 1.0 + np.arange(len(y)) % 3
    model = DlnetClassifier(
        logistic, solver="sgdm", initial_learn_rate=1.0, max_epochs=4000, mini_batch_size=150,
        l2_regularization=0.01,
    )  # fmt: skip
    model.set_params(random_state=0).fit(x, y, weights)
    # C is one over the number of observations times the regularisation; biases have none.
    reference = LogisticRegression(C=1 / (0.01 * weights.sum()), tol=1e-10, max_iter=1000)
    reference.fit(x, y, weights)
    np.testing.assert_allclose(
        model.predict_proba(x), reference.predict_proba(x), rtol=1e-5, atol=1e-6
    )


def test_a_linear_network_is_least_squares(rng: Rng) -> None:
    x, noise = rng.normal(size=(60, 3)), 0.1 * rng.normal(size=(60, 2))
    y = x @ rng.normal(size=(3, 2)) + rng.normal(size=2) + noise
    weights = rng.integers(0, 4, 60)
    model = DlnetRegressor(
        linear, solver="sgdm", initial_learn_rate=0.1, max_epochs=2000, l2_regularization=0
    )
    found = model.fit(x, y, weights).predict(x)
    design = np.c_[x, np.ones(60)]
    roots = np.sqrt(weights)[:, None]
    solution = np.linalg.lstsq(design * roots, y * roots)[0]
    np.testing.assert_allclose(found, design @ solution, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("loss", ["mse", "l2loss", "mae", "huber", dl.l1loss])
def test_losses_of_regression(rng: Rng, loss: Any) -> None:
    x = rng.normal(size=(100, 2))
    model = DlnetRegressor(loss=loss, random_state=0, initial_learn_rate=0.01, max_epochs=50)
    assert model.fit(x, x[:, 0] - x[:, 1], np.ones(100)).score(x, x[:, 0] - x[:, 1]) > 0.9


def test_a_function_as_loss_gets_weights(rng: Rng) -> None:
    shapes = []

    def loss(y: Any, targets: Any, weights: Any) -> Any:
        shapes.append((targets.shape, weights.shape))
        return dl.crossentropy(y, targets, weights)

    x, y, weights = rng.normal(size=(30, 2)), rng.integers(0, 3, 30), rng.uniform(1, 2, 30)
    own = DlnetClassifier(loss=loss, max_epochs=5, random_state=0).fit(x, y, weights)
    named = DlnetClassifier(max_epochs=5, random_state=0).fit(x, y, weights)
    assert shapes[0] == ((30, 3), (30,))
    np.testing.assert_array_equal(own.predict_proba(x), named.predict_proba(x))


def test_scale_and_offset_of_the_targets_do_not_matter(rng: Rng) -> None:
    x = rng.normal(size=(80, 2))
    y = np.sin(x[:, 0]) + x[:, 1]
    scores = [
        DlnetRegressor(random_state=0, max_epochs=30).fit(x, y * a + b).score(x, y * a + b)
        for a, b in ((1, 0), (1e6, -1e7), (1e-6, 1e-3))
    ]
    assert max(scores) - min(scores) < 1e-3


def test_digits_and_a_grid_of_options_and_networks() -> None:
    x, y = load_digits(return_X_y=True)
    model = DlnetClassifier(random_state=0, max_epochs=20, initial_learn_rate=0.01)
    assert cross_val_score(model, x, y, cv=3).mean() > 0.92
    pipeline = make_pipeline(
        StandardScaler(), DlnetClassifier(logistic, initial_learn_rate=0.03, random_state=0)
    )
    grid = {
        "dlnetclassifier__max_epochs": [1, 30],
        "dlnetclassifier__network": [logistic, with_everything],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=1).fit(x[:600], y[:600])
    assert search.best_params_["dlnetclassifier__max_epochs"] == 30
    assert search.best_score_ > 0.75


def test_processes_of_joblib_get_the_same_result() -> None:
    x, y = load_iris(return_X_y=True)
    model = DlnetClassifier(random_state=0, max_epochs=5)
    alone = cross_val_score(model, x, y, cv=2)
    with joblib.parallel_config("loky", n_jobs=2), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of processes, which are not those of the tests
        np.testing.assert_array_equal(cross_val_score(model, x, y, cv=2), alone)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fitted_estimator_is_pickled(rng: Rng, dtype: Any) -> None:
    x, y = rng.normal(size=(50, 3)).astype(dtype), rng.integers(0, 2, 50)
    model = DlnetClassifier(with_everything, max_epochs=3).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert model.predict_proba(x).dtype == dtype
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_network_with_values_is_where_training_begins(rng: Rng) -> None:
    x = rng.normal(size=(40, 3))
    net = dl.dlnetwork(linear(3, 1), generator=0)
    before = net.learnables.copy()
    model = clone(DlnetRegressor(net, max_epochs=1, initial_learn_rate=1e-12))
    found = model.fit(x, x[:, 0]).predict(x)
    np.testing.assert_allclose(found, net.predict(x)[:, 0], rtol=1e-5, atol=1e-6)
    assert net.learnables == before


def test_validation_ends_training_and_keeps_the_best(rng: Rng) -> None:
    x, y = rng.normal(size=(120, 5)), rng.integers(0, 2, 120)  # nothing to be learnt
    model = DlnetClassifier(
        validation_fraction=0.25, validation_frequency=1, validation_patience=5,
        initial_learn_rate=0.01, random_state=0,
    ).fit(x, y)  # fmt: skip
    history = model.info_.validation_history
    assert model.info_.stop_reason == "Met validation criterion"
    best = int(np.argmin(history["loss"]))
    assert model.info_.output_network_iteration == history["iteration"][best]


def test_seeds_decide(rng: Rng) -> None:
    x, y = rng.normal(size=(30, 2)), rng.integers(0, 2, 30)
    first, again, other = [
        DlnetClassifier(with_everything, max_epochs=2, random_state=seed).fit(x, y).predict_proba(x)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_names_of_a_data_frame_are_kept(rng: Rng) -> None:
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"])
    labels = pd.Series(["u", "v", "w"] * 10)
    model = DlnetClassifier(max_epochs=2).fit(frame, labels)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert model.classes_.tolist() == ["u", "v", "w"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a"]])


def test_a_loss_that_is_not_finite_warns(rng: Rng) -> None:
    x = rng.normal(size=(30, 2))
    model = DlnetRegressor(solver="sgdm", initial_learn_rate=1e30, l2_regularization=0)
    with (
        np.errstate(all="ignore"),
        pytest.warns(ConvergenceWarning, match="DlnetRegressor: Loss is .*initial_learn_rate"),
    ):
        model.fit(x, x[:, 0])


def test_wrong_parameters_are_named(rng: Rng) -> None:
    x, y = rng.normal(size=(30, 2)), rng.integers(0, 2, 30)
    with pytest.raises(UnknownKeywordError, match=r"DlnetClassifier: .*'max_epoch'.*max_epochs"):
        DlnetClassifier(max_epoch=3)
    with pytest.raises(InvalidArgumentError, match=r"DlnetClassifier: loss must be .*'mse'"):
        DlnetClassifier(loss="mse").fit(x, y)
    with pytest.raises(InvalidArgumentError, match="training_options: max_epochs"):
        DlnetClassifier(max_epochs=-1).fit(x, y)


def test_the_package_needs_no_scikit_learn() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import dlgradient as dl; dl.trainnet\n"
        "try:\n    dl.sklearn\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert "needs scikit-learn 1.6 or later: pip install dlgradient[sklearn]" in done.stdout


def test_the_namespace_is_an_attribute_of_the_package() -> None:
    code = "import dlgradient as dl; print(dl.sklearn.DlnetRegressor(max_epochs=3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "DlnetRegressor(max_epochs=3)\n"
