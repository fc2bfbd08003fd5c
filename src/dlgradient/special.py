"""The namespace ``dlgradient.special``: special functions with SciPy's names.

SciPy's ufuncs of these names, as ``scipy.special.gammaln``, answer on dlarrays by themselves.

Examples
--------
>>> x = dl.dlarray([1.0, 2.0])
>>> slope = dl.dlfeval(lambda x: dl.dlgradient(dl.special.gammaln(x).sum(), x), x)
>>> slope.round(decimals=6).tolist()
[-0.577216, 0.422784]
"""

from dlgradient.nn.activations.smooth import erf
from dlgradient.ops.special.bessel import exp1, expi, expn, iv, ive, jv, kv, kve, yv
from dlgradient.ops.special.entropies import (
    entr,
    kl_div,
    lambertw,
    log_expit,
    logit,
    logsumexp,
    rel_entr,
    xlog1py,
    xlogy,
)
from dlgradient.ops.special.gammas import (
    beta,
    betainc,
    betaln,
    digamma,
    gamma,
    gammaln,
    polygamma,
    zeta,
)
from dlgradient.ops.special.incomplete import gammainc, gammaincc
from dlgradient.ops.special.normal import erfc, erfcinv, erfcx, erfinv, log_ndtr, ndtr, ndtri

__all__ = [
    "beta",
    "betainc",
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp1",
    "expi",
    "expn",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "iv",
    "ive",
    "jv",
    "kl_div",
    "kv",
    "kve",
    "lambertw",
    "log_expit",
    "log_ndtr",
    "logit",
    "logsumexp",
    "ndtr",
    "ndtri",
    "polygamma",
    "rel_entr",
    "xlog1py",
    "xlogy",
    "yv",
    "zeta",
]
