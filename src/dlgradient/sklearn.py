"""The namespace ``dlgradient.sklearn``: networks as estimators of scikit-learn.

Each option of training is a parameter of the constructor, so that a grid search can choose it.
They are read from `TrainingOptions`, where they are written once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar
from warnings import warn

import numpy as np

from dlgradient.core.arguments import unknown_keyword
from dlgradient.core.types import Array, Value
from dlgradient.errors import InvalidArgumentError, located
from dlgradient.layers.activation import Relu, Softmax
from dlgradient.layers.dense import FullyConnected
from dlgradient.layers.input import FeatureInput, InverseNormalization
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.nn.losses.classification import crossentropy
from dlgradient.nn.losses.regression import huber, l1loss, l2loss
from dlgradient.train.options import TrainingOptions, has_meaning, training_options
from dlgradient.train.predict import minibatchpredict
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.trainnet import trainnet
from dlgradient.train.update import dlupdate

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    text = "dlgradient.sklearn needs scikit-learn 1.6 or later: pip install dlgradient[sklearn]"
    raise ImportError(located(text, "reference/sklearn.html")) from error

__all__ = ["DlnetClassifier", "DlnetRegressor"]

# What `fit` says, and no parameter.
_OF_FIT = ("validation_data", "generator", "input_data_formats", "target_data_formats")
# Where defaults are those of estimators: they print nothing, and data are small.
_DEFAULTS = {"solver": "adam", "verbose": False, "max_epochs": 100}
_OPTIONS = {
    option.name: _DEFAULTS.get(option.name, option.default)
    for option in fields(TrainingOptions)
    if option.init and option.name not in _OF_FIT
}
_DTYPES = (np.float64, np.float32)  # the first is that of other dtypes
_HIDDEN = 64


def _half_squares(y: Value, targets: Value, *weights: Value) -> Value:
    return l2loss(y, targets, *weights) / 2


# Unlike those of `trainnet`, all take weights of the observations.
_CLASSIFICATION: dict[str, Callable[..., Value]] = {"crossentropy": crossentropy}
_REGRESSION: dict[str, Callable[..., Value]] = {
    "mse": _half_squares,
    "mean-squared-error": _half_squares,
    "l2loss": l2loss,
    "mae": l1loss,
    "mean-absolute-error": l1loss,
    "l1loss": l1loss,
    "huber": huber,
}


def _constructor(loss: str) -> Callable[..., None]:
    """Return a constructor that has a parameter for each option, and only keeps them."""
    kind = inspect.Parameter.KEYWORD_ONLY
    defaults = {"loss": loss, "validation_fraction": None, "random_state": None, **_OPTIONS}
    own = [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]
    first = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def __init__(self: Any, network: Any = None, **given: Any) -> None:  # noqa: N807
        for name in given:
            if name not in defaults:
                raise unknown_keyword(type(self).__name__, name, ("network", *defaults))
        vars(self).update({"network": network, **defaults, **given})

    # This is what scikit-learn reads the parameters from.
    vars(__init__)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter("self", first),
            inspect.Parameter("network", first, default=None),
            *own,
        ]
    )
    return __init__


class _Estimator(BaseEstimator):  # type: ignore[misc] # it has no types
    """What both estimators share: training and prediction."""

    losses: ClassVar[dict[str, Callable[..., Value]]]
    head: ClassVar[tuple[type[Layer], ...]] = ()

    def _columns(self, x: Array, targets: Array, sample_weight: Any) -> list[Array]:
        """Return data, targets and possibly weights, without observations of weight zero."""
        if sample_weight is None:
            return [x, targets]
        weights = _check_sample_weight(sample_weight, x, dtype=x.dtype, ensure_non_negative=True)
        rows = weights > 0
        if not rows.any():
            raise InvalidArgumentError(
                f"{type(self).__name__}: sample_weight is zero for all observations"
            )
        return [x[rows], targets[rows], weights[rows] / weights[rows].mean()]

    def _train(self, columns: list[Array]) -> None:
        """Set the network and its history."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        generator = np.random.default_rng(seed)
        held: Any = None
        if self.validation_fraction is not None:
            columns, held = self._divided(columns, seed)
        net = self._network(columns, generator)
        given = {name: getattr(self, name) for name in _OPTIONS}
        # What has no meaning for the solver is refused, but not at its default.
        options = {
            name: value
            for name, value in given.items()
            if value != _OPTIONS[name] or has_meaning(name, self.solver)
        }
        if self.network is None:
            options["reset_input_normalization"] = False  # its statistics have the weights
        queue, validation = (
            None if c is None else self._queue(c, generator) for c in (columns, held)
        )
        self.network_, self.info_ = trainnet(
            queue,
            net,
            self._loss(),
            training_options(**options, validation_data=validation, generator=generator),
        )
        if not np.isfinite(self.info_.training_history["loss"][-1]):
            warn(
                f"{type(self).__name__}: {self.info_.stop_reason}; a lower initial_learn_rate, or "
                "a gradient_threshold, may help",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _divided(self, columns: list[Array], seed: int) -> tuple[list[Array], list[Array]]:
        """Return the observations to train with, and those that are held out."""
        from sklearn.model_selection import train_test_split

        parts = train_test_split(
            *columns,
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=columns[1] if is_classifier(self) else None,
        )
        return parts[::2], parts[1::2]

    def _queue(self, columns: list[Array], generator: np.random.Generator) -> minibatchqueue:
        return minibatchqueue(
            tuple(columns),
            mini_batch_size=self.mini_batch_size,
            mini_batch_format=("BC", "BC", "B")[: len(columns)],
            output_cast=None,
            generator=generator,
        )

    def _network(self, columns: list[Array], generator: np.random.Generator) -> dlnetwork:
        """Return the network to train, in the dtype of the data."""
        x, targets = columns[:2]
        given = self.network
        if given is None:
            given = self._default_layers(columns)
        elif callable(given) and not isinstance(given, dlnetwork):
            given = given(x.shape[1], targets.shape[1])
        net = given if isinstance(given, dlnetwork) else dlnetwork(given, initialize=False)
        if not net.initialized:
            net = net.initialize(generator=generator)
        kind = x.dtype.type
        new: dlnetwork = dlupdate(kind, net)
        new.state = dlupdate(kind, net.state)
        return new

    def _default_layers(self, columns: list[Array]) -> list[Layer]:
        x, targets, *weights = columns
        mean, spread = _statistics(x, *weights)
        inputs = FeatureInput(
            x.shape[1], normalization="zscore", mean=mean, standard_deviation=spread
        )
        hidden = [FullyConnected(_HIDDEN), Relu(), FullyConnected(_HIDDEN), Relu()]
        return [inputs, *hidden, FullyConnected(targets.shape[1]), *[kind() for kind in self.head]]

    def _loss(self) -> Callable[..., Value]:
        if callable(self.loss):
            return self.loss  # type: ignore[no-any-return]
        if self.loss in self.losses:
            return self.losses[self.loss]
        raise InvalidArgumentError(
            f"{type(self).__name__}: loss must be a function or one of {', '.join(self.losses)}, "
            f"not {self.loss!r}"
        )

    def _outputs(self, x: Any) -> Array:
        """Return what the network predicts, with the observations as rows."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=_DTYPES)
        queue = minibatchqueue(
            x, mini_batch_size=self.mini_batch_size, mini_batch_format="BC", output_cast=None
        )
        found: Array = minibatchpredict(self.network_, queue)
        return found


class DlnetClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc] # it has no types
    """A network that classifies, as an estimator of scikit-learn.

    Parameters
    ----------
    network : dlnetwork, list of Layer, or callable, optional
        A network whose result is a probability for each class, of data of the format "BC"; or
        ``network(num_features, num_classes)``, which returns one. By default two hidden layers of
        64 units, with the inputs standardised.
    loss : str or callable
        "crossentropy", or ``loss(y, targets)``, whose targets are one-hot. With sample weights it
        is ``loss(y, targets, weights)``.
    validation_fraction : float, optional
        Share of the observations that is held out for validation. Then the network of the best
        validation is kept, and `validation_patience` ends training early.
    random_state : int or numpy.random.RandomState, optional
    **options
        Each option of `training_options`; but `solver` is "adam", `max_epochs` is 100, and
        `verbose` is off.

    Attributes
    ----------
    classes_ : numpy.ndarray
    network_ : dlnetwork
    info_ : TrainingInfo
    n_features_in_ : int
    feature_names_in_ : numpy.ndarray
        If the data had names, as a data frame has.

    Notes
    -----
    Computations have the dtype of the data: double precision, unless they are float32. A weight of
    an observation is the same as its repetition if all are one batch; else the batches differ.

    See Also
    --------
    DlnetRegressor : the same for numbers
    dlgradient.trainnet : trains without scikit-learn

    Examples
    --------
    >>> from dlgradient.sklearn import DlnetClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.where(x[:, 0] * x[:, 1] > 0, "same", "different")
    >>> model = DlnetClassifier(initial_learn_rate=0.01, max_epochs=50, random_state=0)
    >>> bool(model.fit(x, y).score(x, y) > 0.95)
    True
    >>> model.predict([[1.0, 1.0], [-1.0, 1.0]])
    array(['same', 'different'], dtype='<U9')

    A grid search chooses options, and networks:

    >>> from sklearn.model_selection import GridSearchCV
    >>> def small(num_features, num_classes):
    ...     return [
    ...         dl.layers.FeatureInput(num_features),
    ...         dl.layers.FullyConnected(num_classes),
    ...         dl.layers.Softmax(),
    ...     ]
    >>> grid = {"network": [None, small], "max_epochs": [20]}
    >>> search = GridSearchCV(model, grid, cv=2).fit(x, y)
    >>> search.best_params_
    {'max_epochs': 20, 'network': None}

    Source: scikit-learn ``MLPClassifier``.
    """

    losses = _CLASSIFICATION
    head = (Softmax,)
    __init__ = _constructor("crossentropy")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DlnetClassifier:
        """Train the network.

        Parameters
        ----------
        X : array of shape (observations, features)
        y : array of shape (observations,)
            Classes, of any type.
        sample_weight : array of shape (observations,), optional

        Returns
        -------
        self
        """
        x, y = validate_data(self, X, y, dtype=_DTYPES)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        one_hot = np.eye(len(self.classes_), dtype=x.dtype)[numbers]
        self._train(self._columns(x, one_hot, sample_weight))
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : array of shape (observations, features)

        Returns
        -------
        array of shape (observations, classes)
        """
        return self._outputs(X)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each observation.

        Parameters
        ----------
        X : array of shape (observations, features)

        Returns
        -------
        array of shape (observations,)
        """
        numbers = self._outputs(X).argmax(1)
        found: Array = self.classes_[numbers]
        return found


class DlnetRegressor(RegressorMixin, _Estimator):  # type: ignore[misc] # it has no types
    """A network that predicts numbers, as an estimator of scikit-learn.

    Parameters
    ----------
    network : dlnetwork, list of Layer, or callable, optional
        A network of data of the format "BC", whose channels are the targets; or
        ``network(num_features, num_targets)``, which returns one. By default two hidden layers of
        64 units, with inputs and targets standardised.
    loss : str or callable
        "mse", "l2loss", "mae" or "huber"; or ``loss(y, targets)``. With sample weights it is
        ``loss(y, targets, weights)``.
    validation_fraction : float, optional
        Share of the observations that is held out for validation. Then the network of the best
        validation is kept, and `validation_patience` ends training early.
    random_state : int or numpy.random.RandomState, optional
    **options
        Each option of `training_options`; but `solver` is "adam", `max_epochs` is 100, and
        `verbose` is off.

    Attributes
    ----------
    network_ : dlnetwork
    info_ : TrainingInfo
    n_features_in_ : int
    feature_names_in_ : numpy.ndarray
        If the data had names, as a data frame has.

    Notes
    -----
    Computations have the dtype of the data: double precision, unless they are float32. A weight of
    an observation is the same as its repetition if all are one batch; else the batches differ.

    A network of your own gets data and targets as they are. A pipeline with a ``StandardScaler``,
    and a ``TransformedTargetRegressor``, standardise them.

    See Also
    --------
    DlnetClassifier : the same for classes
    dlgradient.trainnet : trains without scikit-learn

    Examples
    --------
    >>> from dlgradient.sklearn import DlnetRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = 1000 + 50 * x[:, 0] ** 2 + x[:, 1]
    >>> model = DlnetRegressor(initial_learn_rate=0.01, random_state=0).fit(x, y)
    >>> bool(model.score(x, y) > 0.98)
    True

    Source: scikit-learn ``MLPRegressor``.
    """

    losses = _REGRESSION
    __init__ = _constructor("mse")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DlnetRegressor:
        """Train the network.

        Parameters
        ----------
        X : array of shape (observations, features)
        y : array of shape (observations,) or (observations, targets)
        sample_weight : array of shape (observations,), optional

        Returns
        -------
        self
        """
        x, y = validate_data(self, X, y, dtype=_DTYPES, multi_output=True, y_numeric=True)
        self._one_target = y.ndim == 1
        columns = self._columns(x, y.reshape(len(y), -1).astype(x.dtype), sample_weight)
        if self.network is not None:
            self._train(columns)
            return self
        mean, spread = _statistics(*columns[1:])
        columns[1] = (columns[1] - mean) / spread
        self._train(columns)
        units = InverseNormalization(mean=mean, standard_deviation=spread)
        self.network_ = dlnetwork([*self.network_.layers.values(), units])
        return self

    def predict(self, X: Any) -> Array:
        """Return the prediction for each observation.

        Parameters
        ----------
        X : array of shape (observations, features)

        Returns
        -------
        array of shape (observations,) or (observations, targets)
        """
        found = self._outputs(X)
        return found[:, 0] if self._one_target else found

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of the estimator."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _statistics(x: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Return mean and standard deviation of each column; the latter is 1 of a constant one."""
    mean = np.average(x, axis=0, weights=weights)
    spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
    return mean.astype(x.dtype), np.where(spread > 0, spread, 1).astype(x.dtype)
