"""What the sections See Also of elementwise functions say, in one table.

Other docstrings contain such a section. Those of elementwise functions are completed by
`dlgradient.core.docstrings`, so that an operation stays one short block.
"""

from __future__ import annotations

from functools import cache

__all__ = ["see_also"]

# Function, what it is, and the functions next to it. The last ones are not completed themselves.
_TABLE = """
add: sum of two arrays; subtract sum
subtract: difference of two arrays; add negative
multiply: product of two arrays, elementwise; divide matmul
divide: quotient of two arrays; multiply floor_divide reciprocal
floor_divide: quotient, rounded down; divide remainder floor
remainder: remainder, of the sign of the divisor; floor_divide fmod
fmod: remainder, of the sign of the dividend; remainder floor_divide trunc
negative: the opposite number; positive subtract abs
positive: the number itself; negative abs
bitwise_and: bits that both have; bitwise_or bitwise_xor logical_and
bitwise_or: bits that at least one has; bitwise_and bitwise_xor logical_or
bitwise_xor: bits that differ; bitwise_and bitwise_or logical_xor
bitwise_invert: all bits inverted; bitwise_xor logical_not
bitwise_left_shift: bits moved to the left; bitwise_right_shift
bitwise_right_shift: bits moved to the right; bitwise_left_shift
maximum: larger of two elements; minimum max where clip
minimum: smaller of two elements; maximum min where clip
where: elements of two arrays, chosen by a condition; maximum minimum clip
abs: absolute value; abs2 sign angle
abs2: square of the absolute value; abs square
angle: phase of a complex number; abs atan2
complex: complex number of a real and an imaginary part; real imag
conj: complex conjugate; real imag abs2
imag: imaginary part; real conj complex
real: real part; imag conj complex
sign: sign, or direction of a complex number; abs copysign signbit
exp: exponential; expm1 exp2 log
exp2: two to the power x; exp log2 pow
expm1: exponential minus one, accurate near 0; exp log1p
log: natural logarithm; log1p log2 log10 exp
log1p: natural logarithm of one plus x, accurate near 0; log expm1
log2: logarithm to the base 2; log log10 exp2
log10: logarithm to the base 10; log log2
logaddexp: logarithm of a sum of exponentials; log exp log_softmax
equal: whether elements are equal; not_equal isnan where
not_equal: whether elements differ; equal where
greater: whether elements are greater; greater_equal less maximum
greater_equal: whether elements are greater or equal; greater less_equal
less: whether elements are less; less_equal greater minimum
less_equal: whether elements are less or equal; less greater_equal
isfinite: whether elements are finite; isinf isnan where
isinf: whether elements are infinite; isfinite isnan
isnan: whether elements are NaN; isfinite isinf where
logical_and: whether both are true; logical_or logical_not all
logical_or: whether at least one is true; logical_and logical_xor any
logical_xor: whether exactly one is true; logical_or not_equal
logical_not: whether elements are false; logical_and equal
cbrt: cube root; sqrt pow
hypot: length of the hypotenuse; abs sqrt atan2
pow: x to the power y; square sqrt exp
reciprocal: one divided by x; divide
sqrt: square root; square cbrt hypot
square: square; sqrt abs2 pow
ceil: rounded up; floor round trunc
floor: rounded down; ceil round trunc
round: rounded to the nearest integer, or to decimals; floor ceil trunc
trunc: rounded towards zero; floor ceil round
nextafter: next number of the dtype; round signbit
copysign: number with the sign of another; sign signbit
signbit: whether the sign is negative; sign copysign
acos: inverse cosine; asin atan cos
acosh: inverse hyperbolic cosine; asinh atanh cosh
asin: inverse sine; acos atan sin
asinh: inverse hyperbolic sine; acosh atanh sinh
atan: inverse tangent; atan2 asin tan
atan2: angle of a point; atan angle hypot
atanh: inverse hyperbolic tangent; asinh acosh tanh
cos: cosine; sin acos
cosh: hyperbolic cosine; sinh tanh acosh
sin: sine; cos asin
sinh: hyperbolic sine; cosh tanh asinh
tan: tangent; sin cos atan
tanh: hyperbolic tangent; sigmoid atanh sinh
complexrelu: rectified linear unit of both parts; zrelu relu
zrelu: rectified linear unit of one quadrant; complexrelu relu
relu: rectified linear unit; leakyrelu gelu softplus clippedrelu
selu: scaled exponential linear unit; elu relu
erf: error function; dlgradient.gelu dlgradient.exp
mish: x times tanh of softplus; swish gelu softplus
sigmoid: logistic function; hardsigmoid tanh softmax
softplus: smooth form of relu; relu logaddexp mish
softsign: x divided by 1 + abs(x); tanh sigmoid
swish: x times sigmoid; gelu mish sigmoid
erfc: complementary error function; erfcx erfcinv ndtr
erfcx: scaled complementary error function; erfc
erfinv: inverse of the error function; erfcinv ndtri
erfcinv: inverse of the complementary error function; erfinv erfc
ndtr: normal distribution function; log_ndtr ndtri
log_ndtr: logarithm of the normal distribution function; ndtr
ndtri: quantile of the normal distribution; ndtr erfinv
gamma: gamma function; gammaln beta
gammaln: logarithm of the gamma function; gamma digamma
digamma: derivative of the logarithm of the gamma function; polygamma gammaln
polygamma: derivatives of digamma; digamma
beta: beta function; betaln gamma
betaln: logarithm of the beta function; beta gammaln
betainc: incomplete beta function; beta gammainc
gammainc: lower incomplete gamma function; gammaincc gamma
gammaincc: upper incomplete gamma function; gammainc gamma
zeta: Hurwitz zeta function; polygamma
jv: Bessel function of the first kind; yv iv
yv: Bessel function of the second kind; jv kv
iv: modified Bessel function of the first kind; ive kv
kv: modified Bessel function of the second kind; kve iv
ive: scaled modified Bessel function of the first kind; iv
kve: scaled modified Bessel function of the second kind; kv
expi: exponential integral; exp1
exp1: exponential integral of order one; expn expi
expn: exponential integral of an order; exp1
xlogy: product x log(y); xlog1py entr
xlog1py: product x log(1 + y); xlogy
entr: term of an entropy; rel_entr kl_div
rel_entr: term of a relative entropy; entr kl_div
kl_div: term of a Kullback-Leibler divergence; rel_entr entr
logit: logarithm of the odds; log_expit
log_expit: logarithm of the logistic function; logit
clip: values limited to an interval
matmul: matrix product
max: largest element
min: smallest element
sum: sum of elements
all: whether all elements are true
any: whether some element is true
clippedrelu: rectified linear unit with a ceiling
elu: exponential linear unit
hardsigmoid: sigmoid of straight lines
leakyrelu: rectified linear unit with a slope below zero
gelu: Gaussian error linear unit
log_softmax: logarithm of softmax, accurate
softmax: exponentials with the sum one
"""


@cache
def _rows() -> dict[str, tuple[str, list[str]]]:
    rows = {}
    for line in _TABLE.strip().splitlines():
        name, _, rest = line.partition(": ")
        what, _, related = rest.partition("; ")
        rows[name] = what, related.split()
    return rows


def see_also(name: str) -> list[str]:
    """Return the lines of a section See Also; none for a function that is not in the table.

    Examples
    --------
    >>> see_also("sqrt")
    ['square : square', 'cbrt : cube root', 'hypot : length of the hypotenuse']
    """
    rows = _rows()
    _, related = rows.get(name, ("", []))
    # A function of two modules names others in full, so that both pages find them.
    return [f"{other} : {rows[other.removeprefix('dlgradient.')][0]}" for other in related]
