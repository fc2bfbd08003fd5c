"""Automatic differentiation for array programs on NumPy.

`dlfeval` evaluates a function of dlarrays and traces it; inside, `dlgradient` walks the trace from
a real scalar back to the variables. The module is also a namespace of the array-API standard, the
one that ``x.__array_namespace__()`` returns.

Examples
--------
>>> import dlgradient as dl
>>> def rosenbrock(x):
...     y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
...     return y, dl.dlgradient(y, x)
>>> y, gradient = dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
>>> y.item(), gradient.tolist()
(104.0, [396.0, 200.0])
"""

from numpy import (
    bool,  # noqa: A004 - the name of the standard
    complex64,
    complex128,
    e,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

from dlgradient.array import (
    dims,
    dlarray,
    extractdata,
    finddim,
    isdlarray,
    stripdims,
)
from dlgradient.custom import (
    DifferentiableFunction,
    define_operation,
)
from dlgradient.derivatives import (
    dljvp,
)
from dlgradient.errors import (
    ComplexValueError,
    DlgradientError,
    FormatClashError,
    FormatError,
    IndexingError,
    IntegerVariableError,
    InvalidArgumentError,
    LeavingTraceError,
    NonScalarError,
    NotDlarrayError,
    NotTracedError,
    OutsideDlfevalError,
    RuleError,
    ShapeMismatchError,
    UnknownKeywordError,
    UnsupportedDtypeError,
    UnsupportedFunctionError,
)
from dlgradient.gradient import (
    dlgradient,
    dlvjp,
)
from dlgradient.interop.namespace import (
    __array_namespace_info__,
)
from dlgradient.nn.activation import (
    clippedrelu,
    elu,
    glu,
    hardsigmoid,
    leakyrelu,
    prelu,
    relu,
    selu,
)
from dlgradient.nn.adaptive import (
    adaptiveavgpool,
    adaptivemaxpool,
)
from dlgradient.nn.attention import (
    attention,
)
from dlgradient.nn.complexrelu import (
    complexrelu,
    zrelu,
)
from dlgradient.nn.conv import (
    dlconv,
    dltranspconv,
)
from dlgradient.nn.crossentropy import (
    crossentropy,
    indexcrossentropy,
)
from dlgradient.nn.ctc import (
    ctc,
)
from dlgradient.nn.divergence import (
    focalcrossentropy,
    generalizeddice,
    kldivergence,
)
from dlgradient.nn.dropout import (
    dropout,
)
from dlgradient.nn.embed import (
    embed,
    onehotdecode,
    onehotencode,
)
from dlgradient.nn.groups import (
    crosschannelnorm,
    groupnorm,
    instancenorm,
)
from dlgradient.nn.image import (
    depth_to_space,
    psnr,
    space_to_depth,
    ssim,
)
from dlgradient.nn.initialize import (
    initialize,
    initialize_glorot,
    initialize_he,
    initialize_narrow_normal,
    initialize_ones,
    initialize_orthogonal,
    initialize_unit_forget_gate,
    initialize_zeros,
)
from dlgradient.nn.linear import (
    fullyconnect,
)
from dlgradient.nn.loss import (
    huber,
    l1loss,
    l2loss,
    mse,
)
from dlgradient.nn.normalize import (
    batchnorm,
    layernorm,
    rmsnorm,
)
from dlgradient.nn.pool import (
    avgpool,
    maxpool,
    maxunpool,
)
from dlgradient.nn.positions import (
    rotaryencoding,
    sinusoidalencoding,
)
from dlgradient.nn.recurrent import (
    gru,
    lstm,
)
from dlgradient.nn.resizing import (
    dlresize,
)
from dlgradient.nn.roi import (
    roialign,
)
from dlgradient.nn.sampling import (
    grid_sample,
)
from dlgradient.nn.signal import (
    dlistft,
    dlstft,
    spectral_convolution,
)
from dlgradient.nn.similarity import (
    contrastiveloss,
    cosineloss,
    tripletloss,
)
from dlgradient.nn.smooth import (
    erf,
    gelu,
    mish,
    sigmoid,
    softplus,
    softsign,
    swish,
)
from dlgradient.nn.softmax import (
    log_softmax,
    softmax,
)
from dlgradient.ode import (
    dlode1,
    dlode4,
    dlode45,
)
from dlgradient.ops import fft
from dlgradient.ops.arithmetic import (
    add,
    divide,
    floor_divide,
    multiply,
    negative,
    positive,
    remainder,
    subtract,
)
from dlgradient.ops.casting import (
    astype,
    can_cast,
    finfo,
    iinfo,
    isdtype,
    result_type,
)
from dlgradient.ops.choice import (
    clip,
    maximum,
    minimum,
    where,
)
from dlgradient.ops.complex import (
    abs,
    angle,
    complex,
    conj,
    imag,
    real,
)
from dlgradient.ops.create import (
    asarray,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from dlgradient.ops.cumulative import (
    cumprod,
    cumsum,
    cumulative_prod,
    cumulative_sum,
)
from dlgradient.ops.exponential import (
    exp,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
)
from dlgradient.ops.join import (
    concat,
    repeat,
    stack,
    tile,
    unstack,
)
from dlgradient.ops.linalg import (
    matmul,
    matrix_transpose,
    outer,
    tensordot,
    tril,
    triu,
    vecdot,
)
from dlgradient.ops.logical import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
)
from dlgradient.ops.moments import (
    mean,
    std,
    var,
)
from dlgradient.ops.powers import (
    cbrt,
    hypot,
    pow,
    reciprocal,
    sqrt,
    square,
)
from dlgradient.ops.ranges import (
    arange,
    linspace,
    meshgrid,
)
from dlgradient.ops.reduce import (
    max,
    min,
    prod,
    sum,
)
from dlgradient.ops.rounding import (
    ceil,
    copysign,
    floor,
    round,
    sign,
    signbit,
    trunc,
)
from dlgradient.ops.search import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
)
from dlgradient.ops.shape import (
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    flip,
    moveaxis,
    permute_dims,
    reshape,
    roll,
    squeeze,
    swapaxes,
)
from dlgradient.ops.take import (
    take,
    take_along_axis,
)
from dlgradient.ops.trigonometry import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    sin,
    sinh,
    tan,
    tanh,
)
from dlgradient.spelling import missing as __getattr__  # noqa: F401 - asked for names that do not exist
from dlgradient.trace import (
    dlfeval,
)
from dlgradient.train.update import (
    adamupdate,
    dlupdate,
    rmspropupdate,
    sgdmupdate,
)

