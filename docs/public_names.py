"""The API reference, from the `__all__` of the public modules.

A page for each public name is written before Sphinx reads its sources, and the directive
``public-names`` gives a table of links to them::

    ```{public-names} nablas.kernels
    matmul softmax
    ```

Without names in it, it lists all names of the module that no other directive of the page lists.
"""

import importlib
import inspect
import re
from pathlib import Path

FOLDER = "api/generated"
_DIRECTIVE = re.compile(r"```\{public-names\} ([\w.]+)\n(.*?)```", re.DOTALL)


def public_modules():
    """The public modules by name: nablas, those in its `__all__`, and nablas.sklearn."""
    top = importlib.import_module("nablas")
    inner = [f"nablas.{name}" for name in top.__all__ if inspect.ismodule(getattr(top, name))]
    names = ["nablas", *inner, "nablas.sklearn"]
    return {name: importlib.import_module(name) for name in names}


def public_names(module):
    """The names of `__all__` that are no modules, in the order of the module."""
    return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]


def has_docstring(thing):
    """Whether it is a function or a class; data are described on the module's page."""
    return inspect.isclass(thing) or callable(thing)


def home(module, name):
    """The full name under which a thing is documented: of the first module that exports it."""
    thing = getattr(module, name)
    for other_name, other in public_modules().items():
        for candidate in public_names(other):
            if getattr(other, candidate) is thing:
                return f"{other_name}.{candidate}"
    raise LookupError(name)


def lists(page):
    """What each ``public-names`` of a page's text lists: pairs of a module and names."""
    found = [(module, content.split()) for module, content in _DIRECTIVE.findall(page)]
    result = []
    for module, names in found:
        taken = {name for other, given in found if other == module for name in given}
        known = public_names(importlib.import_module(module))
        result.append((module, names or [name for name in known if name not in taken]))
    return result


def members(cls):
    """Public methods and properties that the package defines, base classes included."""
    found = {}
    for base in reversed(inspect.getmro(cls)):
        if base.__module__.split(".")[0] == "nablas":
            found |= {name: None for name in vars(base) if not name.startswith("_")}
    documented = []
    for name in found:
        thing = inspect.getattr_static(cls, name)
        code = getattr(thing, "__func__", getattr(thing, "fget", thing))
        ours = (getattr(code, "__module__", None) or "nablas").split(".")[0] == "nablas"
        if ours and (inspect.isroutine(code) or isinstance(thing, property)) and code.__doc__:
            documented.append(name)
    return documented


def stub(full_name, thing):
    """The text of a name's page."""
    module, _, name = full_name.rpartition(".")
    title = full_name if not name.endswith("_") else f"{full_name[:-1]}\\_"
    lines = [title, "=" * len(title), "", f".. currentmodule:: {module}", ""]
    if inspect.isclass(thing):
        lines += [f".. autoclass:: {name}"]
        if found := members(thing):
            lines += [f"   :members: {', '.join(found)}"]
    elif has_docstring(thing):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. py:data:: {name}", "", f"   Described in :doc:`{module} </api/{module}>`."]
    return "\n".join([*lines, ""])


def write_pages(app):
    """Write the page of every public name; files that are up to date are left alone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for module in public_modules().values():
        for name in public_names(module):
            full_name = home(module, name)
            wanted[folder / f"{full_name}.rst"] = stub(full_name, getattr(module, name))
    for path in set(folder.iterdir()) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def summary(thing):
    """The first sentence of a docstring, on one line."""
    if not has_docstring(thing):
        return ""
    paragraph = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", paragraph).replace("|", "\\|")


def table(module_name, names):
    """Markdown: a table of names with their first sentences, and their pages in the contents."""
    module = importlib.import_module(module_name)
    rows, entries = [], []
    for name in names:
        target = home(module, name)
        rows.append(f"| [`{name}`](/{FOLDER}/{target}.rst) | {summary(getattr(module, name))} |")
        if target == f"{module_name}.{name}":
            entries.append(f"{name} </{FOLDER}/{target}>")
    contents = ["```{toctree}", ":hidden:", "", *entries, "```"] if entries else []
    return "\n".join(["| | |", "|---|---|", *rows, "", *contents])


def setup(app):
    """Sphinx's entry point."""
    from sphinx.util.docutils import SphinxDirective

    class PublicNames(SphinxDirective):
        """``public-names``."""

        has_content, required_arguments = True, 1

        def run(self):
            """The table's nodes."""
            page = Path(self.env.doc2path(self.env.docname)).read_text(encoding="utf-8")
            own = (self.arguments[0], " ".join(self.content).split())
            at = [(m, c.split()) for m, c in _DIRECTIVE.findall(page)].index(own)
            return self.parse_text_to_nodes(table(*lists(page)[at]))

    app.add_directive("public-names", PublicNames)
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
