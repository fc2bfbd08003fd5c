"""Sizes at which a faster method begins: every tuning constant of the library.

Each has a unit, and names the row of `benchmarks/` that justifies it. They change the time and
the memory that a function takes, never its result beyond rounding.
"""

from __future__ import annotations

__all__ = [
    "ADD_NANOSECONDS",
    "ATTENTION_SCORES",
    "ATTENTION_SCORE_BYTES",
    "CONV_THREAD_MULTIPLICATIONS",
    "COPY_BYTES",
    "COUNTED_ADDITIONS",
    "COVER_CHUNK_BYTES",
    "COVER_LONG_ELEMENTS",
    "COVER_REDUCED_ELEMENTS",
    "DEPTHWISE_IMAGE_BYTES",
    "DEPTHWISE_ROWS_BYTES",
    "DEPTHWISE_RUN_BYTES",
    "DEPTHWISE_RUN_ELEMENTS",
    "DIRECTION_ELEMENTS",
    "GELU_CHUNK_ELEMENTS",
    "IN_PLACE_ELEMENTS",
    "NARROW_COLUMNS",
    "NARROW_ELEMENTS",
    "NARROW_ROWS",
    "NARROW_RUN_ELEMENTS",
    "NATIVE_AFFINE_ELEMENTS",
    "NATIVE_CONV_MULTIPLICATIONS",
    "NATIVE_GATE_ELEMENTS",
    "NATIVE_LOOP_ELEMENTS",
    "NATIVE_LOOP_WORK",
    "NATIVE_NORM_ELEMENTS",
    "NATIVE_POOL_ELEMENTS",
    "NATIVE_RELU_ELEMENTS",
    "NATIVE_RUN_ELEMENTS",
    "NATIVE_STREAM_BYTES",
    "NATIVE_THREAD_BYTES",
    "NATIVE_UPDATE_ELEMENTS",
    "NATIVE_UPDATE_USES",
    "NORM_CHUNK_BYTES",
    "NORM_RUN_ELEMENTS",
    "NORM_THREAD_ELEMENTS",
    "NORM_WHOLE_BYTES",
    "OBJECTS_UNTIL_COLLECTION",
    "POINTWISE_ELEMENTS",
    "POOL_CHUNK_BYTES",
    "POOL_INTERVAL_ELEMENTS",
    "POOL_MASK_BYTES",
    "POOL_MERGED_ELEMENTS",
    "POOL_THREAD_ELEMENTS",
    "PRODUCT_MULTIPLICATIONS",
    "PRODUCT_NANOSECONDS",
    "RECURRENCE_LANES",
    "RECURRENT_GATE_BYTES",
    "ROOMS",
    "ROOM_BYTES",
    "RUN_BYTES",
    "RUN_PARTS",
    "RUN_PARTS_BYTES",
    "RUN_TERMS",
    "SOFTMAX_THREAD_ELEMENTS",
    "SPARE_BYTES",
    "SPARSE_ADDITIONS",
    "SUM_RUN_ELEMENTS",
    "TERMS_KEPT",
    "TERMS_KEPT_ELEMENTS",
    "THREAD_BYTES",
    "UNFOLDED_BYTES",
    "UNFOLD_NANOSECONDS",
    "WEIGHTED_BLOCK_BYTES",
    "WEIGHTED_LANES",
    "WEIGHTED_RUN_ELEMENTS",
    "WEIGHTED_THREAD_ELEMENTS",
    "WEIGHTED_WINDOWS",
    "WEIGHTED_WINDOWS_BYTES",
    "WIDE_MULTIPLICATIONS",
    "WIDE_PART",
]

# Bytes of a raw operand. Up to this size a trace copies what a caller might still change; a larger
# array that owns its memory is locked, and has a digest. Rows: overhead (a lock costs more than a
# small copy) and memory (a large copy is never freed before the trace ends).
COPY_BYTES = 1 << 16

# Elements of a cotangent. From here on one is added into the other in place; below, a new sum costs
# less than to ask whether the array may be changed. Row: overhead.
IN_PLACE_ELEMENTS = 1 << 10

# Elements of the largest value of a derivative, times the directions that are computed in one pass.
# Fewer would cost more passes; more would not fit in a cache, and take memory. Row: jacobian.
DIRECTION_ELEMENTS = 1 << 21

# New Python objects until the cyclic garbage collector starts, in a long trace. Row: deep-chain.
OBJECTS_UNTIL_COLLECTION = 100_000

# Bytes of one operand. From here on a transcendental function is computed on all cores; below,
# starting a thread costs more than it saves. Row: elementwise.
THREAD_BYTES = 1 << 19

# Multiplications of a matrix product. From here on it is cut into a block for each core, once
# kernels are cut at all. Row: transformer.
PRODUCT_MULTIPLICATIONS = 1 << 23

# -- reductions -----------------------------------------------------------------------------------

