"""The recipes of published results run, and the page and the results belong to each other."""

import gzip
import importlib
import os
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nablas as nb

ROOT = Path(__file__).parents[1]
SEEDS = ["0", "1", "2", "3", "4"]
pytestmark = pytest.mark.skipif(not (ROOT / "examples").exists(), reason="not in this tree")
pytest.importorskip("sklearn")


@pytest.fixture
def module(monkeypatch):
    """Imports a module of examples/."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module


@pytest.fixture
def results(module):
    return module("published").load(ROOT / "docs" / "published.json")


def idx(array):
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """A made set of 60 and 20 images whose class is the place of a bright row; half is compressed."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("t10k", 20)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 2 * labels] = 250
        (tmp_path / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


# ---- reading -------------------------------------------------------------------------------------


def test_idx_files_plain_and_compressed(module, tmp_path):
    mnist = module("mnist")
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("plain", "packed.gz"):
        np.testing.assert_array_equal(mnist.read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x08", b"\0\0\x0d\1\0\0\0\0", b"\0\0\x08\2\0\0\0\2", idx(np.zeros(3, np.uint8))[:-1]]
)  # fmt: skip
def test_other_files_are_refused(module, tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match="expected"):
        module("mnist").read_idx(tmp_path / "file")


def test_a_split_is_read(module, folder):
    images, labels = module("mnist").read_split(folder, "t10k")
    assert images.shape == (20, 784)
    assert images.dtype == np.float32
    assert images.max() == np.float32(250 / 255)
    assert (images.reshape(20, 28, 28).mean(axis=2).argmax(axis=1) == 2 * labels).all()
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="train-labels"):
        module("mnist").read_split(folder, "train")


# ---- running -------------------------------------------------------------------------------------


def test_every_recipe_runs_and_no_result_is_made_twice(module, folder, capsys, monkeypatch):
    published = module("published")
    out = folder / "results.json"
    command = ["--mnist", str(folder), "--seeds", "1", "--epochs", "2", "--out", str(out)]
    published.main(command)
    printed = capsys.readouterr().out
    made = published.load(out)
    assert list(made) == [recipe.name for recipe in published.RECIPES]
    for recipe in published.RECIPES:
        assert f"{recipe.name}, seed 0" in printed
        kept = made[recipe.name]
        assert list(kept["runs"]) == ["0"]
        assert kept["settings"] == published.settings(replace(recipe, epochs=2))
        for run in kept["runs"].values():
            if "wrong" in run:
                assert len(run["wrong"]) == 2
                assert run["of"] == (10 if recipe.judged_on == "validation" else 20)
                assert all(0 <= wrong <= run["of"] for wrong in run["wrong"])
            else:
                assert min(run["linear"], run["lasso"], run["network"]) > 0

    with pytest.raises(SystemExit):  # one run has no spread
        published.main(["--page", "--out", str(out)])
    published.main([*command[:3], "2", *command[4:], "--only", "nielsen-l2"])
    made = published.load(out)

    def forbidden(*_):
        raise AssertionError("run again")

    monkeypatch.setattr(published, "train", forbidden)
    monkeypatch.setattr(published, "compare", forbidden)
    published.main(command)
    assert published.load(out) == made
    with pytest.raises(AssertionError, match="run again"):  # another seed, other settings
        published.main([*command[:3], "2", *command[4:]])
    with pytest.raises(AssertionError, match="run again"):
        published.main([*command[:5], "3", *command[6:]])
    published.main(["--page", "--out", str(out)])
    text = out.with_suffix(".md").read_text(encoding="utf-8")
    for recipe in published.RECIPES:
        assert (f"`{recipe.name}`" in text) == recipe.name.startswith("nielsen-l2")


def test_a_recipe_learns(module, folder):
    """The made set is separable: a network that learns has no wrong image at the end."""
    published = module("published")
    (recipe,) = [r for r in published.RECIPES if r.name == "nielsen-entropy-30"]
    splits = [published.read_split(folder, name) for name in ("train", "t10k")]
    assert published.train(replace(recipe, epochs=60), 0, *splits)["wrong"][-1] <= 2


def test_unknown_names_and_missing_folders_are_refused(module, capsys):
    for arguments in (["--only", "nobody"], []):
        with pytest.raises(SystemExit):
            module("published").main(arguments)
        assert "expected" in capsys.readouterr().err


def test_the_labs_errors_are_made_again(module, results):
    """The linear models to the last digit; the network's rounding grows in its 15,000 updates."""
    published = module("published")
    (recipe,) = [r for r in published.RECIPES if r.name == "hitters"]
    run, kept = published.compare(recipe, 0), results["hitters"]["runs"]["0"]
    assert (run["linear"], run["lasso"]) == (kept["linear"], kept["lasso"])
    # Five divisions of the rows differ by 2.5, seeds of the network on one division by less.
    assert run["network"] == pytest.approx(kept["network"], abs=2.5)


@pytest.mark.skipif("NABLAS_MNIST" not in os.environ, reason="NABLAS_MNIST: MNIST's folder")
def test_first_epochs_are_made_again(module, results):
    published = module("published")
    splits = [published.read_split(os.environ["NABLAS_MNIST"], name) for name in ("train", "t10k")]
    for recipe in published.RECIPES:
        kept = results[recipe.name]
        if isinstance(recipe, published.Recipe) and kept["machine"].startswith(nb.isa() + ","):
            run = published.train(replace(recipe, epochs=1), 0, *splits)
            assert run["wrong"] == kept["runs"]["0"]["wrong"][:1], recipe.name


