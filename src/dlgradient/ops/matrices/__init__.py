"""Linear algebra of matrices: systems, determinants, factors, eigenvalues, functions, norms.

Matrices are in the last two dimensions, and all others are a batch, as in NumPy. Operands are
unlabelled. Kernels are LAPACK's, called by NumPy or SciPy. A rule is a formula of matrix products
and of the functions here, so that it has derivatives of every order.

A factorization or an eigenvector is not unique: signs and phases are LAPACK's. A derivative exists
where eigenvalues, or singular values, differ. Where they are equal, it exists for a function that
does not depend on the choice of the vectors. For others, there is a `DegenerateWarning`.
"""
