"""Names of MATLAB, NumPy, PyTorch and JAX that this package does not have, and what to write.

One table answers an unknown name of the package, an unknown attribute of a dlarray, and a function
of NumPy that is not traced. ``tools/names_page.py`` writes ``docs/supported/other-names.md`` from
it, and a test executes every expression. It is read when a name is not found.
"""

from __future__ import annotations

import re
import sys
from functools import cache

__all__ = ["ATTRIBUTES", "NOTES", "WRITE", "answers", "attribute", "page"]

# An expression, and the names that it answers; many names need several lines. Functions are those
# of this package, and those of NumPy, np, which are traced on dlarrays. In expressions x and y are
# vectors, A and B matrices, i indices, c a mask, n a number and f a function. X is an image of
# format "SSCB", Y a sequence of format "CBT", and the others are what they are called.
WRITE = """
abs(x): absolute fabs
acos(x): arccos
acosh(x): arccosh
asin(x): arcsin
asinh(x): arcsinh
atan(x): arctan
atan2(x, y): arctan2
atanh(x): arctanh
atan2(sign(x), abs(x)): acot
acos(1 / x): asec
asin(1 / x): acsc
atanh(1 / x): acoth
acosh(1 / x): asech
asinh(1 / x): acsch
1 / tan(x): cot
1 / cos(x): sec
1 / sin(x): csc
1 / tanh(x): coth
2 * exp(-abs(x)) / (1 + exp(-2 * abs(x))): sech
-2 * sign(x) * exp(-abs(x)) / expm1(-2 * abs(x)): csch
sin(pi * (x - 2 * round(x / 2))): sinpi
cos(pi * (x - 2 * round(x / 2))): cospi
where(abs(x) < 1e-4, 1 - square(pi * x) / 6, sin(pi * x) / (pi * where(x == 0, 1, x))): sinc
np.radians(x): deg2rad radians
np.degrees(x): rad2deg degrees
1 / sqrt(x): rsqrt
add(x, y): plus
subtract(x, y): minus sub
y - x: rsub
x + 0.5 * (y - x): lerp
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
x - trunc(x): modf
x * 2**n: ldexp
0.5 * (1 + sign(x)): heaviside
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
logical_and(c, x > 0): and
logical_or(c, x > 0): or
logical_not(c): not
logical_xor(c, x > 0): xor
ones(n, dtype=bool): true
zeros(n, dtype=bool): false
bitwise_invert(i): bitcmp invert bitwise_not
bitwise_left_shift(i, 1): bitshift left_shift
bitwise_right_shift(i, 1): right_shift
conj(x): conjugate
complex(x, y): view_as_complex
stack([real(x), imag(x)], axis=-1): view_as_real
complex(x * cos(y), x * sin(y)): polar
matmul(A, B): mtimes pagemtimes mm bmm multi_dot chain_matmul
tensordot(A, B, axes=1): tensorprod
reshape(permute_dims(tensordot(A, B, axes=0), (0, 2, 1, 3)), (9, 9)): kron
matmul(A, x): mv matvec
vecdot(x, y): dot inner vdot
fullyconnect(x, A, y, data_format="C"): linear addmm addmv dense
matrix_transpose(A): pagetranspose adjoint
conj(matrix_transpose(A)): ctranspose pagectranspose
permute_dims(A, (1, 0)): permute transpose ipermute shiftdim
moveaxis(A, 0, 1): movedim rollaxis
swapaxes(A, 0, 1): swapdims
concat([x, y], axis=0): cat concatenate vertcat append
concat([A, B], axis=1): horzcat
stack([x, y], axis=0): vstack row_stack
stack([x, y], axis=1): column_stack
np.hstack([x, y]): hstack
np.dstack([x, y]): dstack
np.block([[A, B], [B, A]]): block
np.split(x, [n]): split tensor_split array_split chunk split_with_sizes
unstack(A, axis=0): unbind num2cell
tile(x, n): repmat
repeat(x, n): repelem repeat_interleave
expand_dims(x, axis=0): unsqueeze
broadcast_to(x, (n, 3)): expand
reshape(A, (-1,)): ravel view
flip(A, axis=1): fliplr
flip(A, axis=0): flipud
flip(matrix_transpose(A), axis=0): rot90
roll(x, n): circshift
concat([zeros(n), x, zeros(n)]): pad paddata zeropad
x[:2]: narrow trimdata
x[2]: subsref
where(c, x, y): piecewise choose ifelse merge select
concat([x[:1], y, x[1:]]): insert
concat([x[:1], x[2:]]): delete
take(x, i): index_select
take_along_axis(A, argmax(A, axis=0, keepdims=True), axis=0): take_along_dim
x[c]: masked_select compress extract boolean_mask
index_add(zeros(3), i, x): accumarray scatter_add segment_sum unsorted_segment_sum
np.diag(x): diag diagonal diagflat diag_embed
sum(np.diag(A)): trace
np.diff(x): diff ediff1d
np.argsort(x): argsort
x[np.argsort(x)]: sort sort_complex msort partition
x[np.argsort(x)[-n:]]: maxk topk
x[np.argsort(x)[:n]]: mink
np.nonzero(x): nonzero find
x[np.nonzero(x)]: nonzeros
np.searchsorted(x, 1.5): searchsorted
np.digitize(x, [1.5]): digitize discretize bucketize
np.flatnonzero(x): flatnonzero
count_nonzero(x): nnz
where(isnan(x), 0, x): nan_to_num
where(c, 0, x): masked_fill
sum(where(isnan(x), 0, x)): nansum
sum(where(isnan(x), 0, x)) / count_nonzero(~isnan(x)): nanmean
max(where(isnan(x), -inf, x)): nanmax
min(where(isnan(x), inf, x)): nanmin
prod(where(isnan(x), 1, x)): nanprod
cumsum(where(isnan(x), 0, x)): nancumsum
cumprod(where(isnan(x), 1, x)): nancumprod
var(x[~isnan(x)]): nanvar
std(x[~isnan(x)]): nanstd
max(A): amax
min(A): amin
max(A) - min(A): range ptp
clip(x, 0, n): clamp
clip(x, -1, 1): hardtanh hard_tanh
(x - min(x)) / (max(x) - min(x)): rescale
(x - mean(x)) / std(x, correction=1): zscore standardize
maximum(where(isnan(x), y, x), where(isnan(y), x, y)): fmax
minimum(where(isnan(x), y, x), where(isnan(y), x, y)): fmin
sum(x * y) / sum(y): average
maximum(sqrt(mean(square(x))), 0): rms
maximum(sqrt(sum(abs2(x))), 0): norm vecnorm vector_norm matrix_norm
sum(np.diff(x) * (y[1:] + y[:-1]) / 2): trapz trapezoid
log(sum(exp(x - max(x)))) + max(x): logsumexp
log(mean(exp(x - max(x)))) + max(x): logmeanexp
where(x < 0.7, log(-expm1(-x)), log1p(-exp(-x))): log1mexp
sum((x - mean(x)) * (y - mean(y))) / (x.size - 1): cov
mean((x - mean(x)) * (y - mean(y))) / (std(x) * std(y)): corrcoef
maximum(sqrt(sum(square(expand_dims(A, 1) - expand_dims(B, 0)), axis=2)), 0): cdist pdist2 pdist
maximum(sqrt(sum(square(x - y))), 0): pairwise_distance dist
vecdot(x, y) / maximum(sqrt(vecdot(x, x) * vecdot(y, y)), 1e-8): cosine_similarity
expand_dims(x, axis=1) ** arange(n): vander
x * log(where((x == 0) & (y == 0), 1, y)): xlogy
x * log1p(where((x == 0) & (y == -1), 0, y)): xlog1py
-x * log(maximum(x, finfo(x.dtype).smallest_normal)): entr
x * log(maximum(x, finfo(x.dtype).smallest_normal) / where(x == 0, 1, y)): rel_entr
log(x) - log1p(-x): logit
10**x: exp10
where(abs(x) < 1e-4, 1 + x / 2 + x**2 / 6 + x**3 / 24, expm1(x) / where(x == 0, 1, x)): exprel
expm1(y * log(x)): powm1
expm1(n * log(x)) / n: boxcox
(n * x + 1) ** (1 / n): inv_boxcox
-2 * square(sin(x / 2)): cosm1
sin(np.radians(x - 360 * round(x / 360))): sind sindg
cos(np.radians(x - 360 * round(x / 360))): cosd cosdg
tan(np.radians(x - 180 * round(x / 180))): tand tandg
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
isinf(x) & (x > 0): isposinf
isinf(x) & (x < 0): isneginf
isdtype(x.dtype, "real floating"): isreal isfloat is_floating_point isrealobj
isdtype(x.dtype, "complex floating"): iscomplex iscomplexobj is_complex
isdtype(x.dtype, "bool"): islogical
isdtype(x.dtype, "numeric"): isnumeric
astype(x, float64): double
astype(x, float32): single float
astype(x, bool): logical
astype(x, complex128): cdouble
dlarray([1, 2]): array tensor asanyarray as_tensor from_numpy parameter Variable
extractdata(x): numpy to_numpy
dlarray(extractdata(x)): detach stop_gradient
dlarray(np.random.default_rng(0).random(3)): rand uniform rand_like
dlarray(np.random.default_rng(0).random(3) < 0.5): bernoulli
dlarray(np.random.default_rng(0).standard_normal(3)): randn normal randn_like
np.random.default_rng(0).integers(n, size=3): randi randint randint_like
np.random.default_rng(0).permutation(n): randperm permutation
10 ** linspace(0, 1, n): logspace geomspace
eye(n): identity
asarray(x): asarray_chkfinite
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
dljvp(square(x), x, y): jvp forward_ad linearize
dlvjp(square(x), y, x): vjp pullback
stack([dlgradient(v, x, retain_data=True) for v in square(x)]): dljacobian jacobian jacrev
stack([dljvp(square(x), x, v) for v in eye(3)], axis=1): jacfwd
sum(stack([dlgradient(v, x, retain_data=True)[k] for k, v in enumerate(square(x))])): dldivergence
relu(x): rectify
clippedrelu(x, 6): relu6
leakyrelu(x): leaky_relu LeakyReLU
swish(x): silu SiLU
x * clippedrelu(x + 3, 6) / 6: hardswish hard_swish hard_silu
elu(x, 1.0): celu
(x + sqrt(square(x) + 4)) / 2: squareplus
where(abs(x) > 0.5, x, 0): hardshrink
sign(x) * maximum(abs(x) - 0.5, 0): softshrink
where(x > 0.5, x, 0): threshold
-softplus(-x): logsigmoid log_sigmoid log_expit
softmax(-Y): softmin
x - tanh(x): tanhshrink
sigmoid(x): expit logistic logsig
tanh(x): tansig
exp(-square(x)): radbas
fft.ifft(fft.fft(x, n=5) * fft.fft(y, n=5)).real: convolve fftconvolve
dlconv(X, weights, bias, padding="same"): conv conv1d conv2d conv3d Conv2d convolution
dltranspconv(X, weights_t, bias): conv_transpose conv_transpose1d conv_transpose2d conv_transpose3d
dltranspconv(X, weights_t, bias): ConvTranspose2d transposedconv
maxpool(X, 2, stride=2): max_pool max_pool1d max_pool2d max_pool3d MaxPool2d
maxpool(X, 2, stride=2, return_indices=True): max_pool2d_with_indices
avgpool(X, 2, stride=2): avg_pool avg_pool1d avg_pool2d avg_pool3d AvgPool2d
avgpool(X, "global", pool_format="S"): globalavgpool global_avg_pool
adaptiveavgpool(X, 2): adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d AdaptiveAvgPool2d
adaptivemaxpool(X, 2): adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d AdaptiveMaxPool2d
batchnorm(X, offset, scale): batch_norm BatchNorm2d
layernorm(X, offset, scale): layer_norm LayerNorm
groupnorm(X, 1, offset, scale): group_norm GroupNorm
instancenorm(X, offset, scale): instance_norm InstanceNorm2d
rmsnorm(X, scale): rms_norm RMSNorm
crosschannelnorm(X, 1): local_response_norm
dropout(X, probability=0.5, seed=1): Dropout dropout1d dropout2d dropout3d
embed([1, 0], A, data_format="B"): embedding Embedding
attention(Y, Y, Y, 1): scaled_dot_product_attention MultiheadAttention multi_head_attention
attention(Y, Y, Y, 1): dot_product_attention multi_head_attention_forward
dlresize(X, output_size=(8, 8)): interpolate imresize upsample upsample_bilinear upsample_nearest
depth_to_space(X4, 2): pixel_shuffle depthToSpace
space_to_depth(X, 2): pixel_unshuffle spaceToDepth
indexcrossentropy(Y, labels, from_logits=True): cross_entropy CrossEntropyLoss
crossentropy(softmax(Y), targets): categorical_crossentropy
indexcrossentropy(softmax(Y), labels): nll_loss NLLLoss sparse_categorical_crossentropy
crossentropy(sigmoid(Y), targets, classification_mode="multilabel"): binary_cross_entropy BCELoss
crossentropy(Y, targets, classification_mode="multilabel", from_logits=True): BCEWithLogitsLoss
mean(softplus(-x * y)): soft_margin_loss
mean(exp(x) - y * x): poisson_nll_loss
mean(maximum(1 - x * y, 0)): hinge_loss
mse(Y, targets): mse_loss MSELoss immse mean_squared_error
l1loss(Y, targets): l1_loss L1Loss mean_absolute_error
huber(Y, targets): huber_loss HuberLoss smooth_l1_loss
kldivergence(softmax(Y), targets): kl_div KLDivLoss
tripletloss(Y, Y + 1, Y - 1): triplet_margin_loss triplet_margin_with_distance_loss
tripletloss(Y, Y + 1, Y - 1): TripletMarginLoss
sgdmupdate(x, y): SGD sgd sgdm
adamupdate(x, y): Adam adam
rmspropupdate(x, y): RMSprop rmsprop
adamwupdate(x, y): AdamW adamw
nadamupdate(x, y): NAdam nadam
lionupdate(x, y): Lion lion
adagradupdate(x, y): Adagrad adagrad
adadeltaupdate(x, y): Adadelta adadelta
muonupdate(A, A): Muon muon
clip_by_global_norm({"w": x}, 1): clip_grad_norm_ clip_grad_norm thresholdGlobalL2Norm
clip_by_norm({"w": x}, 1): thresholdL2Norm
clip_by_value({"w": x}, 1): clip_grad_value_ clip_grad_value thresholdAbsoluteValue
dlupdate(f, {"w": x}): tree_map cellfun structfun
stack([f(v) for v in A]): vmap arrayfun apply_along_axis pagefun rowfun
dlode45(lambda t, y: -y, [0, 1], x): ode45 odeint solve_ivp
dlode4(lambda t, y: -y, [0, 1], x): ode4
initialize_glorot((3, 2)): xavier_uniform glorot_uniform xavier_uniform_
initialize_he((3, 2)): kaiming_normal he_normal kaiming_normal_
initialize_orthogonal((3, 2)): orthogonal orthogonal_
dlstft(signal, window=[1.0] * 4): stft
dlistft(dlstft(signal, window=[1.0] * 4), window=[1.0] * 4): istft
fft.rfftn(A, axes=(-2, -1)): rfft2
fft.irfftn(fft.rfftn(A, axes=(-2, -1)), s=(3, 3), axes=(-2, -1)): irfft2
"""

