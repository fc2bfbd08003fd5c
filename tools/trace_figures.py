"""Draw the pictures of ``docs/start/how-it-works.md`` from a real trace.

Run it after a change of the drawing: ``python tools/trace_figures.py``. A test compares the files
with what this program writes. The numbers in the pictures are those that the library computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import dlgradient as dl

FOLDER = Path(__file__).parent.parent / "docs" / "start" / "figures"

INK, QUIET, PAPER = "#1f2933", "#52606d", "#ffffff"
VALUE, COTANGENT, TANGENT = "#0b6fa4", "#b0303f", "#2a7a45"
VARIABLE, OPERATION = "#e3f0f8", "#f1f3f5"
SANS = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"

# Narrow enough to be read on a phone; the lines follow each other downwards, as in Python.
WIDTH, HEIGHT = 440, 520
BOX = (156, 58)

CENTRES = {"x": (112, 95), "w": (328, 95), "s": (112, 200), "p": (220, 305), "y": (220, 410)}
EDGES = [("x", "s"), ("s", "p"), ("w", "p"), ("p", "y")]
CODE = {"x": "x", "w": "w", "s": "s = sin(x)", "p": "p = s * w", "y": "y = p ** 2"}


class Numbers(NamedTuple):
    """What the library computes for the function of the pictures, by the names of its values."""

    values: Mapping[str, float]
    saved: Mapping[str, str]
    cotangents: Mapping[str, float]
    tangents: Mapping[str, float]


def numbers(x: float = 0.5, w: float = 3.0) -> Numbers:
    """Record the function, and read its nodes."""
    names = list(CODE)

    def function(x: Any, w: Any) -> Any:
        s = dl.sin(x)
        p = s * w
        y = p**2
        arrays = dict(zip(names, (x, w, s, p, y), strict=True))
        saved = {name: _saved(array._node, arrays) for name, array in arrays.items()}
        cotangents = dl.dlgradient(y, *arrays.values(), retain_data=True)
        tangents = [dl.dljvp(array, x, 1.0) for array in arrays.values()]
        return list(arrays.values()), saved, cotangents, tangents

    values, saved, cotangents, tangents = dl.dlfeval(function, dl.dlarray(x), dl.dlarray(w))
    plain = [[a.item() for a in arrays] for arrays in (values, cotangents, tangents)]
    first, second, third = [dict(zip(names, row, strict=True)) for row in plain]
    return Numbers(first, saved, second, third)


def _saved(node: Any, arrays: Mapping[str, Any]) -> str:
    """Name the values that a node saves."""
    if node.op is None:
        return ""
    named = {id(array._node): name for name, array in arrays.items()}
    owners = zip([*node.parents, node], node.saved, strict=False)
    saved = [owner for owner, value in owners if value is not None]
    return ", ".join(named.get(id(owner), str(owner)) for owner in saved)  # or a constant


# -- drawing -------------------------------------------------------------------------------------


def text(x: float, y: float, words: str, size: int = 13, colour: str = INK, **style: str) -> str:
    """Return a line of text, centred unless `anchor` says otherwise."""
    anchor = style.pop("anchor", "middle")
    family = style.pop("family", SANS)
    rest = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-family="{family}"{rest}>{escape(words)}</text>'
    )


def box(name: str, line: str, colour: str) -> Iterable[str]:
    """Yield a node: its code, and a line below."""
    (cx, cy), (width, height) = CENTRES[name], BOX
    fill = VARIABLE if name in "xw" else OPERATION
    yield (
        f'<rect x="{cx - width / 2:g}" y="{cy - height / 2:g}" width="{width}" '
        f'height="{height}" rx="9" fill="{fill}" stroke="{QUIET}" stroke-width="1"/>'
    )
    yield text(cx, cy - 6, CODE[name], 15, family=MONO, font_weight="600")
    yield text(cx, cy + 17, line, 13, colour)


def ends(start: str, end: str) -> tuple[float, float, float, float]:
    """Return where an arrow from one box to another begins and ends, at their facing sides."""
    (x1, y1), (x2, y2) = CENTRES[start], CENTRES[end]
    half = (BOX[1] / 2 + 4) * (1 if y2 > y1 else -1)
    # Two arrows meet at the upper side of p, next to each other.
    side = {"p": 40 * ((x1 + x2 > 2 * CENTRES["p"][0]) - (x1 + x2 < 2 * CENTRES["p"][0]))}
    return x1 + side.get(start, 0), y1 + half, x2 + side.get(end, 0), y2 - half


def arrow(start: str, end: str, colour: str, dashed: bool = False) -> str:
    """Return an arrow from one node to another."""
    x1, y1, x2, y2 = ends(start, end)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" stroke="{colour}" stroke-width="1.8" '
        f'fill="none" marker-end="url(#head)"{dash}/>'
    )


def label(start: str, end: str, words: str, colour: str) -> str:
    """Return a label at the right of the middle of an arrow."""
    x1, y1, x2, y2 = ends(start, end)
    x = (x1 + x2) / 2 + 12 + abs(x1 - x2) / 5
    return text(x, (y1 + y2) / 2 + 5, words, 13, colour, family=MONO, anchor="start")


def picture(title: str, colour: str, body: Iterable[str]) -> str:
    """Return an SVG file on white paper, so that it reads on a dark page too."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{colour}"/>'
        "</marker></defs>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="{PAPER}"/>',
        text(24, 36, title, 16, anchor="start", font_weight="600"),
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def note(*lines: str) -> Iterable[str]:
    """Yield lines of explanation at the foot of a picture."""
    for i, line in enumerate(lines):
        yield text(24, HEIGHT - 16 - 20 * (len(lines) - 1 - i), line, 13, QUIET, anchor="start")


