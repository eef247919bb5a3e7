"""What a source raises, wherever it is asked: the same error, or one that names the source and its rows."""

import json

import numpy as np
import pytest
from cases import iris
from streaming import Rows

import nablas as nb


class DamagedError(ValueError):
    """An error with an argument of its own, whose text is not the argument."""

    def __init__(self, row):
        super().__init__(f"row {row} is damaged")
        self.row = row


class MissingError(TypeError):
    """An error without arguments."""

    def __init__(self):
        super().__init__("nothing there")


def damaged():
    error = ValueError("damaged")
    error.row = 7
    return error


ERRORS = [
    DamagedError(7), MissingError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), json.JSONDecodeError("odd", "text", 2),
    OSError(5, "cannot read"), GeneratorExit(), ValueError(), ValueError("row", 7), TypeError({"row": 7}), damaged(),
]  # fmt: skip
PLAIN = [ValueError("odd"), TypeError("odd"), StopIteration()]


class Failing(Rows):
    """A source that raises at one of its reads, or when that of its shape is asked."""

    def __init__(self, error, at, x, y):
        super().__init__(x, y)
        self.error, self.at = error, at

    def read(self, rows):
        if len(self.reads) == self.at:
            raise self.error
        return super().read(rows)


def fit(error, at, place, text=False):
    """A fit whose rows, those to train on or those of validation, cannot be read."""
    x, y = iris()
    y = np.array(["a", "b", "c"])[y] if text else y
    source = Failing(error, at, x, y)
    given = {"X": source} if place == "train" else {"X": Rows(x, y), "validation_data": source}
    net = nb.MLP([4, 5, 3], output="softmax", seed=0)
    net.fit(**given, epochs=3, batch_size=10, block_rows=40)


def fit_with_words(error, at, place):
    fit(error, at, place, text=True)


def cache(error, at, place):
    nb.data.CachedSource(Failing(error, at, *iris()))


# The first read is that of one row; a cache makes two, of all rows the second.
WAYS = [
    (way, at, place)
    for way, reads in ((fit, (0, 3)), (fit_with_words, (1,)), (cache, (1,)))
    for at in reads
    for place in ("train", "validation")
    if way is not cache or place == "train"
]
NAMES = [f"{way.__name__}-{at}-{place}" for way, at, place in WAYS]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("way", "at", "place"), WAYS, ids=NAMES)
def test_an_error_that_holds_more_than_a_text_is_the_one_that_is_raised(error, way, at, place):
    before = str(error), vars(error).copy()
    with pytest.raises(type(error)) as raised:
        way(error, at, place)
    assert raised.value is error
    assert (str(error), {n: v for n, v in vars(error).items() if n != "__notes__"}) == before
    vars(error).pop("__notes__", None)


@pytest.mark.parametrize("error", PLAIN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("way", "at", "place"), WAYS, ids=NAMES)
def test_an_error_of_a_general_class_keeps_its_class(error, way, at, place):
    """But for a StopIteration, which would look like the end of a generator to whoever calls `fit`."""
    stop = isinstance(error, StopIteration)
    text = r"source: expected rows \d+ to \d+ from read, got StopIteration" if stop else "odd"
    with pytest.raises(ValueError if stop else type(error), match=text) as raised:
        way(error, at, place)
    if place == "validation":
        assert str(raised.value).startswith("validation_data, ")


def test_rows_that_are_known_are_noted():
    with pytest.raises(DamagedError) as raised:
        fit(DamagedError(7), 3, "train")
    [note] = raised.value.__notes__
    assert note.startswith("row 7 is damaged, of the source's rows ")


@pytest.mark.parametrize("answers", [3, 6, 9])  # the first ones before anything is read
def test_a_shape_that_stops(answers):
    class Stopped(Rows):
        @property
        def shape(self):
            if self.left == 0:
                raise StopIteration
            self.left -= 1
            return self.arrays[0].shape

        @shape.setter
        def shape(self, value):
            self.left = answers

    with pytest.raises(ValueError, match="source: expected shape, got StopIteration"):
        nb.MLP([4, 5, 3], output="softmax").fit(Stopped(*iris()), batch_size=10, block_rows=40)


@pytest.mark.parametrize("shuffle", [False, True])
def test_more_rows_than_can_be_counted_in_memory(shuffle):
    x, y = iris()
    source = Rows(x, y)
    source.shape = 2**62, 4
    with pytest.raises(MemoryError):
        nb.MLP([4, 5, 3], output="softmax").fit(source, block_rows=1000, shuffle=shuffle)
