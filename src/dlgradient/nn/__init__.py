"""Deep-learning functions, declared like every other operation.

They take dlarrays with a format, in any order of dimensions, or unlabelled arrays with
``data_format=``.
"""
