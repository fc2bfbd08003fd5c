"""What to write for functions of SciPy's modules, whose names mean something else in other places.

``scipy.stats.norm`` is a distribution, and ``scipy.ndimage.sum`` has labels. So the tables of
`expressions` and `counterparts`, which are by name only, do not answer for these modules. Their
own expressions are here, in the same form, with a note for all other names. Errors of a traced
dlarray in a function of SciPy say it, and so do the tables of ``docs/supported/scipy.md``. Tests
compare each expression with SciPy's function.
"""

from __future__ import annotations

from functools import cache

from dlgradient.interop.expressions import Expression, parsed

__all__ = ["MODULES", "expressions_of", "note_of"]

_CONVOLVE = (
    "fft.irfft(fft.rfft(x, n=x.size + y.size - 1) * fft.rfft(y, n=x.size + y.size - 1), "
    "n=x.size + y.size - 1) # real vectors, mode full: convolve fftconvolve oaconvolve"
)
_WRITE = {
    "scipy.signal": _CONVOLVE
    + """
fft.irfft(fft.rfft(x, n=x.size + y.size - 1) * fft.rfft(flip(y), n=x.size + y.size - 1), n=x.size +
  y.size - 1) # real vectors, mode full: correlate
fft.ifft(fft.fft(x) * (1 + np.sign(np.arange(x.size) * (x.size - 2 * np.arange(x.size))))): hilbert
matmul(np.exp(-1j * np.outer(np.linspace(0, np.pi, 5, endpoint=False), np.arange(x.size))), x) # a
  filter without feedback, worN=5: freqz
abs2(fft.rfft(x - mean(x))) * np.r_[1, [2] * ((x.size - 1) // 2), [1] * (1 - x.size % 2)] / x.size
  # a real vector: periodogram
""",
    "scipy.ndimage": """
sum(x) # without labels: sum
mean(x) # without labels: mean
max(x) # without labels: maximum
min(x) # without labels: minimum
var(x) # without labels: variance
std(x) # without labels: standard_deviation
sum(np.arange(x.size) * x) / sum(x) # of a vector: center_of_mass
""",
    "scipy.integrate": """
sum(np.diff(x) * (y[1:] + y[:-1]) / 2) # y over x; sum(y[1:] + y[:-1]) / 2 # y alone, with steps
  of 1: trapezoid
cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2): cumulative_trapezoid
(x[0] + 4 * sum(x[1:-1:2]) + 2 * sum(x[2:-1:2]) + x[-1]) / 3 # an odd number of values, with steps
  of 1: simpson
sum(np.polynomial.legendre.leggauss(20)[1] * exp(x[0] * np.polynomial.legendre.leggauss(20)[0])) #
  of exp(x[0] * s) over s from -1 to 1: quad fixed_quad
dlode45(lambda t, y: -y, [0, 1], x): solve_ivp odeint
""",
    "scipy.interpolate": """
matmul(scipy.interpolate.CubicSpline(np.arange(3), np.eye(3))([0.5, 1.5]), x) # the values at 0.5
  and 1.5: CubicSpline
matmul(scipy.interpolate.make_interp_spline(np.arange(3), np.eye(3), k=2)([0.5, 1.5]), x) # the
  values at 0.5 and 1.5: make_interp_spline
""",
    "scipy.sparse": "",
    "scipy.stats": """
(x - mean(x)) / std(x): zscore
exp(mean(log(x))): gmean
1 / mean(1 / x): hmean
std(x, correction=1) / sqrt(x.size): sem
std(x) / mean(x): variation
mean((x - mean(x)) ** 3) / std(x) ** 3: skew
mean((x - mean(x)) ** 4) / std(x) ** 4 - 3: kurtosis
-sum(x / sum(x) * log(x / sum(x))) # of positive weights x: entropy
mean((x - mean(x)) * (y - mean(y))) / (std(x) * std(y)) # the statistic: pearsonr
sum((x - mean(x)) * (y - mean(y))) / sum(square(x - mean(x))) # the slope: linregress
-square(x) / 2 - np.log(2 * np.pi) / 2 # logpdf(x): norm
-x # logpdf(x) for positive x: expon
-abs(x) - np.log(2) # logpdf(x): laplace
-log1p(square(x)) - np.log(np.pi) # logpdf(x): cauchy
-x - 2 * softplus(-x) # logpdf(x): logistic
-square(log(x)) / (2 * n**2) - log(x) - np.log(n) - np.log(2 * np.pi) / 2 # logpdf(x, n): lognorm
(n - 1) * log(x) - x - scipy.special.gammaln(n) # logpdf(x, n), a constant n: gamma
-(n + 1) / 2 * log1p(square(x) / n) + scipy.stats.t.logpdf(0, n) # logpdf(x, n), a constant n: t
""",
}

