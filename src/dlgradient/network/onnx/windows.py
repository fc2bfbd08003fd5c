"""Padding, strides and dilations of windows, in all forms that the standard has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Window", "rounded_up", "window", "with_labels"]

Pairs = list[tuple[int, int]]


class Window(NamedTuple):
    """Strides, dilations, how far a window reaches, and padding before and after."""

    strides: Sequence[int]
    dilations: Sequence[int]
    reach: list[int]
    pads: Pairs


def window(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    auto_pad: str,
) -> Window:
    """Return the geometry of windows over dimensions of these sizes."""
    n = len(kernel)
    step, dilation = strides or [1] * n, dilations or [1] * n
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if not auto_pad.startswith("SAME"):
        given = pads if pads and auto_pad != "VALID" else [0] * 2 * n
        return Window(step, dilation, reach, list(zip(given[:n], given[n:], strict=True)))
    pairs = []
    for size, r, s in zip(sizes, reach, step, strict=True):
        more = max((-(-size // s) - 1) * s + r - size, 0)
        less = more // 2
        pairs.append((less, more - less) if auto_pad == "SAME_UPPER" else (more - less, less))
    return Window(step, dilation, reach, pairs)


def rounded_up(found: Window, sizes: Sequence[int]) -> list[int]:
    """Return more padding after, which makes room for a last window that is cut off."""
    more = []
    for (p, q), size, r, s in zip(found.pads, sizes, found.reach, found.strides, strict=True):
        count = -(-(p + size + q - r) // s) + 1
        if (count - 1) * s >= size + p:  # a window must begin in the array or in front of it
            count -= 1
        more.append(max((count - 1) * s + r - (p + size + q), 0))
    return more


def with_labels(count: int) -> str:
    """Return the format of arrays whose windows slide over so many dimensions."""
    return "BC" + "S" * count
