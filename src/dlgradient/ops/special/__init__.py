"""Special functions, elementwise; their values are SciPy's.

Each has a rule in terms of special functions and of those of `dlgradient.ops`, so that it has
derivatives of every order. A derivative by a parameter, as the order of a Bessel function, may have
no closed form. Then its rule raises an error that says so.
"""
