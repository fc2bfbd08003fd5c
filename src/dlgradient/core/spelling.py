"""Suggest an existing name for one that does not exist, for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["close_name", "layer_name", "nearest", "same_name"]

# Keywords of other libraries, and what they are called here, in one function or another.
_KNOWN = {
    "data_format": "fmt",
    "format": "fmt",
    "dim": "axis",
    "vecdim": "axis",
    "keepdim": "keepdims",
    "dims": "axis",
    "axes": "axis",
    "lr": "learning_rate initial_learn_rate",
    "learning_rate": "initial_learn_rate",
    "learn_rate": "learning_rate initial_learn_rate",
    "beta1": "gradient_decay gradient_decay_factor",
    "beta2": "sq_gradient_decay squared_gradient_decay_factor",
    "create_graph": "enable_higher_derivatives",
    "retain_graph": "retain_data",
    "batch_size": "mini_batch_size",
    "epochs": "max_epochs",
    "p": "probability",
    "rate": "probability",
    "dilation": "dilation_factor",
    "rtol": "relative_tolerance",
    "atol": "absolute_tolerance",
    "rng": "generator",
    "key": "generator",
    "random_state": "generator",
    "num_classes": "class_names",
    "num_steps": "period",
    "align_corners": "geometric_transform_mode",
}
_OPPOSITES = (("input", "output"), ("output", "input"), ("min", "max"), ("max", "min"))
# Words in the names of layers elsewhere, in this order, after the word "layer" is taken off.
_LAYER_WORDS = (
    (r"^convtranspose", "transposedconvolution"),
    (r"conv(?!olution)", "convolution"),
    (r"avg", "average"),
    (r"pool(?!ing)", "pooling"),
    (r"unpooling$", "unpooling2d"),
    (r"norm(alization)?(\dd)?$", "normalization"),
    (r"^(linear|dense)$", "fullyconnected"),
    (r"^silu$", "swish"),
    (r"^relu6$", "clippedrelu"),
    (r"^dropout\dd$", "spatialdropout"),
    (r"^embed$", "embedding"),
    (r"^add$", "addition"),
    (r"^(concat|concatenate)$", "concatenation"),
)


def snake_case(name: str) -> str:
    """Return a camelCase or CamelCase name in snake_case: 'RetainData' -> 'retain_data'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def same_name(name: str, names: Sequence[str]) -> str | None:
    """Return the name that is written as `name` elsewhere, in MATLAB for instance, or None.

    Examples
    --------
    >>> same_name("FFTLength", ["fft_length"]), same_name("dims", ["axis"])
    ('fft_length', 'axis')
    """
    snake = snake_case(name)
    for guess in (name, snake, *_KNOWN.get(name, "").split(), *_KNOWN.get(snake, "").split()):
        if guess in names:
            return guess
    squeezed = {n.replace("_", "").lower(): n for n in names}
    return squeezed.get(name.replace("_", "").lower())


def layer_name(name: str, layers: Iterable[str]) -> str | None:
    """Return the layer that has this name elsewhere, or None.

    Examples
    --------
    >>> layer_name("convolution2dLayer", ["Convolution2d"]), layer_name("relu_layer", ["Relu"])
    ('Convolution2d', 'Relu')
    >>> layer_name("Linear", ["FullyConnected"])
    'FullyConnected'
    """
    bare = name.replace("_", "").lower().removesuffix("layer")
    for pattern, word in _LAYER_WORDS:
        bare = re.sub(pattern, word, bare)
    return next((layer for layer in layers if layer.lower() == bare), None)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` most likely means, or None.

    Parameters
    ----------
    name : str
    candidates : iterable of str
        Names that exist.

    Examples
    --------
    >>> nearest("RetainData", ["retain_data", "axis"]), nearest("dim", ["axis"])
    ('retain_data', 'axis')
    """
    names = list(candidates)
    return same_name(name, names) or close_name(name, names, 0.6)


def close_name(name: str, names: Sequence[str], cutoff: float = 0.8) -> str | None:
    """Return the name of nearly the same letters, or None.

    Few letters in common mean nothing among some hundred names: "inv" is not "sin".
    """
    from difflib import get_close_matches  # only errors pay for this import

    word = snake_case(name)
    # Inputs are not outputs, however near the letters are.
    other = next((b for a, b in _OPPOSITES if a in word), None)
    candidates = [n for n in names if other is None or other not in n]
    close = get_close_matches(word, candidates, n=1, cutoff=cutoff)
    return close[0] if close else None