def trace_picture(of: Numbers) -> str:
    """Draw what `dlfeval` records."""
    body = [arrow(a, b, VALUE) for a, b in EDGES]
    for name in CODE:
        body += box(name, f"= {of.values[name]:.4g}", VALUE)
        if of.saved[name]:
            cx, cy = CENTRES[name]
            saved = f"saves {of.saved[name]}"
            body.append(text(cx + BOX[0] / 2 + 10, cy + 5, saved, 13, QUIET, anchor="start"))
    body += note(
        "Blue boxes are variables, the others operations.",
        "Each operation saves what its rule needs.",
    )
    return picture("1. dlfeval records a trace", VALUE, body)


def reverse_picture(of: Numbers) -> str:
    """Draw the walk back."""
    factors = {
        ("s", "x"): "× cos(x)",
        ("p", "s"): "× w",
        ("p", "w"): "× s",
        ("y", "p"): "× 2p",
    }
    body = [arrow(b, a, COTANGENT) for a, b in EDGES]
    body += [label(a, b, factor, COTANGENT) for (a, b), factor in factors.items()]
    for name in CODE:
        body += box(name, f"∂y/∂{name} = {of.cotangents[name]:.4g}", COTANGENT)
    body += note(
        "It starts at y with 1. Each node multiplies what arrives,",
        "and hands it on. One walk gives all gradients.",
    )
    return picture("2. dlgradient walks it backwards", COTANGENT, body)


def forward_picture(of: Numbers) -> str:
    """Draw forward mode."""
    factors = {("x", "s"): "× cos(x)", ("s", "p"): "× w", ("p", "y"): "× 2p"}
    body = [arrow(a, b, TANGENT, dashed=(a, b) == ("w", "p")) for a, b in EDGES]
    body += [label(a, b, factor, TANGENT) for (a, b), factor in factors.items()]
    for name in CODE:
        body += box(name, f"∂{name}/∂x = {of.tangents[name]:.4g}", TANGENT)
    body += note(
        "It starts at one variable with 1, here x, and goes on with",
        "the program. One walk gives one direction.",
    )
    return picture("3. dljvp walks it forwards", TANGENT, body)


def pictures() -> dict[str, str]:
    """Return the pictures by the names of their files."""
    of = numbers()
    return {
        "trace.svg": trace_picture(of),
        "backward-walk.svg": reverse_picture(of),
        "forward-walk.svg": forward_picture(of),
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True, parents=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
        print(f"written: {FOLDER / name}")
