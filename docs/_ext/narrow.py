"""Each cell of a table has the title of its column, to be shown where cells are below each other.

``_static/site.css`` does so on a telephone.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def title_of(cell: nodes.entry) -> str:
    """Return the title of a cell's column; '' for the first column and for titles themselves."""
    row = cell.parent
    column = row.index(cell)
    titles = row.parent.parent.next_node(nodes.thead)
    if titles is None or isinstance(row.parent, nodes.thead) or column == 0:
        return ""
    return str(titles[0][column].astext())


def visit_entry(self: HTML5Translator, node: nodes.entry) -> None:
    """Begin a cell."""
    HTML5Translator.visit_entry(self, node)
    title = title_of(node)
    if title:
        self.body[-1] = self.body[-1].replace("<td", f'<td data-title="{escape(title)}"', 1)


def depart_entry(self: HTML5Translator, node: nodes.entry) -> None:
    """End a cell."""
    HTML5Translator.depart_entry(self, node)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_node(nodes.entry, override=True, html=(visit_entry, depart_entry))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
