"""Files that fuzzing once found something with, and the valid ones it began with."""

import pytest

pytest.importorskip("polars")

from fuzz.bases import CORPUS, bases
from fuzz.replay import FILES, replay

TABLE = (CORPUS / "README.md").read_text()


@pytest.mark.parametrize("name", FILES)
def test_replay(name):
    assert not replay(name)
    assert f"| {name} |" in TABLE


def test_size():
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 200_000
    assert len(TABLE.splitlines()) - 6 == len(FILES)


@pytest.mark.parametrize("kind", ["model", "csv", "parquet", "npz"])
def test_valid_files_are_taken(kind):
    """The oracles do not refuse everything."""
    from fuzz.__main__ import of_model, of_table

    from nablas.cli.tables import Format

    for content in bases(kind):
        wrong = of_model(content) if kind == "model" else of_table(kind, content, Format())
        assert wrong is None
