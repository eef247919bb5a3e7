"""The files of the corpus once more: read, used, and given to the commands."""

import itertools

from nablas.cli.tables import Format

from .__main__ import FOLDER, of_command, of_model, of_table
from .bases import CORPUS, bases

FILES = sorted(p.name for p in CORPUS.iterdir() if p.suffix != ".md")


def replay(name):
    """What was wrong, one text for each."""
    path = CORPUS / name
    content, found = path.read_bytes(), []
    if path.suffix != ".safetensors":
        # The trial of a Parquet file in a process of its own takes long.
        guarded, most = name == "too-much-memory.parquet", 1 if path.suffix == ".parquet" else 8
        choices = itertools.product([None, " "], [None, "#"], [True, False])
        for separator, comment, header in itertools.islice(choices, most):
            how = Format(separator, ".", comment, header)
            found.append(of_table(path.suffix[1:], content, how, guarded))
        for target in ["--target", "y"], []:
            arguments = ["train", str(path), *target, "--epochs", "1", "--hidden", "2", "--json"]
            found.append(of_command(arguments, path, guarded))
        return [wrong for wrong in found if wrong]
    found.append(of_model(content))
    data, out = FOLDER / "replayed.csv", FOLDER / "out.csv"
    data.write_bytes(bases("csv")[0])
    for arguments in (["info"], ["predict", str(data), "--out", str(out)], ["evaluate", str(data)]):
        command, *more = arguments
        found.append(of_command([command, str(path), *more], path))
    return [wrong for wrong in found if wrong]
