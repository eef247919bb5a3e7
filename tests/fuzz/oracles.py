"""What may happen when a damaged file is read: an error that names it, or content that can be used."""

import contextlib
import io
import json
import pathlib
import re

import numpy as np

import nablas as nb

from .bases import bases, checkpointed, corpus, split

LONGEST_MESSAGE = 1000


def judged(path, act):
    """None, or what was wrong: only a ValueError or OSError that names the file is right."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            act()
    except (ValueError, OSError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError):
            return None
        if str(path) not in text:
            return f"message without the file: {type(error).__name__}: {text:.200}"
        if len(text) > LONGEST_MESSAGE:
            return f"long message: {type(error).__name__}: {len(text)} letters, {text:.200}"
    except AssertionError as error:
        return f"wrong content: {error!s:.300}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error!s:.200}"
    return None


# ---- models ------------------------------------------------------------------------------------


def read_model(path, altered):
    """Loads and uses a model; `altered`: its checksum was made anew, so its content may be another."""
    net = nb.MLP.load(path)
    told = (net._specification(), net.extra, net.parameters.tobytes())
    if not altered:
        assert _plain(told) in _known(), f"another model: {told[0]}"
    assert np.isfinite(net.parameters).all()
    assert repr(net)
    assert net._repr_html_()
    x = np.zeros((2, net.sizes[0]))
    with np.errstate(all="ignore"):
        out = net.forward(x)
        assert out.shape == (2, net.sizes[-1])
        assert out.dtype == net.dtype
        with contextlib.suppress(FloatingPointError):
            net.predict(x)
    again = pathlib.Path(f"{path}.again")
    net.save(again)
    twin = nb.MLP.load(again)
    assert _plain((twin._specification(), twin.extra, twin.parameters.tobytes())) == _plain(told)
    _train(twin)
    if nb.io.read(path)[2] is not None:
        with contextlib.suppress(FloatingPointError):  # of another file's states
            checkpointed(again, 3, resume=path)


def _train(net):
    """One epoch goes on from the numbers of epochs and updates in the file."""
    x = np.zeros((2, net.sizes[0]))
    y = np.array(net.classes)[[0, 1]] if net.classes else np.zeros((2, net.sizes[-1]))
    if net.output == "softmax" and not net.classes:
        y = np.zeros(2, int)
    try:
        net.fit(x, y, epochs=1)
    except FloatingPointError:  # weights of another file
        pass
    except ValueError as error:  # of an output that no loss is linked to, or one class
        if not re.match(r"loss|epochs|y\b", str(error)):
            raise


def _plain(told):
    """As text, since NaN is not equal to itself."""
    return repr(told)


def _known():
    global _models
    if _models is None:
        _models = set()
        for content in [*bases("model"), *_readable(corpus("model").values())]:
            header, data = split(content)
            specification = json.loads(header["__metadata__"]["nablas"])
            extra = specification.pop("extra") or {}
            specification.pop("format")
            specification.pop("training", None)
            names = sorted(
                (n for n in header if n.startswith("layers.")),
                key=lambda n: (int(n.split(".")[1]), n),
            )
            flat = b"".join(data[slice(*header[n]["data_offsets"])] for n in names)
            _models.add(_plain((specification, extra, flat)))
    return _models


_models = None


def _readable(contents):
    """Those with a header whose metadata can be read."""
    for content in contents:
        with contextlib.suppress(TypeError, ValueError, KeyError):
            json.loads(split(content)[0]["__metadata__"]["nablas"])
            yield content


# ---- tables ------------------------------------------------------------------------------------


def use_table(frame, which):
    """What `nablas train` does with a table and the target column of number `which`; errors of a column name it."""
    from nablas.cli.preprocessing import Statistics
    from nablas.cli.reports import report

    try:
        report(frame)
        statistics = Statistics(
            frame.columns[which % frame.width], ("auto", "classification", "regression")[which % 3]
        )
        statistics.update(frame)
        made = statistics.finish()
        features, targets = made.matrix(frame), made.targets(frame)
    except ValueError as error:
        if re.match(r"column|target|expected columns", str(error)):
            return
        raise AssertionError(f"no column named: {error}") from error
    assert np.isfinite(features).all()
    assert features.shape == (frame.height, len(made.features))
    assert targets.shape == (frame.height,)


def cells(text, separator, comment):
    """The rows of CSV text, letter by letter: quotes as in RFC 4180, spaces before a field are none of it.

    Lines that begin with `comment` between rows are left out; a blank line is a row without fields.
    """
    rows, at, end = [], 0, len(text)
    while at < end:
        row, first = [], at
        while True:
            while at < end and text[at] == " ":
                at += 1
            field = ""
            if at < end and text[at] == '"':
                at += 1
                while at < end and (text[at] != '"' or text[at + 1 : at + 2] == '"'):
                    field += text[at]
                    at += 2 if text[at] == '"' else 1
                at += 1
            while at < end and text[at] not in (separator, "\n", "\r"):
                field += text[at]
                at += 1
            row.append(field)
            if at >= end or text[at] != separator:
                break
            at += 1
        blank = at == first
        if comment is not None and text.startswith(comment, first):
            while at > first and text[first] not in "\r\n":
                first += 1
            at = first
            row = None
        at += 2 if text[at : at + 2] == "\r\n" else 1
        if row is not None:
            rows.append([] if blank else row)
    return rows


def same_as_csv(frame, content, how):
    """The cells are those of `cells`."""
    from nablas.cli.tables import MISSING

    text = content.decode("utf-8-sig")
    lines = re.split("\r\n|\r|\n", text)
    first = next(x for x in lines if x and not (how.comment and x.startswith(how.comment)))
    separator = how.separator or max(",;\t|", key=lambda s: len(cells(first, s, None)[0]))
    rows = cells(text, separator, how.comment)
    while not rows[0]:
        rows.pop(0)
    names = [cell.strip() or f"column_{i}" for i, cell in enumerate(rows[0], 1)]
    if not how.header:
        names = [f"column_{i}" for i in range(1, len(names) + 1)]
    assert frame.columns == names, f"columns {frame.columns}, expected {names}"
    rows = [row or [""] for row in rows[how.header :] if row or len(names) == 1]
    assert frame.height == len(rows), f"{frame.height} rows, expected {len(rows)}"
    for i, name in enumerate(names):
        for got, row in zip(frame[name].to_list(), rows, strict=True):
            want = None if row[i].strip(SPACES) in MISSING else row[i].strip(SPACES)
            assert _same_cell(got, want, how.decimal), f"column {name!r}: {got!r} of {want!r}"


SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def _same_cell(got, want, decimal):
    if got is None or want is None:
        return got is want
    if isinstance(got, bool):
        return str(got).lower() == want.lower()
    if isinstance(got, str):
        return got == want
    if decimal == ",":
        first, *thousands = want.partition(",")[0].lstrip("+-").split(".")
        if thousands and (not 1 <= int(first) <= 999 or any(len(part) != 3 for part in thousands)):
            return False
        want = want.replace(".", "").replace(",", ".")
    try:
        number = float(want)
    except ValueError:
        return False
    return got == number or abs(got - number) <= 4e-16 * abs(number) or got != got


def same_as_npz(frame):
    """The arrays are those of a valid file, whose checksums cover them."""
    columns = [frame[name].to_numpy().tobytes() for name in frame.columns if name[:1] == "x"]
    assert columns in _arrays(), f"other values: {frame}"


def _arrays():
    global _known_arrays
    if _known_arrays is None:
        _known_arrays = []
        for content in bases("npz"):
            with np.load(io.BytesIO(content)) as arrays:
                x = arrays["X"].reshape(len(arrays["X"]), -1)
            x = x.astype(x.dtype.newbyteorder("="))
            _known_arrays.append([x[:, i].tobytes() for i in range(x.shape[1])])

    return _known_arrays


_known_arrays = None
