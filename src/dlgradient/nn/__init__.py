"""Deep-learning functions, declared like every other operation.

They take formatted dlarrays, in any order of dimensions, or unformatted arrays with
``data_format=``.
"""
