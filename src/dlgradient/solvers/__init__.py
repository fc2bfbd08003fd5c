"""Solvers whose results are differentiable: ordinary differential equations."""
