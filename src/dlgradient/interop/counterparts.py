"""Names of MATLAB, NumPy, PyTorch and JAX that this package does not have, and what to write.

They answer an unknown name of the package, an unknown attribute of a dlarray, and a function of
NumPy that is not traced. What has a counterpart is in `expressions`, the rest here.
``tools/names_page.py`` writes ``docs/supported/other-names.md`` from both.
"""

from __future__ import annotations

import re
import sys
from functools import cache

from dlgradient.interop.expressions import expressions, in_words
from dlgradient.interop.toolbox_names import TOOLBOX

__all__ = ["ATTRIBUTES", "NOTES", "answers", "attribute", "page", "without_links"]

# Names without a counterpart, after what to do instead.
NOTES: dict[str, str] = {
    "follows from functions of linalg: solve, solve_triangular, cholesky, eigh, svd and qr": (
        "cholesky_solve cho_solve cho_factor lu_solve lu_factor cholesky_inverse cholesky_ex "
        "inv_ex solve_ex lsqr tensorinv tensorsolve pca_lowrank svd_lowrank orth null lobpcg "
        "lu_factor_ex"
    ),
    (
        "has no derivative here. define_operation makes an operation of it and its rule, as the "
        "page [Linear systems](../recipes/linear-systems.md) does for another function"
    ): ("schur geqrf orgqr ormqr lu_unpack householder_product ldl_factor ldl_factor_ex ldl_solve"),
    "is about memory, or makes an object of another class; leave it out": (
        "ascontiguousarray asfortranarray require asmatrix"
    ),
    "has no traced form; NumPy has it for what is not traced": (
        "mode sortrows unique_consecutive histc histcounts histogram2d histogramdd "
        "histogram_bin_edges xcorr"
    ),
    (
        "is not among the functions here; define_operation makes an operation of SciPy's, as on "
        "the page [Special functions](../recipes/special-functions.md)"
    ): "loggamma binom comb factorial",
    (
        "is the class DifferentiableFunction here, as on the page "
        "[Custom operations](../extend/custom-operations.md)"
    ): "custom_vjp custom_gradient defvjp save_for_backward autograd",
    (
        "is an operation of define_operation, which takes a rule for forward mode, as on the page "
        "[Custom operations](../extend/custom-operations.md)"
    ): "custom_jvp",
    (
        "is for polynomials by their coefficients; write the polynomial out, as 2 * x**2 + 3 * x + "
        "1, or call NumPy's function for what is not traced"
    ): "poly polydiv polyfit roots",
    ("makes a constant; call NumPy's function, and use its result with dlarrays"): (
        "bartlett blackman hamming hanning hann kaiser tri indices fromfunction fromiter ix_ "
        "diag_indices tril_indices triu_indices mask_indices diag_indices_from "
        "tril_indices_from triu_indices_from unravel_index ravel_multi_index bartlett_window "
        "blackman_window hamming_window hann_window kaiser_window"
    ),
    (
        "gives indices, counts or sets, which carry no derivative; call NumPy's function with "
        "extractdata(x)"
    ): "lexsort",
    (
        "is for integers, which carry no derivative; call NumPy's function with extractdata(x)"
    ): "bitwise_count packbits unpackbits popcount",
    (
        "is about files, text, settings, shapes or dtypes, and gives no numbers to differentiate; "
        "call it with what is not traced"
    ): (
        "loadtxt genfromtxt fromfile fromregex fromstring frombuffer seterr geterr seterrcall "
        "geterrcall setbufsize getbufsize get_printoptions set_printoptions printoptions "
        "show_config show_runtime get_include test info typename mintypecode datetime_as_string "
        "datetime_data busday_count busday_offset is_busday isnat base_repr binary_repr "
        "format_float_positional format_float_scientific iterable issubdtype promote_types "
        "broadcast_shapes einsum_path nested_iters isfortran"
    ),
    "is dlaccelerate(fun): calls are recorded, and replayed": "jit compile",
    "is not needed: functions run as they are, with Python's if, for and while": (
        "pmap scan while_loop fori_loop xla lax eval_shape named_call"
    ),
    "is dltrace(fun, x), a text with a line for each operation": (
        "make_jaxpr make_fx make_dot draw_graph"
    ),
    "is not needed: nothing is traced outside dlfeval, and extractdata(x) is a constant": (
        "no_grad inference_mode enable_grad set_grad_enabled requires_grad"
    ),
    "is not needed: arrays are in the memory of the CPU": (
        "cuda gpu gpuDevice device_put device_get block_until_ready"
    ),
    (
        "is not needed: functions that draw numbers take generator=, of "
        "numpy.random.default_rng(seed)"
    ): ("manual_seed rng random PRNGKey"),
    "is a draw without a derivative: numpy.random.default_rng(seed) has it as a method": (
        "multinomial poisson"
    ),
    "is a network here: dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)])": (
        "Module Sequential layerGraph"
    ),
    "is networks.resnet(input_size, num_classes)": "resnetNetwork resnetLayers",
    "is networks.resnet3d(input_size, num_classes)": "resnet3dNetwork resnet3dLayers",
    "is networks.unet(image_size, num_classes)": "unet unetLayers",
    "is networks.unet3d(input_size, num_classes)": "unet3d unet3dLayers",
    "is networks.deeplabv3plus(image_size, num_classes)": "deeplabv3plus deeplabv3plusLayers",
    "is networks.vision_transformer(image_size, num_classes)": "visionTransformer",
    "is networks.image_pretrained_network(name), with weights of a package or of a file": (
        "imagePretrainedNetwork resnet18 resnet34 resnet50 resnet101 resnet152 mobilenetv2 "
        "mobilenet_v2 vit_b_16"
    ),
    "is import_network_from_onnx(path), of a network that PyTorch or Keras exported": (
        "audioPretrainedNetwork yamnet vggish openl3 crepe squeezenet googlenet alexnet vgg16 "
        "vgg19 inceptionv3 densenet201 xception efficientnetb0 nasnetlarge shufflenet darknet53"
    ),
    "is a method: net.predict(x) for inference, net.forward(x) in training": (
        "predict forward functional_call"
    ),
    (
        "is scipy.optimize.minimize(fun, x0, jac=True), as on the page "
        "[Optimise with SciPy](../recipes/minimize-with-scipy.md)"
    ): "fminunc fmincon fminsearch fsolve lsqnonlin lsqcurvefit optimoptions optimset",
    "is testnet(net, x, targets, 'accuracy')": "accuracy",
    "is net.set_learn_rate_factor('layer', 0)": "freezeNetwork freezeWeights",
    "is numpy.unique(labels, return_inverse=True), which gives the names and the classes from 0": (
        "categorical"
    ),
    "is confusion_matrix of scikit-learn, for scores2label(y, class_names)": (
        "confusionmat confusionchart confusion plotconfusion"
    ),
    "is layers.Layout(size, format): layers.Layout((28, 28, 3, 1), 'SSCB')": "networkDataLayout",
    "is an update function here, as adamupdate(net, gradients, average, average_sq, i)": "optim",
    "is trainnet(x, targets, net, loss, training_options('adam'))": ("trainNetwork fit"),
    "is DlnetClassifier or DlnetRegressor of dlgradient.sklearn, estimators of scikit-learn": (
        "fitcnet fitrnet MLPClassifier MLPRegressor"
    ),
    (
        'is execution_environment="parallel" of training_options, in a script that is started by '
        "mpiexec -n 4 python script.py"
    ): (
        "parpool spmd spmdIndex spmdSize spmdPlus spmdCat spmdReduce spmdBroadcast gplus gcat gop "
        "numlabs labindex DataParallel DistributedDataParallel"
    ),
    "is minibatchqueue((x, targets), mini_batch_size=32), which takes arrays and datasets": (
        "DataLoader combine TensorDataset"
    ),
    "is image_folder(path), with a folder for each class": "imageDatastore ImageFolder",
    "is not needed: trainnet and minibatchqueue take the array itself": "arrayDatastore",
    "is scores2label(minibatchpredict(net, x), class_names)": "classify",
    (
        "is dlgradient(y, x) inside a function that dlfeval evaluates; "
        "the page [Coming from JAX](../coming-from/jax.md) has grad in four lines"
    ): "grad value_and_grad grad_and_value elementwise_grad",
    (
        "is dlgradient(y, x) inside a function that dlfeval evaluates; gradients are returned, as "
        "the page [Coming from PyTorch](../coming-from/pytorch.md) shows"
    ): "backward",
    "does not exist, since a vector has one dimension, and is neither a row nor a column": (
        "isrow iscolumn"
    ),
    (
        "is reshape(x, shape) for as many elements as there are; MATLAB's is x[:n] for fewer, and "
        "concat with zeros for more"
    ): "resize",
    "is real(x); the dtype does not depend on the values": "real_if_close",
    "is ctc(y, targets, y_mask, targets_mask)": "ctc_loss",
    "is lstm or gru with one time step": "lstm_cell gru_cell",
    "is a loop over time steps, for t in range(n)": "rnn_tanh rnn_relu RNN",
    "does not exist, since a dlarray is a value; write x[i] = v, which is differentiated": (
        "subsasgn scatter index_put dynamic_update_slice put_along_axis put place putmask copyto "
        "fill_diagonal"
    ),
    **TOOLBOX,
}

