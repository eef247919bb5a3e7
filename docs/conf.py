"""Sphinx's settings: ``python -m sphinx -W -b html docs build/site``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import nablas  # noqa: E402

project, author = "nablas", "the nablas developers"
project_copyright = author
version = release = nablas.__version__
language = "en_GB"

extensions = [
    "myst_parser",
    "numpydoc",
    "public_names",
    "sphinx.ext.autodoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "gallery/*.md5"]
default_role = "py:obj"  # names between single backticks in docstrings are links where they resolve

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_typehints = "none"  # the docstrings say types and shapes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the pages of `public_names` list them
toc_object_entries_show_parents = "hide"  # "fit()" in the contents of the page of MLP

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
}

html_theme = "pydata_sphinx_theme"
html_title = "nablas"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "∇ nablas"},
    "show_toc_level": 2,
    "navbar_align": "left",
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        **{page: [] for page in ("from-pytorch", "from-keras")},  # two programs side by side
    },
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
ALONE = ["index", "installation", "tour", "changelog", "from-pytorch", "from-keras"]
html_sidebars = {page: [] for page in ALONE}


def _adapt(app, docname, source):
    """What pages need here beyond their text in the repository: a link, the lecture's contents."""
    if docname == "architecture":
        source[0] = source[0].replace("](../cpp/README.md)", "](core.md)")
    if docname == "lecture":
        pages = sorted(f"lecture/{path.stem}" for path in (HERE / "lecture").glob("*.md"))
        contents = "\n".join([*pages, "lecture-map"])
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"


def _adapt_docstring(app, what, name, thing, options, lines):
    """A module's examples stand on its own page, whose sections are the page's."""
    if what == "module" and "Examples" in lines:
        at = lines.index("Examples")
        lines[at : at + 2] = [".. rubric:: Examples", ""]


def setup(app):
    """Sphinx's entry point."""
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _adapt_docstring)
