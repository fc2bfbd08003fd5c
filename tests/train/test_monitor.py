"""The monitor: what it records, what it draws, where it is seen, and how a loop is stopped."""

import os
import signal
import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import CloseEvent, MouseEvent
from matplotlib.colors import to_rgb

import dlgradient as dl
from dlgradient.train import chart, monitor, screen


def hidden(*metrics, **given):
    return dl.training_progress_monitor(metrics=metrics, visible=False, **given)


# -- recording -------------------------------------------------------------------------------------


def test_what_is_recorded_is_there():
    found = hidden("loss", "accuracy", info=("epoch", "rate"))
    found.record_metrics(1, loss=0.5)
    found.record_metrics(2, loss=dl.dlarray(0.25), accuracy=np.float32(0.5))
    found.record_metrics(np.int64(3), accuracy=True)
    found.update_info(epoch=2)
    assert found.metric_data["loss"].tolist() == [[1, 0.5], [2, 0.25]]
    assert found.metric_data["accuracy"].tolist() == [[2, 0.5], [3, 1]]
    assert found.info_data == {"epoch": 2, "rate": ""}
    found.metric_data["loss"][:] = 0
    assert found.metric_data["loss"][0, 1] == 0.5


def test_state():
    found = hidden()
    assert (found.progress, found.status, found.stop, found.visible) == (0, "", False, False)
    found.progress, found.status, found.stop = 12.5, "Running", True
    assert (found.progress, found.status, found.stop) == (12.5, "Running", True)
    assert repr(found) == "training_progress_monitor(Running, 12 %)"