_VALUE = "a dlarray is a value and is never changed by a method"
# Attributes of arrays elsewhere that are functions of this package, or names of the tables above.
_ELSEWHERE = """
abs acos add asin atan atan2 average bmm ceil chunk clamp compress cos cosh det div double einsum
erf exp expand expm1 extractdata finddim flip float floor gather gelu index_select inv isfinite
isinf isnan isreal isrow length log log10 log1p log2 logsumexp masked_fill matmul maximum median
minimum mm mul neg norm numel outer pow reciprocal relu roll rsqrt sigmoid sign sin sinh softmax
split sqrt square stripdims sub tan tanh tile topk tril triu trunc unsqueeze where
"""
# Attributes of arrays elsewhere, and what to write.
ATTRIBUTES: dict[str, str] = {
    "strides": "write extractdata(x).strides",
    "flags": "write extractdata(x).flags",
    "sort": f"{_VALUE}; write dl.sort(x)",
    "partition": f"{_VALUE}; write dl.sort(x)",
    "fill": f"{_VALUE}; write x[...] = v",
    "put": f"{_VALUE}; write x[i] = v",
    "append": f"{_VALUE}; write dl.concat([x, y])",
    "resize": f"{_VALUE}; write x.reshape(shape)",
    "at": f"{_VALUE}; write x[i] = v, or index_add(x, i, v)",
    **dict.fromkeys(
        ["add_", "sub_", "mul_", "div_", "zero_", "fill_", "copy_", "clamp_"],
        f"{_VALUE}; write x += y, which makes a new one, or x[...] = y",
    ),
    "choose": "write dl.where(condition, x, y)",
    "view": "write x.reshape(shape), x.astype(dtype), or dl.real(x) and dl.imag(x)",
    **dict.fromkeys(
        ["numpy", "tobytes", "tofile", "cpu", "data"],
        "it would leave the trace; write extractdata(x), which is a NumPy array, a constant",
    ),
    "detach": "a constant of the same value is dlarray(extractdata(x))",
    "clone": "write x.copy()",
    "contiguous": "it is not needed; write x",
    "to": "write x.astype(dtype); arrays are in the memory of the CPU",
    "backward": "write dlgradient(y, x) inside a function that dlfeval evaluates",
    "grad": "gradients are returned: g = dlgradient(y, x)",
    **dict.fromkeys(
        ["requires_grad", "requires_grad_", "retain_grad"],
        "what dlfeval is given is traced; nothing needs to be marked",
    ),
    "dim": "write x.ndim",
    "permute": "write x.transpose(...)",
    **dict.fromkeys(["fmt", "format", "data_format", "labels", "dims"], "write dims(x)"),
    "expand_as": "write broadcast_to(x, y.shape)",
    "t": "write x.T",
    "H": "write dl.conj(x.T)",
    **dict.fromkeys(_ELSEWHERE.split(), ""),
}

