"""Words that readers look for lead to the page that answers them, in the search and in the index.

``search_words.toml`` has them by page. Names of other libraries come from the tables of what is
supported. A search finds an entry of the index before all words of the text.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import dlgradient

WORDS: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
TAKEN = {word for words in WORDS.values() for word in words} | set(dlgradient.__all__)
# A row of a table whose first cell is a name in code marks.
ROW = re.compile(r"^\| `([\w.]+)`(?:, `[\w.]+`)* \|", re.MULTILINE)


def words_of(env: BuildEnvironment, page: str) -> list[str]:
    """Return the words that lead to a page."""
    words = list(env.config.search_words.get(page, ()))
    if page.startswith("supported/"):
        names = ROW.findall(env.doc2path(page).read_text(encoding="utf-8"))
        words += [name for name in dict.fromkeys(names) if name.lower() not in TAKEN]
    return words


def add_words(app: Sphinx, doctree: nodes.document) -> None:
    """Put the words of a page that was read on it, as the directive `index` does.

    A word that is "main" is found by the search before all others.
    """
    words = words_of(app.env, app.env.current_document.docname)
    if words:
        entries = [("single", word, "", "main", None) for word in words]
        doctree.insert(0, addnodes.index(entries=entries))


def check_pages(_app: Sphinx, env: BuildEnvironment) -> None:
    """Refuse words of a page that does not exist."""
    missing = sorted(set(WORDS) - env.found_docs)
    if missing:
        raise ValueError(f"search_words.toml has words of {missing}, which are no pages")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_config_value("search_words", WORDS, "env")  # other words: all pages are read again
    app.connect("doctree-read", add_words)
    app.connect("env-updated", check_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
