"""Names of MATLAB, NumPy, PyTorch and JAX that this package does not have, and what to write.

One table answers an unknown name of the package, an unknown attribute of a dlarray, and a function
of NumPy that is not traced. ``tools/names_page.py`` writes ``docs/supported/other-names.md`` from
it, and a test executes every expression. It is read when a name is not found.
"""

from __future__ import annotations

import sys
from functools import cache

__all__ = ["ATTRIBUTES", "NOTES", "WRITE", "answers", "attribute"]

# An expression, and the names that it answers. Functions are those of this package, and those of
# NumPy, np, which are traced on dlarrays. In expressions x and y are vectors, A and B matrices, i
# indices, c a mask, n a number and f a function. X is an image of format "SSCB", Y a sequence of
# format "CBT", and the others are what they are called.
WRITE = """
abs(x): absolute fabs
acos(x): arccos
acosh(x): arccosh
asin(x): arcsin
asinh(x): arcsinh
atan(x): arctan
atan2(x, y): arctan2
atanh(x): arctanh
atan(1 / x): acot
acos(1 / x): asec
asin(1 / x): acsc
atanh(1 / x): acoth
acosh(1 / x): asech
asinh(1 / x): acsch
1 / tan(x): cot
1 / cos(x): sec
1 / sin(x): csc
1 / tanh(x): coth
1 / cosh(x): sech
1 / sinh(x): csch
sin(pi * x): sinpi
cos(pi * x): cospi
sin(pi * x) / (pi * x): sinc
1 - erf(x): erfc
0.5 * (1 + erf(x / sqrt(2))): normcdf ndtr
np.radians(x): deg2rad radians
np.degrees(x): rad2deg degrees
1 / sqrt(x): rsqrt
add(x, y): plus
subtract(x, y): minus sub
multiply(x, y): times mul
divide(x, y): rdivide div true_divide truediv
divide(y, x): ldivide
floor_divide(x, y): floordiv
trunc(x / y): idivide
negative(x): uminus neg
positive(x): uplus pos
pow(x, y): power float_power realpow
sign(x) * abs(x) ** (1 / n): nthroot
remainder(x, y): mod
x - y * trunc(x / y): rem fmod
trunc(x): fix
round(x): rint
round(x, n): around
x - floor(x): frac
equal(x, y): eq
not_equal(x, y): ne
less(x, y): lt
less_equal(x, y): le
greater(x, y): gt
greater_equal(x, y): ge
np.array_equal(x, y): isequal array_equal
np.allclose(x, y): allclose
np.isclose(x, y): isclose
bitwise_and(i, 1): bitand
bitwise_or(i, 1): bitor
bitwise_xor(i, 1): bitxor
logical_xor(c, x > 0): xor
bitwise_invert(i): bitcmp invert bitwise_not
bitwise_left_shift(i, 1): bitshift left_shift
bitwise_right_shift(i, 1): right_shift
conj(x): conjugate
complex(x, y): view_as_complex
matmul(A, B): mtimes pagemtimes mm bmm multi_dot
tensordot(A, B, axes=1): einsum
reshape(permute_dims(tensordot(A, B, axes=0), (0, 2, 1, 3)), (9, 9)): kron
matmul(A, x): mv matvec
vecdot(x, y): dot inner vdot
fullyconnect(x, A, y, data_format="C"): linear addmm dense
matrix_transpose(A): pagetranspose adjoint
conj(matrix_transpose(A)): ctranspose pagectranspose
permute_dims(A, (1, 0)): permute transpose ipermute shiftdim
moveaxis(A, 0, 1): movedim rollaxis
swapaxes(A, 0, 1): swapdims
concat([x, y], axis=0): cat concatenate vertcat append
concat([A, B], axis=1): horzcat
stack([x, y], axis=0): vstack
stack([x, y], axis=1): column_stack
np.hstack([x, y]): hstack
np.dstack([x, y]): dstack
np.block([[A, B], [B, A]]): block
np.split(x, [n]): split tensor_split array_split chunk
unstack(A, axis=0): unbind num2cell
tile(x, n): repmat
repeat(x, n): repelem repeat_interleave
expand_dims(x, axis=0): unsqueeze
broadcast_to(x, (n, 3)): expand
reshape(A, (-1,)): flatten ravel view
reshape(A, (3, -1)): unflatten
flip(A, axis=1): fliplr
flip(A, axis=0): flipud
flip(matrix_transpose(A), axis=0): rot90
roll(x, n): circshift
concat([zeros(n), x, zeros(n)]): pad paddata zeropad
x[:2]: narrow trimdata
x[2]: subsref
where(c, x, y): piecewise choose ifelse merge
concat([x[:1], y, x[1:]]): insert
concat([x[:1], x[2:]]): delete
take(x, i): index_select
take_along_axis(A, argmax(A, axis=0, keepdims=True), axis=0): take_along_dim
x[c]: masked_select compress extract boolean_mask
index_add(zeros(3), i, x): accumarray scatter_add segment_sum unsorted_segment_sum
np.diag(x): diag diagonal
sum(np.diag(A)): trace
np.diff(x): diff
np.argsort(x): argsort
x[np.argsort(x)]: sort
x[np.argsort(x)[-n:]]: maxk topk
x[np.argsort(x)[:n]]: mink
np.nonzero(x): nonzero find
x[np.nonzero(x)]: nonzeros
np.searchsorted(x, 1.5): searchsorted
np.digitize(x, [1.5]): digitize discretize
np.flatnonzero(x): flatnonzero
count_nonzero(x): nnz
where(isnan(x), 0, x): nan_to_num
where(c, 0, x): masked_fill
sum(where(isnan(x), 0, x)): nansum
sum(where(isnan(x), 0, x)) / count_nonzero(~isnan(x)): nanmean
max(A): amax
min(A): amin
max(A) - min(A): range ptp
clip(x, 0, n): clamp
clip(x, -1, 1): hardtanh
(x - min(x)) / (max(x) - min(x)): rescale
(x - mean(x)) / std(x, correction=1): zscore
maximum(x, y): fmax
minimum(x, y): fmin
x.mean(): average
sqrt(mean(square(x))): rms
sqrt(sum(abs2(x))): norm vecnorm
sum((x[1:] + x[:-1]) / 2): trapz trapezoid
log(sum(exp(x - max(x)))) + max(x): logsumexp
sum((x - mean(x)) * (y - mean(y))) / (x.size - 1): cov
sqrt(sum(square(expand_dims(A, 1) - expand_dims(B, 0)), axis=2)): cdist pdist2
sqrt(sum(square(x - y))): pairwise_distance
vecdot(x, y) / sqrt(vecdot(x, x) * vecdot(y, y)): cosine_similarity
2 * x**2 + 3 * x + 1: polyval
stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]): cross
x.size: numel nelement
x.shape: size
x.ndim: ndims
len(x): length height
A.shape[1]: width
x.size == 0: isempty
x.ndim == 1: isvector
A.ndim == 2: ismatrix
x.dtype: underlyingType
x.size == 1: isscalar
isdtype(x.dtype, "real floating"): isreal isfloat is_floating_point isrealobj
isdtype(x.dtype, "complex floating"): iscomplex iscomplexobj is_complex
isdtype(x.dtype, "bool"): islogical
isdtype(x.dtype, "numeric"): isnumeric
astype(x, float64): double
astype(x, float32): single float
astype(x, bool): logical
astype(x, complex128): cdouble
dlarray([1, 2]): array tensor asanyarray as_tensor from_numpy gpuArray parameter Variable
extractdata(x): numpy to_numpy
dlarray(extractdata(x)): detach stop_gradient
dlarray(np.random.default_rng(0).random(3)): rand uniform
dlarray(np.random.default_rng(0).standard_normal(3)): randn normal
np.random.default_rng(0).integers(n, size=3): randi randint
np.random.default_rng(0).permutation(n): randperm permutation
10 ** linspace(0, 1, n): logspace geomspace
arange(0, n): colon
meshgrid(x, y, indexing="ij"): ndgrid
onehotencode(i, class_names=range(3)): one_hot ind2vec
finfo(float64).eps: eps
finfo(float64).max: realmax
finfo(float64).smallest_normal: realmin
iinfo(int32).max: intmax
iinfo(int32).min: intmin
inf: Inf
nan: NaN
dlgradient(sum(square(x)), x): grad backward value_and_grad
dljvp(square(x), x, y): jvp forward_ad
dlvjp(square(x), y, x): vjp pullback
stack([dlgradient(v, x, retain_data=True) for v in square(x)]): dljacobian jacobian jacrev
stack([dljvp(square(x), x, v) for v in eye(3)], axis=1): jacfwd
sum(stack([dlgradient(v, x, retain_data=True)[k] for k, v in enumerate(square(x))])): dldivergence
relu(x): rectify
clippedrelu(x, 6): relu6
leakyrelu(x): leaky_relu LeakyReLU
swish(x): silu SiLU
x * hardsigmoid(x): hardswish
log(sigmoid(x)): logsigmoid log_sigmoid
softmax(-Y): softmin
x - tanh(x): tanhshrink
1 / (1 + exp(-x)): expit logistic logsig
tanh(x): tansig
exp(-square(x)): radbas
fft.ifft(fft.fft(x, n=5) * fft.fft(y, n=5)).real: convolve fftconvolve
dlconv(X, weights, bias, padding="same"): conv conv1d conv2d conv3d Conv2d convolution
dltranspconv(X, weights_t, bias): conv_transpose conv_transpose2d ConvTranspose2d transposedconv
maxpool(X, 2, stride=2): max_pool max_pool1d max_pool2d max_pool3d MaxPool2d
avgpool(X, 2, stride=2): avg_pool avg_pool1d avg_pool2d avg_pool3d AvgPool2d
avgpool(X, "global"): globalavgpool global_avg_pool
adaptiveavgpool(X, 2): adaptive_avg_pool2d AdaptiveAvgPool2d
adaptivemaxpool(X, 2): adaptive_max_pool2d AdaptiveMaxPool2d
batchnorm(X, offset, scale): batch_norm BatchNorm2d
layernorm(X, offset, scale): layer_norm LayerNorm
groupnorm(X, 1, offset, scale): group_norm GroupNorm
instancenorm(X, offset, scale): instance_norm InstanceNorm2d
rmsnorm(X, scale): rms_norm RMSNorm
crosschannelnorm(X, 1): local_response_norm
dropout(X, probability=0.5, seed=1): Dropout dropout2d
embed([1, 0], A, data_format="B"): embedding Embedding
attention(Y, Y, Y, 1): scaled_dot_product_attention MultiheadAttention multi_head_attention
dlresize(X, output_size=(8, 8)): interpolate imresize upsample
depth_to_space(X4, 2): pixel_shuffle depthToSpace
space_to_depth(X, 2): pixel_unshuffle spaceToDepth
crossentropy(softmax(Y), targets): cross_entropy CrossEntropyLoss categorical_crossentropy
indexcrossentropy(softmax(Y), labels): nll_loss NLLLoss sparse_categorical_crossentropy
crossentropy(sigmoid(Y), targets, classification_mode="multilabel"): binary_cross_entropy BCELoss
mse(Y, targets): mse_loss MSELoss immse mean_squared_error
l1loss(Y, targets): l1_loss L1Loss mean_absolute_error
huber(Y, targets): huber_loss HuberLoss smooth_l1_loss
kldivergence(softmax(Y), targets): kl_div KLDivLoss
tripletloss(Y, Y + 1, Y - 1): triplet_margin_loss TripletMarginLoss
sgdmupdate(x, y): SGD sgd sgdm
adamupdate(x, y): Adam adam
rmspropupdate(x, y): RMSprop rmsprop
dlupdate(f, {"w": x}): tree_map cellfun structfun
stack([f(v) for v in A]): vmap arrayfun apply_along_axis pagefun rowfun
dlode45(lambda t, y: -y, [0, 1], x): ode45 odeint solve_ivp
dlode4(lambda t, y: -y, [0, 1], x): ode4
initialize_glorot((3, 2)): xavier_uniform glorot_uniform xavier_uniform_
initialize_he((3, 2)): kaiming_normal he_normal kaiming_normal_
initialize_orthogonal((3, 2)): orthogonal orthogonal_
dlstft(signal, window=[1.0] * 4): stft
dlistft(dlstft(signal, window=[1.0] * 4), window=[1.0] * 4): istft
"""

