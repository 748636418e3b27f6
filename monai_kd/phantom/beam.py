# SPDX-License-Identifier: Apache-2.0
"""The blur by which pulse and beam turn scatterers into speckle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from monai_kd.phantom.tissue import Field

Echo = NDArray[np.complexfloating]


def blur(echo: Echo, deviation: Field, axis: int) -> Echo:
    """
    Convolve one axis with a Gaussian that preserves the power of white noise: the squares of its weights sum to 1.

    Args:
        echo: complex echoes, of any rank; overwritten.
        deviation: standard deviation in samples, of length 1 on ``axis`` and broadcast along the others.
        axis: the axis to blur; beyond its ends, the echoes are zero.
    """
    count = echo.shape[axis]
    length = fft.next_fast_len(count + 30)
    frequency = 2 * math.pi * fft.fftfreq(length).astype(np.float32)
    frequency = frequency.reshape([-1 if number == axis else 1 for number in range(echo.ndim)])
    transfer = np.exp(np.square(deviation * frequency) * -0.5) * np.sqrt(deviation * (2 * math.sqrt(math.pi)))
    spectrum = fft.fft(echo, length, axis=axis, overwrite_x=True) * transfer
    blurred = fft.ifft(spectrum, axis=axis, overwrite_x=True)
    return blurred[tuple(slice(count) if number == axis else slice(None) for number in range(echo.ndim))]
