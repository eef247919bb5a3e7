"""Names on a command line: one that is not known must be an error, since a check that runs nothing would pass."""

import argparse


def one_of(names):
    """For argparse, as a `type`; `choices` refuses the empty list of nargs="*"."""

    def name(word):
        if word not in names:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, got {word}")
        return word

    return name
