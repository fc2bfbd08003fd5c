"""What docstrings mean: `name` is code, and a link to a name of this package; `|x|` is a size."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

import dlgradient


class CodeOrLink(SphinxRole):
    """Code; a link if the text is a public name, with or without ``dl.``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the node."""
        code = nodes.literal(self.rawtext, self.text, classes=["code"])
        name = self.text.removesuffix("()").removeprefix("dl.").removeprefix("dlgradient.")
        if name.split(".")[0] not in dlgradient.__all__:
            return [code], []
        link = addnodes.pending_xref(
            self.rawtext,
            code,
            refdomain="py",
            reftype="obj",
            reftarget=f"dlgradient.{name}",
            refwarn=False,  # an argument may have the name of a function
            refdoc=self.env.docname,
        )
        return [link], []


# Signs that mean something else in reStructuredText: |x|, w*h, f(*xs) and, in a description, *xs.
SIGNS = re.compile(r"\||(?<=[\w)])\*(?=[\w(])|(?<=[ (])\*(?=\w)")
CODE = re.compile(r"(``.*?``|`.*?`)")


def escape(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Keep what a docstring says in signs; what is code stays as it is."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>> ", "*")):
            parts = CODE.split(line)
            parts[::2] = [SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
            lines[i] = "".join(parts)


UNKNOWN = re.compile(r",? \*\*unknown(: [^,)]+)?")


def without_unknown(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Omit ``**unknown`` of a signature, which is there to answer a wrong keyword."""
    return signature and UNKNOWN.sub("", signature), result


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_role("code_or_link", CodeOrLink())
    app.connect("autodoc-process-docstring", escape, priority=400)  # before numpydoc
    app.connect("autodoc-process-signature", without_unknown)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
