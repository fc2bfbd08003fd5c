"""The list of versions in the bar: links to other builds, relative to this one.

The theme's own list is fetched when a page is shown, which needs a server. This one is made when
the pages are built, from ``_static/switcher.json``, and works in a folder of files too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

VERSIONS = Path(__file__).parents[1] / "_static" / "switcher.json"


def add_versions(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Give the template the versions, with addresses relative to the page."""
    up = "../" * (page.count("/") + 1)  # out of the folder of this version
    context["versions"] = [
        {**entry, "here": entry["version"] == app.config.version, "href": f"{up}{entry['folder']}/"}
        for entry in json.loads(VERSIONS.read_text(encoding="utf-8"))
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("html-page-context", add_versions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
