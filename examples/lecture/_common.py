"""What the scripts share: how pictures look and where they go, and the command line."""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from _pictures import picture_data

DPI = 120
PARTS = (str, dict, list, tuple, np.ndarray)  # what makes a list the rows of a table
LOOK = {
    "font.size": 10,
    "axes.titlesize": 11,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
}


class Pictures:
    """Takes a script's pictures: keeps their data, and writes PNG files if there is a folder.

    Attributes
    ----------
    data : dict of a picture's name to its data
    pages : dict of a name to a page of HTML
    """

    def __init__(self, folder=None):
        self.folder = None if folder is None else Path(folder)
        self.data, self.pages = {}, {}

    def page(self, name, html):
        """Take a page that explains itself step by step; the file is ``folder/name.html``."""
        self.pages[name] = html
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{name}.html").write_text(html, encoding="utf-8")

    def save(self, name, picture):
        """Take a Figure, an Axes, a Display of `nablas.plots` or a graph drawn by `autograd.draw`.

        The file is ``folder/name.png``; the name begins with the section's number.
        """
        if hasattr(picture, "dot"):  # the drawing of a graph chooses the figure's size
            picture = picture.plot(plt.subplots(layout="constrained")[1])
        figure = getattr(picture, "figure_", None) or picture.figure
        self.data[name] = picture_data(figure, DPI)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(self.folder / f"{name}.png", dpi=DPI)
        plt.close(figure)


def panels(count, width=4.2, height=3.4, columns=3):
    """A figure and its `count` Axes of width × height inches, in rows of at most `columns`."""
    columns = min(count, columns)
    rows = -(-count // columns)
    size = (width * columns, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for unused in axes.ravel()[count:]:
        unused.set_visible(False)
    return figure, axes.ravel()[:count]


def spread(values):
    """Least, median and greatest along the first axis."""
    return np.stack([np.min(values, axis=0), np.median(values, axis=0), np.max(values, axis=0)])


def show(result, indent=""):
    """Print what a script returns, a line for each number, array, or row of a table."""
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{name}:")
            show(value, indent + "  ")
        elif isinstance(value, str) and "\n" in value:
            print(f"{indent}{name}:\n{value}")
        elif has_rows(value):
            print(f"{indent}{name}:")
            for row in value:
                print(f"{indent}  {text(row)}")
        else:
            print(f"{indent}{name}: {text(value)}")


def has_rows(value):
    """Whether it is a list of parts that may differ in kind and length."""
    return isinstance(value, list | tuple) and any(isinstance(part, PARTS) for part in value)


def text(value):
    """A value on a line, or an array on several; the parts of a row with commas between."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text(part)}" for name, part in value.items())
    if has_rows(value):
        return ", ".join(text(part) for part in value)
    return value if isinstance(value, str) else np.array2string(np.asarray(value))


def main(run, about):
    """Run a script from the command line: prints its numbers, writes its pictures to ``--out``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", default="lecture-pictures", help="folder for the pictures")
    folder = parser.parse_args().out
    with mpl.rc_context(LOOK):
        show(run(Pictures(folder)))
