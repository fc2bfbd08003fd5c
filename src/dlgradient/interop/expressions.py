"""What to write for names of MATLAB, NumPy, PyTorch and JAX that this package does not have.

Tests execute every expression, and compare its value with that of the function that has the name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection
from functools import cache
from typing import NamedTuple

__all__ = ["Expression", "expressions", "in_words", "parsed", "qualified", "words_of"]

# Expressions, and the names that they answer. A function whose arguments change what to write has
# several, each with the case after #. Indented lines continue the one before. Functions are those
# of this package, and those of NumPy, np, which are traced on dlarrays. In expressions x and y are
# vectors, A and B matrices, S a positive definite one, i indices, c a mask, n a number and f a
# function. X is an image of
# format "SSCB", Y a sequence of format "CBT", and the others are what they are called.
_WRITE = """
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
np.sinc(x): sinc
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
fmod(x, y): rem
trunc(x): fix
round(x): rint
round(x, n): around
x - trunc(x): frac
np.modf(x): modf
np.ldexp(x, n): ldexp
np.heaviside(x, y) # heaviside(x, y); 0.5 * (1 + sign(x)) # MATLAB: heaviside
equal(x, y): eq
not_equal(x, y): ne
less(x, y): lt
less_equal(x, y): le
greater(x, y): gt
greater_equal(x, y): ge
np.array_equal(x, y): isequal array_equal
np.array_equal(x, y, equal_nan=True): isequaln
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
complex(A[..., 0], A[..., 1]): view_as_complex
stack([real(x), imag(x)], axis=-1): view_as_real
complex(x * cos(y), x * sin(y)): polar
matmul(A, B): mtimes pagemtimes mm bmm
linalg.multi_dot([A, B]): multi_dot chain_matmul
tensordot(A, B, axes=1): tensorprod
linalg.matrix_power(A, n): matrix_power mpower
matmul(A, x): mv matvec
matmul(x, y) # NumPy, PyTorch, of vectors and matrices; vecdot(A, B, axis=0) # MATLAB, columns: dot
matmul(x, y) # vectors; matmul(A, matrix_transpose(B)) # matrices: inner
vecdot(x, y) # vectors; sum(conj(A) * B) # matrices: vdot
x + matmul(A, B): addmm baddbmm
x + matmul(A, y): addmv
fullyconnect(x, A, y, data_format="C"): linear dense
conj(matrix_transpose(A)): adjoint ctranspose pagectranspose
matrix_transpose(A): pagetranspose
permute_dims(A, (1, 0)): permute transpose ipermute shiftdim
moveaxis(A, 0, 1): movedim rollaxis
swapaxes(A, 0, 1): swapdims
concat([x, y], axis=0) # vectors, or axis=0; concat([reshape(A, (-1,)), reshape(B, (-1,))]) #
  arrays without an axis: append
concat([x, y], axis=0): cat concatenate vertcat
concat([A, B], axis=1): horzcat
stack([x, y], axis=0) # vectors; concat([A, B], axis=0) # matrices: vstack row_stack
stack([x, y], axis=1) # vectors; concat([A, B], axis=1) # matrices: column_stack
np.hstack([x, y]): hstack
np.dstack([x, y]): dstack
np.block([[A, B], [B, A]]): block bmat
np.frexp(x): frexp
np.polyval(x, y): polyval
np.polyadd(x, y): polyadd
np.polysub(x, y): polysub
np.polymul(x, y): polymul
np.polyder(x): polyder
np.polyint(x): polyint
np.unique(x): unique
np.union1d(x, y): union1d
np.intersect1d(x, y): intersect1d
np.setdiff1d(x, y): setdiff1d
np.setxor1d(x, y): setxor1d
np.trim_zeros(x): trim_zeros
np.histogram(x, 3, (0, 1)): histogram
np.apply_over_axes(np.sum, A, (0, 1)): apply_over_axes
np.gcd(i, 4): gcd
np.lcm(i, 4): lcm
np.spacing(x): spacing
interp1(x, y, 1.5): interp1d
np.split(x, [1, 2]) # before these indices; np.split(x, range(2, len(x), 2)) # PyTorch, parts of
  2: split
np.split(x, [1, 2]) # before these indices; np.split(x, n) # n equal parts: tensor_split
  array_split
