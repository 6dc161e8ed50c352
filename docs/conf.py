"""How the documentation is built: ``python -m sphinx -W -b html docs OUT``."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent

project = "Cnvlutin2"
copyright = "The Cnvlutin2 developers"  # noqa: A001 - Sphinx's name for it
version = release = installed_version("cnvlutin2")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["_build", "_scripts", "figures", "**/.ipynb_checkpoints"]
default_role = "py:obj"  # a name in backticks is a link where it can be, code otherwise

html_theme = "furo"
html_title = f"Cnvlutin2 {release}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"footer_icons": []}
html_static_path = ["_static"]
html_css_files = ["tables.css"]

myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings say types, with shapes and units
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# The notebooks stand among the examples, where people look for them; Sphinx reads what is below this folder only.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
for _notebook in sorted((HERE.parent / "examples").glob("*.ipynb")):
    shutil.copyfile(_notebook, HERE / "notebooks" / _notebook.name)


def _link_notebooks(app: Sphinx, page: str, source: list[str]) -> None:
    """Let links to the notebooks, which a code host follows as they are, lead to the copies that are built."""
    source[0] = re.sub(r"\]\((?:\.\./)+examples/([\w-]+\.ipynb)\)", r"](/notebooks/\1)", source[0])


def setup(app: Sphinx) -> None:
    """Hook into the build."""
    app.connect("source-read", _link_notebooks)
