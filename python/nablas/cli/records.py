"""Rows of CSV text, as Python's csv module reads them."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = ",;\t|"
BLOCK = 20_000  # rows that become a frame at once
PART = 2**24  # letters of a long text that are read at once
EMPTY = "expected a header line, got an empty file"


def encoding_of(begin: bytes) -> str:
    """The encoding of a text: UTF-16 if it begins with that byte order mark, else UTF-8."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "utf-16" if begin.startswith(marks) else "utf-8-sig"


def decoded(content: bytes) -> str:
    """A text in UTF-8 or UTF-16; ValueError for other bytes."""
    encoding = encoding_of(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(encoding, io.BytesIO(content)) from error


def undecodable(encoding: str, lines: Iterable[bytes]) -> ValueError:
    """The error of a text, given by its lines, that is not of its encoding."""
    if encoding == "utf-16":
        return ValueError("expected UTF-16, as its first bytes say, got other bytes")
    for number, line in enumerate(lines, 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return ValueError(
                f"expected UTF-8, got other bytes on line {number}; convert it, for example by "
                "iconv -f latin1 -t utf-8"
            )
    return ValueError("expected UTF-8, got other bytes")


class Lines(Protocol):
    """A text file, opened with ``newline=""``."""

    def readlines(self, hint: int, /) -> list[str]:
        """Lines of about so many letters; none at the end."""


class UnfinishedError(ValueError):
    """The text ends within quotes, or before its header."""


class Records:
    """The header and the rows of a text; checked while they are read.

    A comment is a line that begins with `comment`, outside of quotes. Blank lines are no rows; in a
    table of one column they are missing values.

    Parameters
    ----------
    text : str
    separator : str, optional
        Default: the one of ``, ; tab |`` that gives the first line most fields.
    comment : str, optional
    has_header : bool
        Whether the first line has the names; else they are column_1, column_2, ...
    names : list of str, optional
        The columns of a text that goes on with rows; `separator` is then given, too.
    line : int
        Lines before the text.

    Attributes
    ----------
    text, separator : str
    names : list of str
        Of the columns; one without a name is called by its number, as without a header.
    skipped : list of (int, int)
        Where comments and blank lines begin and end in the text, as far as it was read.
    count : int
        Rows read so far.
    """

    def __init__(
        self,
        text: str,
        separator: str | None,
        comment: str | None,
        has_header: bool,
        names: list[str] | None = None,
        line: int = 0,
    ) -> None:
        self.text, self._comment = text, comment
        self._between, self._ended, self._closed = True, False, True
        self._line, self.count = line, 0
        self.skipped: list[tuple[int, int]] = []
        self._one = names is not None and len(names) == 1
        self._before: list[list[str]] = []
        if names is not None and separator is not None:
            self.names, self.separator = names, separator
            self._read(self._lines())
        else:
            self._begin(separator, has_header)

    def _read(self, lines: Iterable[str]) -> None:
        self._reader = csv.reader(lines, delimiter=self.separator, skipinitialspace=True)

    def _begin(self, separator: str | None, has_header: bool) -> None:
        """Find the separator and the columns' names."""
        lines = self._lines()
        first = next(lines)
        if self._ended:
            raise UnfinishedError(EMPTY)
        self.separator = separator or max(
            SEPARATORS, key=lambda s: len(next(csv.reader([first], delimiter=s), []))
        )
        self._read(itertools.chain([first], lines))
        header = self._next()
        given = [name.strip() for name in header] if has_header else [""] * len(header)
        self.names = [name or f"column_{i}" for i, name in enumerate(given, 1)]
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"expected distinct column names, got {', '.join(self.names):.200}")
        self._one = len(header) == 1
        self._before = [] if has_header else [header]

    def _lines(self) -> Iterator[str]:
        """The lines, without comments and blank ones between rows."""
        at = 0
        for line in io.StringIO(self.text, newline=""):
            begin, at = at, at + len(line)
            self._line += 1
            comment = self._comment is not None and line.startswith(self._comment)
            if self._between and (comment or (not line.strip("\r\n") and not self._one)):
                self.skipped.append((begin, at))
                continue
            self._between = False
            yield line
        self._ended, self._closed = True, self._between
        yield ""  # a row without fields, or the rest of a quote

    def _next(self) -> list[str]:
        """The next row; what comes after the last one is none."""
        begin = self._line + 1
        row = next(self._reader)
        self._between = True
        if self._ended and not self._closed:
            raise UnfinishedError(f"expected a closing quote in the row of line {begin}, got none")
        return row

    def __iter__(self) -> Iterator[list[str]]:
        """The rows; ValueError for one that does not have a field for every column."""
        width = len(self.names)
        for row in self._before:
            self.count += 1
            yield row
        while True:
            row = self._next()
            if self._ended:
                return
            if self._one and not row:
                row = [""]
            if len(row) != width:
                raise ValueError(
                    f"expected {width} fields, got {len(row)} on line {self._line}{self._hint(row)}"
                )
            self.count += 1
            yield row

    def _hint(self, row: list[str]) -> str:
        """What to do about a comment that is read as the header or as a row of other length."""
        marks = ("#", "%", "//")
        found = [
            m for m in marks if (self.names[0].startswith(m) or (row and row[0].startswith(m)))
        ]
        if self._comment is not None or not found:
            return ""
        return f"; --comment '{found[0]}' leaves out lines that begin with it"

    def plain(self) -> bool:
        """Whether every separator divides fields and every newline rows."""
        text = self.text
        simple = self.separator != " " and self.separator.isascii()  # a byte, for polars
        return simple and '"' not in text and text.count("\r") == text.count("\r\n")

    def kept(self) -> str:
        """The text without what was skipped."""
        parts, at = [], 0
        for begin, end in self.skipped:
            parts.append(self.text[at:begin])
            at = end
        return "".join([*parts, self.text[at:]])


def frame(polars: Any, records: Records, has_header: bool) -> pl.DataFrame:
    """The columns, as text; empty fields are null."""
    if not records.plain():
        return _by_blocks(polars, records)
    for _ in records:
        pass
    if records.count == 0 and not has_header:
        return _empty(polars, records)
    text = records.kept() if records.skipped else records.text
    made = polars.read_csv(
        text.encode(), separator=records.separator, infer_schema=False, has_header=has_header,
        quote_char=None,
    )  # fmt: skip
    made.columns = records.names
    if made.height != records.count:
        raise ValueError(f"expected {records.count} rows, got {made.height}")
    return made  # type: ignore[no-any-return]


def _by_blocks(polars: Any, records: Records) -> pl.DataFrame:
    rows, blocks = iter(records), []
    while block := list(itertools.islice(rows, BLOCK)):
        columns = zip(records.names, zip(*block, strict=True), strict=True)
        blocks.append(
            polars.DataFrame(
                [polars.Series(name, values, polars.String) for name, values in columns]
            )
        )
    return polars.concat(blocks) if blocks else _empty(polars, records)


def _empty(polars: Any, records: Records) -> pl.DataFrame:
    return polars.DataFrame(schema=dict.fromkeys(records.names, polars.String))  # type: ignore[no-any-return]


def frames(
    polars: Any, lines: Lines, separator: str | None, comment: str | None, has_header: bool
) -> Iterator[pl.DataFrame]:
    """The table of a long text in parts of some megabytes, each as from `frame`.

    A part that ends within quotes or before the header is read on.
    """
    names, done = None, 0
    while block := lines.readlines(PART):
        while True:
            try:
                found = Records("".join(block), separator, comment, has_header, names, done)
                part = frame(polars, found, has_header and names is None)
                break
            except UnfinishedError:
                more = lines.readlines(PART // 4)
                if not more:
                    raise
                block += more
        names, separator, done = found.names, found.separator, done + len(block)
        yield part
    if names is None:
        raise ValueError(EMPTY)
