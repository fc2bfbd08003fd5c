"""Every example runs, prints the numbers it must print, and leaves its picture."""

import importlib
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlgradient as dl

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the `main` of an example in an empty directory; return what it prints."""

    def run_example(name, **options):
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(EXAMPLES))
        importlib.import_module(name).main(**options)
        printed = capsys.readouterr().out
        assert f"figure: demo_output/{name}.png" in printed
        picture = tmp_path / "demo_output" / f"{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 10_000
        return printed

    yield run_example
    plt.close("all")  # they are left open, so that a notebook shows them
    for name in [path.stem for path in EXAMPLES.glob("*.py")]:
        sys.modules.pop(name, None)


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d*)?(?:e[-+]\d+)?", text)]


def test_rosenbrock(run):
    printed = run("rosenbrock")
    assert "MATLAB: 104, [396 200]" in printed
    assert "here: 104, [396. 200.]" in printed
    assert "here: 104, 396, 200" in printed


def test_rosenbrock_on_the_grid(run):
    run("rosenbrock")
    x1, x2, y, dydx1, dydx2 = sys.modules["rosenbrock"].gradients_on_grid(4)
    assert y == pytest.approx(100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2)
    assert dydx1 == pytest.approx(-400 * x1 * (x2 - x1**2) - 2 * (1 - x1))
    assert dydx2 == pytest.approx(200 * (x2 - x1**2))


def test_complex_gradient(run):
    printed = run("complex_gradient")
    assert "MATLAB: 2.0000 - 3.0000i" in printed
    assert "here: 2.0000-3.0000j" in printed
    assert "largest difference 0" in printed


def test_containers(run):
    printed = run("containers")
    # With y = (2*3 + 1)/4 + 3(-1*3 + 0.5)/4 = -0.125, by hand.
    assert "loss 0.015625; the gradient is a Mixture" in printed
    assert "lines[0]: slope -0.1875, intercept -0.0625" in printed
    assert "lines[1]: slope -0.5625, intercept -0.1875" in printed
    assert "weights['first']: -1.75" in printed
    assert "weights['second']: 0.625" in printed
    assert "dlarray of shape (16, 1)" in printed
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert after < 0.03 < before


def test_higher_order(run):
    printed = run("higher_order")
    lines = [line for line in printed.splitlines() if re.match(r" +[0-4] ", line)]
    assert len(lines) == 5
    assert all(numbers(line)[3] < 1e-14 for line in lines)


def test_scipy_minimize(run):
    printed = run("scipy_minimize")
    lines = [line for line in printed.splitlines() if "exact" in line or "differences" in line]
    assert len(lines) == 20
    for line in lines:
        assert numbers(line)[-1] < (1e-4 if "differences" in line else 1e-6), line
    # In 40 dimensions, differences need many times the calls of an exact gradient.
    differences, gradient, newton, krylov = [numbers(line)[0] for line in lines[-4:]]
    assert differences > 10 * max(gradient, newton, krylov)


def test_retain_data(run):
    printed = run("retain_data")
    lines = [numbers(line) for line in printed.splitlines() if "MiB" in line]
    (_, dropped, *_), (_, kept, *_) = lines[-2:]  # 40 layers, without and with
    assert kept > 1.5 * dropped


def test_digits_cnn(run):
    printed = run("digits_cnn", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert after < before / 3
    assert numbers(printed[printed.index("accuracy: ") :])[0] > 0.6  # a guess is right in 0.1


def test_digits_trainnet(run):
    printed = run("digits_trainnet", small=True)
    before, after = numbers(printed[printed.index("loss: ") :])[:2]
    assert after < before
    assert numbers(printed[printed.index("accuracy: ") :])[0] > 0.3  # a guess is right in 0.1
    assert "largest difference from the loop: 0.0\n" in printed


def test_burgers_pinn(run):
    printed = run("burgers_pinn", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert after < before / 4
    assert numbers(printed[printed.index("Hopf: ") :])[0] < 0.4


def test_cole_hopf_solves_burgers_equation(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("burgers_pinn")
    u, d = module.cole_hopf, 1e-3
    t, x = np.array([0.1, 0.3, 0.8]), np.array([-0.6, 0.1, 0.4])
    u_t = (u(t + d, x) - u(t - d, x)) / (2 * d)
    u_x = (u(t, x + d) - u(t, x - d)) / (2 * d)
    u_xx = (u(t, x + d) - 2 * u(t, x) + u(t, x - d)) / d**2
    assert u_t + u(t, x) * u_x == pytest.approx(module.VISCOSITY * u_xx, abs=2e-3)
    early = np.full(3, 1e-6)
    assert u(early, x) == pytest.approx(-np.sin(np.pi * x), abs=1e-4)


def test_neural_ode(run):
    printed = run("neural_ode", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert after < before / 3


def test_char_lstm(run):
    printed = run("char_lstm", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert before == pytest.approx(numbers(printed[printed.index("costs ") :])[0], abs=0.01)
    assert after < before - 1.5
    assert numbers(printed[printed.index("held out: ") :])[0] < before - 1.5


def test_wgan_gp(run):
    printed = run("wgan_gp", small=True)
    most, last, _ = numbers(printed[printed.index("distance: ") :])[:3]
    assert 0 < last < most / 2
    real, generated = (numbers(line)[0] for line in printed.splitlines() if "nearest" in line)
    assert real < generated < 2 * real  # 6.8 before training


def test_gradient_of_the_gradient_penalty(rng, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("wgan_gp")
    _, critic = module.networks(2, rng)
    critic = dl.dlupdate(lambda value: dl.astype(value, np.float64), critic)
    real, generated = rng.standard_normal((2, 3, 8, 8, 1))
    mixture = rng.random((3, 1, 1, 1))

    def judge(learnables, images):
        return dl.extractdata(module.judge(learnables, dl.dlarray(images, "BSSC"))).ravel()

    def loss(learnables):
        """Compute the loss with slopes by differences, which are exact where there is no kink."""
        between = mixture * real + (1 - mixture) * generated
        pixels = 1e-6 * np.eye(64).reshape(64, 1, 8, 8, 1)
        slopes = [judge(learnables, between + d) - judge(learnables, between - d) for d in pixels]
        norms = np.linalg.norm(slopes, axis=0) / 2e-6
        distance = judge(learnables, real).mean() - judge(learnables, generated).mean()
        return 10 * ((norms - 1) ** 2).mean() - distance

    images = (dl.dlarray(values, "BSSC") for values in (real, generated))
    _, gradient = dl.dlfeval(module.critic_loss, critic, *images, mixture)
    length = np.sqrt(sum((g**2).sum().item() for g in gradient.values()))
    ahead, behind = (
        loss(dl.dlupdate(lambda p, g, h=h: p + h / length * g, critic, gradient))
        for h in (1e-5, -1e-5)
    )
    assert (ahead - behind) / 2e-5 == pytest.approx(length, rel=1e-5)


def test_fourier_operator(run):
    printed = run("fourier_operator", small=True)
    before, after = numbers(printed[printed.index("held out: ") :])[:2]
    assert after < 0.2 < before
    # The operator does not depend on the grid.
    assert numbers(printed[printed.index("as fine: ") :])[0] == pytest.approx(after, rel=0.05)


def test_solver_of_the_fourier_operator_agrees_with_cole_and_hopf(rng, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("fourier_operator")
    start = module.starts(3, 256, rng)
    k = 2 * np.pi * np.arange(129)
    # The mean of the starts is zero, whatever it is divided by.
    integral = np.fft.irfft(np.fft.rfft(start) / (1j * np.maximum(k, 1)))
    # With the integral U of u, exp(-U / 2ν) satisfies the heat equation.
    heat = np.fft.rfft(np.exp(-integral / (2 * module.VISCOSITY)))
    heat *= np.exp(-module.VISCOSITY * k**2)
    end = -2 * module.VISCOSITY * np.fft.irfft(1j * k * heat) / np.fft.irfft(heat)
    assert module.burgers(start, 200) == pytest.approx(end, abs=1e-6)


def test_progress_bar_goes_to_standard_error(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes anything for a terminal
    runs = importlib.import_module("runs")
    assert list(runs.steps(3, "steps of a run")) == [1, 2, 3]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "steps of a run" in captured.err


def test_no_progress_bar_without_rich(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setitem(sys.modules, "rich.console", None)
    runs = importlib.import_module("runs")
    assert list(runs.steps(3, "steps")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_the_arguments_of_a_notebook_are_not_those_of_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    runs = importlib.import_module("runs")
    monkeypatch.setattr("sys.argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    assert not runs.small("text")
