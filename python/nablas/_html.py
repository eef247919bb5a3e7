"""Tables of HTML, as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every text is escaped, and nothing is loaded.

    Parameters
    ----------
    caption : str
        Above the table.
    header : sequence of str
    rows : iterable of sequences as long as the header
    """

    def line(tag: str, cells: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(c))}</{tag}>" for c in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead>{line('th', header)}</thead><tbody>{body}</tbody></table>"
    )