np.split(x, n) # n equal parts: chunk
np.split(x, [1]) # sizes 1 and 2: split_with_sizes
unstack(A, axis=0): unbind num2cell
tile(x, n): repmat
repeat(x, n): repelem repeat_interleave
expand_dims(x, axis=0): unsqueeze
broadcast_to(x, (n, 3)): expand
reshape(A, (-1,)): ravel view
flip(A, axis=1): fliplr
flip(A, axis=0): flipud
np.rot90(A): rot90
roll(x, n): circshift
pad(x, n): zeropad
pad(x, (0, 9 - x.size)) # a vector, to the length 9: paddata
x[:2]: narrow trimdata
x[2]: subsref
where(c, x, y): ifelse merge
np.piecewise(x, [c], [f, 0]): piecewise
np.choose(c, [x, y]): choose
np.select([c], [x], y) # NumPy; A[1] # PyTorch, select(A, 0, 1): select
np.insert(x, 1, y): insert
np.delete(x, 1): delete
take(A, i, axis=0): index_select
take_along_axis(A, argmax(A, axis=0, keepdims=True), axis=0): take_along_dim
x[c] # c of the shape of x: masked_select compress extract boolean_mask
index_add(zeros(3, dtype=x.dtype), i, x) # vectors: accumarray scatter_add segment_sum
  unsorted_segment_sum
np.diag(x): diag diagonal
np.diagflat(x): diagflat
where(np.eye(x.shape[-1], dtype=bool), expand_dims(x, axis=-1), 0): diag_embed
np.trace(A): trace
np.ediff1d(x): ediff1d
np.gradient(x) # differences; dlgradient(sum(square(x)), x) # of a function, as JAX has it: gradient
np.unwrap(x): unwrap
sort(x): partition
np.sort_complex(x): sort_complex
argsort(x): argpartition
percentile(x, n, method="hazen"): prctile
np.nanpercentile(x, n): nanpercentile
np.nanargmax(x): nanargmax
np.nanargmin(x): nanargmin
sort(x, axis=0): msort
maxk(x, n, return_indices=True): topk
np.nonzero(x): find
x[np.nonzero(x)]: nonzeros
searchsorted([1.5], x): bucketize
np.digitize(x, [1.5]): digitize discretize
np.flatnonzero(x): flatnonzero
count_nonzero(x): nnz
where(c, 0, x): masked_fill
max(A): amax
min(A): amin
max(A) - min(A): range ptp
clip(x, 0, n): clamp
clip(x, -1, 1): hardtanh hard_tanh
(x - min(x)) / (max(x) - min(x)): rescale
(x - mean(x, axis=0)) / std(x, axis=0, correction=1) # MATLAB; (x - mean(x, axis=0)) / std(x,
  axis=0) # SciPy: zscore
(x - mean(x, axis=0)) / std(x, axis=0, correction=1) # MATLAB; A / maximum(sqrt(sum(abs2(A), axis=1,
  keepdims=True)), 1e-12) # PyTorch, dim=1: normalize
(x - mean(x, axis=-1, keepdims=True)) / sqrt(var(x, axis=-1, keepdims=True) + 1e-5):
  standardize
