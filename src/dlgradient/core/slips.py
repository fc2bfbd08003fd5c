"""What the writer of a wrong call meant: MATLAB's options as words, sizes one by one.

Only calls that have failed are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlgradient.core.kinds import ANY, Kind, shown
from dlgradient.core.spelling import nearest, same_name, snake_case
from dlgradient.errors import DlgradientError

__all__ = ["C_ORDER", "meant_by_array", "meant_by_keyword", "meant_by_position", "option_words"]

# MATLAB's order of elements, by that of C.
C_ORDER = "elements are in C order; for MATLAB's, 'F', write x.T.reshape(shape[::-1]).T"

# Keywords of other libraries that are no keyword here, and what to write. Their letters are near
# those of keywords that mean something else: weight_decay is not gradient_decay.
_KEYWORDS = {
    "weight_decay": "adamwupdate has it; the page recipes/weight-decay.html has other ways",
    "betas": "write gradient_decay= and sq_gradient_decay=",
    "amsgrad": "it is not here; write the update with dlupdate",
    "nesterov": "it is not here; write the update with dlupdate",
    "maximize": "give the gradient of -y",
    "allow_unused": "it is not needed: the gradient is zero where y does not depend on x",
    "materialize_grads": "it is not needed: the gradient is zero where y does not depend on x",
    "grad_outputs": "write dlvjp(y, w, x)",
    "has_aux": "it is not needed: return what you like next to the gradient",
    "argnums": "it is not needed: name the variables, dlgradient(y, a, b)",
    "holomorphic": "write dljvp(y, z, ones_like(z)) for an elementwise function",
    "requires_grad": "it is not needed: what dlfeval is given is traced",
    "where": "choose elements of x before a reduction, or of the result: dl.where(condition, x, 0)",
    "initial": "join it to the result, as initial + dl.sum(x) or dl.maximum(dl.max(x), initial)",
    "dtype": "write astype(x, dtype), or give an array of that dtype",
    "device": "it is not needed: arrays are in the memory of the CPU",
    "acceleration": "with dl.acceleration(mode): chooses for everything in the block",
    "execution_environment": "it is not needed: this runs in this process, on the CPU",
    "output_environment": "it is not needed: batches are in the memory of the CPU",
    "num_outputs": "it is not needed: there is an output for each source, or member of its tuples",
    "output_as_dlarray": "outputs with a format in mini_batch_format= are dlarrays, others arrays",
    "dispatch_in_background": "write preprocessing_environment='background'",
    "categorical_target_encoding": "write class_names=, the classes in the order of the outputs",
    "output_data_formats": "it is not needed: dimensions are compared by their letters",
    "average_type": "write average=, which metrics of classes have",
    "target_categories": 'write classification_mode="single-label", or "multilabel"',
    "formattable": "it is not needed: data of a layer have formats always",
    "acceleratable": "it is not needed: calls of a layer can be recorded always",
    "description": "it is not here; write name=, and a comment",
    "data_augmentation": "write mini_batch_fcn= of minibatchqueue, a function of each batch",
    "normalization_dimension": "it is not needed: statistics are one number, or one per channel",
    "num_channels": "it is not needed: the sizes of the data say it",
    "include_subfolders": "it is not needed: each folder is a class, with images at any depth",
    "label_source": "it is not needed: each folder is a class, with images at any depth",
    "file_extensions": "it is not needed: what Pillow reads is an image",
    "namespace": "it is not needed: operators are layers of this library",
    "opset_version": "it is not needed: the file says which operators it has",
    "network_name": "it is not needed: the file has the names of the layers",
    "period_growth_factor": "it is not here: all periods have the same length",
    "progress": "set it afterwards: monitor.progress = 50",
    "status": 'set it afterwards: monitor.status = "Training"',
    **dict.fromkeys(
        ("enabled", "cache_size", "check_mode", "check_tolerance"),
        "set it afterwards, as in accelerated.enabled = False",
    ),
    "order": C_ORDER,
    "inplace": "it is not needed: a dlarray is a value",
    "training": "it is not needed: call the function in training only",
}

# What two arrays are an argument of, where one array and an axis are expected.
_OF_ARRAYS = {
    "concat": "for several arrays write concat([x, y])",
    "max": "for the larger of two write maximum(x, y)",
    "min": "for the smaller of two write minimum(x, y)",
    "stack": "for several arrays write stack([x, y])",
}


def option_words(keywords: Iterable[str], args: Sequence[Any]) -> str:
    """Return keywords for options that are given as words, ``"Padding", "same"``, or ''.

    Examples
    --------
    >>> option_words(["padding", "stride"], [3.0, "Padding", "same", "Stride", 2])
    "options are keywords: write padding='same', stride=2"
    """
    names = list(keywords)
    found = []
    for i, word in enumerate(args[:-1]):
        name = same_name(word, names) if isinstance(word, str) else None
        if name is not None:
            found.append(f"{name}={shown(args[i + 1])}")
    return f"options are keywords: write {', '.join(found)}" if found else ""


def meant_by_position(
    positional: Sequence[str],
    keywords: Iterable[str],
    kinds: Mapping[str, Kind],
    args: Sequence[Any],
) -> str:
    """Return what to write instead of too many arguments by position, or ''."""
    words = option_words(keywords, args)
    if words or not positional or len(args) <= len(positional):
        return words
    last, rest = positional[-1], tuple(args[len(positional) - 1 :])
    empty = [isinstance(value, list) and not value for value in rest]
    if empty[0] and last == "axis":  # MATLAB's max(x, [], 1), whose dimensions begin with 1
        return f"write axis={rest[1] - 1}, which counts from 0" if type(rest[1]) is int else ""
    if last == "axis" and "correction" in keywords and rest[0] in (0, 1) and len(rest) == 2:
        # MATLAB's std(x, 0, 1), whose second argument is the weight.
        return f"write axis={rest[1] - 1}, correction={1 - rest[0]}"
    if any(empty) and last == "shape":  # MATLAB's reshape(x, [], 1)
        rest = tuple([-1 if none else value for value, none in zip(rest, empty, strict=True)])
    try:
        kinds.get(last, ANY).convert(rest)
    except (TypeError, ValueError, AttributeError, DlgradientError):
        return ""
    return f"write {last}={rest!r}" if all(isinstance(value, int) for value in rest) else ""


def meant_by_keyword(name: str, accepted: Iterable[str]) -> str:
    """Return what to write instead of a keyword that does not exist, or ''.

    Examples
    --------
    >>> meant_by_keyword("lr", ["learning_rate"]), meant_by_keyword("grad_outputs", ["retain_data"])
    ('write learning_rate=', 'write dlvjp(y, w, x)')
    """
    word = snake_case(name)
    if word in _KEYWORDS and word not in accepted:
        return _KEYWORDS[word]
    meant = nearest(name, accepted)
    return f"write {meant}=" if meant else ""


def meant_by_array(function: str, value: Any) -> str:
    """Return what to write instead of a call with an array where a parameter is, or ''."""
    return _OF_ARRAYS.get(function, "") if getattr(value, "ndim", 0) else ""
