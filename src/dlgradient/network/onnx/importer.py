"""`import_network_from_onnx`: networks from ONNX models."""

from __future__ import annotations

from typing import Any

from dlgradient.core.arguments import checked
from dlgradient.network.network import dlnetwork

__all__ = ["import_network_from_onnx"]


@checked
def import_network_from_onnx(model: Any) -> dlnetwork:
    """Network of an ONNX model, with its weights as learnables.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto

    Returns
    -------
    dlnetwork
        With a layer for each node of the model, named as the node. It takes arrays in ONNX's
        order of dimensions, such as batch × channels × height × width; the batch may have any size.

    Raises
    ------
    InvalidArgumentError
        If the file is damaged or no ONNX model, or if it has nodes that are not supported; the
        message names all of them.

    Notes
    -----
    Floating-point arrays that are weights of a node are learnables. Single factors, masks and
    integers are constants. Statistics of batch normalisation are state. Half precision becomes
    single. Quantised models are not supported. Data outside of the model are read only from the
    folder of its file.

    See Also
    --------
    dlnetwork : networks of layers
    export_onnx_network : such files of networks

    Examples
    --------
    >>> import onnx, onnx.helper as oh
    >>> weights = oh.make_tensor("w", onnx.TensorProto.FLOAT, (2, 1), [3.0, 4.0])
    >>> graph = oh.make_graph(
    ...     [oh.make_node("MatMul", ["x", "w"], ["y"], name="product")],
    ...     "example",
    ...     [oh.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("batch", 2))],
    ...     [oh.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ("batch", 1))],
    ...     [weights],
    ... )
    >>> net = dl.import_network_from_onnx(oh.make_model(graph))
    >>> net.predict(np.array([[1.0, 2.0]]))
    array([[11.]], dtype=float32)
    >>> list(net.learnables)
    ['product/weights']

    Source: MATLAB ``importNetworkFromONNX``.
    """
    # Here, so that networks without ONNX do not load it.
    from dlgradient.network.onnx.building import built
    from dlgradient.network.onnx.reading import read_model

    net = dlnetwork()
    net._assemble(built(read_model(model)))
    return net
