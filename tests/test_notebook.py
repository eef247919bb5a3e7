"""What notebooks show of a network and of a history: tables with their numbers, escaped, self-contained."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import nablas as nb

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 4))
Y = np.arange(40) % 2


class Table(HTMLParser):
    """The caption and the cells of the rows of a table; fails for tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.caption, self.rows, self.tags = [], "", [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert not attributes
        self.open.append(tag)
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def test_a_network():
    net = nb.MLP([4, 300, 2], "tanh", "softmax", dtype="float64", seed=0)
    net.fit(X, Y, epochs=3)
    shown = Table(net._repr_html_())
    assert shown.caption == "MLP(4-300-2, tanh, softmax, float64), 3 epochs trained"
    assert shown.rows[1:] == [
        ["1", "4 × 300", "300", "tanh", "1,500"],
        ["2", "300 × 2", "2", "softmax", "602"],
        ["all", "", "", "", "2,102"],
    ]
    assert net.parameters.size == 2102


def test_a_history():
    net = nb.MLP([4, 3, 2], "tanh", "softmax", seed=0)
    history = net.fit(X, Y, epochs=9, validation_data=(X, Y))
    history.val_loss[1] = 0.125
    shown = Table(history._repr_html_())
    assert shown.caption == "History: 9 epochs, best by val_loss: 2"
    header, *rows = shown.rows
    assert header[0] == "epoch"
    assert "val_score (accuracy)" in header
    assert [row[0] for row in rows] == ["2 (best)", "5", "6", "7", "8", "9"]
    for row in rows:
        epoch = int(row[0].split()[0]) - 1
        for name, cell in zip(header[1:], row[1:], strict=True):
            assert cell == f"{history[name.split()[0]][epoch]:.4g}"


@pytest.mark.parametrize(
    ("losses", "validation", "best"),
    [([], [], None), ([1.0], [], 1), ([np.nan, 3.0, 2.0], [], 3), ([3.0, 2.0, 1.0], [0.5, np.nan], 1), ([np.nan], [], 1)],
)  # fmt: skip
def test_histories_that_are_easily_got_wrong(losses, validation, best):
    shown = Table(nb.History(loss=losses, val_loss=validation)._repr_html_())
    assert len(shown.rows) == 1 + len(losses)
    marked = [row[0] for row in shown.rows if "best" in row[0]]
    assert marked == ([] if best is None else [f"{best} (best)"])


def test_texts_are_escaped_and_nothing_is_loaded():
    hostile = "<script>alert('&')</script>"
    history = nb.History(metric=hostile, loss=[1.0], val_score=[1.0])
    net = type(hostile, (nb.MLP,), {})([2, 1])
    net.activations = (hostile,)
    for thing in (history, net):
        text = thing._repr_html_()
        shown = Table(text)
        assert hostile in shown.caption + "".join(map("".join, shown.rows))
        assert set(shown.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert not re.search(r"<script|https?:|src=|href=", text)
