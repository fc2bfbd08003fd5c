"""Ready networks against modules of PyTorch that are written here: values and all gradients."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import dlgradient as dl
from dlgradient import networks
from dlgradient.networks import pretrained
from dlgradient.networks.building import Image
from dlgradient.networks.deeplab import _network
from dlgradient.networks.mobile import mobilenet_v2
from dlgradient.networks.residual import Stacks, residual
from dlgradient.networks.transformer import Numbers, torch_module, torchvision_names, transformer


def conv(before, after, size, stride=1, dilation=1, groups=1):
    padding = size // 2 * dilation
    return nn.Conv2d(before, after, size, stride, padding, dilation, groups, bias=False)


class Residual(nn.Module):
    """A block as torchvision has it; "first" has the stride of a bottleneck in the first one."""

    def __init__(self, before, filters, stride, kind, skip=False):
        super().__init__()
        strides = {"none": (stride, 1), "first": (stride, 1, 1), "second": (1, stride, 1)}[kind]
        sizes = (3, 3) if kind == "none" else (1, 3, 1)
        after = filters if kind == "none" else 4 * filters
        widths = [before, *[filters] * (len(sizes) - 1), after]
        self.depth = len(sizes)
        for i in range(self.depth):
            layer = conv(widths[i], widths[i + 1], sizes[i], strides[i])
            setattr(self, f"conv{i + 1}", layer)
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        self.downsample = None
        if skip or stride > 1 or before != after:
            self.downsample = nn.Sequential(conv(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y if i == self.depth else torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, kind, depths, filters, width=5, classes=3):
        super().__init__()
        self.conv1, self.bn1 = conv(3, width, 7, 2), nn.BatchNorm2d(width)
        for i, (depth, count) in enumerate(zip(depths, filters, strict=True), 1):
            stack = nn.Sequential()
            for j in range(depth):
                stride = 2 if i > 1 and j == 0 else 1
                stack.append(Residual(width, count, stride, kind))
                width = count if kind == "none" else 4 * count
            setattr(self, f"layer{i}", stack)
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for name, stack in self.named_children():
            x = stack(x) if name.startswith("layer") else x
        return torch.softmax(self.fc(x.mean((2, 3))), 1)


class Double(nn.Sequential):
    """Two convolutions."""

    def __init__(self, kinds, before, counts, padding):
        convolution, normalisation = kinds
        parts = []
        for count in counts:
            parts.append(convolution(before, count, 3, padding=padding))
            parts += [normalisation(count)] if normalisation else []
            parts.append(nn.ReLU())
            before = count
        super().__init__(*parts)


class UNet(nn.Module):
    """A U-Net for images, or for volumes as in the paper on them."""

    def __init__(self, solid, depth, filters, padding, channels=2, classes=3):
        super().__init__()
        self.solid, kinds = solid, (nn.Conv3d, nn.BatchNorm3d) if solid else (nn.Conv2d, None)
        transposed = nn.ConvTranspose3d if solid else nn.ConvTranspose2d
        self.down, self.up, self.after = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        wide = []
        for i in range(depth + 1):
            n = filters * 2**i
            counts = (n, 2 * n) if solid else (n, n)
            self.down.append(Double(kinds, channels, counts, padding))
            channels = counts[-1]
            wide.append(channels)
        for i in reversed(range(depth)):
            up = channels if solid else wide[i]
            self.up.append(transposed(channels, up, 2, 2))
            self.after.append(Double(kinds, up + wide[i], (wide[i], wide[i]), padding))
            channels = wide[i]
        self.last = kinds[0](channels, classes, 1)

    def forward(self, x):
        pool = functional.max_pool3d if self.solid else functional.max_pool2d
        left = []
        for i, double in enumerate(self.down):
            x = double(x if not i else pool(x, 2))
            left.append(x)
        for up, double, other in zip(self.up, self.after, reversed(left[:-1]), strict=True):
            x = torch.relu(up(x))
            for axis in range(2, x.ndim):
                start = (other.shape[axis] - x.shape[axis]) // 2
                other = other.narrow(axis, start, x.shape[axis])  # noqa: PLW2901 - cropped
            x = double(torch.cat([x, other], 1))
        return torch.softmax(self.last(x), 1)


def unet_module(depth, solid):
    """The module for a layer of our network."""
    step = 3 if solid else 2

    def module(name):
        stage, _, part = name.partition("_")
        kind, number = part.rstrip("0123456789"), part[len(part.rstrip("0123456789")) :]
        place = step * (int(number or 1) - 1) + (kind == "bn")
        if name == "final_conv":
            return "last"
        if kind not in ("conv", "bn", "upconv"):
            return name
        if stage == "bridge":
            return f"down.{depth}.{place}"
        at = int(stage.lstrip("encodr")) - 1
        if kind == "upconv":
            return f"up.{at}"
        return f"{'down' if stage.startswith('encoder') else 'after'}.{at}.{place}"

    return module


class Block(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(channels, 1e-6), nn.LayerNorm(channels, 1e-6)
        self.self_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        wide = 4 * channels
        self.mlp = nn.Sequential(
            nn.Linear(channels, wide), nn.GELU(), nn.Dropout(0), nn.Linear(wide, channels)
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """A vision transformer with the names of torchvision."""

    def __init__(self, numbers, patches, classes=3):
        super().__init__()
        channels = numbers.channels
        self.conv_proj = nn.Conv2d(2, channels, numbers.patch, numbers.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.zeros(1, patches + 1, channels))
        self.encoder.layers = nn.Module()
        for i in range(numbers.blocks):
            name = f"encoder_layer_{i}"
            self.encoder.layers.add_module(name, Block(channels, numbers.heads))
        self.encoder.ln = nn.LayerNorm(channels, 1e-6)
        self.heads = nn.Module()
        self.heads.head = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1)
        x = x + self.encoder.pos_embedding
        for block in self.encoder.layers.children():
            x = block(x)
        return torch.softmax(self.heads.head(self.encoder.ln(x)[:, 0]), 1)


class DeepLab(nn.Module):
    """DeepLab v3+ on a residual network of one block for each stack, at a sixteenth."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 4, 7, 2), nn.BatchNorm2d(4)
        for i in range(1, 4):
            stack = nn.Sequential(Residual(4, 4, 2 if i > 1 else 1, "none"))
            setattr(self, f"layer{i}", stack)
        self.layer4 = nn.Sequential(Residual(4, 4, 1, "none", skip=True))
        second = self.layer4[0].conv2
        second.dilation, second.padding = (2, 2), (2, 2)
        shapes = [(4, 256, 1, 1), (4, 256, 3, 6), (4, 256, 3, 12), (4, 256, 3, 18)]
        self.aspp = nn.ModuleList([self.unit(*s) for s in (*shapes, (1024, 256, 1, 1))])
        shapes = [(4, 48, 1, 1), (304, 256, 3, 1), (256, 256, 3, 1)]
        self.dec = nn.ModuleList([self.unit(*s) for s in shapes])
        self.scorer = nn.Conv2d(256, classes, 1)

    @staticmethod
    def unit(before, after, size, dilation):
        layer = conv(before, after, size, dilation=dilation)
        return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU())

    @staticmethod
    def enlarged(x, like):
        tent = torch.tensor([1, 3, 5, 7, 7, 5, 3, 1], dtype=x.dtype) / 8
        weights = (tent[:, None] * tent).expand(x.shape[1], 1, 8, 8)
        y = functional.conv_transpose2d(x, weights, stride=4, padding=2, groups=x.shape[1])
        for axis in (2, 3):
            n = like.shape[axis]
            y = y.narrow(axis, (y.shape[axis] - n) // 2, n)
        return y

    def forward(self, image):
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(image))), 3, 2, 1)
        early = x = self.layer1(x)
        x = self.layer4(self.layer3(self.layer2(x)))
        x = self.aspp[4](torch.cat([unit(x) for unit in self.aspp[:4]], 1))
        early = self.dec[0](early)
        x = torch.cat([self.enlarged(x, early), early], 1)
        x = self.scorer(self.dec[2](self.dec[1](x)))
        return torch.softmax(self.enlarged(x, image), 1)