np.fmax(x, y): fmax
np.fmin(x, y): fmin
maximum(sqrt(mean(square(x))), 0): rms
linalg.norm(x) # NumPy, PyTorch; linalg.matrix_norm(A, ord=2) # MATLAB, of a matrix: norm
linalg.vector_norm(A, axis=0) # columns: vecnorm
linalg.vector_norm(x): vector_norm
linalg.matrix_norm(A): matrix_norm frobenius_norm
linalg.matrix_norm(A, ord="nuc"): nuclear_norm
linalg.inv(S): inv inverse pageinv
linalg.solve(S, x): solve linsolve mldivide pagemldivide
linalg.solve(S.mT, A.mT).mT # A / S: mrdivide pagemrdivide
linalg.solve_triangular(S, x): solve_triangular triangular_solve
linalg.lstsq(A, x): lstsq
linalg.lstsq(A, x).solution: lsqminnorm
linalg.pinv(A): pinv pinverse
linalg.det(S): det
linalg.slogdet(S): slogdet
linalg.slogdet(S).logabsdet: logdet
linalg.cholesky(S): cholesky
linalg.cholesky(S, upper=True): chol
linalg.qr(A): qr
linalg.lu(A): lu
linalg.eigh(S): eigh
linalg.eigvalsh(S): eigvalsh
linalg.eig(A): eig pageeig
linalg.eigvals(A): eigvals
linalg.svd(A): svd pagesvd
linalg.svdvals(A): svdvals
linalg.expm(S): expm matrix_exp
linalg.logm(S): logm
linalg.sqrtm(S): sqrtm
linalg.cond(S): cond
linalg.matrix_rank(A): rank matrix_rank
trapezoid(y, x): trapz
log(mean(exp(x - max(x)))) + max(x): logmeanexp
where(x < 0.7, log(-expm1(-x)), log1p(-exp(-x))): log1mexp
maximum(sqrt(sum(square(expand_dims(A, -2) - expand_dims(B, -3)), axis=-1)), 0): cdist pdist2
maximum(sqrt(sum(square(A[np.triu_indices(len(A), 1)[0]] - A[np.triu_indices(len(A), 1)[1]]),
  axis=1)), 0): pdist
maximum(sqrt(sum(square(x - y + 1e-6), axis=-1)), 0): pairwise_distance
maximum(sqrt(sum(square(x - y))), 0): dist
vecdot(x, y) / (maximum(sqrt(vecdot(x, x)), 1e-8) * maximum(sqrt(vecdot(y, y)), 1e-8)) # vectors;
  vecdot(A, B, axis=1) / (maximum(sqrt(vecdot(A, A, axis=1)), 1e-8) * maximum(sqrt(vecdot(B, B,
  axis=1)), 1e-8)) # dim=1: cosine_similarity
np.vander(x, n) # decreasing powers; np.vander(x, n, increasing=True) # as torch.linalg has it:
  vander
np.logaddexp2(x, y): logaddexp2
special.logsumexp(x) # all elements; special.logsumexp(A, axis=1) # axis=1: logsumexp
special.xlogy(x, y): xlogy
special.xlog1py(x, y): xlog1py
special.entr(x): entr
special.rel_entr(x, y): rel_entr
special.logit(x): logit
special.erfc(x): erfc
special.erfcx(x): erfcx
special.erfinv(x): erfinv
special.erfcinv(x): erfcinv
special.ndtr(x): ndtr normcdf
special.log_ndtr(x): log_ndtr
special.ndtri(x): ndtri norminv
special.gamma(x): gamma
special.gammaln(x): gammaln lgamma
special.digamma(x): digamma psi
special.polygamma(n, x): polygamma
special.beta(x, y): beta
special.betaln(x, y): betaln
special.zeta(n, x): zeta
special.jv(n, x): besselj jv
special.yv(n, x): bessely yv
special.iv(n, x): besseli iv
special.kv(n, x): besselk kv
special.jv(0, x): j0
special.jv(1, x): j1
special.iv(0, x): i0
10**x: exp10
where(abs(x) < 1e-4, 1 + x / 2 + x**2 / 6 + x**3 / 24, expm1(x) / where(x == 0, 1, x)): exprel
expm1(y * log(x)): powm1
expm1(n * log(x)) / n # n not 0; log(x) # n = 0: boxcox
(n * x + 1) ** (1 / n) # n not 0; exp(x) # n = 0: inv_boxcox
-2 * square(sin(x / 2)): cosm1
sin(np.radians(x - 360 * round(x / 360))): sind sindg
cos(np.radians(x - 360 * round(x / 360))): cosd cosdg
tan(np.radians(x - 180 * round(x / 180))): tand tandg
A + outer(x, y): addr
A + x * y: addcmul
A + x / y: addcdiv
cumulative_trapezoid(y, x, initial=0): cumtrapz
np.correlate(x, y); np.correlate(x, y, mode="full") # mode="full": correlate
maximum(x, n): clamp_min
minimum(x, n): clamp_max
np.copy(x): clone
A.T: t
(min(A), max(A)): aminmax
(var(x, correction=1), mean(x)): var_mean
(std(x, correction=1), mean(x)): std_mean
outer(x, y): ger
sum(matmul(expand_dims(A, 0), expand_dims(B, 0)), axis=0) + A: addbmm
sign(x): sgn
full_like(x, n): fill
where(c, n, x) # places c: index_fill
np.broadcast_arrays(x, y): broadcast_tensors
dlarray(1.5): scalar_tensor
sort(x)[n - 1] # the n-th smallest of a vector: kthvalue
stack([special.logsumexp(x[: k + 1]) for k in range(n)]) # a vector: logcumsumexp
reshape(stack(meshgrid(x, y, indexing="ij"), axis=-1), (-1, 2)): cartesian_prod
np.block([[A, zeros((A.shape[0], B.shape[1]))], [zeros((B.shape[0], A.shape[1])), B]]) # matrices:
  block_diag
