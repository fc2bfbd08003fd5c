"""Losses, images, transforms, array functions and optimisers, against torch: a row a setting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import Input, Row, check, complex_normal, normal, positive, rows, within
from torch.nn import functional as nnf

import dlgradient as dl

INDICES = np.arange(12).reshape(3, 4) * 7 % 5

# -- losses --------------------------------------------------------------------------------------

CLASSES = np.array([1, 0, 3, 3, 2])
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.3])
LOGITS = normal("BC", 5, 4)
PAIR = [normal("BC", 5, 4), normal("BC", 5, 4)]
# What the results of torch's reductions correspond to here.
REDUCTIONS = {
    "none": {"reduction": "none"},
    "sum": {"normalization_factor": "none"},
    "mean": {"normalization_factor": "all-elements"},
}


def _reduced(name, inputs, ours, peer):
    """Return a row for every reduction of a loss."""
    return [
        Row(
            f"{name} {reduction}",
            inputs,
            lambda *a, s=settings: ours(*a, **s),
            lambda *a, r=reduction: peer(*a, reduction=r),
        )
        for reduction, settings in REDUCTIONS.items()
    ]


@rows(
    [
        *_reduced("l1", PAIR, dl.l1loss, nnf.l1_loss),
        *_reduced("l2", PAIR, dl.l2loss, nnf.mse_loss),
        *_reduced(
            "huber",
            PAIR,
            lambda *a, **s: dl.huber(*a, transition_point=0.7, **s),
            lambda *a, **s: nnf.huber_loss(*a, delta=0.7, **s),
        ),
        *_reduced(
            "Kullback-Leibler",
            [within("BC", 5, 4), within("BC", 5, 4)],
            dl.kldivergence,
            lambda y, t, **s: nnf.kl_div(torch.log(y), t, **s),
        ),
        *_reduced(
            "binary",
            [within("BC", 5, 4), within("BC", 5, 4)],
            lambda *a, **s: dl.crossentropy(*a, classification_mode="multilabel", **s),
            nnf.binary_cross_entropy,
        ),
        *_reduced(
            "binary of logits",
            [LOGITS, within("BC", 5, 4)],
            lambda *a, **s: dl.crossentropy(
                *a, classification_mode="multilabel", from_logits=True, **s
            ),
            nnf.binary_cross_entropy_with_logits,
        ),
        *_reduced(
            "index cross-entropy",
            [LOGITS],
            lambda y, **s: dl.indexcrossentropy(y, CLASSES, from_logits=True, **s),
            lambda y, **s: nnf.cross_entropy(y, torch.tensor(CLASSES), **s),
        ),
        Row(
            "half mean square",
            PAIR,
            dl.mse,
            lambda y, t: nnf.mse_loss(y, t, reduction="sum") / (2 * len(y)),
        ),
        Row(
            "cross-entropy of probabilities",
            [LOGITS, within("BC", 5, 4)],
            lambda y, t: dl.crossentropy(y, t, from_logits=True),
            nnf.cross_entropy,
        ),
        Row(
            "cross-entropy with weights",
            [LOGITS, within("BC", 5, 4)],
            lambda y, t: dl.crossentropy(y, t, WEIGHTS, from_logits=True),
            lambda y, t: nnf.cross_entropy(y, t, torch.tensor(WEIGHTS)),
        ),
        Row(
            "index cross-entropy with weights",
            [LOGITS],
            lambda y: dl.indexcrossentropy(
                y, CLASSES, WEIGHTS, from_logits=True, normalization_factor="none"
            ),
            lambda y: nnf.cross_entropy(
                y, torch.tensor(CLASSES), torch.tensor(WEIGHTS), reduction="sum"
            ),
        ),
        Row(
            "index cross-entropy, one ignored",
            [LOGITS],
            lambda y: dl.indexcrossentropy(
                y, CLASSES, from_logits=True, mask_index=3, normalization_factor="mask-included"
            ),
            lambda y: nnf.cross_entropy(y, torch.tensor(CLASSES), ignore_index=3),
        ),
        Row(
            "index cross-entropy of images",
            [normal("BCSS", 2, 4, 3, 2)],
            lambda y: dl.indexcrossentropy(
                y,
                INDICES.reshape(2, 3, 2) % 4,
                from_logits=True,
                normalization_factor="all-elements",
            ),
            lambda y: nnf.cross_entropy(y, torch.tensor(INDICES.reshape(2, 3, 2) % 4)),
        ),
        Row(
            "cosine",
            PAIR,
            dl.cosineloss,
            lambda y, t: (1 - nnf.cosine_similarity(y, t, eps=0)).mean(),
        ),
        Row(
            "triplet",
            [*PAIR, LOGITS],
            lambda *a: dl.tripletloss(*a, margin=0.8),
            lambda *a: nnf.triplet_margin_loss(*a, margin=0.8, eps=0),
        ),
    ]
)
# Torch would rather divide by the size of the batch.
@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
def test_loss(row):
    check(row)


# -- connectionist temporal classification -------------------------------------------------------

SYMBOLS = np.array([[1, 1, 2], [3, 2, 3]])
LENGTHS, MASKED = np.array([8, 6]), np.array([3, 2])


def _peer_ctc(y, lengths=(8, 8), targets=(3, 3), blank=0, **settings):
    y = torch.log_softmax(y, 2)
    labels = torch.tensor(SYMBOLS) if blank == 0 else torch.tensor(SYMBOLS) - 1
    return nnf.ctc_loss(y, labels, torch.tensor(lengths), torch.tensor(targets), blank, **settings)


@rows(
    # Torch has no second derivative of it.
    Row(name, [normal("TBC", 8, 2, 4)], ours, peer, twice=False)
    for name, ours, peer in [
        (
            "each",
            lambda y: dl.ctc(y, dl.dlarray(SYMBOLS, "BT"), from_logits=True, reduction="none"),
            lambda y: _peer_ctc(y, reduction="none"),
        ),
        (
            "masks",
            lambda y: dl.ctc(
                y,
                dl.dlarray(SYMBOLS, "BT"),
                dl.dlarray(np.arange(8) < LENGTHS[:, None], "BT"),
                dl.dlarray(np.arange(3) < MASKED[:, None], "BT"),
                from_logits=True,
            ),
            lambda y: _peer_ctc(y, LENGTHS, MASKED, reduction="sum") / 2,
        ),
        (
            "probabilities, last blank",
            lambda y: dl.ctc(dl.softmax(y), dl.dlarray(SYMBOLS - 1, "BT"), blank_index="last"),
            lambda y: _peer_ctc(y, blank=3, reduction="sum") / 2,
        ),
    ]
)
def test_ctc(row):
    check(row)


# -- images --------------------------------------------------------------------------------------

METHODS = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}


def _sampled(method, padding, align):
    def places(rng, shape):
        # Not near elements, nor halfway between them: differences across kinks are none.
        number = np.array([7, 6])
        at = rng.integers(-3, number + 3, shape) + rng.choice([0.25, 0.75], shape)
        return at / (number - 1) * 2 - 1 if align else (at + 0.5) / number * 2 - 1

    return Row(
        f"grid_sample {method} {padding} {'corners' if align else 'edges'}",
        [normal("BCSS", 2, 3, 6, 7), Input("", (2, 5, 4, 2), places)],
        lambda x, g: dl.grid_sample(x, g, method=method, padding=padding, align_corners=align),
        lambda x, g: nnf.grid_sample(
            x, g, mode=METHODS[method], padding_mode=padding, align_corners=align
        ),
        twice=False,  # torch has no second derivative of it
    )


def _resized(method, size, *, align=False, antialias=False):
    settings = {"antialias": antialias, "method": method}
    if method == "nearest":
        settings |= {"geometric_transform_mode": "asymmetric", "nearest_rounding_mode": "floor"}
    elif align:
        settings["geometric_transform_mode"] = "align-corners"
    if antialias:
        settings |= {"exclude_outside": True, "cubic_coefficient": -0.5}
    return Row(
        f"resize {method} {size}{' corners' if align else ''}{' antialias' if antialias else ''}",
        [normal("BCSS", 2, 3, 6, 7)],
        lambda x: dl.dlresize(x, output_size=size, **settings),
        lambda x: nnf.interpolate(
            x,
            size,
            mode=METHODS[method],
            align_corners=None if method == "nearest" else align,
            antialias=antialias,
        ),
    )


@rows(
    [
        *(
            _sampled(method, padding, align)
            for method in METHODS
            for padding in ("zeros", "border", "reflection")
            for align in (False, True)
        ),
        *(_resized(method, size) for method in METHODS for size in ((9, 11), (4, 3))),
        *(_resized(method, (9, 4), align=True) for method in ("linear", "cubic")),
        *(_resized(method, (4, 3), antialias=True) for method in ("linear", "cubic")),
        Row(
            "depth_to_space",
            [normal("BCSS", 2, 12, 3, 2)],
            lambda x: dl.depth_to_space(x, 2, mode="crd"),
            lambda x: nnf.pixel_shuffle(x, 2),
        ),
        Row(
            "space_to_depth",
            [normal("BCSS", 2, 3, 4, 6)],
            lambda x: dl.space_to_depth(x, 2, mode="crd"),
            lambda x: nnf.pixel_unshuffle(x, 2),
        ),
    ]
)
def test_image(row):
    check(row)


# -- Fourier transforms --------------------------------------------------------------------------

WINDOW = np.hamming(9)[:-1]
SIGNAL, WAVE = normal("", 3, 8), complex_normal("", 3, 8)


def _our_spectrum(x, **settings):
    # Torch has the signal in the last dimension, and the frames in the last of the result.
    return dl.dlstft(x, window=WINDOW, **settings)


def _peer_spectrum(x, n=8, hop=2):
    window = torch.tensor(WINDOW)
    return torch.stft(
        x, n, hop, 8, window, center=False, onesided=not x.is_complex(), return_complex=True
    )


@rows(
    [
        *(
            Row(
                f"{name} {settings}",
                [WAVE if name in ("fft", "ifft", "irfft", "hfft") else SIGNAL],
                lambda x, f=name, s=settings: getattr(dl.fft, f)(x, **s),
                lambda x, f=name, s=settings: getattr(torch.fft, f)(
                    x, **{"dim" if k == "axis" else k: v for k, v in s.items()}
                ),
            )
            for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
            for settings in ({}, {"n": 7}, {"n": 11, "norm": "ortho"}, {"axis": 0})
        ),
        Row("fftn", [WAVE], dl.fft.fftn, torch.fft.fftn),
        Row("ifftn", [WAVE], dl.fft.ifftn, torch.fft.ifftn),
        Row("rfftn", [SIGNAL], dl.fft.rfftn, torch.fft.rfftn),
        Row("irfftn", [WAVE], dl.fft.irfftn, torch.fft.irfftn),
        Row("fftshift", [WAVE], dl.fft.fftshift, torch.fft.fftshift),
        Row(
            "stft",
            [normal("BT", 2, 20)],
            lambda x: _our_spectrum(x, overlap_length=6),
            _peer_spectrum,
        ),
        Row(
            "stft, longer transform",
            [normal("BT", 2, 20)],
            lambda x: _our_spectrum(x, overlap_length=5, fft_length=8),
            lambda x: _peer_spectrum(x, hop=3),
        ),
        Row(
            "istft of stft",
            [normal("BT", 2, 20)],
            lambda x: dl.dlistft(
                _our_spectrum(x, overlap_length=6) ** 2, window=WINDOW, overlap_length=6
            ),
            lambda x: torch.istft(
                _peer_spectrum(x) ** 2, 8, 2, 8, torch.tensor(WINDOW), center=False
            ),
        ),
    ]
)
def test_fourier(row):
    check(row)


# -- array functions -----------------------------------------------------------------------------

UNARY = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1"),
    *("log", "log10", "log1p", "log2", "reciprocal", "sin", "sinh", "sqrt", "square", "tan"),
)
BINARY = ("add", "atan2", "divide", "hypot", "logaddexp", "maximum", "minimum", "pow")
MATRIX = normal("", 4, 5)


@rows(
    [
        *(
            Row(
                name,
                [within("", 4, 5)],
                lambda x, f=name, c=float(name == "acosh"): getattr(dl, f)(x + c),
                lambda x, f=name, c=float(name == "acosh"): getattr(torch, f)(x + c),
            )
            for name in UNARY
        ),
        *(
            Row(
                name,
                [positive("", 4, 5), positive("", 5)],
                lambda x, y, f=name: getattr(dl, f)(x, y),
                lambda x, y, f=name: getattr(torch, f)(x, y),
            )
            for name in (
                "add",
                "atan2",
                "divide",
                "hypot",
                "logaddexp",
                "maximum",
                "minimum",
                "pow",
            )
        ),
        *(
            Row(
                f"{name} {axis}",
                [positive("", 4, 5)],
                lambda x, f=name, a=axis: getattr(dl, f)(x, axis=a),
                lambda x, f=name, a=axis: getattr(torch, {"max": "amax", "min": "amin"}.get(f, f))(
                    x, dim=a
                ),
            )
            for name in ("sum", "mean", "prod", "max", "min", "cumsum", "cumprod")
            for axis in (0, 1)
        ),
        *(
            Row(
                f"{name} {correction}",
                [MATRIX],
                lambda x, f=name, c=correction: getattr(dl, f)(x, axis=1, correction=c),
                lambda x, f=name, c=correction: getattr(torch, f)(x, dim=1, correction=c),
            )
            for name in ("var", "std")
            for correction in (0, 1)
        ),
        Row("matmul", [normal("", 2, 3, 4), normal("", 4, 5)], dl.matmul, torch.matmul),
        Row("matmul vector", [normal("", 2, 3, 4), normal("", 4)], dl.matmul, torch.matmul),
        Row(
            "complex matmul",
            [complex_normal("", 3, 4), complex_normal("", 4, 2)],
            dl.matmul,
            torch.matmul,
        ),
        Row(
            "tensordot",
            [normal("", 2, 3, 4), normal("", 4, 3, 5)],
            lambda x, y: dl.tensordot(x, y, axes=((1, 2), (1, 0))),
            lambda x, y: torch.tensordot(x, y, dims=((1, 2), (1, 0))),
        ),
        Row("outer", [normal("", 3), normal("", 4)], dl.outer, torch.outer),
        Row("vecdot", [WAVE, WAVE], dl.vecdot, torch.linalg.vecdot),
        Row("tril", [MATRIX], lambda x: dl.tril(x, k=1), lambda x: torch.tril(x, 1)),
        Row("clip", [MATRIX], lambda x: dl.clip(x, -0.5, 0.8), lambda x: x.clamp(-0.5, 0.8)),
        Row("roll", [MATRIX], lambda x: dl.roll(x, 2, axis=1), lambda x: x.roll(2, 1)),
        Row("flip", [MATRIX], lambda x: dl.flip(x, axis=0), lambda x: x.flip(0)),
        Row(
            "repeat",
            [MATRIX],
            lambda x: dl.repeat(x, 3, axis=1),
            lambda x: x.repeat_interleave(3, 1),
        ),
        Row(
            "take_along_axis",
            [MATRIX],
            lambda x: dl.take_along_axis(x, INDICES.T, axis=1),
            lambda x: torch.take_along_dim(x, torch.tensor(INDICES.T), 1),
        ),
        Row("complex abs", [WAVE], dl.abs, torch.abs),
        Row("complex angle", [WAVE], dl.angle, torch.angle),
        Row(
            "complex product", [WAVE, WAVE], lambda x, y: x * dl.conj(y), lambda x, y: x * y.conj()
        ),
        Row("complex exp", [WAVE], dl.exp, torch.exp),
    ]
)
def test_array_function(row):
    check(row)


# -- optimisers ----------------------------------------------------------------------------------


def _our_path(update, states, settings):
    p, state = dl.dlarray(np.array([-1.2, 1.0, 0.7])), [None] * states
    path = []
    for t in range(1, 101):
        gradient = dl.dlfeval(lambda p: dl.dlgradient(_valley(p), p), p)
        more = {"iteration": t} if update is dl.adamupdate else {}
        p, *state = update(p, gradient, *state, **more, **settings)
        path.append(dl.extractdata(p))
    return path


def _peer_path(optimiser, settings):
    p = torch.tensor([-1.2, 1.0, 0.7], dtype=torch.float64, requires_grad=True)
    optimiser = optimiser([p], **settings)
    path = []
    for _ in range(100):
        optimiser.zero_grad()
        _valley(p).backward()
        optimiser.step()
        path.append(p.detach().numpy().copy())
    return path


def _valley(p):
    return (10 * (p[1:] - p[:-1] ** 2) ** 2 + (1 - p[:-1]) ** 2).sum()


@pytest.mark.parametrize(
    ("update", "states", "settings", "peer", "theirs"),
    [
        pytest.param(*case, id=case[0].__name__ + str(case[2]))
        for case in [
            (dl.adamupdate, 2, {"learning_rate": 0.02}, torch.optim.Adam, {"lr": 0.02}),
            (
                dl.adamupdate,
                2,
                {"gradient_decay": 0.8, "sq_gradient_decay": 0.95, "epsilon": 1e-3},
                torch.optim.Adam,
                {"betas": (0.8, 0.95), "eps": 1e-3},
            ),
            (
                dl.sgdmupdate,
                1,
                {"learning_rate": 1e-3, "momentum": 0.9},
                torch.optim.SGD,
                {"lr": 1e-3, "momentum": 0.9},
            ),
            (
                dl.rmspropupdate,
                1,
                {"learning_rate": 0.01, "sq_gradient_decay": 0.95, "epsilon": 1e-6},
                torch.optim.RMSprop,
                {"lr": 0.01, "alpha": 0.95, "eps": 1e-6},
            ),
        ]
    ],
)
def test_optimiser(update, states, settings, peer, theirs):
    ours, expected = _our_path(update, states, settings), _peer_path(peer, theirs)
    np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)
