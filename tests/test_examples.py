"""Every example runs, prints the numbers it must print, and leaves its picture."""

import importlib.util
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

    with plt.rc_context():  # the style of the examples is theirs
        yield run_example
    plt.close("all")  # they are left open, so that a notebook shows them
    for name in [path.stem for path in EXAMPLES.glob("*.py")]:
        sys.modules.pop(name, None)


def has(package):
    """Skip where a package is absent of which an example reads a file."""
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None,
        reason=f"make installs {package} without its dependencies, pip does not",
    )


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
    assert after < before / 1.4
    assert numbers(printed[printed.index("accuracy: ") :])[0] > 0.35  # a guess is right in 0.1
    for name in ("loop", "own layer", "function"):
        assert f"largest difference from the losses of the {name}: 0.0\n" in printed


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


def test_gan(run):
    printed = run("gan", small=True)
    assert "data: 8 of 8 spots" in printed
    spots, _, share = numbers(printed[printed.index("generated: ") :])[:3]
    assert spots == 8
    assert share > 0.6


def test_gan_has_the_same_gradients_without_retain_data(rng, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("gan")
    generator, discriminator = module.network(2, 5, 2, 1), module.network(2, 5, 1, 2)
    real, z = dl.dlarray(module.points(6, rng), "BC"), module.noise(6, rng)
    both = dl.dlfeval(module.model_loss, generator, discriminator, real, z)[:2]

    def loss(nets, sign):
        y = nets[1].predict(nets[0].predict(z))
        y_real = nets[1].predict(real)
        if sign < 0:
            return dl.dlgradient(dl.softplus(-y).mean(), nets[0])
        return dl.dlgradient(dl.softplus(-y_real).mean() + dl.softplus(y).mean(), nets[1])

    for gradient, sign in zip(both, (-1, 1), strict=True):
        alone = dl.dlfeval(loss, [generator, discriminator], sign)
        for key, value in gradient.learnables.items():
            np.testing.assert_allclose(value, alone.learnables[key], rtol=1e-5, atol=1e-7)


def test_vae(run):
    printed = run("vae", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert after < before / 2
    error = numbers(printed[printed.index("autoencoder: ") :])[0]
    principal = numbers(printed[printed.index("components: ") :])[0]
    assert principal == pytest.approx(0.0534, abs=2e-4)
    assert error < 0.9 * principal


def test_siamese(run):
    printed = run("siamese", small=True)
    before, after = numbers(printed[printed.index("loss: ") :])[:2]
    assert after < before / 1.5
    assert numbers(printed[printed.index("known digits: ") :])[0] > 0.75


def test_curve_fits(run):
    printed = run("curve_fits")
    for name in ("Levenberg-Marquardt: ", "L-BFGS: "):
        squares, digits = numbers(printed[printed.index(name) + len(name) :])[:2]
        assert squares == pytest.approx(5642.7082397, rel=1e-9)  # certified by the NIST
        assert digits > 6
    assert all(float(d) > 6 for d in re.findall(r"SciPy's: (\S+) digits", printed))


def test_two_inputs(run):
    printed = run("two_inputs", small=True)
    spread = numbers(printed[printed.index("no angle is off by ") :])[0]
    for name in ("image: ", "image and digit: "):
        assert numbers(printed[printed.index(name) :])[0] < 0.8 * spread


@has("aeon")
def test_vowels(run):
    printed = run("vowels", small=True)
    assert "270 recordings to train with, 370 held out" in printed
    assert numbers(printed[printed.index("accuracy: ") :])[0] > 0.8


def test_transformer(run):
    printed = run("transformer", small=True)
    before, after, _ = numbers(printed[printed.index("loss: ") :])[:3]
    assert before == pytest.approx(numbers(printed[printed.index("costs ") :])[0], abs=0.5)
    assert after < before - 1.5
    assert numbers(printed[printed.index("held out: ") :])[0] < before - 1.5


def test_transformer_reads_only_what_is_before(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("transformer")
    net = module.network(7, 9, 8, 2, 2)
    x = np.arange(9.0).reshape(9, 1, 1) % 7
    changed = x.copy()
    changed[5:] = 0
    y, other = net.predict(x), net.predict(changed)
    np.testing.assert_allclose(other[:5], y[:5], rtol=1e-5, atol=1e-6)
    assert np.abs(other[5] - y[5]).max() > 1e-3


def test_robust_lstm(run):
    printed = run("robust_lstm", small=True)
    usual, misled = numbers(printed[printed.index("without: ") :])[:2]
    penalised, robust = numbers(printed[printed.index("with penalty: ") :])[:2]
    assert min(usual, penalised) > 0.7
    assert robust > misled + 0.15


def test_penalty_of_the_robust_lstm_agrees_with_differences(rng, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("robust_lstm")
    net = dl.dlupdate(np.float64, module.network(3))
    x, labels = rng.normal(size=(2, 4, 8)), np.array([1, 7])

    def total(net):
        """Return the loss with slopes by differences."""
        steps = 1e-5 * np.eye(64).reshape(64, 2, 4, 8)
        found = [module.cross_entropy(net, dl.dlarray(x + d, "BTC"), labels) for d in steps]
        other = [module.cross_entropy(net, dl.dlarray(x - d, "BTC"), labels) for d in steps]
        slopes = np.array([float(a - b) for a, b in zip(found, other, strict=True)]) / 2e-5
        return float(module.cross_entropy(net, dl.dlarray(x, "BTC"), labels)) + 2 * sum(slopes**2)

    _, gradient = dl.dlfeval(module.model_loss, net, dl.dlarray(x, "BTC"), labels, 1.0)
    length = np.sqrt(sum((g**2).sum().item() for g in gradient.learnables.values()))
    ahead, behind = (
        total(dl.dlupdate(lambda p, g, h=h: p + h / length * g, net, gradient))
        for h in (1e-4, -1e-4)
    )
    assert (ahead - behind) / 2e-4 == pytest.approx(length, rel=1e-4)


def test_poisson_pinn(run):
    printed = run("poisson_pinn", small=True)
    adam = numbers(printed[printed.index("Adam: ") :])[0]
    lbfgs = numbers(printed[printed.index("L-BFGS: error") :])[0]
    assert lbfgs < 0.1
    assert lbfgs < adam


def test_right_side_of_the_poisson_equation(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    module = importlib.import_module("poisson_pinn")
    u, d = module.exact, 1e-3
    x, y = np.array([-0.6, 0.1, 0.4]), np.array([0.1, 0.3, -0.7])
    laplacian = (u(x + d, y) + u(x - d, y) + u(x, y + d) + u(x, y - d) - 4 * u(x, y)) / d**2
    assert module.right_side(x, y) == pytest.approx(-laplacian, rel=1e-4)


def test_transfer_learning(run):
    printed = run("transfer_learning", small=True)
    assert "48 patches of 64x64 to train with, 36 held out" in printed
    assert numbers(printed[printed.index("alone: ") :])[0] >= 0.95
    assert numbers(printed[printed.index("all layers: ") :])[0] > 0.5


@has("rapidocr_onnxruntime")
def test_text_direction(run):
    printed = run("text_direction", small=True)
    assert numbers(printed[printed.index("onnxruntime: ") :])[0] < 1e-4
    before, after = numbers(printed[printed.index("seen: ") :])[:2]
    assert before < 0.7  # a guess is right in 0.5
    assert after > 0.9


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
