"""What shows a training: the live plot, the history, the files of TensorBoard."""

import pickle
import struct
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlgradient as dl
from dlgradient.train import chart, monitor, screen


def trained(rng, **given):
    x = rng.normal(size=(120, 2)).astype(np.float32)
    labels = (x[:, 0] > x[:, 1]).astype(int)
    net = [dl.layers.FeatureInput(2), dl.layers.FullyConnected(2), dl.layers.Softmax()]
    options = dl.training_options(
        "adam",
        **{
            "max_epochs": 3,
            "mini_batch_size": 40,
            "metrics": "accuracy",
            "validation_data": (x, labels),
            "validation_frequency": 4,
            "verbose": False,
            "generator": 0,
            **given,
        },
    )
    return dl.trainnet(x, labels, net, "crossentropy", options)[1]


@pytest.fixture
def shown(monkeypatch):
    """Return the screens that are opened; each keeps what was drawn on it."""
    found = []

    class Kept(screen.Screen):
        live = True

        def __init__(self, stop, _):
            super().__init__(screen.figure_without_window())
            self.stop, self.boards = stop, []
            found.append(self)

        def draw(self, board):
            super().draw(board)
            counts = {name: len(series.y) for name, series in board.series.items()}
            self.boards.append((board.status, round(board.progress), counts))

    monkeypatch.setattr(monitor, "screen_of", Kept)
    monkeypatch.setattr(monitor, "SOONEST", 0.0)
    monkeypatch.setattr(monitor, "SHARE", np.inf)
    return found


def test_a_training_is_drawn_while_it_runs(shown, rng):
    info = trained(rng, plots="training-progress")
    (one,) = shown
    assert len(one.boards) > 9
    status, progress, counts = one.boards[-1]
    assert (status, progress) == ("Max epochs completed", 100)
    assert counts == {
        "loss": 9,
        "accuracy": 9,
        "validation_loss": len(info.validation_history["loss"]),
        "validation_accuracy": len(info.validation_history["accuracy"]),
    }
    assert [plot.group for plot in one.chart.plots] == ["loss", "accuracy"]


def test_the_button_stops_training(shown, rng):
    def press(row):
        if row["iteration"] == 4:
            shown[0].stop()

    info = trained(rng, plots="training-progress", output_fcn=press)
    assert info.stop_reason == "Stopped by the user"
    assert info.training_history["iteration"] == [1, 2, 3, 4, 5]
    assert shown[0].boards[-1][:2] == ("Stopped by the user", 56)


def test_an_error_is_shown_too(shown, rng):
    def fails(_):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        trained(rng, plots="training-progress", output_fcn=fails)
    assert shown[0].boards[-1][0] == "Stopped by an error"


def test_without_a_display_training_runs_as_ever(rng, monkeypatch):
    drawings = []
    monkeypatch.setattr(chart.Chart, "draw", lambda *a: drawings.append(a))
    info = trained(rng, plots="training-progress")
    assert info.stop_reason == "Max epochs completed"
    assert not drawings


def test_the_history_is_drawn(rng):
    info = trained(rng)
    before = plt.get_fignums()
    figure = info.show()
    plots = [axes for axes in figure.axes if axes.get_title("left")]
    assert [axes.get_title("left") for axes in plots] == ["loss", "accuracy"]
    for axes, name in zip(plots, ("loss", "accuracy"), strict=True):
        line, other = axes.lines[1], axes.lines[3]
        assert line.get_xydata()[:, 1].tolist() == info.training_history[name]
        assert other.get_xydata()[:, 0].tolist() == info.validation_history["iteration"]
        assert other.get_xydata()[:, 1].tolist() == info.validation_history[name]
    assert "Max epochs completed" in [text.get_text() for text in figure.axes[-1].texts]
    assert info.show() is figure
    assert pickle.loads(pickle.dumps(info)) == info
    info.close()
    info.close()
    assert plt.get_fignums() == before


@pytest.mark.filterwarnings("ignore:trainnet. predictors .* not finite")
def test_a_training_that_fails_at_once_has_a_history():
    found = dl.training_options("adam", verbose=False)
    net = [dl.layers.FeatureInput(1), dl.layers.FullyConnected(1)]
    _, info = dl.trainnet(np.array([[np.nan]]), np.ones((1, 1)), net, "mse", found)
    assert info.stop_reason.startswith("Loss is nan")
    assert info.show().axes[0].get_title("left") == "loss"
    info.close()


# -- TensorBoard -----------------------------------------------------------------------------------


def events(folder):
    """Read the files of events as their format says: length, its sum, message, its sum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in folder.iterdir():
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                yield value.tag, event.step, value.simple_value


def test_events_for_tensorboard(rng, tmp_path):
    info = trained(rng, tensorboard=tmp_path / "run")
    found = {}
    for tag, step, value in events(tmp_path / "run"):
        found.setdefault(tag, []).append((step, value))
    assert set(found) == {
        "training/loss",
        "training/accuracy",
        "training/learn_rate",
        "validation/loss",
        "validation/accuracy",
    }
    for part, history in (
        ("training", info.training_history),
        ("validation", info.validation_history),
    ):
        for name in ("loss", "accuracy"):
            steps, values = zip(*found[f"{part}/{name}"], strict=True)
            assert list(steps) == history["iteration"]
            np.testing.assert_allclose(values, history[name], rtol=1e-6)


def test_without_tensorboardx_the_error_says_what_to_install(rng, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        ImportError, match=r"tensorboard= needs the package tensorboardX: pip install dlgradient"
    ):
        trained(rng, tensorboard=tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plots": "training"}, "plots must be one of 'none', 'training-progress', not 'training'"),
        ({"tensorboard": 3}, "tensorboard must be the path of a file or None, not 3"),
    ],
)
def test_wrong_options(given, message):
    with pytest.raises(dl.InvalidArgumentError, match=f"training_options: {message}"):
        dl.training_options("adam", **given)