def deeplab_module(name):
    for start in ("aspp", "dec"):
        for kind, place in (("conv", 0), ("bn", 1)):
            if name.startswith(f"{start}_{kind}"):
                return f"{start}.{int(name[-1]) - 1}.{place}"
    return pretrained._resnet_module(name)


class Inverted(nn.Module):
    def __init__(self, before, expansion, after, stride):
        super().__init__()
        wide = before * expansion
        parts = [self.unit(before, wide, 1)] if expansion > 1 else []
        parts += [self.unit(wide, wide, 3, stride, wide), conv(wide, after, 1)]
        self.conv = nn.Sequential(*parts, nn.BatchNorm2d(after))
        self.skip = stride == 1 and before == after

    @staticmethod
    def unit(before, after, size, stride=1, groups=1):
        layer = conv(before, after, size, stride, groups=groups)
        return nn.Sequential(layer, nn.BatchNorm2d(after), nn.ReLU6())

    def forward(self, x):
        return x + self.conv(x) if self.skip else self.conv(x)


class MobileNet(nn.Module):
    """MobileNet-v2 with the names of torchvision."""

    def __init__(self, classes=3):
        super().__init__()
        settings = "1 16 1 1, 6 24 2 2, 6 32 3 2, 6 64 4 2, 6 96 3 1, 6 160 3 2, 6 320 1 1"
        parts, before = [Inverted.unit(3, 32, 3, 2)], 32
        for row in settings.split(","):
            expansion, after, count, stride = map(int, row.split())
            for i in range(count):
                parts.append(Inverted(before, expansion, after, 1 if i else stride))
                before = after
        self.features = nn.Sequential(*parts, Inverted.unit(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x):
        return torch.softmax(self.classifier(self.features(x).mean((2, 3))), 1)


# -- the comparison --------------------------------------------------------------------------------


def compare(model, net, mapping, shape, *, training=False, rename=dict, back=dict):
    """Compare values and gradients of a module and a network with the same weights, in float64."""
    torch.manual_seed(0)
    model.train(training)
    for name, value in model.named_parameters():
        if value.ndim == 1:
            nn.init.uniform_(value, 0.5, 1.5)
        else:
            nn.init.normal_(value, 0, 0.3 if "pos" in name else value[0].numel() ** -0.5)
    for name, value in model.named_buffers():
        if name.endswith(("mean", "var")):
            nn.init.uniform_(value, 0.5, 1.5)
    weights = rename({k: v.numpy() for k, v in model.state_dict().items()})
    net = dl.import_weights_from_torch(net.initialize(), weights, mapping=mapping)
    net, model = dl.dlupdate(np.float64, net), model.double()
    net.state = dl.dlupdate(np.float64, net.state)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)

    wanted = model(torch.from_numpy(x))
    factors = rng.normal(size=wanted.shape)
    (wanted * torch.from_numpy(factors)).sum().backward()

    def loss(net, x):
        y = net.forward(x)[0] if training else net.predict(x)
        y = dl.stripdims(y).reshape(wanted.shape)
        return y, dl.dlgradient((y * factors).sum(), net.learnables)

    y, gradient = dl.dlfeval(loss, net, dl.dlarray(x, "BC" + "S" * (len(shape) - 2)))
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-8, atol=1e-12)
    found = back(dl.export_weights_to_torch(net.with_learnables(gradient), mapping=mapping))
    names = [name for name, value in model.named_parameters()]
    assert set(names) <= set(found)
    for name, value in model.named_parameters():
        expected = value.grad.numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[name], expected, atol=1e-8 * scale + 1e-12, err_msg=name)


