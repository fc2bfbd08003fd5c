"""The node tests of the ONNX standard for images and spectra, all of them.

They are made by the modules that the standard's own backend tests come from. What the standard has
in one operator is here sometimes a composition: a crop that is resized is a sampling at a grid, and
the grid of an affine map is a product of matrices.
"""

import numpy as np
import pytest
from onnx_nodes import made

import dlgradient as dl
from dlgradient.nn.images.blocks import depth_to_space, space_to_depth
from dlgradient.nn.images.resize import dlresize
from dlgradient.nn.images.roi import roialign
from dlgradient.nn.images.sample import grid_sample
from dlgradient.nn.signal import dlstft


def text(a, name, default):
    return a.get(name, default.encode()).decode()


# -- sizes ---------------------------------------------------------------------------------------


def sampled(a, x, rows, columns):
    """The images at places that are not those of a resizing."""
    columns, rows = np.meshgrid(columns, rows)
    n, m = x.shape[2:]
    grid = np.stack([2 * columns / (m - 1) - 1, 2 * rows / (n - 1) - 1], axis=-1).astype(x.dtype)
    y = grid_sample(
        dl.dlarray(x, "BCSS"),
        np.broadcast_to(grid, (x.shape[0], *grid.shape)),
        method=text(a, "mode", "nearest"),
        padding="border",
        align_corners=True,
    )
    outside = (rows < 0) | (rows > n - 1) | (columns < 0) | (columns > m - 1)
    return y, outside


def cropped(a, x, roi, sizes):
    axes = list(a.get("axes", range(x.ndim)))
    places = []
    for axis in (2, 3):
        i = axes.index(axis)
        start, end, size, n = roi[i], roi[len(axes) + i], sizes[i], x.shape[axis]
        places.append((start + np.arange(size) / (size - 1) * (end - start)) * (n - 1))
    y, outside = sampled(a, x, *places)
    return dl.where(outside, a.get("extrapolation_value", 0.0), y)


def kept_aspect(policy, sizes, of):
    """Sizes by one factor for all, the smallest or the largest."""
    factors = np.asarray(sizes) / of
    factor = factors.min() if policy == "not_larger" else factors.max()
    return np.floor(factor * np.asarray(of) + 0.5).astype(int)


def resize(a, x, *wanted):
    mode = text(a, "coordinate_transformation_mode", "half_pixel")
    if mode == "tf_crop_and_resize":
        return cropped(a, x, *wanted)
    (wanted,) = wanted
    axes = list(a.get("axes", range(x.ndim)))
    order = np.argsort(axes)
    sizes = np.array(x.shape)[np.sort(axes)]
    wanted, options = wanted[order], {}
    if wanted.dtype.kind == "i":
        policy = text(a, "keep_aspect_ratio_policy", "stretch")
        options["output_size"] = (
            wanted if policy == "stretch" else kept_aspect(policy, wanted, sizes)
        )
    else:
        options["scale"] = wanted
        widths = sizes * wanted
        if mode == "align_corners" and (widths % 1 > 0).any():
            # The standard aligns the corner with an end that the rounded size does not reach.
            places = [
                np.arange(int(w)) * (n - 1) / (w - 1)
                for n, w in zip(sizes[2:], widths[2:], strict=True)
            ]
            return sampled(a, x, *places)[0]
    rounding = text(a, "nearest_mode", "round_prefer_floor")
    return dlresize(
        x,
        **options,
        method=text(a, "mode", "nearest"),
        geometric_transform_mode=mode.replace("_", "-"),
        nearest_rounding_mode={
            "round_prefer_floor": "round-half-down",
            "round_prefer_ceil": "round",
        }.get(rounding, rounding),
        antialias=bool(a.get("antialias", 0)),
        cubic_coefficient=a.get("cubic_coeff_a", -0.75),
        exclude_outside=bool(a.get("exclude_outside", 0)),
        data_format="".join("S" if i in axes else "U" for i in range(x.ndim)),
    )