# Names without a counterpart, after what to do instead.
NOTES: dict[str, str] = {
    (
        "has no derivative here; numpy.linalg has it for what is not traced, and define_operation"
        " makes an operation of it"
    ): (
        "inv pinv solve linsolve mldivide mrdivide det slogdet logdet svd eig eigh eigvals "
        "eigvalsh chol cholesky qr lu schur expm logm sqrtm lstsq lsqr cond rank matrix_rank null"
        " orth matrix_power mpower linalg"
    ),
    (
        "has no traced form; NumPy has it for what is not traced, and a sorted vector is "
        "x[np.argsort(x)]"
    ): (
        "median mode quantile percentile prctile sortrows unique histogram histcounts interp "
        "interp1 cummax cummin cumtrapz unwrap"
    ),
    (
        "is not among the functions here; define_operation makes an operation of a kernel and its"
        " rule"
    ): (
        "gamma gammaln lgamma digamma psi polygamma beta betaln erfinv erfcinv erfcx besselj "
        "besseli zeta i0 custom_vjp custom_jvp custom_gradient"
    ),
    "is not needed: functions run as they are, with Python's if, for and while": (
        "jit compile pmap dlaccelerate scan while_loop fori_loop xla lax"
    ),
    "is not needed: nothing is traced outside dlfeval, and extractdata(x) is a constant": (
        "no_grad inference_mode enable_grad set_grad_enabled requires_grad"
    ),
    "is not needed: arrays are in the memory of the CPU": (
        "cuda gpu gpuDevice canUseGPU device_put device_get"
    ),
    (
        "is not needed: functions that draw numbers take generator=, of "
        "numpy.random.default_rng(seed)"
    ): ("manual_seed rng random PRNGKey"),
    (
        "is an object with a state elsewhere; here a network is a function of a container of "
        "learnables, as in the quick start"
    ): (
        "optim Module Sequential dlnetwork layerGraph trainnet trainNetwork predict forward "
        "trainingOptions minibatchqueue DataLoader"
    ),
    "is the Jacobian of dlgradient(y, x, enable_higher_derivatives=True)": "hessian",
    "is dlgradient(y, x) for derivatives, and np.diff(x) for differences": ("gradient"),
    (
        "is for a file; numpy.savez(file, w=extractdata(w)) writes arrays, and numpy.load reads "
        "them"
    ): ("save load"),
    (
        "is take_along_axis(x, i, axis=0) if it is PyTorch's; MATLAB's is not needed, since "
        "arrays are in the memory of the CPU"
    ): ("gather"),
    (
        "is (x - mean(x)) / std(x, correction=1) if it is MATLAB's, x / sqrt(sum(abs2(x))) if it "
        "is PyTorch's"
    ): ("normalize"),
    "does not exist, since a vector has one dimension, and is neither a row nor a column": (
        "isrow iscolumn"
    ),
    "does not exist, since a dlarray is a value; write x[i] = v, which is differentiated": (
        "subsasgn scatter index_put dynamic_update_slice"
    ),
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
    "sort": f"{_VALUE}; write x[x.argsort()] for one dimension",
    "partition": f"{_VALUE}; write x[x.argsort()] for one dimension",
    "fill": f"{_VALUE}; write x[...] = v",
    "put": f"{_VALUE}; write x[i] = v",
    "append": f"{_VALUE}; write concat([x, y])",
    "resize": f"{_VALUE}; write x.reshape(shape)",
    "at": f"{_VALUE}; write x[i] = v, or index_add(x, i, v)",
    **dict.fromkeys(
        ["add_", "sub_", "mul_", "div_", "zero_", "fill_", "copy_", "clamp_"],
        f"{_VALUE}; write x += y, which makes a new one, or x[...] = y",
    ),
    "choose": "write where(condition, x, y)",
    "view": "write x.reshape(shape), x.astype(dtype), or real(x) and imag(x)",
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
    "H": "write conj(x.T)",
    **dict.fromkeys(_ELSEWHERE.split(), ""),
}


@cache
def answers() -> dict[str, str]:
    """Return the table: what to write, or what to know, for each name.

    Examples
    --------
    >>> answers()["cat"], answers()["isrow"][:14]
    ('write concat([x, y], axis=0)', 'it does not ex')
    """
    table = {}
    for line in WRITE.strip().splitlines():
        expression, _, names = line.rpartition(": ")
        table.update(dict.fromkeys(names.split(), f"write {expression}"))
    for note, names in NOTES.items():
        table.update(dict.fromkeys(names.split(), f"it {note}"))
    return table


def attribute(name: str) -> str:
    """Return what to write instead of an attribute of a dlarray that does not exist."""
    if ATTRIBUTES[name]:
        return ATTRIBUTES[name]
    if name in sys.modules["dlgradient"].__all__:
        return f"write {name}(x), a function"
    return answers()[name]
