"""Text upside down: a network from an ONNX file
==============================================

Import a network that another library has written, and train it further.

The file is the text-direction classifier of PaddleOCR, which the package ``rapidocr-onnxruntime``
contains: is a line of text upright, or upside down? The import makes a `dlnetwork` of it, which
predicts what onnxruntime does. Of lines in unusual fonts it knows less, until it is trained with
some of them.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl

MODEL = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
HEIGHT, WIDTH = 48, 192


# %%
# The model
# ---------


def model_file():
    """Return the path of the model, which is found without an import of its package."""
    package = find_spec("rapidocr_onnxruntime")
    if package is None:
        raise SystemExit("This example needs: pip install rapidocr-onnxruntime==1.4.4")
    return Path(package.origin).parent / "models" / MODEL


def difference(net, images):
    """Return the largest difference from what onnxruntime predicts."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model_file()))
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.abs(net.predict(images) - expected).max()


# %%
# Lines of text
# -------------
#
# Words are drawn in the fonts that come with Matplotlib, grey on grey, with noise.

FONTS = [
    "DejaVuSans",
    "DejaVuSerif-Italic",
    "DejaVuSansMono-Bold",
    "STIXGeneral",
    "cmtt10",
    "cmmi10",
]


@cache
def font(name, size):
    """Return a font of Matplotlib for Pillow."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    path = Path(get_data_path(), "fonts", "ttf", f"{name}.ttf")
    return ImageFont.truetype(str(path), size)


def line(rng):
    """Return an image of a line of text, channels × height × width, from -1 to 1."""
    from PIL import Image, ImageDraw

    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789    "), rng.integers(6, 14))
    paper, ink = rng.uniform(120, 255), rng.uniform(0, 100)
    image = Image.new("L", (WIDTH, HEIGHT), int(paper))
    where = (rng.integers(4, 30), HEIGHT // 2 + rng.integers(-4, 5))
    used = font(str(rng.choice(FONTS)), int(rng.integers(14, 26)))
    ImageDraw.Draw(image).text(where, "".join(letters), int(ink), used, anchor="lm")
    pixels = np.asarray(image) / 127.5 - 1 + rng.normal(0, 0.1, (HEIGHT, WIDTH))
    return np.repeat(pixels[None].astype(np.float32), 3, axis=0)


def lines(count, rng):
    """Return images, half of them upside down, and their classes 0 and 1."""
    images = np.stack([line(rng) for _ in range(count)])
    turned = np.arange(count) % 2
    images[1::2] = images[1::2, :, ::-1, ::-1]
    return images, turned


# %%
# Training
# --------
#
# The loss is one of `predict`, so the statistics of batch normalisation stay what they are: small
# batches would change them more than they teach.


def model_loss(net, x, turned):
    """Return the cross-entropy of a batch and its gradient."""
    loss = dl.indexcrossentropy(net.predict(x), turned)
    return loss, dl.dlgradient(loss, net)


def train(net, data, *, iterations, batch, rate):
    """Train with Adam; return the network and the losses."""
    images, turned = data
    rng = np.random.default_rng(1)
    average = average_sq = None
    losses = []
    for iteration in runs.steps(iterations, "steps"):
        i = rng.permutation(len(turned))[:batch]
        x = dl.dlarray(images[i], "BCSS")
        loss, gradient = dl.dlfeval(model_loss, net, x, turned[i])
        falling = rate * np.cos(np.pi / 2 * (iteration - 1) / iterations)
        net, average, average_sq = dl.adamupdate(
            net, gradient, average, average_sq, iteration, falling
        )
        losses.append(loss.item())
    return net, losses


def read(net, images):
    """Return the class of each image."""
    return dl.minibatchpredict(net, images).argmax(axis=1)


# %%
# The picture
# -----------


def draw(held_out, before, after, losses):
    """Draw lines that were read wrongly at first, and the losses."""
    images, turned = held_out
    figure = plt.figure(figsize=(10.5, 3.6))
    left, right = figure.subfigures(1, 2, width_ratios=(1.6, 1))
    words = ["upright", "upside down"]
    chosen = np.concatenate([np.flatnonzero(before != turned), np.flatnonzero(before == turned)])
    for panel, i in zip(left.subplots(4, 2).ravel(), chosen, strict=False):
        panel.imshow(images[i, 0], cmap="gray", vmin=-1, vmax=1)
        panel.set(xticks=[], yticks=[])
        panel.set_title(f"{words[before[i]]}, then {words[after[i]]}", size=8, loc="center")
    axes = right.subplots()
    axes.semilogy(losses)
    axes.set(xlabel="step", ylabel="cross-entropy", title="Loss")
    return figures.save(figure, "text_direction")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. It needs ``pip install dlgradient[examples]``, and the package of the data:
# ``pip install --no-deps rapidocr-onnxruntime==1.4.4``.


def main(small=False):
    """Import, compare, train, print what is read, and draw it."""
    figures.style()
    rng = np.random.default_rng(0)
    data = lines(16 if small else 2048, rng)
    held_out = lines(32 if small else 512, rng)
    net = dl.import_network_from_onnx(model_file())
    print(
        f"{len(net.layers)} layers; difference from onnxruntime: {difference(net, data[0][:8]):.1e}"
    )
    parts = data, held_out
    before = [read(net, images) for images, _ in parts]

    begun = perf_counter()
    size = {"iterations": 10, "batch": 16} if small else {"iterations": 150, "batch": 32}
    net, losses = train(net, data, rate=3e-4, **size)
    seconds = perf_counter() - begun
    after = [read(net, images) for images, _ in parts]
    for name, (_, turned), old, new in zip(("seen", "held out"), parts, before, after, strict=True):
        rights = np.mean(old == turned), np.mean(new == turned)
        print(f"{name}: {rights[0]:.4f} right before, {rights[1]:.4f} after {seconds:.0f} s")
    draw(held_out, before[1], after[1], losses)


if __name__ == "__main__":
    main(runs.small(__doc__))
