"""How Sphinx builds the site: `make docs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["MPLBACKEND"] = "Agg"
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the pages are made in parallel

from gallery import GALLERY  # noqa: E402 - from _ext

import dlgradient  # noqa: E402 - after the backend of its figures

# -- project -------------------------------------------------------------------------------------

project = "dlgradient"
author = "the dlgradient developers"
copyright = author  # noqa: A001 - Sphinx' name
version = release = dlgradient.__version__

# -- sources -------------------------------------------------------------------------------------

extensions = [
    "myst_parser",  # pages in Markdown
    "numpydoc",  # docstrings in NumPy's form
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",  # the tables of functions
    "sphinx.ext.viewcode",  # each function has a link to its source
    "sphinx_copybutton",
    "sphinx_design",  # the cards of the home page, and tabs
    "sphinx_gallery.gen_gallery",
    # In _ext:
    "blocks",  # no empty line at the end of code
    "gallery",  # complete downloads
    "docstrings",  # `name` is code, and a link where it is a public name; |x| is a size
    "mathml",  # formulas without a script
    "narrow",  # tables on a telephone
    "search_words",  # what readers look for
    "versions",  # the list of versions, without a server
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
nitpicky = True
# Names of other libraries are code: their lists of addresses would be read from other hosts.
nitpick_ignore_regex = [("py:.*", r"(numpy|scipy|pandas|matplotlib|sklearn)\..*")]
default_role = "code_or_link"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say more than the types
autosummary_generate = False  # tables of contents only; the functions are on the same page
numpydoc_show_class_members = False  # the pages of the reference list them
numpydoc_class_members_toctree = False

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = GALLERY

# -- pages ---------------------------------------------------------------------------------------

html_title = f"dlgradient {release}"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_search_scorer = str(HERE / "_ext" / "scorer.js")
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "logo": {"text": "dlgradient"},
    "header_links_before_dropdown": 6,
    "navbar_end": ["versions.html", "theme-switcher"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_depth": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "faq": [], "glossary": [], "errors": []}