# ---- the recipes' mathematics --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nielsen-quadratic-30", "nielsen-entropy-30", "nielsen-l2"])
def test_nielsens_update(module, name):
    """One update of fit is the book's: w − η λ/n w − η/m Σ ∂C/∂w, with a delta for each cost."""
    published = module("published")
    (recipe,) = [r for r in published.RECIPES if r.name == name]
    recipe = replace(recipe, sizes=(7, 5, 10))
    rng = np.random.default_rng(1)
    x, labels = rng.random((10, 7)), rng.integers(0, 10, 10)
    y = np.eye(10)[labels]
    net = published.build(recipe, 3)
    w, b = [a.astype(float) for a in net.weights], [a.astype(float) for a in net.biases]
    hidden = 1 / (1 + np.exp(-(x @ w[0] + b[0])))
    a = 1 / (1 + np.exp(-(hidden @ w[1] + b[1])))
    delta = (a - y) * (a * (1 - a) if "quadratic" in name else 1.0)
    back = delta @ w[1].T * hidden * (1 - hidden)
    rate, decay = recipe.optimizer.learning_rate, 5 / 50_000 if name == "nielsen-l2" else 0.0
    net.fit(
        x, published.one_hot(labels, recipe.targets), loss=recipe.loss, optimizer=recipe.optimizer,
        batch_size=recipe.batch_size, epochs=1, l2=recipe.l2,
    )  # fmt: skip
    expected = [w[0] - rate * (decay * w[0] + x.T @ back / 10), w[1] - rate * (decay * w[1] + hidden.T @ delta / 10)]  # fmt: skip
    for ours, theirs in zip(net.weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)  # float32
    for ours, theirs in zip(net.biases, (b[0] - rate * back.mean(axis=0), b[1] - rate * delta.mean(axis=0)), strict=True):  # fmt: skip
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_lecuns_unit(module):
    """The scaled tanh network computes what units 1.7159 tanh(2/3 z) compute, up to the factor."""
    recipes = module("published_recipes")
    sizes, x = (9, 6, 4, 10), np.random.default_rng(0).random((5, 9))
    net = nb.MLP(sizes, "tanh", "tanh", dtype="float64")
    rng, same, a = np.random.default_rng(1), np.random.default_rng(1), x
    for layer, (inputs, units) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        net.weights[layer], net.biases[layer] = recipes.lecun(rng, inputs, units, layer)
        w, b = (same.uniform(-2.4 / inputs, 2.4 / inputs, shape) for shape in ((inputs, units), units))  # fmt: skip
        a = 1.7159 * np.tanh(2 / 3 * (a @ w + b))
    np.testing.assert_allclose(1.7159 * net.forward(x), a, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "weight", "bias"),
    [("N(0, 1)", 1.0, 1.0), ("N(0, 1/inputs)", 1 / 28, 1.0), ("N(0, 0.05²)", 0.05, 0.05)],
)
def test_the_spread_of_initial_weights(module, name, weight, bias):
    w, b = module("published_recipes").WEIGHTS[name](np.random.default_rng(0), 784, 500, 0)
    assert w.shape == (784, 500)
    assert w.std() == pytest.approx(weight, rel=0.01)  # 4 standard errors of 392,000 numbers: 0.5 %
    assert b.std() == pytest.approx(bias, rel=0.13)  # 4 of 500: 13 %


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_is_made_from_the_results(module, results):
    page = (ROOT / "docs" / "published.md").read_text(encoding="utf-8")
    assert page == module("published_page").page(results)


def test_every_recipe_has_the_results_of_five_seeds_by_its_settings(module, results):
    published = module("published")
    assert set(results) == {recipe.name for recipe in published.RECIPES}
    for recipe in published.RECIPES:
        kept = results[recipe.name]
        assert list(kept["runs"]) == SEEDS, recipe.name
        assert kept["settings"] == published.settings(recipe), recipe.name
        for run in kept["runs"].values():
            assert len(run.get("wrong", range(recipe.epochs))) == recipe.epochs


def test_what_differs_has_a_reason(module, results):
    """More than two standard deviations need a reason; a reason needs such a difference."""
    page = module("published_page")
    found = page.rows(results)
    assert len(found) == len(results) + 1  # the lab's two ratios
    for row in found:
        far = abs(statistics.mean(row.ours) - row.published) > 2 * statistics.stdev(row.ours)
        assert row.differs == far
    assert page.unexplained(found) == []


def test_a_missing_and_a_needless_reason_are_found(module, results):
    page = module("published_page")
    recipes = list(module("published").RECIPES)
    far = next(row.recipe for row in page.rows(results) if row.differs)
    near = next(r for r in recipes if r.name not in {row.recipe.name for row in page.rows(results) if row.differs})  # fmt: skip
    changed = [replace(r, reason={far: "", near: "no"}.get(r, r.reason)) for r in recipes]
    assert page.unexplained(page.rows(results, changed)) == [
        r.name for r in recipes if r in (far, near)
    ]
    moved = [replace(r, published=r.published + 9, reason="") if r is near else r for r in recipes]
    assert page.unexplained(page.rows(results, moved)) == [near.name]