__version__ = "0.1.0"

__all__ = [
    "ComplexValueError",
    "DifferentiableFunction",
    "DlgradientError",
    "FormatClashError",
    "FormatError",
    "IndexingError",
    "IntegerVariableError",
    "InvalidArgumentError",
    "LeavingTraceError",
    "NonScalarError",
    "NotDlarrayError",
    "NotTracedError",
    "OutsideDlfevalError",
    "RuleError",
    "ShapeMismatchError",
    "UnknownKeywordError",
    "UnsupportedDtypeError",
    "UnsupportedFunctionError",
    "__array_namespace_info__",
    "__version__",
    "abs",
    "acos",
    "acosh",
    "adamupdate",
    "adaptiveavgpool",
    "adaptivemaxpool",
    "add",
    "all",
    "angle",
    "any",
    "arange",
    "argmax",
    "argmin",
    "asarray",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "attention",
    "avgpool",
    "batchnorm",
    "bool",
    "broadcast_arrays",
    "broadcast_to",
    "can_cast",
    "cbrt",
    "ceil",
    "clip",
    "clippedrelu",
    "complex",
    "complex64",
    "complex128",
    "complexrelu",
    "concat",
    "conj",
    "contrastiveloss",
    "copysign",
    "cos",
    "cosh",
    "cosineloss",
    "count_nonzero",
    "crosschannelnorm",
    "crossentropy",
    "ctc",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "define_operation",
    "depth_to_space",
    "dims",
    "divide",
    "dlarray",
    "dlconv",
    "dlfeval",
    "dlgradient",
    "dlistft",
    "dljvp",
    "dlode1",
    "dlode4",
    "dlode45",
    "dlresize",
    "dlstft",
    "dltranspconv",
    "dlupdate",
    "dlvjp",
    "dropout",
    "e",
    "elu",
    "embed",
    "empty",
    "empty_like",
    "equal",
    "erf",
    "exp",
    "expand_dims",
    "expm1",
    "extractdata",
    "eye",
    "fft",
    "finddim",
    "finfo",
    "flip",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "focalcrossentropy",
    "full",
    "full_like",
    "fullyconnect",
    "gelu",
    "generalizeddice",
    "glu",
    "greater",
    "greater_equal",
    "grid_sample",
    "groupnorm",
    "gru",
    "hardsigmoid",
    "huber",
    "hypot",
    "iinfo",
    "imag",
    "indexcrossentropy",
    "inf",
    "initialize",
    "initialize_glorot",
    "initialize_he",
    "initialize_narrow_normal",
    "initialize_ones",
    "initialize_orthogonal",
    "initialize_unit_forget_gate",
    "initialize_zeros",
    "instancenorm",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdlarray",
    "isdtype",
    "isfinite",
    "isinf",
    "isnan",
    "kldivergence",
    "l1loss",
    "l2loss",
    "layernorm",
    "leakyrelu",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lstm",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "maxpool",
    "maxunpool",
    "mean",
    "meshgrid",
    "min",
    "minimum",
    "mish",
    "moveaxis",
    "mse",
    "multiply",
    "nan",
    "negative",
    "newaxis",
    "not_equal",
    "onehotdecode",
    "onehotencode",
    "ones",
    "ones_like",
    "outer",
    "permute_dims",
    "pi",
    "positive",
    "pow",
    "prelu",
    "prod",
    "psnr",
    "real",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "reshape",
    "result_type",
    "rmsnorm",
    "rmspropupdate",
    "roialign",
    "roll",
    "rotaryencoding",
    "round",
    "selu",
    "sgdmupdate",
    "sigmoid",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sinusoidalencoding",
    "softmax",
    "softplus",
    "softsign",
    "space_to_depth",
    "spectral_convolution",
    "sqrt",
    "square",
    "squeeze",
    "ssim",
    "stack",
    "std",
    "stripdims",
    "subtract",
    "sum",
    "swapaxes",
    "swish",
    "take",
    "take_along_axis",
    "tan",
    "tanh",
    "tensordot",
    "tile",
    "tril",
    "tripletloss",
    "triu",
    "trunc",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unstack",
    "var",
    "vecdot",
    "where",
    "zeros",
    "zeros_like",
    "zrelu",
]