stack([x[k] for k in np.triu_indices(n, 1)], axis=1): combinations
where(x > 1, x, square(maximum(x + 1, 0)) / 4): sparse_plus
clip(0.5 * x + 0.5, 0, 1): sparse_sigmoid
expm1(n * log1p(x)) / n # n not 0; log1p(x) # n = 0: boxcox1p
softmax(Y + np.random.default_rng(0).gumbel(size=Y.shape)): gumbel_softmax
stack([f(v) for v in x]) # a vector: vectorize frompyfunc
x[np.arange(x.size - 1)[:, None] + np.arange(2)] # windows of 2: sliding_window_view
mean(maximum(-n * (x - y), 0)) # target n, 1 or -1: margin_ranking_loss
mean(where(y > 0, x, maximum(1 - x, 0))) # y of 1 and -1: hinge_embedding_loss
mean(where(y > 0, 1 - x, maximum(x, 0))) # y of 1 and -1, x the cosine similarity:
  cosine_embedding_loss CosineEmbeddingLoss
stack([sum(matmul(A, w) * B, axis=1) for w in [A, B]], axis=1) # two outputs, of the weights [A, B],
  without bias: bilinear Bilinear
mean(0.5 * (log(maximum(A, 1e-6)) + square(x - y) / maximum(A, 1e-6))) # variance A:
  gaussian_nll_loss
mean(softplus(x) - x * y): multilabel_soft_margin_loss
reshape(swapaxes(reshape(A, (len(A), n, -1, *A.shape[2:])), 1, 2), A.shape) # n groups, axis=1:
  channel_shuffle
x.size: numel nelement
x.shape # MATLAB, PyTorch; x.size # NumPy, JAX: size
x.ndim: ndims
len(x): length height
A.shape[1]: width
x.size == 0: isempty
x.ndim == 1: isvector
A.ndim == 2: ismatrix
x.dtype: underlyingType
x.size == 1 # MATLAB; x.ndim == 0 # NumPy, JAX: isscalar
isinf(x) & (x > 0): isposinf
isinf(x) & (x < 0): isneginf
not isdtype(x.dtype, "complex floating") # MATLAB; imag(x) == 0 # NumPy, JAX, PyTorch, each one:
  isreal
isdtype(x.dtype, "real floating"): isfloat is_floating_point isrealobj
imag(x) != 0 # of each element: iscomplex
isdtype(x.dtype, "complex floating"): iscomplexobj is_complex
isdtype(x.dtype, "bool"): islogical
isdtype(x.dtype, "numeric"): isnumeric
astype(x, float64): double
astype(x, float32): single float cast
astype(x, bool): logical
astype(x, complex128): cdouble
dlarray([1, 2]): array tensor asanyarray as_tensor from_numpy parameter Variable
extractdata(x): numpy to_numpy
dlarray(extractdata(x)): detach stop_gradient
dlarray(np.random.default_rng(0).random(3)): rand uniform rand_like
dlarray(np.random.default_rng(0).random(3) < 0.5) # PyTorch, random: bernoulli
dlarray(np.random.default_rng(0).standard_normal(3)): randn normal randn_like
np.random.default_rng(0).integers(n, size=3): randi randint randint_like
np.random.default_rng(0).permutation(n): randperm permutation
np.logspace(x[0], x[1], n): logspace
np.geomspace(x[0], x[1], n): geomspace
eye(n): identity
asarray(x): asarray_chkfinite
arange(1.0, n + 1): colon
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
dljacobian(square, x): jacobian jacrev jacfwd
dlhessian(lambda x: sum(square(x)), x): hessian
dlhvp(lambda x: sum(square(x)), x, y): hvp vhp
dllaplacian(lambda x: sum(square(x)), x): laplacian
dldivergence(square, x): divergence
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
np.convolve(x, y): convolve
fft.irfft(fft.rfft(x, n=x.size + y.size - 1) * fft.rfft(y, n=x.size + y.size - 1), n=x.size +
  y.size - 1) # real vectors: fftconvolve
