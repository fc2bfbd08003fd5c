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

__all__ = ["BY_NAME", "MODULES", "expressions_of", "note_of"]

_CONVOLVE = (
    "fft.irfft(fft.rfft(x, n=x.size + y.size - 1) * fft.rfft(y, n=x.size + y.size - 1), "
    "n=x.size + y.size - 1) # real vectors, mode full: convolve fftconvolve oaconvolve"
)
_WRITE = {
    "scipy.signal": _CONVOLVE
    + """
fft.irfft(fft.rfft(x, n=x.size + y.size - 1) * fft.rfft(flip(y), n=x.size + y.size - 1), n=x.size +
  y.size - 1) # real vectors, mode full: correlate
fft.ifft(fft.fft(x) * (1 + np.sign(np.arange(x.shape[-1]) * (x.shape[-1] - 2 *
  np.arange(x.shape[-1]))))): hilbert
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
mean(x[np.argsort(x)][(x.size - 1) // 2 : x.size // 2 + 1]) # of a vector, without labels: median
""",
    "scipy.integrate": """
sum(np.diff(x) * (y[..., 1:] + y[..., :-1]) / 2, axis=-1) # y over x, the last axis; sum(y[..., 1:]
  + y[..., :-1], axis=-1) / 2 # y alone, with steps of 1: trapezoid
cumsum(np.diff(x) * (y[..., 1:] + y[..., :-1]) / 2, axis=-1) # y over x: cumulative_trapezoid
matmul(x, scipy.integrate.simpson(np.eye(x.shape[-1]))) # with steps of 1: simpson
matmul(x, scipy.integrate.romb(np.eye(x.shape[-1]))) # with steps of 1: romb
matmul(x, scipy.integrate.cumulative_simpson(np.eye(x.shape[-1]))) # with steps of 1:
  cumulative_simpson
sum(np.polynomial.legendre.leggauss(20)[1] * exp(x[0] * np.polynomial.legendre.leggauss(20)[0])) #
  of exp(x[0] * s) over s from -1 to 1: quad fixed_quad
dlode45(lambda t, y: -y, [0, 1], x) # dy/dt = -y from x at t = 0, the value at t = 1: solve_ivp
  odeint
""",
    "scipy.interpolate": """
matmul(scipy.interpolate.CubicSpline(np.arange(len(x)), np.eye(len(x)))([0.5, 1.5]), x) # the values
  at 0.5 and 1.5: CubicSpline
matmul(scipy.interpolate.make_interp_spline(np.arange(len(x)), np.eye(len(x)), k=2)([0.5, 1.5]), x)
  # the values at 0.5 and 1.5, k=2: make_interp_spline
""",
    "scipy.sparse": "",
    "scipy.stats": """
(x - mean(x, axis=0)) / std(x, axis=0): zscore
exp(mean(log(x), axis=0)): gmean
1 / mean(1 / x, axis=0): hmean
std(x, axis=0, correction=1) / np.sqrt(len(x)): sem
std(x, axis=0) / mean(x, axis=0): variation
mean((x - mean(x, axis=0)) ** 3, axis=0) / std(x, axis=0) ** 3: skew
mean((x - mean(x, axis=0)) ** 4, axis=0) / std(x, axis=0) ** 4 - 3: kurtosis
-sum(x / sum(x, axis=0) * log(x / sum(x, axis=0)), axis=0) # of positive weights x: entropy
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
_SORTED = (
    "is made of the sorted neighbours; stack slices of x, and sort them, "
    "take_along_axis(s, np.argsort(s, axis=0), axis=0)"
)
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
            "closest_STFT_dual_window"
        ),
        "gives places, which carry no derivative; call SciPy's function with extractdata(x)": (
            "argrelextrema argrelmax argrelmin find_peaks find_peaks_cwt peak_prominences "
            "peak_widths"
        ),
        "is dlstft or dlistft here, without SciPy's scaling and padding": "stft istft spectrogram",
        (
            "is about the coefficients of filters and systems; call SciPy's function for those "
            f"that are constants. The page {_SIGNALS} differentiates a response by coefficients"
        ): (
            "abcd_normalize band_stop_obj bilinear bilinear_zpk bode cont2discrete dbode dfreqresp "
            "dimpulse dstep freqresp freqs freqs_zpk freqz_sos freqz_zpk group_delay impulse "
            "invres invresz lfilter_zi lfiltic lp2bp lp2bp_zpk lp2bs lp2bs_zpk lp2hp lp2hp_zpk "
            "lp2lp lp2lp_zpk minimum_phase normalize place_poles residue residuez sos2tf sos2zpk "
            "sosfilt_zi sosfreqz ss2tf ss2zpk step sweep_poly tf2sos tf2ss tf2zpk unique_roots "
            "zpk2sos zpk2ss zpk2tf"
        ),
        "is not linear in the signal; write its formula, with fft.rfft, dlstft and abs2": (
            "coherence csd envelope lombscargle vectorstrength welch wiener"
        ),
        _SORTED: "medfilt medfilt2d order_filter",
        (
            f"is linear in the signal, and the page {_SIGNALS} makes an operation of such a "
            "function. It also has lfilter, freqz and hilbert"
        ): "",
    },
    "scipy.fft": {
        "is about sizes and settings; call it with what is not traced": (
            "fhtoffset get_workers next_fast_len prev_fast_len register_backend set_backend "
            "set_global_backend set_workers skip_backend"
        ),
        (
            f"is linear, and the page {_SIGNALS} makes an operation of a linear function and its "
            "adjoint"
        ): "",
    },
    "scipy.interpolate": {
        (
            "is not linear in the values; write its formula, or take a spline with given knots, "
            "as make_lsq_spline"
        ): (
            "AAA Akima1DInterpolator PchipInterpolator SmoothBivariateSpline "
            "SmoothSphereBivariateSpline UnivariateSpline approximate_taylor_polynomial bisplrep "
            "generate_knots make_smoothing_spline make_splprep make_splrep pade "
            "pchip_interpolate splprep sproot"
        ),
        (
            f"is linear in the values, and the page {_SIGNALS} multiplies by the matrix. "
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
        "is min(x) and max(x), and their places": "extrema",
        (
            "is made of the largest or smallest of neighbours; write maximum or minimum of slices "
            "of x, or maxpool"
        ): (
            "black_tophat grey_closing grey_dilation grey_erosion grey_opening maximum_filter "
            "maximum_filter1d minimum_filter minimum_filter1d morphological_gradient "
            "morphological_laplace white_tophat"
        ),
        _SORTED: "median_filter percentile_filter rank_filter",
        "calls a function of NumPy for each part; write that function with slices of x": (
            "generic_filter generic_filter1d generic_gradient_magnitude generic_laplace "
            "labeled_comprehension vectorized_filter"
        ),
        (
            "is the square root of a sum of squares of linear functions, of which the page "
            f"{_SIGNALS} makes operations"
        ): "gaussian_gradient_magnitude",
        (
            f"is linear, and the page {_SIGNALS} makes an operation of a linear function "
            "and its adjoint. dlconv is a filter with any kernel, and dlresize changes the size of "
            "an image"
        ): "",
    },
    "scipy.integrate": {
        "is Newton's method for the equations of each point, as on the page [Implicit derivatives]"
        "(../recipes/implicit-derivatives.md)": "solve_bvp",
        _CONSTANT: "lebedev_rule newton_cotes",
        (
            "is for functions of NumPy; write the sum of a rule with constant nodes, as for quad, "
            "or the solver dlode45"
        ): "",
    },
    "scipy.sparse": {_SPARSE: ""},
    "scipy.stats": {
        (
            "is a formula to write, as -square(x) / 2 - np.log(2 * np.pi) / 2 is the logpdf of "
            "norm. For gammaln see the page [Special functions](../recipes/special-functions.md). "
            "Call a test of a hypothesis with extractdata(x)"
        ): "",
    },
}
MODULES = frozenset(_NOTES)
# Other modules whose names the tables by name answer, but for those that mean something else there.
BY_NAME: dict[str, tuple[str, ...]] = {
    "scipy.linalg": ("polar",),
    "scipy.spatial.distance": ("hamming",),
    "scipy.special": ("bernoulli", "huber", "jvp"),
}


@cache
def expressions_of(module: str) -> dict[str, tuple[Expression, ...]]:
    """Return the expressions for names of a module of SciPy.

    Examples
    --------
    >>> expressions_of("scipy.stats")["gmean"]
    (Expression(text='exp(mean(log(x), axis=0))', when=''),)
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
