"""Predictions of EfficientNet-Lite0, 4.7 million learnables, against torch and onnxruntime.

The weights are random: what they are costs no time. With ImageNet's weights, the
tests against torch compare the same two networks.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness.contestants import Call, Maker
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row

FACTOR = 1.3
BATCHES = (1, 16)

# Of each block: kernel, stride, expansion, channels before and after.
BLOCKS = [
    (kernel, stride if i == 0 else 1, expansion, before if i == 0 else after, after)
    for times, kernel, stride, expansion, before, after in [
        (1, 3, 1, 1, 32, 16),
        (2, 3, 2, 6, 16, 24),
        (2, 5, 2, 6, 24, 40),
        (3, 3, 2, 6, 40, 80),
        (3, 5, 1, 6, 80, 112),
        (4, 5, 2, 6, 112, 192),
        (1, 3, 1, 6, 192, 320),
    ]
    for i in range(times)
]


def torch_network() -> Any:
    """Return the module of torch, with the names of its published weights."""
    import torch
    from torch import nn

    relu6 = nn.functional.relu6

    class Convolution(nn.Conv2d):  # type: ignore[misc]
        """A convolution whose padding is that of TensorFlow: more of it at the end."""

        def forward(self, x: Any) -> Any:
            pads = []
            for n, k, s in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
                missing = max((-(-n // s) - 1) * s + k - n, 0)
                pads += [missing // 2, missing - missing // 2]
            return super().forward(nn.functional.pad(x, pads))

    def conv(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        return Convolution(before, after, kernel, stride, groups=groups, bias=False)

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, kernel: int, stride: int, expansion: int, before: int, after: int):
            super().__init__()
            wide = before * expansion
            if expansion > 1:
                self._expand_conv, self._bn0 = conv(before, wide, 1), nn.BatchNorm2d(wide, 1e-3)
            self._depthwise_conv = conv(wide, wide, kernel, stride, wide)
            self._bn1 = nn.BatchNorm2d(wide, 1e-3)
            self._project_conv, self._bn2 = conv(wide, after, 1), nn.BatchNorm2d(after, 1e-3)
            self.skip = stride == 1 and before == after

        def forward(self, x: Any) -> Any:
            y = x
            if hasattr(self, "_expand_conv"):
                y = relu6(self._bn0(self._expand_conv(y)))
            y = relu6(self._bn1(self._depthwise_conv(y)))
            y = self._bn2(self._project_conv(y))
            return x + y if self.skip else y

    class Lite0(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._conv_stem, self._bn0 = conv(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3)
            self._blocks = nn.ModuleList([Block(*numbers) for numbers in BLOCKS])
            self._conv_head, self._bn1 = conv(320, 1280, 1), nn.BatchNorm2d(1280, 1e-3)
            self._fc = nn.Linear(1280, 1000)

        def forward(self, x: Any) -> Any:
            x = relu6(self._bn0(self._conv_stem(x)))
            for block in self._blocks:
                x = block(x)
            return self._fc(relu6(self._bn1(self._conv_head(x))).mean((2, 3)))

    torch.manual_seed(0)
    return Lite0().eval()


def our_network() -> Any:
    """Return the network, whose layers have the names of the modules; without its softmax."""
    import dlgradient as dl

    net = dl.networks.image_pretrained_network(
        "efficientnet-lite0", weights="none", data_format="BCSS", generator=0
    )
    return net.remove_layers("softmax").initialize()


# -- the contestants -------------------------------------------------------------------------------


def _data(batch: int) -> Any:
    rng = np.random.default_rng(9)
    return rng.standard_normal((batch, 3, 224, 224), dtype=np.float32)


def _ours(batch: int) -> Call:
    import dlgradient as dl

    net, x = our_network(), dl.dlarray(_data(batch), "BCSS")
    return lambda: dl.extractdata(net.predict(x))


def _torch(batch: int) -> Call:
    import torch

    import dlgradient as dl

    model, x = torch_network(), torch.from_numpy(_data(batch))
    weights = dl.export_weights_to_torch(our_network())
    model.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=False)

    def call() -> Any:
        with torch.no_grad():
            return model(x)

    return call


def _onnxruntime(batch: int) -> Call:
    import onnxruntime

    import dlgradient as dl

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lite0.onnx")
        dl.export_onnx_network(our_network(), path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        session = onnxruntime.InferenceSession(path.read_bytes(), options)
    x = {session.get_inputs()[0].name: _data(batch)}
    return lambda: session.run(None, x)[0]


def _makers(batch: int) -> dict[str, Maker]:
    made = {OURS: _ours, "torch": _torch, "onnxruntime": _onnxruntime}
    return {who: partial(make, batch) for who, make in made.items()}


def _run(context: Context) -> Result:
    """Time one image, and a batch."""
    times = []
    for i, batch in enumerate(BATCHES):
        times.append(
            context.timed(
                _makers(batch),
                seconds=12,
                rounds=(5, 200),
                pause=0.05,
                reference="torch",
                rtol=1e-4,
                part=(i + 1) / len(BATCHES),
            )
        )
    work = f"predict of EfficientNet-Lite0, an image of 224×224; batch {BATCHES[1]} below; float32"
    result = Result("predict", work, "s", times[0])
    for batch, found in zip(BATCHES, times, strict=True):
        ratio = found[OURS] / found["torch"]
        asked = f"≤ {FACTOR}x torch, batch {batch}"
        result.targets.append(Target(asked, f"{ratio:.2f}x torch", ratio <= FACTOR))
    result.details.append(
        Detail(
            "Time by size of the batch",
            ["contestant", *[f"batch {batch}" for batch in BATCHES]],
            [[who, *[with_unit(found[who], "s") for found in times]] for who in times[0]],
        )
    )
    return result


PREDICT = Row("predict", _run, partial(_makers, BATCHES[0]))
