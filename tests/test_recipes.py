"""The recipes of cpp/README.md: what they name exists, and a step left out is named with its file and line."""

import importlib.util
import re
from pathlib import Path

import pytest
import registries

import nablas as nb
from nablas import kernels, reference
from nablas._registry import ACTIVATIONS, LOSSES, OPTIMIZERS

ROOT = Path(__file__).parents[1]
REGISTRIES = {  # list: (header, what Python reads)
    "Activations": ("cpp/kernels/activations.hpp", ACTIVATIONS),
    "Losses": ("cpp/kernels/losses.hpp", LOSSES),
    "Optimizers": ("cpp/kernels/optimizers.hpp", OPTIMIZERS),
}
in_the_tree = pytest.mark.skipif(not (ROOT / "cpp/README.md").exists(), reason="not in this tree")


def recipes():
    text = (ROOT / "cpp/README.md").read_text().partition("## How to add")[2]
    return re.findall(r"(?ms)^- \*\*(.*?)\*\*(.*?)(?=^- \*\*|\Z)", text)


@in_the_tree
def test_the_files_that_the_recipes_name_exist():
    assert len(recipes()) == 6
    for name, text in [("", (ROOT / "cpp/README.md").read_text()), *recipes()]:
        for path in re.findall(r"`((?:\w+/)*\w+\.(?:hpp|cpp|pyi|py|md|txt))`", text):
            assert (ROOT / path).exists() or (ROOT / "cpp" / path).exists(), f"{name}: {path}"


@in_the_tree
@pytest.mark.parametrize("registry", REGISTRIES)
def test_the_registries_that_the_recipes_name_are_the_ones_that_are_read(registry):
    """The structs of the list, by their names, are what the extension has, in the same order."""
    header, read = REGISTRIES[registry]
    assert f"`{registry}`" in (ROOT / "cpp/README.md").read_text()
    code = (ROOT / header).read_text()
    listed = re.search(rf"using {registry} =\s*List<([^>]*)>", code)[1].split(",")
    structs = dict(re.findall(r'struct (\w+) : [^{]*\{[^}]*?\bname = "(\w+)"', code))
    assert [structs[name.strip()] for name in listed] == list(read), "rebuild after a change"
    unlisted = set(structs) - {name.strip() for name in listed}
    assert not unlisted, (
        f"{registries.line_of(header, f'using {registry} =')}: add {', '.join(unlisted)}"
    )


@pytest.mark.parametrize("step", registries.STEPS, ids=lambda step: step.__name__)
def test_no_step_was_left_out(step):
    missing = list(step())
    if missing:
        pytest.fail("\n".join(missing), pytrace=False)


def test_everything_else_follows():
    if registries.missing():
        pytest.skip("test_no_step_was_left_out says what is missing")
    for name in ACTIVATIONS:
        assert callable(getattr(nb.autograd, name))
        assert name in nb.autograd.__all__
    for name, entry in LOSSES.items():
        assert name in nb.autograd.__all__
        assert entry.function in kernels.__all__
        assert entry.function in reference.__all__
    assert list(nb.activations()) == list(ACTIVATIONS)
    assert list(nb.losses()) == list(LOSSES)


@in_the_tree
def test_the_tables_of_the_documents_are_up_to_date():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs/tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    for path, text in tables.pages().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run python docs/tables.py"