# Names without a counterpart, after what to do instead.
NOTES: dict[str, str] = {
    (
        "has no derivative here, but the page [Linear systems](../recipes/linear-systems.md) has it"
        " as an operation to copy. numpy.linalg is for what is not traced"
    ): (
        "inv solve linsolve mldivide mrdivide det slogdet logdet inverse linalg pageinv"
        " pagemldivide pagemrdivide"
    ),
    (
        "has no derivative here. define_operation makes an operation of it, as on the page "
        "[Linear systems](../recipes/linear-systems.md)"
    ): (
        "pinv svd eig eigh eigvals "
        "eigvalsh chol cholesky qr lu schur expm logm sqrtm lstsq lsqr cond rank matrix_rank null"
        " orth matrix_power mpower svdvals tensorinv tensorsolve"
        " pinverse matrix_exp cholesky_solve lu_solve lu_factor cholesky_inverse "
        "solve_triangular triangular_solve lobpcg pageeig pagesvd lsqminnorm"
    ),
    (
        "has no traced form; NumPy has it for what is not traced, and a sorted vector is "
        "x[np.argsort(x)]"
    ): (
        "mode quantile percentile prctile sortrows unique histogram histcounts cummax "
        "cummin cumtrapz unwrap nanmedian nanquantile nanpercentile histogram2d histogramdd "
        "histogram_bin_edges correlate xcorr"
    ),
    (
        "is not among the functions here, but the page "
        "[Special functions](../recipes/special-functions.md) has it as an operation to copy"
    ): (
        "gamma gammaln lgamma loggamma digamma psi polygamma beta betaln erfc ndtr normcdf log_ndtr"
        " erfinv besselj jv j0 j1"
    ),
    (
        "is not among the functions here; define_operation makes an operation of SciPy's, as on "
        "the page [Special functions](../recipes/special-functions.md)"
    ): (
        "erfcinv erfcx besseli besselk bessely zeta i0 binom comb factorial nextafter spacing ndtri"
    ),
    (
        "is the class DifferentiableFunction here, as on the page "
        "[Custom operations](../extend/custom-operations.md)"
    ): "custom_vjp custom_jvp custom_gradient defvjp save_for_backward autograd",
    (
        "has no traced form; the page [Coming from NumPy](../coming-from/numpy.md) has it in a few "
        "lines"
    ): "median interp interp1 interp1d einsum polyval",
    (
        "is for polynomials by their coefficients; write the polynomial out, as 2 * x**2 + 3 * x + "
        "1, or call NumPy's function for what is not traced"
    ): "poly polyadd polyder polydiv polyfit polyint polymul polysub roots",
    ("makes a constant; call NumPy's function, and use its result with dlarrays"): (
        "bartlett blackman hamming hanning hann kaiser tri indices fromfunction fromiter ix_ "
        "diag_indices tril_indices triu_indices mask_indices diag_indices_from "
        "tril_indices_from triu_indices_from unravel_index ravel_multi_index"
    ),
    (
        "gives indices, counts or sets, which carry no derivative; call NumPy's function with "
        "extractdata(x)"
    ): (
        "argpartition lexsort nanargmax nanargmin unique_all unique_counts unique_inverse "
        "unique_values union1d intersect1d setdiff1d setxor1d trim_zeros"
    ),
    (
        "is for integers, which carry no derivative; call NumPy's function with extractdata(x)"
    ): "gcd lcm bitwise_count packbits unpackbits popcount",
    ("is about files, text, settings or dtypes; NumPy's function works as it is"): (
        "loadtxt genfromtxt fromfile fromregex fromstring frombuffer seterr geterr seterrcall "
        "geterrcall setbufsize getbufsize get_printoptions set_printoptions printoptions "
        "show_config show_runtime get_include test info typename mintypecode datetime_as_string "
        "datetime_data busday_count busday_offset is_busday isnat base_repr binary_repr "
        "format_float_positional format_float_scientific iterable issubdtype promote_types "
        "broadcast_shapes einsum_path nested_iters frompyfunc isfortran asfortranarray require "
        "asmatrix bmat"
    ),
    "is not needed: functions run as they are, with Python's if, for and while": (
        "jit compile pmap dlaccelerate scan while_loop fori_loop xla lax make_jaxpr eval_shape "
        "clearCache named_call"
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
    ): ("manual_seed rng random PRNGKey multinomial poisson"),
    "is a network here: dlnetwork([layers.FeatureInput(2), layers.FullyConnected(3)])": (
        "Module Sequential layerGraph"
    ),
    "is a method: net.predict(x) for inference, net.forward(x) in training": (
        "predict forward functional_call"
    ),
    "is a method of networks, as net = net.add_layers(layers); dir(net) lists them": (
        "addLayers removeLayers replaceLayer connectLayers disconnectLayers getLayer expandLayers "
        "groupLayers addInputLayer resetState setLearnRateFactor getLearnRateFactor setL2Factor "
        "getL2Factor"
    ),
    "is a method of the queue: queue.hasdata(), queue.next(), queue.reset(), queue.shuffle()": (
        "hasdata next reset shuffle"
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
        "confusionmat confusionchart"
    ),
    "is a class of a few lines, on the page [Use less memory](../recipes/checkpoint.md)": (
        "checkpoint remat"
    ),
    "is layers.Layout(size, format): layers.Layout((28, 28, 3, 1), 'SSCB')": "networkDataLayout",
    "is an update function here, as adamupdate(net, gradients, average, average_sq, i)": "optim",
    "is trainnet(x, targets, net, loss, training_options('adam'))": (
        "trainNetwork trainingOptions fit"
    ),
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
        "DataLoader combine augmentedImageDatastore fileDatastore signalDatastore TensorDataset"
    ),
    "is image_folder(path), with a folder for each class": "imageDatastore ImageFolder",
    "is not needed: trainnet and minibatchqueue take the array itself": "arrayDatastore",
    "is training_progress_monitor(metrics='loss'), and then monitor.record_metrics(i, loss=loss)": (
        "recordMetrics updateInfo groupSubPlot exportPlotAsImage"
    ),
    "is scores2label(minibatchpredict(net, x), class_names)": "classify",
    (
        "is dlgradient(y, x) inside a function that dlfeval evaluates; "
        "the page [Coming from JAX](../coming-from/jax.md) has grad in three lines"
    ): "grad value_and_grad grad_and_value elementwise_grad",
    (
        "is dlgradient(y, x) inside a function that dlfeval evaluates; gradients are returned, as "
        "the page [Coming from PyTorch](../coming-from/pytorch.md) shows"
    ): "backward",
    (
        "is the Jacobian of dlgradient(y, x, enable_higher_derivatives=True), as on the page "
        "[Hessian](../recipes/hessian.md)"
    ): "hessian",
    "is dlgradient(y, x) for derivatives, and np.diff(x) for differences": ("gradient"),
    (
        "is (x - mean(x)) / std(x, correction=1) if it is MATLAB's, x / sqrt(sum(abs2(x))) if it "
        "is PyTorch's"
    ): ("normalize"),
    "does not exist, since a vector has one dimension, and is neither a row nor a column": (
        "isrow iscolumn"
    ),
    "is sum(A, axis=(0, 1), keepdims=True) for sums, and so on for other reductions": (
        "apply_over_axes"
    ),
    "is reshape(x, shape), for as many elements as there are": "resize",
    "is real(x); the dtype does not depend on the values": "real_if_close",
    (
        'is crossentropy(Y, targets, classification_mode="multilabel", from_logits=True)'
    ): "binary_cross_entropy_with_logits",
    "is ctc(y, targets, y_mask, targets_mask)": "ctc_loss",
    "is lstm or gru with one time step": "lstm_cell gru_cell",
    "is a loop over time steps, for t in range(n)": "rnn_tanh rnn_relu RNN",
    "is the sum of second derivatives, each by dlgradient of a first one": "dllaplacian laplacian",
    "is logaddexp for the base e; for the base 2, write log2(exp2(x) + exp2(y))": "logaddexp2",
    "does not exist, since a dlarray is a value; write x[i] = v, which is differentiated": (
        "subsasgn scatter index_put dynamic_update_slice put_along_axis put place putmask copyto "
        "fill_diagonal"
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
    ('write concat([x, y], axis=0)', 'it does not ex')
    """
    table = {}
    for line in WRITE.strip().splitlines():
        expression, _, names = line.rpartition(": ")
        table.update(dict.fromkeys(names.split(), f"write {expression}"))
    for note, names in NOTES.items():
        table.update(dict.fromkeys(names.split(), "it " + _LINK.sub(r'"\1"', note)))
    return table


def page(name: str) -> str:
    """Return the page about a name: the one that its answer mentions, or that of all names.

    Examples
    --------
    >>> page("solve"), page("cat")
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