dlconv(X, weights, bias) # no padding; dlconv(X, weights, bias, padding="same") # padding="same":
  conv conv1d conv2d conv3d Conv2d convolution
dltranspconv(X, weights_t, bias): conv_transpose conv_transpose1d conv_transpose2d
  conv_transpose3d
dltranspconv(X, weights_t, bias): ConvTranspose2d transposedconv
maxpool(X, 2, stride=2): max_pool max_pool1d max_pool2d max_pool3d MaxPool2d
maxpool(X, 2, stride=2, return_indices=True): max_pool2d_with_indices
avgpool(X, 2, stride=2): avg_pool avg_pool1d avg_pool2d avg_pool3d AvgPool2d
avgpool(X, "global", pool_format="SS"): globalavgpool global_avg_pool
adaptiveavgpool(X, 2): adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
  AdaptiveAvgPool2d
adaptivemaxpool(X, 2): adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
  AdaptiveMaxPool2d
batchnorm(X, offset, scale): batch_norm BatchNorm2d
layernorm(X, offset, scale): layer_norm LayerNorm
groupnorm(X, 1, offset, scale): group_norm GroupNorm
instancenorm(X, offset, scale): instance_norm InstanceNorm2d
rmsnorm(X, scale): rms_norm RMSNorm
crosschannelnorm(X, 3, k=1.0): local_response_norm
dropout(X, probability=0.5, seed=1): Dropout
X * (np.random.default_rng(0).random((1, 1, *X.shape[2:])) < 0.5) / 0.5: dropout1d dropout2d
  dropout3d
A[i]: embedding
embed([1, 0], A, data_format="B"): Embedding
attention(Y, Y, Y, 1): scaled_dot_product_attention dot_product_attention
fullyconnect(attention(fullyconnect(Y, A_q, b_q), fullyconnect(Y, A_k, b_k), fullyconnect(Y, A_v,
  b_v), 2), A_o, b_o) # A_q, A_k and A_v are in_proj_weight in three, A_o is
  out_proj.weight: MultiheadAttention multi_head_attention multi_head_attention_forward
dlresize(X, output_size=(8, 8), geometric_transform_mode="asymmetric",
  nearest_rounding_mode="floor") # mode="nearest"; dlresize(X, output_size=(8, 8),
  method="linear") # mode="bilinear": interpolate upsample
dlresize(X, output_size=(8, 8), method="linear", geometric_transform_mode="align-corners"):
  upsample_bilinear
dlresize(X, output_size=(8, 8), geometric_transform_mode="asymmetric",
  nearest_rounding_mode="floor"): upsample_nearest
dlresize(X, output_size=(8, 8)): imresize
depth_to_space(X4, 2, mode="crd"): pixel_shuffle
depth_to_space(X4, 2): depthToSpace
space_to_depth(X, 2, mode="crd"): pixel_unshuffle
space_to_depth(X, 2): spaceToDepth
indexcrossentropy(Y, labels, from_logits=True, normalization_factor="all-elements"): cross_entropy
  CrossEntropyLoss nll_loss NLLLoss
crossentropy(softmax(Y), targets): categorical_crossentropy
indexcrossentropy(softmax(Y), labels, normalization_factor="all-elements"):
  sparse_categorical_crossentropy
crossentropy(sigmoid(Y), targets, classification_mode="multilabel",
  normalization_factor="all-elements"): binary_cross_entropy BCELoss
crossentropy(Y, targets, classification_mode="multilabel", from_logits=True,
  normalization_factor="all-elements"): BCEWithLogitsLoss binary_cross_entropy_with_logits
