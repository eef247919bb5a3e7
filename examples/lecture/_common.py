"""What the scripts share: where pictures go, how numbers are shown."""

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt


def save(picture, folder, name):
    """Write a Display, an Axes or a Figure as ``folder/name.png``."""
    figure = getattr(picture, "figure_", None) or getattr(picture, "figure", picture)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=80)
    plt.close(figure)


def panels(count, width=4.2, height=3.4):
    """A row of Axes."""
    figure, axes = plt.subplots(
        1, count, figsize=(width * count, height), layout="constrained", squeeze=False
    )
    return figure, axes[0]


def main(run, about):
    """Run a script: its pictures go to ``--out``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", default="lecture-pictures", help="folder for the pictures")
    run(parser.parse_args().out)
