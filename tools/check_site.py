"""Check the built site: it needs no other host, and its doors are open. `make docs` runs it.

That links have targets, and that every page is in a table of contents, Sphinx checks itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
DOORS = ("coming-from/matlab.html", "coming-from/index.html", "coming-from/numpy.html")
HELPERS = {"figures", "runs", "writing"}  # of the examples; no scripts
ELSEWHERE = re.compile(r"(https?:)?//")


class Resources(HTMLParser):
    """What a browser loads with a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the addresses of one tag."""
        found = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "link" and "canonical" not in found.get("rel", ""):
            self.loaded.append(found.get("href", ""))
        elif tag in ("script", "img", "iframe", "source", "object", "embed", "video"):
            self.loaded += [found.get(name, "") for name in ("src", "data", "srcset")]


def read(page: Path) -> Resources:
    """Read a page."""
    resources = Resources()
    resources.feed(page.read_text(encoding="utf-8"))
    return resources


def elsewhere(site: Path) -> Iterator[str]:
    """Yield what pages and style sheets load from another host."""
    for page in sorted(site.rglob("*.html")):
        for address in read(page).loaded:
            if ELSEWHERE.match(address):
                yield f"{page.relative_to(site)} loads {address}"
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text):
            if ELSEWHERE.match("".join(address)):
                yield f"{sheet.relative_to(site)} loads {''.join(address)}"


def missing(site: Path) -> Iterator[str]:
    """Yield what the site must have and does not."""
    links = read(site / "index.html").links
    for door in DOORS:
        if door not in links:
            yield f"index.html has no link to {door}"
    for name in ("objects.inv", "searchindex.js"):
        if not (site / name).exists():
            yield f"there is no {name}"
    for script in sorted((ROOT / "examples").glob("*.py")):
        if script.stem in HELPERS:
            continue
        page = site / "gallery" / f"{script.stem}.html"
        if not page.exists():
            yield f"the gallery has no page of {script.name}"
            continue
        found = read(page)
        if not any(f"sphx_glr_{script.stem}_001" in address for address in found.loaded):
            yield f"{page.relative_to(site)} has no picture"
        if not any(link.endswith(f"{script.stem}.ipynb") for link in found.links):
            yield f"{page.relative_to(site)} has no notebook"
        for archive in sorted((site / "_downloads").glob(f"*/{script.stem}.zip")):
            with ZipFile(archive) as file:
                lacking = {f"{helper}.py" for helper in HELPERS} - set(file.namelist())
            if lacking:
                yield f"{archive.relative_to(site)} lacks {', '.join(sorted(lacking))}"


def main(site: Path) -> int:
    """Print what is wrong, and return the status of the program."""
    faults = [*elsewhere(site), *missing(site)]
    print("\n".join(faults), end="\n" if faults else "")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
