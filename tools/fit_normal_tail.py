"""Fit the polynomial by which `dlgradient.gelu` computes Φ in single precision, and print it.

Φ(-z) exp(z²/2) = u Q(u) with u = 1 / (1 + BEND z). Q has the least relative error on 0 ≤ z ≤ LAST:
Remez's exchange, in thirty digits. The output is the constant `_TAIL` of
`src/dlgradient/nn/activations/smooth.py`. It needs mpmath.
"""

from __future__ import annotations

import mpmath as mp

DEGREE = 8
BEND = mp.mpf("0.345")
LAST = mp.mpf("14.5")  # Φ(-14.5) is the smallest number of single precision, about
POINTS = 2000  # of the grid on which the largest errors are looked for


def scaled_tail(z: mp.mpf) -> mp.mpf:
    """Φ(-z) exp(z²/2)."""
    return mp.erfc(z / mp.sqrt(2)) * mp.exp(z * z / 2) / 2


def basis(z: mp.mpf) -> list[mp.mpf]:
    """Terms of u Q(u) over the function, so that their sum is one where the fit is exact."""
    u = 1 / (1 + BEND * z)
    below = scaled_tail(z)
    return [u ** (k + 1) / below for k in range(DEGREE + 1)]


def levelled(zs: list[mp.mpf]) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients whose errors at the given places are equal, with alternating signs."""
    rows = [[*basis(z), mp.mpf(-1) ** i] for i, z in enumerate(zs)]
    *coefficients, level = mp.lu_solve(mp.matrix(rows), mp.matrix([1] * len(zs)))
    return coefficients, abs(level)


def extremes(coefficients: list[mp.mpf], grid: list[tuple[mp.mpf, list[mp.mpf]]]) -> list[mp.mpf]:
    """Places where the error is largest between its changes of sign."""
    errors = [(z, 1 - mp.fdot(coefficients, terms)) for z, terms in grid]
    found = [errors[0]]
    for z, error in errors[1:]:
        if mp.sign(error) != mp.sign(found[-1][1]):
            found.append((z, error))
        elif abs(error) > abs(found[-1][1]):
            found[-1] = (z, error)
    return [z for z, _ in found]


def main() -> None:
    """Print the error, and the coefficients, highest power first."""
    mp.mp.dps = 30
    us = [mp.cos(mp.pi * i / POINTS) for i in range(POINTS + 1)]
    low = 1 / (1 + BEND * LAST)
    zs = [(2 / (1 + low + (1 - low) * c) - 1) / BEND for c in us]
    grid = [(z, basis(z)) for z in zs]
    count = DEGREE + 2
    places = [zs[round(POINTS * i / (count - 1))] for i in range(count)]
    for _ in range(20):
        coefficients, level = levelled(places)
        found = extremes(coefficients, grid)
        if len(found) != count or found == places:
            break
        places = found
    print(f"# relative error {mp.nstr(level, 3)}")
    print("_TAIL = (")
    for c in reversed(coefficients):
        print(f"    {float(c)!r},")
    print(")")


if __name__ == "__main__":
    main()
