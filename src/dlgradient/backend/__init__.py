"""Array backends: what the engine asks of the library that owns the raw arrays.

Kernels call NumPy by name, since every microsecond of a small call counts; what differs between
array libraries without being an operation (which values are accepted, how a cotangent is added
into a buffer) stands here.
"""