WRONG = {
    "record_metrics: there is no metric 'los'; did you mean 'loss'": lambda m: m.record_metrics(
        1, los=3
    ),
    "record_metrics: loss must be a number, not 'low'": lambda m: m.record_metrics(1, loss="low"),
    "record_metrics: iteration must be a number": lambda m: m.record_metrics("1", loss=1),
    "record_metrics: loss must be a number, not": lambda m: m.record_metrics(1, loss=np.ones(3)),
    "record_metrics: loss must be a number, not 1j": lambda m: m.record_metrics(1, loss=1j),
    "update_info: there is no row of info 'rate'": lambda m: m.update_info(rate=3),
    "group_subplot: there is no metric 'loses'": lambda m: m.group_subplot("all", ["loses"]),
    "group_subplot: metrics must be a name": lambda m: m.group_subplot("all", [1]),
    "yscale: there is no group 'all'.*There are loss, accuracy": lambda m: m.yscale("all", "log"),
    "yscale: scale must be one of 'linear', 'log'": lambda m: m.yscale("loss", "ln"),
    "export_plot_as_image: path must be the path of a file": lambda m: m.export_plot_as_image(3),
    "progress must be a number from 0 to 100, not 101": lambda m: setattr(m, "progress", 101),
    "progress must be .* not nan": lambda m: setattr(m, "progress", float("nan")),
    "progress must be .* not 'half'": lambda m: setattr(m, "progress", "half"),
    "metrics must be a name, or": lambda _: dl.training_progress_monitor(metrics=("a", "a")),
    "unknown keyword 'XLabel'; write x_label=": lambda _: dl.training_progress_monitor(XLabel=""),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_calls(message):
    found = hidden("loss", "accuracy")
    with pytest.raises(dl.DlgradientError, match=message):
        WRONG[message](found)
    assert not any(map(len, found.metric_data.values()))


def test_a_wrong_value_leaves_nothing_of_its_call():
    found = hidden("a", "b")
    with pytest.raises(dl.DlgradientError, match="b must be a number"):
        found.record_metrics(1, a=1, b=None)
    assert not any(map(len, found.metric_data.values()))


def test_threads_record_at_the_same_time():
    found = hidden("a")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(
                target=lambda k=k: [found.record_metrics(i, a=-i) for i in range(k, 8000, 8)]
            )
            for k in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    data = found.metric_data["a"]
    assert sorted(data[:, 0]) == list(range(8000))
    assert (data[:, 0] == -data[:, 1]).all()


# -- groups ----------------------------------------------------------------------------------------


def groups_of(found):
    return {name: list(names) for name, names, _ in found._board.layout()}


def test_groups_stay_where_their_first_metric_was():
    found = hidden("rate", "loss", "validation_loss", "accuracy")
    found.group_subplot("losses", ("validation_loss", "loss"))
    assert list(groups_of(found)) == ["rate", "losses", "accuracy"]
    assert groups_of(found)["losses"] == ["validation_loss", "loss"]
    found.group_subplot("losses", "accuracy")
    assert groups_of(found)["losses"] == ["validation_loss", "loss", "accuracy"]
    found.group_subplot("rate", "loss")
    assert groups_of(found) == {"rate": ["rate", "loss"], "losses": ["validation_loss", "accuracy"]}


# -- the picture -----------------------------------------------------------------------------------


def drawn(found):
    figure = screen.figure_without_window()
    picture = chart.Chart(figure)
    picture.draw(found._board)
    figure.canvas.draw()
    return picture


def test_a_plot_for_each_group():
    found = hidden("loss", "validation_loss", "accuracy", x_label="Step")
    found.group_subplot("losses", ("loss", "validation_loss"))
    found.yscale("losses", "log")
    for k in range(5):
        found.record_metrics(k, loss=2.0**-k, accuracy=k)
    found.record_metrics(4, validation_loss=0.125)
    plots = [plot.axes for plot in drawn(found).plots]
    assert [axes.get_title("left") for axes in plots] == ["losses", "accuracy"]
    assert [axes.get_yscale() for axes in plots] == ["log", "linear"]
    assert [axes.get_xlabel() for axes in plots] == ["", "Step"]
    legend = [text.get_text() for text in plots[0].get_legend().get_texts()]
    assert legend == ["loss  0.0625", "validation loss  0.125"]
    (_, line), (_, validation) = [plots[0].lines[i : i + 2] for i in (0, 2)]
    assert line.get_ydata().tolist() == [1, 0.5, 0.25, 0.125, 0.0625]
    assert line.get_linestyle() == "-"
    assert validation.get_marker() == "o"
    assert validation.get_linestyle() == "--"


@pytest.mark.parametrize("engine", ["constrained_layout.use", "autolayout"])
def test_a_style_with_a_layout_is_no_matter(engine):
    with plt.rc_context({f"figure.{engine}": True}):
        found = hidden("loss")
        found.record_metrics(1, loss=2.0)
        assert len(drawn(found).plots) == 1


def test_a_noisy_metric_is_smoothed_and_a_smooth_one_is_not(rng):
    found = hidden("noisy", "smooth", "validation")
    for k in range(400):
        value = 1 + 0.3 * rng.normal()
        found.record_metrics(k, noisy=value, smooth=np.exp(-k / 50), validation=value)
    lines = {name: plot.lines[name] for plot in drawn(found).plots for name in plot.lines}
    line, values = lines["noisy"]
    assert np.std(line.get_ydata()[50:]) < np.std(values.get_ydata()[50:]) / 2
    for name in ("smooth", "validation"):
        line, values = lines[name]
        np.testing.assert_array_equal(line.get_ydata(), found.metric_data[name][:, 1])
        assert not len(values.get_ydata())


STRANGE = {
    "nothing": [],
    "one": [0.5],
    "not finite": [np.nan, np.inf, -np.inf],
    "some not finite": [1.0, np.nan, 2.0, np.inf, 3.0],
    "huge": [1e308, -1e308, 1.0],
    "constant": [2.0] * 50,
    "not above zero": [0.0, -1.0],
    "smallest": [5e-324, 1e-320],
    "noise with gaps": [*np.tile([1.0, 3.0, np.nan], 60)],
    "many": np.sin(np.arange(20_000)).tolist(),
}


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("name", STRANGE)
def test_strange_values_are_drawn_without_a_warning(name, scale):
    found = hidden("a", "b")
    found.group_subplot("ab", ("a", "b"))
    found.yscale("ab", scale)
    for i, value in enumerate(STRANGE[name]):
        found.record_metrics(i, a=value)
    assert np.std(drawn(found).figure.canvas.buffer_rgba()) > 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100, 5000])
