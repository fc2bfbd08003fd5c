"""Fit the polynomials of compiled mathematical functions, and print them.

Each is of least relative weighted error on its interval: Remez's exchange, in many digits. The
output are constants of `src/dlgradient/native/maths.py`. It needs mpmath.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

one = mp.mpf(1)
POINTS = 1500  # of the grid on which the largest errors are looked for

Real = Callable[[mp.mpf], mp.mpf]


def fitted(value: Real, weight: Real, low: float, high: float, degree: int) -> list[float]:
    """Return the coefficients of a polynomial p, constant term first, and print its error.

    The largest value of ``|p(z) - value(z)| * weight(z)`` is least.
    """
    low, high = mp.mpf(low), mp.mpf(high)
    zs = [(low + high - (high - low) * mp.cos(mp.pi * i / POINTS)) / 2 for i in range(POINTS + 1)]
    rows = [(z, value(z), weight(z)) for z in zs]
    count = degree + 2
    places = [rows[round(POINTS * i / (count - 1))] for i in range(count)]
    best, least = [], mp.inf
    for _ in range(12):
        matrix = [
            [*[z**k for k in range(degree + 1)], (-1) ** i / w]
            for i, (z, _, w) in enumerate(places)
        ]
        *coefficients, _ = mp.lu_solve(mp.matrix(matrix), mp.matrix([v for _, v, _ in places]))
        rounded = [mp.mpf(float(c)) for c in coefficients]
        error = max(abs(mp.polyval(rounded[::-1], z) - v) * w for z, v, w in rows)
        if error < least:
            best, least = rounded, error
        places = extremes(coefficients, rows)[:count]
        if len(places) < count:
            break
    print(f"# degree {degree}, error {mp.nstr(least, 3)}")
    return [float(c) for c in best]


def extremes(coefficients: list[mp.mpf], rows: list[tuple]) -> list[tuple]:
    """Return places where the error is largest between its changes of sign."""
    found: list[tuple] = []
    last = mp.mpf(0)
    for row in rows:
        z, v, w = row
        error = (mp.polyval(coefficients[::-1], z) - v) * w
        if not found or mp.sign(error) != mp.sign(last):
            found.append(row)
            last = error
        elif abs(error) > abs(last):
            found[-1] = row
            last = error
    return found


def tanh_part(z: mp.mpf) -> mp.mpf:
    """(tanh(x) - x) / x³ with z = x²."""
    x = mp.sqrt(z)
    return (mp.tanh(x) - x) / x**3 if z > mp.mpf("1e-12") else 2 * z / 15 - one / 3


def tan_part(z: mp.mpf) -> mp.mpf:
    """(tan(x) - x) / x³ with z = x²."""
    x = mp.sqrt(z)
    return (mp.tan(x) - x) / x**3 if z > mp.mpf("1e-12") else one / 3 + 2 * z / 15


def erf_part(z: mp.mpf) -> mp.mpf:
    """erf(x) / x - 1 with z = x²."""
    x = mp.sqrt(z)
    return (mp.erf(x) / x if z > mp.mpf("1e-20") else 2 / mp.sqrt(mp.pi)) - 1


def main() -> None:
    """Print all constants."""
    mp.mp.dps = 60
    # Near zero, all of tanh and tan is the first term.
    jobs = {
        "TANH": (tanh_part, lambda z: z + 1e-6, 0, 0.625**2 * 1.001, (4, 10)),
        "TAN": (tan_part, lambda z: z + 1e-6, 0, (mp.pi / 4) ** 2 * 1.005, (6, 13)),
        "ERF_SMALL": (erf_part, lambda _: one, 0, 1.001, (6, 11)),
    }
    for name, (value, weight, low, high, degrees) in jobs.items():
        print(f"_{name} = {{")
        for kind, degree in zip(("float", "double"), degrees, strict=True):
            show(kind, fitted(value, weight, low, high, degree))
        print("}")
    print("_ERF_LARGE = {")
    for kind, last, degree in (("float", 4, 6), ("double", 6, 17)):
        show(kind, fitted(log_of_rest, lambda t: mp.erfc(t) / mp.erf(t), 1, last, degree))
    print("}")


def log_of_rest(t: mp.mpf) -> mp.mpf:
    """log(1 - erf(t))."""
    return mp.log(mp.erfc(t))


def show(kind: str, coefficients: list[float]) -> None:
    """Print the coefficients of a kind of numbers."""
    print(f'    "{kind}": (')
    for c in coefficients:
        print(f"        {c!r},")
    print("    ),")


if __name__ == "__main__":
    main()
