"""A block of code ends with its last line, not with the empty one that doctest wants after it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def strip_blocks(_app: Sphinx, doctree: nodes.document) -> None:
    """Remove empty lines at the end of blocks."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext()
        if block.rawsource == text:
            block.rawsource = text.rstrip()
            block[:] = [nodes.Text(text.rstrip())]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("doctree-read", strip_blocks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