def test_smoothed_against_its_definition(n, rng):
    y = rng.normal(size=n)
    y[n // 3 : n // 3 + 9] = np.nan
    want = []
    for i in range(n):
        reach = min(max(2, n // 50), max(i, 2))
        part = y[max(i - reach, 0) : i + reach + 1]
        part = part[np.isfinite(part)]
        want.append(part.mean() if len(part) else np.nan)
    np.testing.assert_allclose(chart.smoothed(y), want, atol=1e-11)


@pytest.mark.parametrize("n", [0, 1, 3000, 3001, 4567, 100_000])
def test_a_thinned_line_reaches_as_far(n, rng):
    x, y = np.arange(float(n)), rng.normal(size=n)
    few_x, few_y = chart.thinned(x, y)
    assert len(few_x) == len(few_y) <= 1.1 * chart.MOST_POINTS
    if n:
        assert (few_y.min(), few_y.max()) == (y.min(), y.max())
        assert (few_x.min(), few_x.max()) == (0, n - 1)
        assert (np.diff(few_x) > 0).all()


def test_texts_stay_inside_the_picture():
    found = hidden(*[f"metric_{k}" for k in range(6)], info=[f"row {k}" for k in range(60)])
    found.status = "a status that is far too long for its place " * 3
    found.update_info(**{"row 0": "a value that is far too long " * 3, "row 1": 1 / 3})
    for i in range(3):
        found.record_metrics(i, **{f"metric_{k}": 10.0 ** (-k) for k in range(6)})
    found.progress = 50
    picture = drawn(found)
    width, height = picture.figure.canvas.get_width_height()
    for text in filter(lambda t: t.get_text(), picture.panel.texts):
        box = text.get_window_extent()
        assert box.x0 >= width - chart.PANEL * 100 - 1
        assert box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    for plot in picture.plots:
        box = plot.axes.get_tightbbox()
        assert box.x0 >= 0 <= box.y0
        assert box.y1 <= height


def test_the_colours_of_a_group_differ_in_lightness():
    lightness = [np.dot(to_rgb(c), [0.3, 0.6, 0.1]) for c in chart.COLOURS[:2]]
    assert abs(np.diff(lightness)[0]) > 0.1
    assert not {*chart.COLOURS} & {*chart.VALIDATION}


def test_a_new_group_is_drawn_anew():
    found = hidden("a", "b")
    found.record_metrics(1, a=1, b=2)
    figure = screen.figure_without_window()
    picture = chart.Chart(figure)
    picture.draw(found._board)
    assert len(figure.axes) == 3
    found.group_subplot("both", ("a", "b"))
    picture.draw(found._board)
    assert len(figure.axes) == 2
    assert len(picture.plots[0].lines) == 2


# -- where it is seen ------------------------------------------------------------------------------


def test_without_a_display_nothing_is_drawn_before_it_is_written(monkeypatch, tmp_path):
    drawings = []
    draw = chart.Chart.draw
    monkeypatch.setattr(chart.Chart, "draw", lambda *a: (drawings.append(a), draw(*a)))
    found = dl.training_progress_monitor(metrics="loss")
    for i in range(1000):
        found.record_metrics(i, loss=i)
    assert not drawings
    for ending in ("png", "svg", "pdf"):
        found.export_plot_as_image(str(tmp_path / f"loss.{ending}"))
        assert (tmp_path / f"loss.{ending}").stat().st_size > 1000
    assert len(drawings) == 3


class Events:
    def __init__(self):
        self.registered = []

    def register(self, name, function):
        assert name == "post_run_cell"
        self.registered.append(function)

    def unregister(self, name, function):
        assert name == "post_run_cell"
        self.registered.remove(function)


@pytest.fixture
def notebook(monkeypatch):
    """Return what a notebook shows, and its events: IPython's part, as far as it is used."""
    pictures, events = [], Events()

    def display(picture, display_id):
        assert display_id is True
        pictures.append([picture])
        return SimpleNamespace(update=pictures[-1].append)

    for name, content in {
        "IPython": {"get_ipython": lambda: SimpleNamespace(kernel=object(), events=events)},
        "IPython.display": {"Image": lambda data: data, "display": display},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return pictures, events


def test_a_notebook_shows_one_picture_and_replaces_it(notebook, monkeypatch):
    pictures, events = notebook
    now = [0.0]
    monkeypatch.setattr(monitor, "perf_counter", lambda: now[0])
    found = dl.training_progress_monitor(metrics="loss")
    for i in range(100):
        now[0] = i / 100
        found.record_metrics(i, loss=i)
    assert len(pictures) == 1
    assert len(pictures[0]) == 4  # one at once, then every 0.3 seconds
    assert all(picture.startswith(b"\x89PNG") for picture in pictures[0])
    events.registered[0]()  # the cell ends
    events.registered[0]()  # so does another one
    assert len(pictures[0]) == 5
    del found
    events.registered[0]()
    assert not events.registered


def test_drawing_takes_a_small_part_of_the_time(notebook, monkeypatch):
    pictures, _ = notebook
    now = [0.0]
    monkeypatch.setattr(monitor, "perf_counter", lambda: now[0])
    draw = chart.Chart.draw

    def slow(*args):
        now[0] += 1
        draw(*args)

    monkeypatch.setattr(chart.Chart, "draw", slow)
    found = dl.training_progress_monitor(metrics="loss")
    for i in range(5000):
        now[0] += 0.01
        found.record_metrics(i, loss=1)
    assert 2 <= len(pictures[0]) <= 4


class FakeWindow:
    """A figure of a toolkit, as far as pyplot and the monitor know one."""

    def __init__(self, monkeypatch):
        self.figure = screen.figure_without_window()
        self.flushed = 0
        self.figure.canvas.flush_events = self.flush
        self.figure.canvas.draw_idle = self.figure.canvas.draw
        monkeypatch.setattr(screen, "_window", lambda: self.figure)

    def flush(self):
        self.flushed += 1

    def press(self):
        canvas = self.figure.canvas
        box = next(a for a in self.figure.axes if a.texts and a.texts[0].get_text() == "Stop").bbox
        for kind in ("button_press_event", "button_release_event"):
            at = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            canvas.callbacks.process(kind, MouseEvent(kind, canvas, *at, button=1))

    def close(self):
        canvas = self.figure.canvas
        canvas.callbacks.process("close_event", CloseEvent("close_event", canvas))


def test_a_window_has_a_button_that_stops(monkeypatch):
    window = FakeWindow(monkeypatch)
    found = dl.training_progress_monitor(metrics="loss")
    found.record_metrics(1, loss=1)
    assert window.flushed == 1
    assert not found.stop
    window.press()
    assert found.stop
    assert found.status == "Stopping"


def test_a_closed_window_is_left_alone(monkeypatch):
    window = FakeWindow(monkeypatch)
    found = dl.training_progress_monitor(metrics="loss")
    found.record_metrics(1, loss=1)
    window.close()
    found.progress = 100
    assert window.flushed == 1
    assert not found.stop
    assert len(found.metric_data["loss"]) == 1


def test_another_thread_and_another_process_record_and_do_not_draw(monkeypatch):
    window = FakeWindow(monkeypatch)
    found = dl.training_progress_monitor(metrics="loss")
    thread = threading.Thread(target=lambda: found.record_metrics(1, loss=1))
    thread.start()
    thread.join()
    with monkeypatch.context() as context:
        context.setattr(os, "getpid", lambda: -1)
        found.record_metrics(2, loss=1)
    assert not window.flushed
    found.record_metrics(3, loss=1)
    assert window.flushed == 1
    assert len(found.metric_data["loss"]) == 3


def test_a_window_that_cannot_be_opened_is_no_error(monkeypatch):
    import matplotlib.pyplot as plt

    def fails(**_):
        raise ImportError("no display name and no $DISPLAY environment variable")

    monkeypatch.setattr(plt, "figure", fails)
    found = dl.training_progress_monitor(metrics="loss")
    with pytest.warns(RuntimeWarning, match=r"no window could be opened \(no display name"):
        found.record_metrics(1, loss=1)
    found.record_metrics(2, loss=1)
    assert len(found.metric_data["loss"]) == 2


def test_it_is_shown_and_hidden_later(monkeypatch):
    window = FakeWindow(monkeypatch)
    found = hidden("loss")
    found.record_metrics(1, loss=1)
    assert not window.flushed
    found.visible = True
    assert window.flushed == 1
    found.visible = False
    found.progress = 100
    assert window.flushed == 1


# -- without Matplotlib ----------------------------------------------------------------------------


def test_without_matplotlib_it_records(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = dl.training_progress_monitor(metrics="loss")
    with pytest.warns(
        RuntimeWarning, match=r"recorded and not drawn; pip install dlgradient\[plot"
    ):
        found.record_metrics(1, loss=1)
    found.record_metrics(2, loss=1)
    assert len(found.metric_data["loss"]) == 2
    with pytest.raises(ImportError, match=r"export_plot_as_image needs Matplotlib: pip install"):
        found.export_plot_as_image(tmp_path / "x.png")


def test_matplotlib_is_imported_when_something_is_drawn():
    code = (
        "import sys, dlgradient as dl\n"
        "m = dl.training_progress_monitor(metrics='loss', visible=False)\n"
        "m.record_metrics(1, loss=1)\n"
        "print('matplotlib' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


# -- Ctrl-C ----------------------------------------------------------------------------------------


def test_the_first_interrupt_asks_the_loop_to_stop_and_the_second_interrupts():
    # A program that a shell starts in the background ignores the signal.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with hidden() as found:
            os.kill(os.getpid(), signal.SIGINT)
            assert found.stop
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outside)


def test_in_another_thread_signals_are_left_alone():
    found = []

    def run():
        with hidden() as one:
            found.append(one.stop)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [False]
