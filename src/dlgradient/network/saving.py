"""`save` and `load`: networks, and containers of arrays, in one file.

The file has the safetensors format, which other programs read too. What is not an array, such as
layers and connections, is a description in JSON among its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from dlgradient.core.arguments import checked
from dlgradient.errors import InvalidArgumentError, InvalidFileError
from dlgradient.network.files import FilePath

__all__ = ["load", "save"]

# A program reads its own version of the description and all before it.
VERSION = 1
# What writes the files that other programs expect under these endings.
FOREIGN = {
    ".mat": "scipy.io.savemat writes MATLAB's files",
    ".npy": "numpy.save writes NumPy's files",
    ".npz": "numpy.savez writes NumPy's files",
    ".onnx": "export_onnx_network writes ONNX",
    ".pt": "torch.save writes PyTorch's files, of what export_weights_to_torch returns",
    ".pth": "torch.save writes PyTorch's files, of what export_weights_to_torch returns",
    ".h5": "HDF5 has libraries of its own",
    ".keras": "Keras has a format of its own",
    ".pkl": "pickle writes its own files",
}


@checked
def save(path: FilePath, value: Any) -> None:
    """Write a network, or a container of arrays, to a file.

    Parameters
    ----------
    path : str or path
        A file that is there is replaced once the new one is complete; if the disk is full, it
        stays as it is.
    value : dlnetwork or container
        Networks, arrays with their formats, tables, numbers, texts and None, in dicts, lists and
        tuples.

    Raises
    ------
    InvalidArgumentError
        If something in `value` cannot be saved; the message has its path. Also if the name of the
        file has the ending of another format, such as ".mat".
    OSError
        If the file cannot be written.

    See Also
    --------
    load : what reads the file.
    export_weights_to_torch : learnables for PyTorch.

    Notes
    -----
    The file has the safetensors format, so other programs read the arrays, by names such as
    "fc/weights". The graph is a description in its metadata. Code is never in the file: layers and
    functions of your own are named, and `load` needs them.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)])
    >>> dl.save("model.safetensors", net)
    >>> dl.load("model.safetensors") == net
    True

    Source: MATLAB ``save``.
    """
    ending = PurePath(path).suffix.lower()
    if ending in FOREIGN:
        raise InvalidArgumentError(
            f"save: path is {str(path)!r}, and {FOREIGN[ending]}; this file has the safetensors "
            "format, so end its name in .safetensors"
        )
    # Here and below, so that networks are loaded without what only files need.
    from dlgradient.network.description import Writer
    from dlgradient.network.safetensors import write_arrays

    writer = Writer()
    content = writer.written(value)
    description = {"version": VERSION, "content": content}
    text = json.dumps(description, ensure_ascii=False, separators=(",", ":"))
    write_arrays(path, writer.arrays, {"dlgradient": text})


@checked
def load(path: FilePath, *, custom: Sequence[Any] = ()) -> Any:
    """Read a file of `save`, or of another program in the safetensors format.

    Parameters
    ----------
    path : str or path
    custom : sequence of classes and functions
        Your own layers, and functions that layers call, which the file only names.

    Returns
    -------
    dlnetwork or container
        What was saved; of another program's file a dict of arrays.

    Raises
    ------
    InvalidFileError
        If the file is damaged or of another kind.
    InvalidArgumentError
        If a class or a function is missing in `custom`; the message names it.

    See Also
    --------
    save : what writes the file.
    import_weights_from_torch : weights from a file of PyTorch.

    Notes
    -----
    Loading runs no code of the file, imports nothing, and takes memory in proportion to the size
    of the file. So you can load files from others.

    Examples
    --------
    >>> dl.save("checkpoint.safetensors", {"w": dl.dlarray([[1.0, 2.0]], "BC"), "step": 120})
    >>> dl.load("checkpoint.safetensors")
    {'w': dlarray([[1., 2.]], 'BC'), 'step': 120}

    Source: MATLAB ``load``.
    """
    from dlgradient.network.description import Reader
    from dlgradient.network.layer_description import check_customs, named_customs
    from dlgradient.network.safetensors import parsed, read_arrays

    customs = named_customs(custom)
    arrays, metadata = read_arrays(path)
    if "dlgradient" not in metadata:
        return arrays
    description = parsed(metadata["dlgradient"], str(path))
    if not isinstance(description, dict) or description.keys() != {"version", "content"}:
        raise InvalidFileError(f"{path}: the description has no version; the file is damaged")
    version = description["version"]
    if version != VERSION:
        raise InvalidFileError(
            f"{path}: the description has the version {str(version)[:20]}; this program reads "
            f"{VERSION}. A newer dlgradient may have written it"
        )
    check_customs(description["content"], customs, str(path))
    try:
        return Reader(str(path), arrays, customs).read(description["content"])
    except RecursionError:
        raise InvalidFileError(f"{path}: the description is nested too deeply") from None
