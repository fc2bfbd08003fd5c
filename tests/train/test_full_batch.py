"""The solvers "lbfgs" and "lm": least losses, against SciPy's, and how they end."""

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

import dlgradient as dl
from dlgradient import layers

X = np.linspace(0, 3, 30)[:, None]
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.02 * np.sin(40 * X)


# Of SciPy's fits.
TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}


class Decay(layers.Layer):
    """a exp(-b x) + c, a curve with three numbers to fit."""

    learnables = ("a", "b", "c")

    def initialize(self, _layout):
        self.a, self.b, self.c = [np.full(1, v) for v in (1.0, 1.0, 0.0)]

    def predict(self, x):
        a, b, c = [dl.dlarray(v, "C") for v in (self.a, self.b, self.c)]
        return a * dl.exp(-b * x) + c


def curve(p, x):
    return p[0] * np.exp(-p[1] * x) + p[2]


def double(net):
    return dl.dlupdate(np.float64, net)


def network():
    return double(dl.dlnetwork([layers.FeatureInput(1), Decay(name="decay")]))


def options(solver, **others):
    return dl.training_options(
        solver,
        **{
            "verbose": False,
            "l2_regularization": 0.0,
            "gradient_tolerance": 1e-9,
            "step_tolerance": 0.0,
            **others,
        },
    )


def numbers(net):
    return np.concatenate([np.ravel(np.asarray(v)) for v in net.learnables.values()])


@pytest.mark.parametrize("loss", ["mse", "l2loss", "mean-squared-error"])
@pytest.mark.parametrize("solver", ["lm", "lbfgs"])
def test_a_curve_is_fitted_as_by_scipy(solver, loss):
    want = least_squares(lambda p: (curve(p, X) - Y).ravel(), [1, 1, 0], **TIGHT)
    net, info = dl.trainnet(X, Y, network(), loss, options(solver))
    assert info.stop_reason == "Gradient tolerance reached"
    np.testing.assert_allclose(numbers(net), want.x, rtol=1e-6)
    limit = {"lm": 12, "lbfgs": 60}[solver]
    assert len(info.training_history["loss"]) <= limit
    assert np.all(np.diff(info.training_history["loss"]) <= 0)


def test_the_gradient_of_lm_is_that_of_the_loss():
    """And so with regularisation, whose least loss SciPy finds, too."""
    l2 = 0.05
    net, info = dl.trainnet(X, Y, network(), "mse", options("lm", l2_regularization=l2))

    def objective(p):
        return np.sum((curve(p, X) - Y) ** 2) / (2 * len(X)) + l2 / 2 * (p @ p)

    want = minimize(objective, [1, 1, 0], method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(numbers(net), want.x, rtol=1e-5)
    also, _ = dl.trainnet(X, Y, network(), "mse", options("lbfgs", l2_regularization=l2))
    np.testing.assert_allclose(numbers(also), want.x, rtol=1e-5)
    np.testing.assert_allclose(
        info.training_history["loss"][-1], objective(want.x) - l2 / 2 * (want.x @ want.x), rtol=1e-5
    )


@pytest.mark.parametrize("line_search_method", ["weak-wolfe", "strong-wolfe", "backtracking"])
def test_lbfgs_finds_the_least_of_a_convex_loss(line_search_method, rng):
    """Regression by classes with regularisation has one least loss: SciPy's L-BFGS-B finds it."""
    x = rng.normal(size=(60, 3))
    classes = (x @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=60) > 0).astype(int)
    net = [layers.FeatureInput(3), layers.FullyConnected(2), layers.Softmax()]
    chosen = options("lbfgs", l2_regularization=0.1, line_search_method=line_search_method)
    found, info = dl.trainnet(
        x, classes, double(dl.dlnetwork(net, generator=0)), "crossentropy", chosen
    )

    def objective(p):
        w, b = p[:6].reshape(2, 3), p[6:]
        z = x @ w.T + b
        z = z - z.max(1, keepdims=True)
        scores = z - np.log(np.exp(z).sum(1, keepdims=True))
        return -scores[np.arange(60), classes].mean() + 0.05 * np.sum(w**2)

    want = minimize(objective, numbers(found), method="L-BFGS-B", options={"gtol": 1e-10})
    assert objective(numbers(found)) <= want.fun + 1e-10
    assert info.stop_reason == "Gradient tolerance reached"


def test_rows_columns_and_reasons(capsys):
    chosen = options("lm", verbose=True, max_iterations=3, verbose_frequency=1)
    _, info = dl.trainnet(X, Y, network(), "mse", chosen)
    head, *rows, end = capsys.readouterr().out.splitlines()
    names = ["Iteration", "TimeElapsed", "TrainingLoss", "GradientNorm", "StepNorm"]
    assert head.split() == names
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert end == "Training stopped: Max iterations completed"
    history = info.training_history
    assert history["iteration"] == [1, 2, 3]
    assert history["gradient_norm"][-1] < history["gradient_norm"][0]
    _, info = dl.trainnet(X, Y, network(), "mse", options("lm", step_tolerance=1.0))
    assert info.stop_reason == "Step tolerance reached"
    assert info.training_history["step_norm"][-1] <= 1.0 < info.training_history["step_norm"][-2]


def test_damping_grows_until_a_step_helps():
    """From far off, undamped steps of Gauss and Newton lead nowhere."""
    net = network()
    net.learnables["decay/b"] = np.array([9.0])
    net.learnables["decay/a"] = np.array([-5.0])
    found, info = dl.trainnet(X, Y, net, "mse", options("lm", initial_damping_factor=1e-12))
    want = least_squares(lambda p: (curve(p, X) - Y).ravel(), [1, 1, 0], **TIGHT)
    np.testing.assert_allclose(numbers(found), want.x, rtol=1e-6)
    assert np.all(np.diff(info.training_history["loss"]) <= 0)
    _, info = dl.trainnet(X, Y, net, "mse", options("lm", gradient_tolerance=0.0))
    assert info.stop_reason == "Max damping factor reached"


