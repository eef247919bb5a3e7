"""Checks that the links of a built site lead somewhere: ``python docs/check_links.py build/site``.

Links to other sites are not followed. A link of the site must lead to a file of it, and its part
after # to an element of that page. The exit code is 1 if one does not.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page and the names that links may end in."""

    def __init__(self, text):
        super().__init__()
        self.links, self.names = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Collect what is linked to, and ids."""
        for name, value in attributes:
            if value and name in ("href", "src"):
                self.links.add(value)
            elif value and (name == "id" or (tag == "a" and name == "name")):
                self.names.add(value)


def broken(site):
    """(page, link) of every link that leads nowhere."""
    site = Path(site).resolve()
    files = sorted(set(site.rglob("*.html")) - set(site.glob("_static/**/*")))  # the theme's own
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in files}
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            found = target in pages and (not anchor or anchor in pages[target].names)
            if not found and not (target not in pages and target.is_file()):
                yield path.relative_to(site).as_posix(), link


def main(site):
    """Print the broken links and the number of pages."""
    found = list(broken(site))
    for page, link in found:
        print(f"{page}: {link}")
    count = len(list(Path(site).rglob("*.html")))
    print(f"{count} pages, {len(found)} broken links")
    return bool(found) or count == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