mean(softplus(-x * y)): soft_margin_loss
mean(exp(x) - y * x): poisson_nll_loss
mean(maximum(1 - x * y, 0)): hinge_loss
mean(square(x - y)): mse_loss MSELoss immse mean_squared_error
mean(abs(x - y)): L1Loss mean_absolute_error
l1loss(Y, targets): l1_loss
huber(Y, targets, normalization_factor="all-elements"): huber_loss HuberLoss smooth_l1_loss
  SmoothL1Loss
mean(y * (log(where(y == 0, 1, y)) - x)) # PyTorch, log-probabilities x; x * log(maximum(x,
  finfo(x.dtype).smallest_normal) / where(x == 0, 1, y)) - x + y # SciPy, JAX, of each element:
  kl_div
mean(y * (log(where(y == 0, 1, y)) - x)): KLDivLoss
tripletloss(A, A + 1, B, data_format="BC") # its eps of 1e-6 is zero: triplet_margin_loss
  triplet_margin_with_distance_loss TripletMarginLoss
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
dlcheckpoint(f)(x): checkpoint remat
dlvmap(f, A): vmap arrayfun pagefun rowfun
np.apply_along_axis(f, 1, A): apply_along_axis
dlode45(lambda t, y: -y, [0, 1], x): ode45 odeint solve_ivp
dlode4(lambda t, y: -y, [0, 1], x): ode4
initialize_glorot((3, 2)): xavier_uniform glorot_uniform xavier_uniform_
initialize_he((3, 2)): kaiming_normal he_normal kaiming_normal_
initialize_orthogonal((3, 2)): orthogonal orthogonal_
dlstft(signal, window=[1.0] * 4): stft
dlistft(dlstft(signal, window=[1.0] * 4), window=[1.0] * 4): istft
fft.rfftn(A, axes=(-2, -1)): rfft2
fft.irfftn(A, axes=(-2, -1)) # an even last size; fft.irfftn(A, s=(3, 3), axes=(-2, -1)) # the
  size (3, 3): irfft2
"""


class Expression(NamedTuple):
    """What to write, and when: for which arguments, or in which library; '' is always."""

    text: str
    when: str


@cache
def expressions() -> dict[str, tuple[Expression, ...]]:
    """Return the expressions that answer each name.

    Examples
    --------
    >>> expressions()["kthvalue"]
    (Expression(text='sort(x)[n - 1]', when='the n-th smallest of a vector'),)
    """
    return parsed(_WRITE)


def parsed(text: str) -> dict[str, tuple[Expression, ...]]:
    """Return a table in the form of this module as a dict: the expressions of each name."""
    table = {}
    for line in text.strip().replace("\n  ", " ").splitlines():
        cases, _, names = line.rpartition(": ")
        found = tuple(_expression(case) for case in cases.split("; "))
        table.update(dict.fromkeys(names.split(), found))
    return table


def _expression(case: str) -> Expression:
    text, _, when = case.partition(" # ")
    return Expression(text, when)


def in_words(name: str) -> str:
    """Return what to write for a name, with the cases, as errors say it.

    Examples
    --------
    >>> in_words("cat"), in_words("inner")[:37]
    ('dl.concat([x, y], axis=0)', 'dl.matmul(x, y) (vectors), or dl.matm')
    """
    return words_of(expressions()[name])


def words_of(cases: tuple[Expression, ...]) -> str:
    """Return expressions with their cases, as errors say them.

    Names are qualified, since many are also Python's own, as max and sum.
    """
    names = sys.modules["dlgradient"].__all__  # an import would go upwards
    texts = [(qualified(e.text, names), e.when) for e in cases]
    return ", or ".join(f"{text} ({when})" if when else text for text, when in texts)


def qualified(text: str, names: Collection[str]) -> str:
    """Return an expression as a script writes it, with ``dl.`` before the names of this package.

    Parameters
    ----------
    text : str
        Of an expression.
    names : collection of str
        Names of this package.

    Examples
    --------
    >>> qualified("max(sum(abs(A), axis=0))", ["max", "sum", "abs"])
    'dl.max(dl.sum(dl.abs(A), axis=0))'
    """
    found = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name) and n.id in names]
    for node in sorted(found, key=lambda n: -n.col_offset):
        text = f"{text[: node.col_offset]}dl.{text[node.col_offset :]}"
    return text
