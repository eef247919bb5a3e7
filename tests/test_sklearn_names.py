"""The tables of docs/from-scikit-learn.md are what both libraries' classes have, and miss no change of either."""

import copy
import re
from pathlib import Path

import pytest
import sklearn

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs/estimators.py").exists(), reason="not in this tree"
)
HEADING = "## Every name"
CLASSES = ["MLPClassifier", "MLPRegressor", "LogisticRegression", "LinearRegression"]


@pytest.fixture(scope="module")
def docs():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        import estimators
        import tables

        yield estimators, tables


@pytest.fixture(scope="module")
def names(docs):
    return docs[0].names()


def with_one_changed(names, cls, side, change):
    """A copy of the names with one side of one class changed."""
    pair = list(names[cls])
    pair[side] = copy.copy(pair[side])
    pair[side].shown = dict(pair[side].shown)
    change(pair[side])
    return names | {cls: tuple(pair)}


def test_the_page_is_up_to_date(docs):
    path, text = docs[1].estimators_page()
    written = re.search(r"with scikit-learn ([\d.]+)\.", path.read_text())[1]
    installed, known = ([int(n) for n in v.split(".")[:2]] for v in (sklearn.__version__, written))
    if installed < known:
        pytest.skip(f"the page is of scikit-learn {written}")
    assert path.read_text() == text, "run python docs/tables.py"


def test_every_class_with_scikit_learns_name_has_a_table(docs):
    import nablas.sklearn

    made = {
        name for name in nablas.sklearn.__all__ if isinstance(getattr(nablas.sklearn, name), type)
    }
    assert made == set(docs[0].PACKAGES) == set(CLASSES)


def outcome(docs, names, **explanations):
    """The section, or the message of the error."""
    try:
        return docs[0].Tables(names, **explanations).text()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("side", [0, 1], ids=["ours", "scikit-learn's"])
@pytest.mark.parametrize("cls", CLASSES)
def test_every_change_of_either_side_is_seen(docs, names, cls, side):
    """A name removed, added, or with another default, arguments, types or choices."""
    section = docs[0].Tables(names).text()

    def seen(change):
        got = outcome(docs, with_one_changed(names, cls, side, change))
        return got != section and (HEADING in got or cls in got or "no such name" in got)

    assert not seen(lambda one: None)
    shown = names[cls][side].shown
    assert len(shown) > 10
    for name in shown:
        assert seen(lambda one, name=name: one.shown.pop(name)), name
        assert seen(lambda one, name=name: one.shown.update({name: "another"})), name
    for kind in ("zeta", "zeta()", "zeta_"):
        assert seen(lambda one, kind=kind: one.shown.update({kind: "1"})), kind
    for name in [name for name in shown if names[cls][side].choices(name)]:
        choices = names[cls][side].choices(name)
        for other in [choices | {"zeta"}, *(choices - {choice} for choice in choices)]:

            def change(one, name=name, other=other):
                of = one.choices
                one.choices = lambda asked: other if asked == name else of(asked)

            in_both = names[cls][1 - side].choices(name)
            assert seen(change) or not in_both, (name, other)


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_ours_alone_is_named_in_words(docs, names, cls):
    """Every solver and loss that scikit-learn lacks, in the docstring and above the tables."""
    ours, theirs = names[cls]
    page = docs[1].estimators_page()[0].read_text().partition(HEADING)[0]
    own = {c for name in ("solver", "loss") for c in ours.choices(name) - theirs.choices(name)}
    assert {"adamw", "nadam"} < own
    for choice in sorted(own - {"log_loss"}):
        assert f'"{choice}"' in ours.cls.__doc__
        assert f'"{choice}"' in page


@pytest.mark.parametrize("kind", ["alone", "different", "absent"])
def test_every_explanation_is_of_a_name(docs, names, kind):
    given = getattr(docs[0], kind.upper())
    section = docs[0].Tables(names).text()
    for key in given:
        fewer = {k: v for k, v in given.items() if k != key}
        got = outcome(docs, names, **{kind: fewer})
        assert got != section
        assert HEADING in got or key.rpartition(".")[2] in got
    with pytest.raises(ValueError, match="zeta, which is no such name"):
        docs[0].Tables(names, **{kind: given | {"zeta": "x"}}).text()


def test_what_is_absent_is_explained(docs, names):
    """Each name of scikit-learn's, taken from ours: an explanation is wanted, and shown when given."""
    for cls in CLASSES:
        for name in names[cls][1].shown:
            less = with_one_changed(names, cls, 0, lambda one, name=name: one.shown.pop(name))
            with pytest.raises(ValueError, match=re.escape(f"ABSENT says nothing of {cls}.{name}")):
                list(docs[0].Tables(less).rows(cls))
            rows = list(docs[0].Tables(less, absent={f"{cls}.{name}": "for a reason"}).rows(cls))
            assert [row[1::2] for row in rows if row[0] == f"`{name}`"] == [("-", "for a reason")]
