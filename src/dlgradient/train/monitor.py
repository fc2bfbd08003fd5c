"""`training_progress_monitor`: metrics of a loop of your own, recorded and drawn while it runs."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import warnings
from array import array
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.kinds import Kind, kind_of, shown
from dlgradient.core.spelling import nearest
from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError, located
from dlgradient.network.files import FilePath
from dlgradient.train.chart import Board, Chart, Series
from dlgradient.train.screen import Screen, figure_without_window, screen_of

__all__ = ["training_progress_monitor"]

PAGE = "reference/training.html"
SOONEST, BUTTON = 0.3, 0.1  # seconds between two pictures, and between two looks at the button
SHARE = 0.05  # of the time may be spent on drawing
RESOLUTION = 150  # dots per inch of a file


def _names(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(n, str) and n for n in names) or len({*names}) < len(names):
        raise ValueError
    return names


Names: TypeAlias = Annotated[
    str | Sequence[str], Kind("a name, or a sequence of different names", _names)
]


class training_progress_monitor(AnswersByName):  # noqa: N801 - the established name
    """Metrics of a training loop of your own: recorded, drawn while it runs, written to a file.

    Parameters
    ----------
    metrics : str or sequence of str
        Names of what `record_metrics` records. Each has a plot of its own, until `group_subplot`
        puts several into one. Those that begin with "val" are drawn as validation.
    info : str or sequence of str
        Names of what `update_info` shows next to the plots.
    x_label : str
        What metrics are drawn over.
    visible : bool
        Whether to draw while training: in a window, or below the cell of a notebook. Without a
        display nothing is drawn, and `export_plot_as_image` works all the same.

    Attributes
    ----------
    progress : float
        From 0 to 100, for the bar; set it. With 100 everything is drawn once more.
    status : str
        Shown next to the plots; set it.
    stop : bool
        Whether the user pressed "Stop"; the loop should end then. Or set it.
    metric_data : dict of numpy.ndarray
        By name, an array with columns iteration and value.
    info_data : dict
        The last values of `update_info`.

    Notes
    -----
    It draws a few times a second, and less often if that would take more than a twentieth of the
    time. A noisy metric is drawn as its mean over neighbours, over the values, which are pale.
    Drawing needs Matplotlib, ``pip install dlgradient[plot]``; recording does not.

    Inside ``with monitor:`` the first Ctrl-C, or the button that interrupts a notebook, sets
    `stop`, so that the loop ends after its iteration. The second interrupts as usual.

    See Also
    --------
    trainnet : draws by itself, with ``plots="training-progress"``

    Examples
    --------
    >>> monitor = dl.training_progress_monitor(
    ...     metrics=("loss", "validation_loss"), info="epoch", visible=False
    ... )
    >>> monitor.group_subplot("losses", ("loss", "validation_loss"))
    >>> monitor.yscale("losses", "log")
    >>> for iteration in range(1, 101):
    ...     if monitor.stop:
    ...         break
    ...     monitor.record_metrics(iteration, loss=1 / iteration)
    ...     monitor.progress = iteration
    >>> monitor.update_info(epoch=1)
    >>> monitor.record_metrics(100, validation_loss=0.02)
    >>> monitor.metric_data["loss"][-1].tolist(), monitor.metric_data["validation_loss"].tolist()
    ([100.0, 0.01], [[100.0, 0.02]])

    Source: MATLAB ``trainingProgressMonitor``.
    """

    _instead: ClassVar = {
        "metric_data": "record_metrics(iteration, loss=loss) adds to it",
        "info_data": "update_info(epoch=epoch) changes it",
    }

    @checked
    def __init__(
        self,
        *,
        metrics: Names = (),
        info: Names = (),
        x_label: str = "Iteration",
        visible: bool = True,
    ) -> None:
        self._board = Board(x_label=x_label, info=dict.fromkeys(info, ""))
        for name in metrics:
            self._board.series[name] = Series()
            self._board.groups[name] = [name]
        self._stop = False
        self._visible = visible
        self._screen: Screen | None = None
        self._lock = threading.Lock()
        # A figure belongs to one thread, and a copy of the process has no window.
        self._owner = os.getpid(), threading.get_ident()
        self._begun = self._last = perf_counter()
        self._due = self._heard = 0.0 if visible else np.inf
        self._undrawn = False
        self._former: Any = None  # what Ctrl-C did before

    # -- recording -----------------------------------------------------------------------------

    def record_metrics(self, iteration: float, /, **values: Any) -> None:
        """Record values of metrics.

        Parameters
        ----------
        iteration : float
        **values : float
            By name; those that have no value in this iteration are left out.

        Raises
        ------
        InvalidArgumentError
            If a name is none of the metrics, or a value is no number. Then nothing is recorded.
        """
        series = self._board.series
        try:
            x, *ys = array("d", (iteration, *values.values()))
            lines = [series[name] for name in values]
        except (TypeError, ValueError, KeyError) as error:
            raise self._refused(iteration, values) from error
        with self._lock:
            for line, y in zip(lines, ys, strict=True):
                line.x.append(x)
                line.y.append(y)
        self._look()

    def _refused(self, iteration: Any, values: dict[str, Any]) -> Exception:
        for name in values:
            if name not in self._board.series:
                return _unknown("record_metrics", "metric", name, self._board.series)
        given = {"iteration": iteration, **values}
        name = next(name for name, value in given.items() if not _is_number(value))
        return InvalidArgumentError(
            f"record_metrics: {name} must be a number, not {shown(given[name])}"
        )

    def update_info(self, **values: Any) -> None:
        """Show values next to the plots.

        Parameters
        ----------
        **values : float or str
            By name.

        Raises
        ------
        InvalidArgumentError
            If a name is not in `info`.
        """
        for name in values:
            if name not in self._board.info:
                raise _unknown("update_info", "row of info", name, self._board.info)
        self._board.info.update(values)
        self._look()

    # -- what is drawn -------------------------------------------------------------------------

    @checked
    def group_subplot(self, group: str, metrics: Names) -> None:
        """Draw metrics in one plot.

        Parameters
        ----------
        group : str
            Name of the plot, also for `yscale`.
        metrics : str or sequence of str
        """
        board = self._board
        for name in metrics:
            if name not in board.series:
                raise _unknown("group_subplot", "metric", name, board.series)
        kept = {g: [n for n in names if n not in metrics] for g, names in board.groups.items()}
        together = [*kept.pop(group, []), *metrics]
        groups: dict[str, list[str]] = {}
        for g, names in board.groups.items():
            # The plot is where the first of its metrics was.
            if g == group or {*names} & {*metrics}:
                groups.setdefault(group, together)
            if kept.get(g):
                groups[g] = kept[g]
        board.groups = groups
        self._look()

    @checked
    def yscale(self, group: str, scale: Literal["linear", "log"]) -> None:
        """Set the scale of a plot.

        Parameters
        ----------
        group : str
            Name of the group, or of the metric that has a plot of its own.
        scale : {"linear", "log"}
            What is not above zero is not drawn on "log".
        """
        if group not in self._board.groups:
            raise _unknown("yscale", "group", group, self._board.groups)
        self._board.scales[group] = scale
        self._look()

    @checked
    def export_plot_as_image(self, path: FilePath) -> None:
        """Write the picture to a file.

        Parameters
        ----------
        path : str or path-like
            The ending says the kind: ".png", ".pdf", ".svg" and others of Matplotlib.
        """
        if not _has_matplotlib():
            text = "export_plot_as_image needs Matplotlib: pip install dlgradient[plot]"
            raise ImportError(located(text, PAGE))
        figure = figure_without_window()
        self._draw_into(figure)
        figure.savefig(Path(path), dpi=RESOLUTION)

    # -- state ---------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """How much is done, from 0 to 100."""
        return self._board.progress

    @progress.setter
    def progress(self, value: float) -> None:
        try:
            done = 0 <= value <= 100
        except TypeError:
            done = False
        if not done:
            raise InvalidArgumentError(
                f"training_progress_monitor: progress must be a number from 0 to 100, not "
                f"{shown(value)}"
            )
        self._board.progress = float(value)
        self._look(now=value == 100)

    @property
    def status(self) -> str:
        """A word about what goes on."""
        return self._board.status

    @status.setter
    def status(self, value: str) -> None:
        self._board.status = _accepted("status", str, value)
        self._look()

    @property
    def stop(self) -> bool:
        """Whether the loop should end."""
        self._listen()
        return self._stop

    @stop.setter
    def stop(self, value: bool) -> None:
        self._stop = _accepted("stop", bool, value)

    @property
    def visible(self) -> bool:
        """Whether to draw while training."""
        return self._visible

    @visible.setter
    def visible(self, value: bool) -> None:
        self._visible = _accepted("visible", bool, value)
        if not value and self._screen is not None:
            self._screen.close()
            self._screen = None
        self._due = self._heard = 0.0 if value else np.inf
        self._look()

    @property
    def metric_data(self) -> dict[str, Array]:
        """What was recorded, by name: an array with columns iteration and value."""
        with self._lock:
            return {n: np.stack(line.data(), axis=1) for n, line in self._board.series.items()}

    @property
    def info_data(self) -> dict[str, Any]:
        """The last values of `update_info`."""
        return dict(self._board.info)

    def __repr__(self) -> str:
        board = self._board
        last = [f"{n}={line.y[-1]:.4g}" for n, line in board.series.items() if line.y]
        head = [board.status] if board.status else []
        text = ", ".join([*head, f"{board.progress:.0f} %", *last])
        return f"training_progress_monitor({text})"

    # -- drawing -------------------------------------------------------------------------------

    def _draw_into(self, figure: Any) -> None:
        self._board.elapsed = self._last - self._begun
        Chart(figure).draw(self._board)

    def _look(self, *, now: bool = False) -> None:
        """Draw if it is time to."""
        self._last = perf_counter()
        self._undrawn = True
        if (now or self._last >= self._due) and self._visible:
            self._draw()
        else:
            self._listen()

    def _listen(self) -> None:
        """Ask the window, now and then, whether its button was pressed."""
        if self._screen is not None and perf_counter() >= self._heard and self._is_owner():
            self._heard = perf_counter() + BUTTON
            self._screen.listen()

    def _is_owner(self) -> bool:
        return self._owner == (os.getpid(), threading.get_ident())

    def _draw(self) -> None:
        if not self._is_owner():
            return
        if self._screen is None:
            if not _has_matplotlib():
                self._visible, self._due = False, np.inf
                text = (
                    "training_progress_monitor: Matplotlib is not installed, so metrics are "
                    "recorded and not drawn; pip install dlgradient[plot], or visible=False"
                )
                warnings.warn(text, RuntimeWarning, stacklevel=4)
                return
            self._screen = screen_of(self._asked, self._refresh)
        if not self._screen.live:
            self._due = np.inf
            return
        begun = perf_counter()
        self._undrawn = False
        self._board.elapsed = self._last - self._begun
        self._screen.draw(self._board)
        ended = perf_counter()
        self._due = ended + max(SOONEST, (ended - begun) / SHARE)

    def _refresh(self) -> None:
        """Draw what was recorded since the last picture."""
        if self._undrawn and self._visible:
            self._draw()

    def _asked(self) -> None:
        self._stop = True
        self._board.status = "Stopping"

    # -- Ctrl-C --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def _interrupted(self, *_: object) -> None:
        self._asked()
        signal.signal(signal.SIGINT, self._former)

    def __exit__(self, *_: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None
        self._refresh()


def _accepted(name: str, kind: type, value: Any) -> Any:
    return kind_of(kind).accepted("training_progress_monitor", name, value)


def _is_number(value: Any) -> bool:
    try:
        array("d", (value,))
    except (TypeError, ValueError):
        return False
    return True


def _has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def _unknown(
    function: str, what: str, name: str, known: Sequence[str] | dict[str, Any]
) -> Exception:
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else ""
    return InvalidArgumentError(
        f"{function}: there is no {what} {name!r}{hint} There are {', '.join(known) or 'none'}"
    )
