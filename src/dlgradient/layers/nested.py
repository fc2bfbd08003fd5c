"""Layers of networks: a network as a layer, and a layer used again.

A layer may hold networks: attributes that it declares as learnables. What they learn and carry is
in the tables of the network around, under the name of the layer (``"outer/inner/weights"``). In a
graph, the networks that layers hold have no arrays either. A call gives each one its part of the
tables, and takes the state that it has afterwards.

`Shared` is a second use of a layer: it has no arrays and no options of its own, so gradients of
both uses add up in one learnable.
"""

from __future__ import annotations

from typing import Any, ClassVar

from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import Layout

__all__ = ["Network", "Shared"]


class HeldNetwork:
    """The base of networks, which are above layers and so cannot be asked for by their class."""


class Network(Layer):
    """A network as one layer of another.

    Parameters
    ----------
    net : dlnetwork
        Its inputs and outputs are those of the layer; a single one is called "in" or "out".

    Notes
    -----
    Learnables and state are in the tables of the outer network as ``"outer/inner/weights"``. The
    same paths name inner layers in `dlnetwork.get_layer` and other methods.

    See Also
    --------
    Shared : a layer of the same network, used again
    dlgradient.dlnetwork.expand_layers : layers of such a network instead of it
    dlgradient.dlnetwork.group_layers : such a network instead of layers

    Examples
    --------
    >>> block = dl.dlnetwork([dl.layers.FullyConnected(3, name="fc"), dl.layers.Tanh()])
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Network(block, name="block")])
    >>> list(net.learnables)
    ['block/fc/weights', 'block/fc/bias']

    Source: MATLAB ``networkLayer``.
    """

    net: Any
    learnables: ClassVar[tuple[str, ...]] = ("net",)
    short: ClassVar[str] = "network"
    # The paths of its arrays do not name the attribute.
    implied: ClassVar[str] = "net"

    def __post_init__(self) -> None:
        net: Any = self.net
        if not isinstance(net, HeldNetwork):
            raise InvalidArgumentError(
                f"layers.Network: net must be a dlnetwork, not {type(net).__name__}; "
                "write layers.Network(dl.dlnetwork([...]))"
            )
        inputs, outputs = self.net.input_names, self.net.output_names
        if not inputs or not outputs:
            raise InvalidArgumentError("layers.Network: net has no layers")
        self.input_names = tuple(inputs) if len(inputs) > 1 else ("in",)
        self.output_names = tuple(outputs) if len(outputs) > 1 else ("out",)

    def initialize(self, *layouts: Layout) -> None:
        """Initialise the network, unless it is."""
        if not self.net.initialized:
            examples = [
                layout.example() for i, layout in enumerate(layouts) if self.net.takes_example(i)
            ]
            self.net = self.net.initialize(*examples, generator=self._source)

    def predict(self, *xs: Any) -> Any:
        """Return the results of the network for inference."""
        return self.net.predict(*xs)

    def forward(self, *xs: Any) -> Any:
        """Return the results of the network in training, and set its state."""
        *ys, self.net.state = self.net.forward(*xs)
        return tuple(ys) if len(ys) > 1 else ys[0]

    def reset_state(self) -> None:
        """Reset the state of the network."""
        self.net = self.net.reset_state()

    def __repr__(self) -> str:
        return f"Network({self.net!r})".replace("\n", "\n  ")


class Shared(Layer):
    """A layer of the same network, used again: with the same learnables, state and options.

    Parameters
    ----------
    layer : str
        The name of the other layer.

    See Also
    --------
    Network : a network as a layer, which may be shared, too

    Examples
    --------
    >>> net = dl.dlnetwork(
    ...     [
    ...         dl.layers.FeatureInput(3),
    ...         dl.layers.FullyConnected(3, name="fc"),
    ...         dl.layers.Tanh(),
    ...         dl.layers.Shared("fc"),
    ...     ]
    ... )
    >>> list(net.learnables)
    ['fc/weights', 'fc/bias']

    Source: Keras, whose layers may be called again; PyTorch's modules.
    """

    layer: str

    def predict(self, *xs: Any) -> Any:
        """Raise the error for a layer outside of a network, which would call the other one."""
        del xs
        raise InvalidArgumentError(
            f"layers.Shared({self.layer!r}) is a use of another layer of its network, and "
            "computes nothing outside of it"
        )


def held_networks(layer: Layer) -> list[tuple[str, Any]]:
    """Return the networks among the learnables of a layer, and their attributes."""
    values = [(name, getattr(layer, name, None)) for name in layer.learnables]
    return [(name, value) for name, value in values if isinstance(value, HeldNetwork)]


def prefix_of(layer: Layer, attribute: str) -> str:
    """Return what the paths of the arrays of a network begin with, after the layer's name."""
    return "" if attribute == getattr(type(layer), "implied", "") else f"{attribute}/"
