"""Networks: layers in a graph, with their learnables and their state.

Flat buffers hold all learnables of one dtype, so that an optimiser's step, a norm or a copy is one
operation on vectors. A call of a network is a fixed list of steps, one for each layer.
"""