# Several rows of a narrow array are reduced as one run. The array has at least so many elements and
# rows, and at most so many columns; the run has at most so many elements. Row: cliffs.
NARROW_ELEMENTS, NARROW_ROWS, NARROW_COLUMNS = 1 << 11, 1 << 9, 1 << 7
NARROW_RUN_ELEMENTS = 1 << 10

# -- sums of kernels ------------------------------------------------------------------------------

# Elements of a run, least and most, that is summed as a product with ones. A shorter one costs more
# calls than it saves; over a longer one the rounding error would grow. Row: norms.
SUM_RUN_ELEMENTS = (128, 1 << 13)

# -- activations ----------------------------------------------------------------------------------

# Elements of a chunk of gelu, whose intermediate values stay in a core's cache. Row: transformer.
GELU_CHUNK_ELEMENTS = 1 << 16

# Elements of a softmax. From here on its exponentials are computed on all cores, not in place.
# Row: transformer.
SOFTMAX_THREAD_ELEMENTS = 1 << 16

# -- convolution ----------------------------------------------------------------------------------

# Bytes of unfolded images that are multiplied at once: they stay in a core's cache. Row: cnn.
UNFOLDED_BYTES = 1 << 20

# Multiplications of a convolution. Below, a second thread costs more than it saves. Row: cnn.
CONV_THREAD_MULTIPLICATIONS = 1 << 20

# Rows of an image are unfolded as one run if at most this part of it is thrown away, and if it has
# at most this number of multiplications for each unfolded element: as many take the time that the
# longer run saves. Row: cnn.
WIDE_PART, WIDE_MULTIPLICATIONS = 0.35, 16

# Nanoseconds of a multiplication, of unfolding an element, and of adding one where it belongs: a
# transposed convolution gathers or scatters, by what is faster. Row: gan.
PRODUCT_NANOSECONDS, UNFOLD_NANOSECONDS, ADD_NANOSECONDS = 1 / 36, 0.3, 2.0

# Bytes of one channel of some images that are convolved at once, if it has a filter of its own:
# they stay in a core's cache. Elements of a channel of all images, from which on this pays. Row:
# cliffs.
DEPTHWISE_RUN_BYTES, DEPTHWISE_RUN_ELEMENTS = 1 << 19, 1 << 11

# Bytes of the result of an image with a filter for each channel, up to which channels are laid out
# last where there are no runs; and bytes of its rows that are computed at once. Row: predict.
DEPTHWISE_IMAGE_BYTES, DEPTHWISE_ROWS_BYTES = 1 << 20, 1 << 18

# Elements of an image from which on a product of its own, for windows of one element, is faster
# than one of several images that are copied next to each other. Row: predict.
POINTWISE_ELEMENTS = 48

# -- pooling --------------------------------------------------------------------------------------

# Bytes of images that are pooled at once: they stay in a core's cache. Row: pool.
POOL_CHUNK_BYTES = 1 << 19

# Bytes of the masks of maxima, one for each place in a window. More of them are made twice instead.
# Row: cliffs.
POOL_MASK_BYTES = 1 << 23

# Elements of a batch of images. Below, a second thread costs more than it saves. Row: pool.
POOL_THREAD_ELEMENTS = 1 << 17

# Bytes of the images whose maxima over windows that cover them are found at once. Row: cliffs.
COVER_CHUNK_BYTES = 1 << 20

# Elements of windows that cover images, along one dimension and of all lines. From here on, each is
# reduced by itself. Row: cliffs.
COVER_LONG_ELEMENTS, COVER_REDUCED_ELEMENTS = 1 << 5, 1 << 12

# Elements of a window. From here on, elements are compared along one dimension after the other
# where windows overlap little, and maxima are merged from those of blocks. Row: cliffs.
POOL_INTERVAL_ELEMENTS, POOL_MERGED_ELEMENTS = 32, 128

# -- resampling -----------------------------------------------------------------------------------

# Lines next to each other that are multiplied by a sparse matrix at once, and their bytes: each of
# its elements costs more than a run of few lines. Row: cliffs.
WEIGHTED_LANES, WEIGHTED_BLOCK_BYTES = 256, 1 << 19

# Windows that are summed one by one, not as a product with a sparse matrix; bytes of the lines that
# are summed at once; elements of a run that is long enough for it. Row: cliffs.
WEIGHTED_WINDOWS, WEIGHTED_WINDOWS_BYTES, WEIGHTED_RUN_ELEMENTS = 1 << 6, 1 << 22, 1 << 4

# Matrices that each function of sizes keeps for its next call, and elements of a dimension up to
# which one is kept. Row: cliffs.
TERMS_KEPT, TERMS_KEPT_ELEMENTS = 16, 1 << 15

# Elements of data and result. Below, a second thread costs more than it saves. Row: cliffs.
WEIGHTED_THREAD_ELEMENTS = 1 << 17

# -- normalisation --------------------------------------------------------------------------------

# Bytes of a chunk; more of them cost more in hand-overs than they save. Row: norms.
NORM_CHUNK_BYTES = 1 << 21

# Bytes of an array that is one chunk. Row: norms.
NORM_WHOLE_BYTES = 1 << 19

