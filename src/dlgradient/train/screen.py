"""Where the picture of a training is seen: in a window, in a notebook, or nowhere.

A screen draws when it is asked to. Without a display, and without a notebook, it draws nothing.
"""

from __future__ import annotations

import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from io import BytesIO
from typing import Any

from dlgradient.train.chart import Board, Chart

__all__ = ["Screen", "figure_without_window", "screen_of"]

DPI = 110  # of the picture in a notebook


class Screen:
    """A figure that is not seen; the base class of those that are."""

    live = False  # whether it is worth to draw while training goes on

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.chart = Chart(figure)

    def draw(self, board: Board) -> None:
        """Draw what is on a board, and show it."""
        self.chart.draw(board)

    def listen(self) -> None:
        """Let the user do something: press a button, move the window."""

    def close(self) -> None:
        """Close it."""


class Window(Screen):
    """A window, with a button that stops training."""

    def __init__(self, figure: Any, stop: Callable[[], None]) -> None:
        from matplotlib.widgets import Button

        super().__init__(figure)
        self.live = True
        self.chart = Chart(figure, button=True)
        width, height = figure.get_size_inches()
        place = figure.add_axes((1 - 1.45 / width, 0.22 / height, 0.9 / width, 0.32 / height))
        self.button = Button(place, "Stop", color="#f3d9d5", hovercolor="#eebfb8")
        self.button.on_clicked(lambda _: stop())
        figure.canvas.mpl_connect("close_event", self._closed)

    def _closed(self, _: Any) -> None:
        self.live = False  # training goes on

    def draw(self, board: Board) -> None:
        """Draw at once: the toolkit waits for an idle moment that a training does not have."""
        super().draw(board)
        self.figure.canvas.draw_idle()
        self.listen()

    def listen(self) -> None:
        """Let the toolkit work through what the user did."""
        self.figure.canvas.flush_events()

    def close(self) -> None:
        """Close the window."""
        import matplotlib.pyplot as plt

        plt.close(self.figure)


class Notebook(Screen):
    """A picture below the cell, which is replaced."""

    live = True

    def __init__(self, figure: Any) -> None:
        super().__init__(figure)
        self.handle: Any = None

    def draw(self, board: Board) -> None:
        """Replace the picture."""
        from IPython.display import Image, display

        super().draw(board)
        written = BytesIO()
        self.figure.savefig(written, format="png", dpi=DPI)
        image = Image(data=written.getvalue())
        if self.handle is None:
            self.handle = display(image, display_id=True)
        else:
            self.handle.update(image)


def figure_without_window() -> Any:
    """Return a figure that pyplot does not know."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _notebook() -> Any:
    """Return IPython's shell, if it is that of a notebook."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _window() -> Any:
    """Return a figure in a window, or None if there can be none."""
    import matplotlib.pyplot as plt

    if threading.current_thread() is not threading.main_thread():
        return None  # the toolkits allow no other
    try:
        figure = plt.figure(facecolor="white")
    except Exception as error:  # noqa: BLE001 - each toolkit has errors of its own
        text = (
            f"training_progress_monitor: no window could be opened ({error}); metrics are recorded"
        )
        warnings.warn(text, RuntimeWarning, stacklevel=6)
        return None
    if getattr(type(figure.canvas), "required_interactive_framework", None) is None:
        plt.close(figure)  # a picture for files
        return None
    manager: Any = figure.canvas.manager
    manager.set_window_title("Training progress")
    plt.show(block=False)
    return figure


def screen_of(stop: Callable[[], None], refresh: Callable[[], None]) -> Screen:
    """Return the screen that there is.

    Parameters
    ----------
    stop : callable
        Called if the user asks training to stop.
    refresh : callable
        Called after a cell of a notebook, to draw what came last.
    """
    shell = _notebook()
    if shell is not None:
        _after_cells(shell, refresh)
        return Notebook(figure_without_window())
    figure = _window()
    return Screen(figure_without_window()) if figure is None else Window(figure, stop)


def _after_cells(shell: Any, refresh: Callable[[], None]) -> None:
    """Call a method after each cell, as long as its object lives."""
    method = weakref.WeakMethod(refresh)

    def after(*_: Any) -> None:
        found: Any = method()
        if found is None:
            shell.events.unregister("post_run_cell", after)
        else:
            found()

    shell.events.register("post_run_cell", after)