KINDS = {
    "none": "none",
    "first": "downsample-first-conv",
    "second": "downsample-second-conv",
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [32, 47])
def test_residual_networks_by_name(kind, side, training):
    model = ResNet(kind, (1, 2, 1), (4, 5, 6))
    stacks = Stacks(
        (7, 5, 2), bottleneck=KINDS[kind], depths=(1, 2, 1), filters=(4, 5, 6), symmetric=True
    )
    net = residual(Image((side, side), 3, "none", ""), 3, stacks)
    shape = (3, 3, side, side)
    compare(model, net, pretrained._resnet_module, shape, training=training)


@pytest.mark.parametrize("kind", KINDS)
def test_residual_networks_of_the_function(kind):
    """For sizes that stay odd, padding is on both sides here, too."""
    net = networks.resnet(
        (33, 33, 3),
        3,
        initial_num_filters=5,
        bottleneck_type=KINDS[kind],
        stack_depth=(1, 2, 1),
        num_filters=(4, 5, 6),
        normalization="none",
        initialize=False,
    )
    model = ResNet(kind, (1, 2, 1), (4, 5, 6))
    compare(model, net, pretrained._resnet_module, (2, 3, 33, 33), training=True)


@pytest.mark.parametrize(
    ("padding", "sizes"), [("same", (8, 12)), ("valid", (44, 48))], ids=["same", "valid"]
)
def test_unet(padding, sizes):
    net = networks.unet(
        (*sizes, 2),
        3,
        encoder_depth=2,
        num_first_encoder_filters=3,
        convolution_padding=padding,
        normalization="none",
        initialize=False,
    )
    model = UNet(False, 2, 3, 1 if padding == "same" else 0)
    compare(model, net, unet_module(2, solid=False), (2, 2, *sizes))


@pytest.mark.parametrize(
    ("padding", "sizes"), [("same", (4, 8, 4)), ("valid", (22, 20, 20))], ids=["same", "valid"]
)
def test_unet3d(padding, sizes):
    net = networks.unet3d(
        (*sizes, 2),
        3,
        encoder_depth=1,
        num_first_encoder_filters=2,
        convolution_padding=padding,
        normalization="none",
        initialize=False,
    )
    model = UNet(True, 1, 2, 1 if padding == "same" else 0)
    compare(model, net, unet_module(1, solid=True), (2, 2, *sizes))


def test_vision_transformer():
    numbers = Numbers(12, 3, 3, 4)
    net = transformer(Image((8, 12), 2, "none", ""), 3, numbers)

    def back(found):
        found["class_token"] = found.pop("class_token.weights")[None, None]
        found["encoder.pos_embedding"] = found.pop("encoder.pos_embedding.weights")[None]
        return found

    model = Transformer(numbers, 6)
    compare(model, net, torch_module, (2, 2, 8, 12), rename=torchvision_names, back=back)


def test_deeplab():
    stacks = Stacks(
        (7, 4, 2), bottleneck="none", depths=(1, 1, 1, 1), filters=(4, 4, 4, 4), symmetric=True
    )
    net = _network(Image((33, 40), 3, "none", ""), 3, stacks, 16)
    model = DeepLab()

    # What interpolates is no module in PyTorch.
    def known(weights):
        state = dl.export_weights_to_torch(net.initialize())
        return weights | {k: v for k, v in state.items() if "upsample" in k}

    compare(model, net, deeplab_module, (1, 3, 33, 40), rename=known)


def test_mobilenet():
    net = mobilenet_v2(Image((32, 32), 3, "none", ""), 3)
    compare(MobileNet(), net, str, (2, 3, 32, 32))