def upsample(_, x, scales):
    return dlresize(
        x,
        scale=scales,
        geometric_transform_mode="asymmetric",
        nearest_rounding_mode="floor",
        data_format="SSSS",
    )


# -- places --------------------------------------------------------------------------------------


def gridsample(a, x, grid):
    return grid_sample(
        dl.dlarray(x, "BC" + "S" * (x.ndim - 2)),
        grid,
        method=text(a, "mode", "linear"),
        padding=text(a, "padding_mode", "zeros"),
        align_corners=bool(a.get("align_corners", 0)),
    )


def affinegrid(a, theta, size):
    coordinates = []
    for n in size[2:].tolist():
        i = np.arange(n, dtype=theta.dtype)
        coordinates.append(
            i * 2 / (n - 1) - 1 if a.get("align_corners", 0) else (2 * i + 1) / n - 1
        )
    places = np.meshgrid(*coordinates, indexing="ij")[::-1]
    homogeneous = np.stack([*places, np.ones_like(places[0])], axis=-1)
    shape = (theta.shape[0], *homogeneous.shape[:-1], theta.shape[1])
    points = homogeneous.reshape(-1, homogeneous.shape[-1])
    return dl.reshape(dl.matmul(points, dl.dlarray(theta).mT), shape)


def regions(a, x, rois, batch_indices):
    return roialign(
        dl.dlarray(x, "BCSS"),
        rois,
        (a["output_height"], a["output_width"]),
        batch_indices=batch_indices,
        roi_scale=a["spatial_scale"],
        sampling_ratio=a["sampling_ratio"] or "auto",
        method={"avg": "average", "max": "max"}[text(a, "mode", "avg")],
        geometric_transform_mode=a["coordinate_transformation_mode"].decode().replace("_", "-"),
    )


def blocks(function):
    def adapter(a, x):
        mode = {"mode": text(a, "mode", "DCR").lower()}
        return function(dl.dlarray(x, "BCSS"), a["blocksize"], **mode)

    return adapter


# -- spectra -------------------------------------------------------------------------------------


def parts(y):
    """Real and imaginary part along a last dimension."""
    return dl.stack([dl.real(y), dl.imag(y)], axis=-1)


def dft(a, x, axis=None):
    axis = int(a.get("axis", -2) if axis is None else axis)
    axis = axis % x.ndim
    real = dl.dlarray(x[..., 0])
    signal = real if x.shape[-1] == 1 else real + 1j * x[..., 1]
    inverse, onesided = a.get("inverse", 0), a.get("onesided", 0)
    if inverse and onesided:
        return dl.fft.irfft(signal, axis=axis)[..., None]
    if onesided:
        return parts(dl.fft.rfft(signal, axis=axis))
    return parts((dl.fft.ifft if inverse else dl.fft.fft)(signal, axis=axis))


def stft(_, signal, step, frame):
    window = np.ones(frame) if frame.ndim == 0 else frame
    y = dlstft(signal[..., 0], window=window, overlap_length=window.size - step, data_format="BT")
    return parts(dl.permute_dims(y, (0, 2, 1)))


ADAPTERS = {
    "resize": resize,
    "upsample": upsample,
    "gridsample": gridsample,
    "affinegrid": affinegrid,
    "roialign": regions,
    "depthtospace": blocks(depth_to_space),
    "spacetodepth": blocks(space_to_depth),
    "dft": dft,
    "stft": stft,
}


@pytest.mark.parametrize("operator", ADAPTERS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    tests = made(operator)
    assert tests
    for name, attributes, inputs, (expected,) in tests:
        y = np.asarray(ADAPTERS[operator](attributes, *inputs))
        assert y.dtype == expected.dtype, name
        # Some tests have their numbers written out, to four digits.
        atol = 1e-4 if operator in ("roialign", "gridsample") else 1e-5
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=atol, err_msg=name)
