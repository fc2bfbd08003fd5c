"""What is answered to those who read or call a network as in MATLAB or PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from dlgradient.core.attributes import AnswersByName
from dlgradient.errors import located

__all__ = ["Slips"]


class Slips(AnswersByName):
    """A base class of `dlnetwork`: attributes of other libraries, and the call of a module."""

    _page = "coming-from/pytorch.html"
    _elsewhere: ClassVar = {
        "parameters": "learnables",
        "named_parameters": "learnables.items()",
        "state_dict": "dl.export_weights_to_torch(net)",
        "load_state_dict": "dl.import_weights_from_torch(net, path)",
        "train": "forward(x), which is the call for training",
        "eval": "predict(x), which is the call for inference",
        "fit": "dl.trainnet(x, targets, net, loss, options)",
        "getLearnRateFactor": 'learn_rate_factors()["layer/weights"]',
        "getL2Factor": 'l2_factors()["layer/weights"]',
        "zero_grad": "nothing: gradients are returned by dlgradient, and are not added up",
    }

    _instead: ClassVar = {
        "layers": "net = net.replace_layer(name, layer) has another layer",
        "connections": "net = net.connect_layers(start, end) has another connection",
        "input_names": "names of inputs are those of layers",
        "initialized": "net = net.initialize() has values",
    }

    if not TYPE_CHECKING:  # a type checker is to report such a call

        def __call__(self, *_: object) -> NoReturn:
            """Say which of the two calls of a network to write."""
            text = (
                "a dlnetwork is not callable; write *ys, state = net.forward(x) in training, and "
                "net.predict(x) for inference"
            )
            raise TypeError(located(text, "coming-from/pytorch.html"))
