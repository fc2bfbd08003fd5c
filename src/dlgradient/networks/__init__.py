"""The namespace ``dlgradient.networks``: networks that are known by a name.

Each function returns a `dlnetwork` of the layers of ``dlgradient.layers``: it is trained, edited,
saved and exported as any other one. A function knows the sizes, names and connections of its
layers, and no more. It builds a list of layers in series, and branches that leave and join them.

Layers have names that are known from MATLAB, or those of PyTorch's modules if files of weights have
them. Sizes that do not fit are named before a layer is made.

Examples
--------
>>> from dlgradient import networks
>>> net = networks.resnet((32, 32, 3), 10, stack_depth=(2, 2), num_filters=(16, 32))
>>> net.input_names, net.output_names
(('input',), ('softmax',))
"""

from dlgradient.networks.deeplab import *
from dlgradient.networks.pretrained import *
from dlgradient.networks.residual import *
from dlgradient.networks.segmentation import *
from dlgradient.networks.transformer import *

# Of MATLAB, and of PyTorch's models.
_ELSEWHERE = {
    "resnetNetwork": "resnet",
    "resnetLayers": "resnet",
    "resnet3dNetwork": "resnet3d",
    "resnet3dLayers": "resnet3d",
    "unetLayers": "unet",
    "unet3dLayers": "unet3d",
    "deeplabv3plusLayers": "deeplabv3plus",
    "visionTransformer": "vision_transformer",
    "imagePretrainedNetwork": "image_pretrained_network",
    "get_model": "image_pretrained_network",
}

__all__ = sorted(
    name for name, value in globals().items() if callable(value) and not name.startswith("_")
)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    """Answer the name of a network that does not exist, such as MATLAB's."""
    from dlgradient.core.spelling import nearest
    from dlgradient.errors import located
    from dlgradient.networks.pretrained import ARCHITECTURES

    fix = "dir(networks) lists them"
    known = nearest(name, ARCHITECTURES) if name not in _ELSEWHERE else None
    meant = _ELSEWHERE.get(name) or nearest(name, __all__)
    if known and name.replace("_", "").lower() == known.replace("-", ""):
        fix = f"write networks.image_pretrained_network({known!r})"
    elif meant:
        fix = f"write networks.{meant}"
    text = f"dlgradient.networks has no attribute {name!r}; {fix}"
    raise AttributeError(located(text, "reference/networks.html"), name=name)
