"""Options of training, checked when they are made."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.kinds import Kind, number, one_of
from dlgradient.core.records import record, set_option
from dlgradient.core.types import Count, Decay, Generator, NonNegative, Positive
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.files import FilePath
from dlgradient.train import schedules
from dlgradient.train.ahead import Environment
from dlgradient.train.batches import Formats
from dlgradient.train.categories import Encoding
from dlgradient.train.history import OTHERS
from dlgradient.train.lbfgs import LineSearch
from dlgradient.train.metrics import BY_NAME, metrics_of
from dlgradient.train.queue import SequenceLength
from dlgradient.train.schedules import Piecewise, Schedule

__all__ = ["training_options"]

Solver: TypeAlias = Literal[
    "sgdm",
    "adam",
    "rmsprop",
    "adamw",
    "nadam",
    "lion",
    "adagrad",
    "adadelta",
    "muon",
    "lbfgs",
    "lm",
]
# Defaults of solvers where they differ from those of Adam.
RATES = {"sgdm": 0.01, "adagrad": 0.01, "adadelta": 1.0, "nadam": 0.002, "lion": 0.0001}
SQUARED_DECAYS = {"rmsprop": 0.9, "adadelta": 0.9, "lion": 0.99}
EPSILONS = {"adagrad": 1e-10, "adadelta": 1e-6}
# These shrink the learnables next to the step; for the others it is a part of the gradient.
DECAYS = {"adamw": 0.01, "lion": 0.001, "muon": 0.1}
# By solver, its own options: of the update functions those after the learn rate, in this order.
_AVERAGES = ("gradient_decay_factor", "squared_gradient_decay_factor", "epsilon")
_TOLERANCES = ("max_iterations", "gradient_tolerance", "step_tolerance")
OWN_OPTIONS: dict[str, tuple[str, ...]] = {
    "sgdm": ("momentum",),
    "rmsprop": ("squared_gradient_decay_factor", "epsilon"),
    "adagrad": ("epsilon",),
    "adadelta": ("squared_gradient_decay_factor", "epsilon"),
    "lion": ("gradient_decay_factor", "squared_gradient_decay_factor", "l2_regularization"),
    "muon": ("momentum", "l2_regularization"),
    "adam": _AVERAGES,
    "nadam": _AVERAGES,
    "adamw": (*_AVERAGES, "l2_regularization"),
    "lbfgs": (
        *_TOLERANCES,
        "line_search_method",
        "max_num_line_search_iterations",
        "history_size",
        "initial_inverse_hessian_factor",
    ),
    "lm": (
        *_TOLERANCES,
        "initial_damping_factor",
        "max_damping_factor",
        "damping_increase_factor",
        "damping_decrease_factor",
    ),
}
# Solvers whose steps see all data at once, and the options that have no meaning for them.
WHOLE = ("lbfgs", "lm")
_OF_BATCHES = (
    "initial_learn_rate",
    "learn_rate_schedule",
    "learn_rate_drop_factor",
    "learn_rate_drop_period",
    "max_epochs",
    "shuffle",
    "gradient_threshold",
    "gradient_threshold_method",
)
ENVIRONMENTS = ("auto", "cpu", "parallel")
# Words in the names that GPUs have in MATLAB, PyTorch, JAX and Keras.
_GPUS = re.compile("gpu|cuda|mps|tpu|rocm", re.IGNORECASE)


def _environment(value: Any) -> str:
    """Return what to write instead of an environment that does not exist, or ''."""
    text = str(value).lower()
    if _GPUS.search(text):
        return "there is no GPU here: dlgradient computes on the CPU, and so does 'auto'"
    if text.startswith("parallel"):
        return "write 'parallel', in a script that mpiexec -n 4 python script.py starts"
    return one_of(ENVIRONMENTS).fixed(value)


ExecutionEnvironment: TypeAlias = Annotated[
    Literal["auto", "cpu", "parallel"],
    Kind(
        f"one of {', '.join(map(repr, ENVIRONMENTS))}",
        one_of(ENVIRONMENTS).convert,
        fix=_environment,
    ),
]


def _validation(value: Any) -> Any:
    """Return data that can be read: the sources are looked at by the queue that is made of them."""
    sources = value if type(value) is tuple else (value,)
    unread = (bool, int, float, complex, str, bytes, Mapping)
    if not sources or any(isinstance(source, unread) for source in sources):
        raise TypeError
    if value is not None and not all(map(_is_read, sources)):
        raise TypeError
    return value


def _is_read(source: Any) -> bool:
    """Return whether observations can be taken from a value: by index, one by one, or by a call."""
    by_index = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return by_index or isinstance(source, Iterable) or callable(source) or hasattr(source, "iloc")


def _functions(value: Any) -> Any:
    given = value if isinstance(value, list | tuple) else [value]
    if value is not None and not all(map(callable, given)):
        raise TypeError
    return value


def _folder(value: Any) -> str:
    found = os.fspath(value)
    if not isinstance(found, str) or "\0" in found:
        raise TypeError
    return found


ValidationData: TypeAlias = Annotated[
    Any,
    Kind(
        "a tuple (x, targets), a minibatchqueue, a dataset or None",
        _validation,
        fix=lambda _: "write validation_data=(x, targets)",
    ),
]
OutputFunctions: TypeAlias = Annotated[
    Callable[..., Any] | Sequence[Any] | None,
    Kind("a function, a list of them or None", _functions),
]
PositiveOrInf: TypeAlias = Annotated[float, number(above=0, finite=False)]
Increase: TypeAlias = Annotated[float, number(above=1)]
Decrease: TypeAlias = Annotated[float, number(above=0, below=1)]
SCHEDULES = ("none", "piecewise", "warmup", "polynomial", "exponential", "cosine", "cyclical")
FolderPath: TypeAlias = Annotated[
    str | os.PathLike[str], Kind("the path of a folder, or '' for none", _folder)
]
Metrics: TypeAlias = Annotated[
    Any,
    Kind(
        f"a Metric, a function, one of {', '.join(map(repr, BY_NAME))}, or a list of these",
        metrics_of,
    ),
]


@record("training_options")
class TrainingOptions(AnswersByName):
    """Options of `trainnet`; `training_options` makes them.

    See Also
    --------
    trainnet : trains with them.

    Examples
    --------
    >>> options = dl.training_options("adam", max_epochs=5)
    >>> options.initial_learn_rate, options.mini_batch_size
    (0.001, 128)

    Source: MATLAB ``TrainingOptionsADAM`` and its relatives.
    """

    _instead: ClassVar = {
        "solver": "defaults depend on it; make new ones with training_options",
        "schedules": "learn_rate_schedule makes them",
    }

    _given = frozenset[str]()  # the names of options that were given

    solver: Solver
    initial_learn_rate: Positive | None = field(default=None, kw_only=True)
    learn_rate_schedule: Any = field(default="none", kw_only=True)
    learn_rate_drop_factor: Positive = field(default=0.1, kw_only=True)
    learn_rate_drop_period: Count = field(default=10, kw_only=True)
    max_epochs: Count = field(default=30, kw_only=True)
    max_iterations: Count = field(default=1000, kw_only=True)
    gradient_tolerance: NonNegative = field(default=1e-5, kw_only=True)
    step_tolerance: NonNegative = field(default=1e-5, kw_only=True)
    line_search_method: LineSearch = field(default="weak-wolfe", kw_only=True)
    max_num_line_search_iterations: Count = field(default=20, kw_only=True)
    history_size: Count = field(default=10, kw_only=True)
    initial_inverse_hessian_factor: Positive = field(default=1.0, kw_only=True)
    initial_damping_factor: Positive = field(default=0.001, kw_only=True)
    max_damping_factor: Positive = field(default=1e10, kw_only=True)
    damping_increase_factor: Increase = field(default=10.0, kw_only=True)
    damping_decrease_factor: Decrease = field(default=0.1, kw_only=True)
    mini_batch_size: Count = field(default=128, kw_only=True)
    shuffle: Literal["once", "every-epoch", "never"] = field(default="once", kw_only=True)
    momentum: Decay | None = field(default=None, kw_only=True)
    gradient_decay_factor: Decay = field(default=0.9, kw_only=True)
    squared_gradient_decay_factor: Decay | None = field(default=None, kw_only=True)
    epsilon: NonNegative | None = field(default=None, kw_only=True)
    l2_regularization: NonNegative | None = field(default=None, kw_only=True)
    gradient_threshold: PositiveOrInf = field(default=math.inf, kw_only=True)
    gradient_threshold_method: Literal["l2norm", "global-l2norm", "absolute-value"] = field(
        default="l2norm", kw_only=True
    )
    validation_data: ValidationData = field(default=None, kw_only=True, repr=False)
    validation_frequency: Count = field(default=50, kw_only=True)
    validation_patience: PositiveOrInf = field(default=math.inf, kw_only=True)
    metrics: Metrics = field(default=(), kw_only=True)
    objective_metric_name: str = field(default="loss", kw_only=True)
    output_network: Literal["auto", "best-validation", "last-iteration"] = field(
        default="auto", kw_only=True
    )
    verbose: bool = field(default=True, kw_only=True)
    verbose_frequency: Count = field(default=50, kw_only=True)
    plots: Literal["none", "training-progress"] = field(default="none", kw_only=True)
    tensorboard: FilePath | None = field(default=None, kw_only=True)
    output_fcn: OutputFunctions = field(default=None, kw_only=True)
    checkpoint_path: FolderPath = field(default="", kw_only=True)
    checkpoint_frequency: Count | None = field(default=None, kw_only=True)
    checkpoint_frequency_unit: Literal["epoch", "iteration"] = field(default="epoch", kw_only=True)
    sequence_length: SequenceLength = field(default="longest", kw_only=True)
    sequence_padding_direction: Literal["right", "left"] = field(default="right", kw_only=True)
    sequence_padding_value: float = field(default=0.0, kw_only=True)
    preprocessing_environment: Environment = field(default="serial", kw_only=True)
    input_data_formats: Formats = field(default="auto", kw_only=True)
    target_data_formats: Formats = field(default="auto", kw_only=True)
    execution_environment: ExecutionEnvironment = field(default="auto", kw_only=True)
    reset_input_normalization: bool = field(default=True, kw_only=True)
    normalize_targets: bool = field(default=False, kw_only=True)
    categorical_input_encoding: Encoding = field(default="integer", kw_only=True)
    categorical_target_encoding: Literal["auto", "integer", "one-hot"] = field(
        default="auto", kw_only=True
    )
    batch_normalization_statistics: Literal["auto", "population", "moving"] = field(
        default="auto", kw_only=True
    )
    generator: Generator = field(default=None, kw_only=True)

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            if "_made" in vars(self):
                _check_own(self.solver, [name])
            set_option(self, name, value)

    def __post_init__(self) -> None:
        solver = self.solver
        for name, value in _defaults(solver).items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        if solver in WHOLE and self.execution_environment == "parallel":
            raise InvalidArgumentError(
                f"training_options: execution_environment='parallel' shares the mini-batches, and "
                f"{solver!r} has none; use 'adam' or another solver for mini-batches"
            )
        self.schedules = self._schedules(self.learn_rate_schedule)
        names = ["loss", *[metric.name for metric in self.metrics]]
        twice = [name for name in names if names.count(name) > 1 or name in OTHERS]
        if twice:
            raise InvalidArgumentError(
                f"training_options: metrics have the names {', '.join(names[1:])}, and each needs "
                f"a column of its own in the history, which {twice[0]!r} has not; give another "
                "name, as metrics.Recall(name='recall_of_all')"
            )
        if self.objective_metric_name not in names:
            raise InvalidArgumentError(
                f"training_options: objective_metric_name must be one of {', '.join(names)}, not "
                f"{self.objective_metric_name!r}"
            )
        if self.validation_data is None:
            self._check_without_validation()

    def _check_without_validation(self) -> None:
        """Raise the error for an option that asks for a validation, of which there is none."""
        meaning = {
            "validation_patience": math.inf,
            "output_network": "last-iteration",
        }
        for name, without in meaning.items():
            value = getattr(self, name)
            if value not in (without, "auto"):
                raise InvalidArgumentError(
                    f"training_options: {name}={value!r} compares validations, and there are no "
                    f"validation data; give validation_data=(x, targets), or omit {name}"
                )

    def _schedules(self, value: Any) -> list[Schedule]:
        given = value if isinstance(value, list | tuple) else [value]
        found: list[Schedule] = []
        for item in given:
            if isinstance(item, Schedule):
                found.append(item)
            elif item == "piecewise":
                found.append(Piecewise(self.learn_rate_drop_factor, self.learn_rate_drop_period))
            elif item in SCHEDULES and item != "none":
                found.append(getattr(schedules, str(item).capitalize())())
            elif item != "none":
                raise InvalidArgumentError(
                    f"training_options: learn_rate_schedule must be one of {', '.join(SCHEDULES)}, "
                    f"a schedule of dl.schedules, or a list of these, not {item!r}"
                )
        return found


def training_options(solver: Solver, **options: Any) -> TrainingOptions:
    """Return options of `trainnet`.

    Parameters
    ----------
    solver : str
        "sgdm", "adam", "rmsprop", "adamw", "nadam", "lion", "adagrad", "adadelta" or "muon", with a
        step for each batch. "lbfgs" for any loss, and "lm" for "mse" and "l2loss", with steps that
        see all data: for networks that are small, and results that are precise.
    initial_learn_rate : float
        0.01 for "sgdm" and "adagrad", 1 for "adadelta", 0.002 for "nadam", 0.0001 for "lion", else
        0.001.
    learn_rate_schedule : str, Schedule or list
        "none", "piecewise", "warmup", "polynomial", "exponential", "cosine" or "cyclical"; or
        schedules of `dlgradient.schedules`. A name has the defaults of its class, whatever
        max_epochs is: "cosine" has a period of 30 epochs.
    learn_rate_drop_factor, learn_rate_drop_period : float, int
        Of "piecewise": 0.1 every 10 epochs.
    max_epochs, mini_batch_size : int
        30 and 128.
    shuffle : {"once", "every-epoch", "never"}
        "once" by default. An iterable comes in its own order: "every-epoch" is an error for it, and
        "once" has no effect.
    momentum : float
        Of "sgdm": 0.9, and of "muon": 0.95.
    gradient_decay_factor, squared_gradient_decay_factor, epsilon : float
        0.9; 0.999, but 0.9 for "rmsprop" and "adadelta", and 0.99 for "lion"; 1e-8, but 1e-10 for
        "adagrad" and 1e-6 for "adadelta".
    max_iterations, gradient_tolerance, step_tolerance : int, float, float
        Of "lbfgs" and "lm": 1000, 1e-5 and 1e-5. They end if the norm of the gradient, or of a
        step, is at most its tolerance. That of the gradient is relative to a loss above 1.
    line_search_method, max_num_line_search_iterations, history_size : str, int, int
        Of "lbfgs", as of `lbfgsupdate`: "weak-wolfe", 20 and 10.
    initial_inverse_hessian_factor : float
        Of "lbfgs", as of `lbfgs_state`: 1.
    initial_damping_factor, max_damping_factor : float
        Of "lm": 0.001 and 1e10. What is added to the diagonal of the approximate Hessian; "lm" ends
        above the largest.
    damping_increase_factor, damping_decrease_factor : float
        Of "lm": 10 after a step that does not lower the loss, 0.1 after one that does.
    l2_regularization : float
        1e-4, times the factor of each learnable. For "adamw", "lion" and "muon" it is the decay of
        the weights, which is no part of the gradient: 0.01, 0.001 and 0.1.
    gradient_threshold : float
        A larger gradient is scaled down, or clipped; infinity by default.
    gradient_threshold_method : {"l2norm", "global-l2norm", "absolute-value"}
        Norm of the gradient of each learnable, the default, of all of them, or each element.
    validation_data : tuple or minibatchqueue
    validation_frequency : int
        In iterations: 50.
    validation_patience : float
        How often the objective may fail to improve; infinity by default.
    metrics : str, Metric, callable, or list
        As of `testnet`. Each needs a name of its own, as ``metrics.Recall(name="recall_of_all")``.
    objective_metric_name : str
        What is validated: "loss", or the name of a metric.
    output_network : {"auto", "best-validation", "last-iteration"}
        "auto" is "best-validation" if there are validation data.
    verbose, verbose_frequency : bool, int
        Whether to print, and every how many iterations: True and 50.
    plots : {"none", "training-progress"}
        Whether to draw loss and metrics while training, as `training_progress_monitor` does.
    tensorboard : path-like
        Folder for the events that TensorBoard reads; it needs tensorboardX.
    output_fcn : callable or list of callable
        Called after each iteration with a dict: "iteration", "epoch", "learn_rate", "loss",
        "time_elapsed" in seconds, metrics by name, and the network as "net". After a validation it
        also has "validation_loss", and so each metric. A true result stops training.
    checkpoint_path : str or path
        A folder where checkpoints are written, from which ``trainnet(..., resume=True)`` goes on;
        '' for none. It has the newest two of a training.
    checkpoint_frequency, checkpoint_frequency_unit : int, {"epoch", "iteration"}
        Every how many epochs or iterations: after each epoch. For "lbfgs" and "lm" iterations are
        epochs, and it is every 30.
    sequence_length, sequence_padding_direction, sequence_padding_value : int or str, str, float
        As of `minibatchqueue`: "longest", "right" and 0.
    preprocessing_environment : {"serial", "background", "parallel"}
        As of `minibatchqueue`: who reads batches, the caller, or threads or processes before them.
    input_data_formats, target_data_formats : str or sequence of str
        "auto" takes that of the input layer, and of the number of dimensions of the targets.
    execution_environment : {"auto", "cpu", "parallel"}
        "parallel" shares each batch among the processes of ``mpiexec -n 4 python script.py``; the
        others are this process. See the recipe "Several processes and machines".
    reset_input_normalization : bool
        Whether statistics of input layers are found from the data, also where they are given.
    normalize_targets : bool
        Whether the loss compares normalised numbers, for outputs of `layers.InverseNormalization`.
        Statistics that it lacks are those of the targets. Metrics and predictions have the units of
        the data.
    categorical_input_encoding : {"integer", "one-hot"}
        What becomes of predictors that are categories of pandas, also in columns of data frames:
        their numbers from 0, as one channel, or a channel for each category.
    categorical_target_encoding : {"auto", "integer", "one-hot"}
        What becomes of targets that are texts or categories: the numbers of their classes from 0,
        or one-hot vectors. "auto" is "integer" for "crossentropy" and "index-crossentropy".
    batch_normalization_statistics : {"auto", "population", "moving"}
        What batch normalisation uses in inference. For "population" all data pass through the
        trained network once more, and give their mean and variance. "moving" uses the moving
        statistics of the steps. "auto" is "population", but "moving" for an iterable.
    generator : numpy.random.Generator or int, optional
        Source of all randomness of training, or a seed.

    Returns
    -------
    TrainingOptions

    Raises
    ------
    InvalidArgumentError, UnknownKeywordError
        If an option does not exist or has a wrong value.

    See Also
    --------
    trainnet : trains with them.

    Examples
    --------
    >>> dl.training_options("sgdm", momentum=0.8).momentum
    0.8

    Source: MATLAB ``trainingOptions``.
    """
    found = TrainingOptions(solver, **options)
    found._given = frozenset(options)
    _check_own(found.solver, options)
    return found


def _defaults(solver: str) -> dict[str, float]:
    """Return the defaults that solvers do not share."""
    return {
        "initial_learn_rate": RATES.get(solver, 0.001),
        "momentum": 0.95 if solver == "muon" else 0.9,
        "squared_gradient_decay_factor": SQUARED_DECAYS.get(solver, 0.999),
        "epsilon": EPSILONS.get(solver, 1e-8),
        "l2_regularization": DECAYS.get(solver, 1e-4),
        "checkpoint_frequency": 30 if solver in WHOLE else 1,
    }


def has_meaning(name: str, solver: str) -> bool:
    """Return whether a solver uses an option, as all do that is not of some solvers alone."""
    if name == "l2_regularization":
        return True
    if name in _OF_BATCHES:
        return solver not in WHOLE
    owners = [s for s, own in OWN_OPTIONS.items() if name in own]
    return not owners or solver in owners


def _check_own(solver: str, given: Iterable[str]) -> None:
    """Raise the error for an option that has no meaning for a solver."""
    for name in given:
        if has_meaning(name, solver):
            continue
        owners = [s for s, own in OWN_OPTIONS.items() if name in own]
        of = ", ".join(map(repr, owners)) if owners else "solvers with mini-batches"
        raise InvalidArgumentError(
            f"training_options: {name} is an option of {of}, and has no meaning for {solver!r}; "
            f"omit it. {solver!r} has {', '.join(OWN_OPTIONS[solver])}"
        )
