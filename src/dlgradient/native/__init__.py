"""Compiled kernels: machine code for what NumPy computes in many passes over memory.

A kernel here is a text in the language of LLVM, which Python writes. It has explicit vectors, as
wide as those of this processor. So no compiler has to find them, a kernel needs some ten
milliseconds to compile, and no compiler has to be installed: LLVM comes as the package llvmlite,
an optional dependency. Without it, the kernels of NumPy compute everything. Tests compare both.

=================  ==================================================================
module             what
=================  ==================================================================
`switch`           who computes: the user's choice, and whether work is large enough
`machine`          LLVM, and what this processor can do
`code`             the text of a function: registers, loops, memory
`maths`            exp, log, sin and others, as such texts
`coefficients`     its polynomials
`compiler`         from a text to a function
`store`            machine code on disk, for the next process
`interface`        what machine code uses of Python and NumPy
`objects`          machine code as a function that Python calls without a detour
`lanes`            formulas of arrays, written down as their steps
`pieces`           arrays of a table, looked at by machine code
`loops`            kernels: elementwise steps of a program, and sums, in one pass over memory
`partial`          their partial sums, and the last additions
`matrices`         kernels: products of small matrices in programs, and copies
`formula`          kernel: any formula, elementwise, in one pass over memory
`rows`             kernels: sums of rows, and formulas with numbers for each row
`affine`           kernel: each channel times a factor plus a term, limited to an interval
`depthwise`        kernel: convolution of images with a filter for each channel
`windows`          kernels: maxima over small windows of images, and back
`gates`            kernels: a step of a recurrent layer, and back
`runs`             kernels: convolution of several channels, and the gradient for its weights
=================  ==================================================================

What holds for all of them:

* **The same result whenever it is compiled.** A kernel is compiled at its first use, and the caller
  waits. Whether it is used depends on sizes and dtypes only, never on time. So a seeded run has the
  same bits each time. Elementwise arithmetic has the bits of NumPy's, in the same order and without
  fused multiplications. Kernels that sum, and functions of `maths`, say how they differ.
* **No processor is assumed.** The width of vectors is that of the processor found, and ``fmuladd``
  is one instruction only where there is one.
* **No fast mathematics.** NaN, infinity, signed zeros and small numbers are as with NumPy. But no
  kernel here warns of an overflow, as ufuncs of NumPy do.
* **Threads.** A call through ctypes releases the lock of the interpreter, and `in_blocks` splits
  the work. A function of `objects` holds the lock: its work is small.
  Compilation has a lock, which a fork waits for.
* **Real numbers only**, float32 and float64. Everything else stays with NumPy.
"""