# Elements of a run that one offset and scale belong to. If it is shorter, they are repeated first,
# since the overhead of a run costs as much as its arithmetic. Row: norms.
NORM_RUN_ELEMENTS = 1 << 11

# Elements of an array. Below, a second thread costs more than it saves. Row: norms.
NORM_THREAD_ELEMENTS = 1 << 16
# Elements added at many indices of several dimensions. From here on places are counted with
# weights instead of added one by one. No row: 4096 additions into a matrix take 50 µs and 108 µs.
COUNTED_ADDITIONS = 1 << 12

# Elements added at the indices of `take`. From here on they are added as the product with a sparse
# matrix; below, SciPy costs more than it saves. Row: embed.
SPARSE_ADDITIONS = 1 << 14

# Sequences that a linear recurrence runs through next to each other. From here on it loops over
# NumPy rows, and below over Python numbers. No row: 200 steps of one sequence take 41 µs as Python
# numbers and 506 µs as NumPy rows, of 64 sequences 4829 µs and 377 µs.
RECURRENCE_LANES = 16
# Bytes of the scores that attention works on at a time, so that they stay in a core's cache. Row:
# transformer.
ATTENTION_SCORE_BYTES = 1 << 19

# Scores of attention. From here on groups of heads run on all cores; below, starting a thread costs
# more than it saves. Row: transformer.
ATTENTION_SCORES = 1 << 16

# Bytes of the gates that the backward pass of a recurrent layer prepares at a time: they are used
# several times in a row and stay in a core's cache. Row: lstm.
RECURRENT_GATE_BYTES = 1 << 18

# Learnables that a step of an optimiser works on at a time: a formula has some five temporaries,
# which stay in a core's cache. Row: adam.
UPDATE_CHUNK = 1 << 15

# Bytes of a vector of a step of an optimiser. From here on its memory is used again; below, new
# memory costs less than to ask who has the old one. Rows: adam, own-mlp.
SPARE_BYTES = 1 << 15

# -- compiled kernels -----------------------------------------------------------------------------

# Bytes of one operand of a formula in one pass over memory. Below, a second thread costs more than
# it saves. Row: adam.
NATIVE_THREAD_BYTES = 1 << 19

# Bytes of one result of a formula. From here on it is written past the caches, which would first
# read what is overwritten. Row: adam.
NATIVE_STREAM_BYTES = 1 << 21

# Learnables of one dtype. From here on a step of an optimiser is compiled at once; below, after
# some steps: loading LLVM costs as much as the passes of NumPy in some thousand. Rows: adam,
# train-mlp.
NATIVE_UPDATE_ELEMENTS, NATIVE_UPDATE_USES = 1 << 14, 64

# Multiplications of a convolution with a filter for each channel. From here on it is compiled:
# below, NumPy costs less than a process ever gets back of loading LLVM. Row: cliffs.
NATIVE_CONV_MULTIPLICATIONS = 1 << 17

# Elements of a batch normalisation in inference. From here on it is compiled, together with the
# activation after it. Row: predict.
NATIVE_AFFINE_ELEMENTS = 1 << 13

# Elements of an array that is normalised, and of a run that has one factor. From here on this is
# compiled; shorter runs have no vectors. Row: norms.
NATIVE_NORM_ELEMENTS, NATIVE_RUN_ELEMENTS = 1 << 14, 16

# Elements of the states of all steps of a recurrent layer. From here on gates and states are
# compiled: below, NumPy costs less than a process ever gets back of loading LLVM. Row: lstm.
NATIVE_GATE_ELEMENTS = 1 << 13

# Elements of images that are pooled. From here on maxima over small windows are compiled: below,
# NumPy costs less than a process ever gets back of loading LLVM. Row: pool.
NATIVE_POOL_ELEMENTS = 1 << 14

# Elements of a cotangent of relu. From here on it is computed in one pass over memory; smaller ones
# stay in the cache between the passes of NumPy. Row: train-cnn.
NATIVE_RELU_ELEMENTS = 1 << 17

# Bytes of images and results that are convolved at once, in a core's cache. Row: cnn.
RUN_BYTES = 1 << 19

# Parts of a batch whose kernels are summed, and bytes of a kernel up to which there are several;
# strips of a single image; products that are added up before they are added to a total.
# Row: gan.
RUN_PARTS, RUN_PARTS_BYTES, RUN_TERMS = 8, 1 << 18, 1 << 11

# Elements of a group of operations in an accelerated function. From here on the group is one
# compiled loop: below, the call costs what the loop saves. Row: accelerated-elementwise.
NATIVE_LOOP_ELEMENTS = 1 << 15

# Operations on elements of a compiled loop, where a function such as exp counts as eight. From here
# on all cores work on it. Row: accelerated-elementwise.
NATIVE_LOOP_WORK = 1 << 20

# Rooms for the intermediate results of accelerated functions that are kept between calls, and bytes
# of one. A larger one is new in each call. Row: accelerated-pinn.
ROOMS, ROOM_BYTES = 4, 1 << 27