@pytest.mark.parametrize("solver", ["lm", "lbfgs"])
def test_frozen_learnables_stay(solver):
    net = network().set_learn_rate_factor("decay/c", 0)
    found, _ = dl.trainnet(X, Y, net, "mse", options(solver))
    want = least_squares(lambda p: (curve([*p, 0.0], X) - Y).ravel(), [1, 1], **TIGHT)
    np.testing.assert_allclose(numbers(found), [*want.x, 0.0], rtol=1e-6)


def test_more_learnables_than_errors():
    """The Jacobian is then by reverse mode; its rank is that of the errors."""
    net = [
        layers.FeatureInput(1),
        layers.FullyConnected(20),
        layers.Tanh(),
        layers.FullyConnected(1),
    ]
    start = double(dl.dlnetwork(net, generator=0))
    found, info = dl.trainnet(X[::5], Y[::5], start, "mse", options("lm"))
    np.testing.assert_allclose(found.predict(X[::5]), Y[::5], atol=1e-4)
    assert info.training_history["loss"][-1] < 1e-8


@pytest.mark.parametrize("solver", ["lm", "lbfgs"])
def test_validation_metrics_and_normalisation(solver):
    """The last network is validated, whatever ended the training."""
    net = [
        layers.FeatureInput(1, normalization="zscore"),
        layers.FullyConnected(4),
        layers.BatchNormalization(),
        layers.Tanh(),
        layers.FullyConnected(1),
    ]
    chosen = options(
        solver, validation_data=(X, Y), metrics="rmse", max_iterations=60, validation_frequency=7
    )
    found, info = dl.trainnet(X, Y, dl.dlnetwork(net, initialize=False), "mse", chosen)
    history = info.validation_history
    assert history["iteration"][-1] == info.training_history["iteration"][-1]
    assert history["rmse"][-1] > 0
    assert info.training_history["rmse"][-1] < info.training_history["rmse"][0]
    assert found.initialized


@pytest.mark.parametrize("solver", ["lm", "lbfgs"])
def test_checkpoints_go_on_bit_for_bit(solver, tmp_path):
    def run(folder, **others):
        resume = others.pop("resume", False)
        chosen = options(
            solver,
            checkpoint_path=folder,
            checkpoint_frequency=2,
            checkpoint_frequency_unit="iteration",
            **others,
        )
        net, info = dl.trainnet(X, Y, network(), "mse", chosen, resume=resume)
        info.training_history.pop("time_elapsed")
        return net, info

    run(tmp_path / "a", output_fcn=lambda row: row["iteration"] == 5)
    one, other = run(tmp_path / "a", resume=True), run(tmp_path / "b")
    assert one[0] == other[0]
    assert one[1] == other[1]


def test_queues_and_own_losses():
    queue = dl.minibatchqueue(
        (X, Y), mini_batch_size=7, mini_batch_format="BC", output_cast="float64"
    )

    def loss(y, t):
        return dl.abs(y - t).sum() + ((y - t) ** 2).sum()

    net, info = dl.trainnet(queue, network(), loss, options("lbfgs", max_iterations=30))
    final = np.abs(net.predict(X) - Y)
    np.testing.assert_allclose(
        info.training_history["loss"][-1], final.sum() + (final**2).sum(), rtol=1e-8
    )


def stream():
    yield from zip(X, Y, strict=True)


WRONG = {
    r"'lbfgs' needs a loss that depends on the learnables alone, and layer 'dropout'": (
        "lbfgs",
        [
            layers.FeatureInput(1),
            layers.FullyConnected(3),
            layers.Dropout(),
            layers.FullyConnected(1),
        ],
        "mse",
    ),
    r"solver 'lm' makes a sum of squares small, so its loss is 'mse' or 'l2loss', not 'mae'": (
        "lm",
        None,
        "mae",
    ),
    r"'lm' makes a sum of squares small.* not 'own'": ("lm", None, lambda y, t: dl.mse(y, t)),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_fit(text):
    solver, net, loss = WRONG[text]
    if callable(loss):
        loss.__name__ = "own"
    with pytest.raises(dl.DlgradientError, match=text):
        dl.trainnet(X, Y, network() if net is None else net, loss, options(solver))


def test_streams_are_no_whole_data():
    queue = dl.minibatchqueue(stream, mini_batch_format="BC", mini_batch_size=5)
    with pytest.raises(dl.DlgradientError, match="needs all data at once, and an iterable"):
        dl.trainnet(queue, network(), "mse", options("lm"))


def test_options_belong_to_solvers():
    def refused(text, solver, **others):
        with pytest.raises(dl.DlgradientError, match=text):
            dl.training_options(solver, **others)

    refused("momentum is an option of 'sgdm', 'muon', and has no", "adam", momentum=0.5)
    refused("max_epochs is an option of solvers with mini-batches", "lm", max_epochs=3)
    refused("history_size is an option of 'lbfgs'.*'adam' has gradient", "adam", history_size=3)
    refused("max_iterations is an option of 'lbfgs', 'lm'", "sgdm", max_iterations=3)
    refused(
        "'parallel' shares the mini-batches, and 'lm' has none",
        "lm",
        execution_environment="parallel",
    )
    refused("write initial_damping_factor=", "lm", InitialDampingFactor=1)
    refused("damping_decrease_factor must be a .* below 1", "lm", damping_decrease_factor=1.0)
    assert dl.training_options("lbfgs").checkpoint_frequency == 30
    assert dl.training_options("lm", l2_regularization=0).max_iterations == 1000
