"""Prints the polynomial that `ops/real.rs` uses for the Gaussian's tail in f32.

exp(z^2) erfc(z) / 2 = t P(u), with t = 1 / (1 + 0.3275911 z) and u the affine image of t on [-1, 1] for z in [0, 10.5].
P is fitted by iteratively reweighted least squares, which comes close to the minimax polynomial; mpmath gives
the values to 40 digits. Run: python erfc_coefficients.py
"""

import numpy
from mpmath import erfc, exp, mp, mpf

mp.dps = 40
SLOPE, LARGEST, DEGREE, NODES = 0.3275911, 10.5, 7, 400

low = 1 / (1 + SLOPE * LARGEST)
chebyshev = numpy.cos(numpy.pi * (numpy.arange(NODES) + 0.5) / NODES)
t = low + (1 - low) * (chebyshev + 1) / 2


def scaled(value):
    z = (1 / mpf(value) - 1) / SLOPE
    return float(exp(z * z) * erfc(z) / value / 2)


expected = numpy.array([scaled(value) for value in t])
basis = numpy.polynomial.chebyshev.chebvander(chebyshev, DEGREE)
weights = numpy.ones(NODES)
for _ in range(200):
    scale = weights / expected
    fitted = numpy.linalg.lstsq(basis * scale[:, None], expected * scale, rcond=None)[0]
    error = numpy.abs(basis @ fitted / expected - 1)
    weights *= (error / error.max() + 1e-3) ** 0.5
    weights /= weights.max()
print("largest relative error", error.max())
print("u = scale t - shift, scale and shift:", 2 / (1 - low), 1 + 2 * low / (1 - low))
for coefficient in numpy.polynomial.chebyshev.cheb2poly(fitted):
    print(f"{coefficient:.9e},")