# Those of PyTorch's tensors, whose page says more.
_OF_TENSORS = """
backward clone contiguous cpu data detach grad numpy requires_grad requires_grad_ retain_grad to
"""

_LINK = re.compile(r"\[([^]]+)\]\(\.\./([^)]+)\.md\)")


@cache
def answers() -> dict[str, str]:
    """Return the table: what to write, or what to know, for each name, as errors say it.

    Examples
    --------
    >>> answers()["cat"], answers()["isrow"][:14]
    ('write dl.concat([x, y], axis=0)', 'it does not ex')
    """
    table = {name: f"write {in_words(name)}" for name in expressions()}
    for note, names in NOTES.items():
        table.update(dict.fromkeys(names.split(), "it " + without_links(note)))
    return table


def without_links(note: str) -> str:
    """Return a note as errors say it, with the titles of pages instead of links."""
    return _LINK.sub(r'"\1"', note)


def page(name: str) -> str:
    """Return the page about a name: the one that its answer mentions, or that of all names.

    Examples
    --------
    >>> page("schur"), page("cat")
    ('recipes/linear-systems.html', 'supported/other-names.html')
    """
    notes = [note for note, names in NOTES.items() if name in names.split()]
    found = _LINK.search(notes[0]) if notes else None
    return f"{found[2]}.html" if found else "supported/other-names.html"


def attribute_page(name: str) -> str:
    """Return the page about an attribute that a dlarray does not have."""
    return "coming-from/pytorch.html" if name in _OF_TENSORS.split() else page(name)


def attribute(name: str) -> str:
    """Return what to write instead of an attribute of a dlarray that does not exist."""
    if ATTRIBUTES[name]:
        return ATTRIBUTES[name]
    if name in sys.modules["dlgradient"].__all__:
        return f"write {name}(x), a function"
    return answers()[name]
