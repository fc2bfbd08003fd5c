"""Programs as one function of machine code that Python calls: arguments in, results out.

A small program costs less than to look at its arguments, and than to make its results. So one
function does all. It looks at the arguments, and at what the function has read besides. It computes
in registers, or in memory of its own, and makes the results. It returns `MISS` for any call that is
not as the recorded one.

==========  ======================================================================================
`cells`     arrays of a few numbers, each number in a register
`numbers`   operations of single numbers
`lower`     lines of a program, as instructions
`blocks`    the same for arrays in memory: loops, products, and other looks at memory
`kernels`   operations that have a kernel of their own, as losses of classes have
`guards`    what Python has read, and what the function has read, as comparisons
`entry`     the function: arguments, guards, lines, results
`tile`      lines over many points as a function without the lock of the interpreter
==========  ======================================================================================

* Arithmetic has the bits of NumPy's: the same operations in the same order and precision.
  For numbers in registers, functions such as ``sin`` are those of the C library. They may differ
  from NumPy's by one unit in the last place. For arrays in memory, they are those of
  `dlgradient.native.maths`.
  Sums of eight elements or more, and of products, are in another order.
* NaN, infinities and signed zeros are those of NumPy. Nothing warns.
* Memory is read where type, dtype, shape and order in memory are as they were. Everything else is a
  miss, and Python answers.
* Python's code runs before the arguments are looked at, and after all is computed: in no call can
  an array go while it is read.
"""