_CONSTANT = "makes a constant; call SciPy's function, and use its result with dlarrays"
_SIGNALS = "[Signals](../recipes/signals.md)"
_SPARSE = (
    "is about sparse matrices, which are constants. A product with one is the operation "
    "SparseProduct of the page [Linear systems](../recipes/linear-systems.md), or take A.toarray() "
    "if it is small"
)
# Notes by module, and the names that they are for; the last one is for all others.
_NOTES: dict[str, dict[str, str]] = {
    "scipy.signal": {
        _CONSTANT: (
            "bessel besselap buttap butter buttord cheb1ap cheb1ord cheb2ap cheb2ord cheby1 cheby2 "
            "check_COLA check_NOLA chirp choose_conv_method correlation_lags czt_points ellip "
            "ellipap ellipord findfreqs firls firwin firwin2 firwin_2d gammatone gauss_spline "
            "gausspulse get_window iircomb iirdesign iirfilter iirnotch iirpeak kaiser_atten "
            "kaiser_beta kaiserord max_len_seq remez savgol_coeffs sawtooth square unit_impulse "
            "buttord closest_STFT_dual_window"
        ),
        "gives places, which carry no derivative; call SciPy's function with extractdata(x)": (
            "argrelextrema argrelmax argrelmin find_peaks find_peaks_cwt peak_prominences "
            "peak_widths"
        ),
        "is dlstft or dlistft here, without SciPy's scaling and padding": "stft istft spectrogram",
        (
            f"is mostly linear in the signal, and the page {_SIGNALS} makes an operation of such a "
            "function. It also has lfilter, freqz and hilbert"
        ): "",
    },
    "scipy.fft": {
        (
            f"is linear, and the page {_SIGNALS} makes an operation of a linear function and its "
            "adjoint"
        ): "",
    },
    "scipy.interpolate": {
        (
            f"is mostly linear in the values, and the page {_SIGNALS} multiplies by the matrix. "
            "For derivatives by the places, take interp of the "
            "page [Coming from NumPy](../coming-from/numpy.md)"
        ): "",
    },
    "scipy.ndimage": {
        "gives labels, places or masks; call SciPy's function with extractdata(x)": (
            "binary_closing binary_dilation binary_erosion binary_fill_holes binary_hit_or_miss "
            "binary_opening binary_propagation distance_transform_bf distance_transform_cdt "
            "distance_transform_edt find_objects generate_binary_structure histogram "
            "iterate_structure label maximum_position minimum_position value_indices "
            "watershed_ift"
        ),
        (
            f"is mostly linear, and the page {_SIGNALS} makes an operation of a linear function "
            "and its adjoint. dlconv is a filter with any kernel, and dlresize changes the size of "
            "an image"
        ): "",
    },
    "scipy.integrate": {
        "is Newton's method for the equations of each point, as on the page [Implicit derivatives]"
        "(../recipes/implicit-derivatives.md)": "solve_bvp",
        (
            "is for functions of NumPy; write the sum of a rule with constant nodes, as for quad, "
            "or the solver dlode45"
        ): "",
    },
    "scipy.sparse": {_SPARSE: ""},
    "scipy.stats": {
        (
            "needs a formula. That of a log-density is -square(x) / 2 - log(2 * pi) / 2 for norm, "
            "and others are made with gammaln of the page "
            "[Special functions](../recipes/special-functions.md)"
            ". A test gives a decision, so call it with extractdata(x)"
        ): "",
    },
}
MODULES = frozenset(_NOTES)


@cache
def expressions_of(module: str) -> dict[str, tuple[Expression, ...]]:
    """Return the expressions for names of a module of SciPy.

    Examples
    --------
    >>> expressions_of("scipy.stats")["gmean"]
    (Expression(text='exp(mean(log(x)))', when=''),)
    """
    text = _WRITE.get(module, "")
    return parsed(text) if text else {}


def note_of(module: str, name: str) -> str:
    """Return what is said of a name of a module without an expression.

    Examples
    --------
    >>> note_of("scipy.signal", "butter")[:18]
    'makes a constant; '
    """
    notes = _NOTES[module]
    return next(note for note, names in notes.items() if not names or name in names.split())
