"""The five declarers: an operation is declared once, by one mathematical rule.

A rule is a function of a tangent ``t`` or a cotangent ``g`` (its first argument). The names of its
other arguments say what is saved in the forward pass:

* the name of an operand: its value;
* ``out``: the result;
* the name of an operand with ``_like``: its shape and dtype only, which is always free;
* the name of an operand with ``_wanted``: whether it is traced, for a joint rule that can omit the
  cotangent of data (None in its place);
* anything else: a parameter of the operation.

============  ==========================================  =======================================
declarer      the author writes                           what follows
============  ==========================================  =======================================
elementwise   the differential, linear in ``t``           backward ``conj(F(conj g))``, forward
              (``exp``: ``t * out``)                      ``F(t)``
linear        the adjoint of the (real- or complex-)      forward is the operation itself
              linear map
multilinear   one adjoint for each operand                forward: the operation with one operand
                                                          replaced, summed
constant      nothing                                     both are zero
general       ``vjp``, and ``jvp`` where it is known      a missing jvp is the pull-back pulled
                                                          back
============  ==========================================  =======================================

A joint rule may have a ``fast_vjp=`` besides ``vjp=``: the same derivative on raw arrays of real
values, where a kernel pays in a benchmark. Raw walks use it, all others use ``vjp=``; the generated
checks compare the two.

With ``domain="real"`` complex operands are refused, by an error that names the function, the
operand and the fix; the generated checks try it. With ``floating=True`` integers and logical
values become float64 first; all deep-learning functions compute so.

An elementwise rule of one operand may be a `Factor`, which multiplies the tangent. Derivatives of
higher order walk over the same node again and again. The factor is then computed once for all
traced walks.

Rules are written in the public functions and operators. So the same text runs on raw arrays (the
fast backward pass) and on traced dlarrays (derivatives of any order). Values that no rule names are
not saved. Declarations are checked when a module of operations is loaded. It is an error if a name
is neither an operand nor a parameter, or if a rule has no operand. It is also one if samples or a
docstring are missing.

The decorated function is the kernel, on raw arrays; users see its signature and docstring. Operands
are positional-only; arguments after them are parameters. An operation of any number of operands has
one, a sequence, with the name ``arrays``. `Declaration` in `dlgradient.core.declaration` explains
each option of a declarer.

Examples
--------
>>> from dlgradient.rules import OPS
>>> OPS["exp"].kind, OPS["matmul"].kind, OPS["floor"].kind
('elementwise', 'multilinear', 'constant')
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dlgradient.core import declaration as _declaration
from dlgradient.core.declaration import Declaration, Op, enter_derived, enter_operation
from dlgradient.core.domain import Domain
from dlgradient.core.pulls import Factor
from dlgradient.core.samples import Case, Error, Errors, Maker, Samples, case
from dlgradient.core.types import Counterpart, Declarer, FormatRule, Function, Kernel, P, R, Rule
from dlgradient.errors import located

__all__ = [
    "DERIVED",
    "OPS",
    "Case",
    "Error",
    "Factor",
    "Maker",
    "Op",
    "case",
    "constant",
    "derived",
    "elementwise",
    "general",
    "linear",
    "multilinear",
]


class Kind:
    """A declarer of operations; called with a declaration, it returns the decorator.

    Parameters
    ----------
    kind : str
        Its name.
    doc : str
        What it declares.
    """

    def __init__(self, kind: str, doc: str) -> None:
        self.kind = kind
        self.__doc__ = doc

    def __call__(  # noqa: PLR0913 - one for each part of a declaration
        self,
        *,
        vjp: Rule | None = None,
        fast_vjp: Rule | None = None,
        jvp: dict[str, Rule] | None = None,
        kernel: Kernel | None = None,
        domain: Domain = "complex",
        floating: bool = False,
        format: str | FormatRule | None = None,
        format_family: str | None = None,
        masks: bool = False,
        selects: bool = True,
        indexing: str | None = None,
        outputs: int = 0,
        samples: Samples | None = None,
        errors: Errors | None = None,
        numpy: Counterpart = None,
        reference: Function | None = None,
        shown: str | None = None,
        **rules: Rule | Factor,
    ) -> Declarer:
        """Take the options of a `Declaration`, and rules by the names of operands.

        Parameters
        ----------
        vjp, fast_vjp, jvp
            One rule for all cotangents; the same on raw real arrays; rules for tangents.
        kernel
            The function of raw arrays, if it is not the decorated one.
        domain, floating
            Which numbers operands may be; whether integers become float64.
        format, format_family
            The format family or a function, and the family of that.
        masks, selects, indexing
            What it does to structural zeros and in place.
        outputs : int
            Number of results, if the kernel returns a tuple.
        samples, errors
            Functions of a maker: calls to test, and wrong calls.
        numpy, reference
            Oracles of the value.
        shown : str
            Name in messages.
        **rules
            A rule for each operand.
        """

        def declare(function: Callable[P, R], /) -> Callable[P, R]:
            declaration = Declaration(
                function=function,
                kind=self.kind,
                rules=rules,
                vjp=vjp,
                fast_vjp=fast_vjp,
                jvp=jvp or {},
                kernel=kernel,
                domain=domain,
                floating=floating,
                format=format,
                format_family=format_family,
                masks=masks,
                selects=selects,
                indexing=indexing,
                outputs=outputs,
                samples=samples,
                errors=errors,
                numpy=numpy,
                reference=reference,
                shown=shown,
            )
            return enter_operation(declaration, function)

        return declare

    def __repr__(self) -> str:
        return f"<declarer {self.kind}>"


elementwise = Kind("elementwise", "Declare an operation by its differential for each operand.")
linear = Kind("linear", "Declare a linear operation by its adjoint, for each operand or jointly.")
multilinear = Kind("multilinear", "Declare an operation that is linear in each operand.")
constant = Kind("constant", "Declare an operation whose derivative is zero wherever it exists.")
general = Kind("general", "Declare an operation by its vjp, and by its jvp where it is known.")


def derived(
    *,
    samples: Samples,
    errors: Errors | None = None,
    numpy: Counterpart = None,
    reference: Function | None = None,
    domain: Domain = "complex",
) -> Declarer:
    """Add a composition of operations to the table, so that it is tested like an operation.

    See Also
    --------
    dlgradient.define_operation : make an operation of a NumPy function and its rule
    dlgradient.testing.check_operation : check all that a declaration promises
    """

    def declare(function: Callable[P, R], /) -> Callable[P, R]:
        declaration = Declaration(
            function=function,
            samples=samples,
            errors=errors,
            numpy=numpy,
            reference=reference,
            domain=domain,
        )
        return enter_derived(declaration, function)

    return declare


if TYPE_CHECKING:
    from dlgradient.core.declaration import DERIVED, OPS
else:

    def __getattr__(name: str) -> object:
        if name not in ("DERIVED", "OPS"):
            text = f"module 'dlgradient.rules' has no attribute {name!r}"
            raise AttributeError(located(text, "reference/custom.html"), name=name)
        # The tables are whole when all functions are loaded, as the package does for its names.
        # An import would go upwards.
        dir(sys.modules["dlgradient"])
        return getattr(_declaration, name)
