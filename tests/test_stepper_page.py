"""The page that shows a computation step by step, in headless Chromium."""

import html
import json
import re

import numpy as np
import pytest
from stepping import (
    RATE,
    browse,
    evaluate,
    lecture_net,
    needs_browser,
    page_data,
    shown,
    steps_of,
    wide_explanation,
)

from nablas import autograd
from nablas.autograd import Tensor

HOSTILE = [
    "</script><script>document.title='taken'</script>", "{0}", "<img src=x onerror=alert(1)>", '"&\'', "a\nb\u2028",
    "${x}", "<!--", "𝒳", "\ud800",
]  # fmt: skip


def hostile_graph():
    leaves = [Tensor(0.5 + k, requires_grad=True) for k in range(len(HOSTILE))]
    total = leaves[0] * 2.0
    for leaf in leaves[1:]:
        total = total + leaf
    return autograd.draw(total, dict(zip(HOSTILE, leaves, strict=True)))


def test_pages_read_nothing_and_run_nothing_of_the_data():
    for page in [hostile_graph().to_html(), wide_explanation().to_html()]:
        assert page.count("<script") == page.count("</script>") == 2
        assert "default-src 'none'" in page
        page = re.sub(r'(id="data">).*?(</script>)', r"\1\2", page)
        assert not re.search(
            r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|\bsrc=|innerHTML|eval\(", page
        )
    data = page_data(hostile_graph().to_html())
    assert {name for step in data["steps"] for name in step["symbols"]} >= {
        "?" if name == "\ud800" else name for name in HOSTILE
    }
    svg = hostile_graph().svg()
    assert "<script" not in svg
    assert "<img" not in svg


def test_the_embedded_numbers_are_the_steps_in_full():
    seen = lecture_net().explain([1.0, 2.0], [1.0])
    data = page_data(seen.to_html(learning_rate=RATE))
    for given, step in zip(data["steps"], steps_of(seen), strict=True):
        assert given["value"] == step.value
        assert given["numbers"] == list(step.numbers)
    x = Tensor(0.0, requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        page = autograd.draw(1 / x, {"x": x}).to_html()  # infinities are no numbers of JSON
    assert "Infinity" in {step["value"] for step in page_data(page)["steps"]}


def test_a_notebook_gets_the_page_in_a_frame():
    seen = lecture_net().explain([1.0, 2.0], [1.0])
    (inner,) = re.findall(r'srcdoc="([^"]*)"', seen._repr_html_())
    assert html.unescape(inner) == seen.to_html()
    assert 'sandbox="allow-scripts"' in seen._repr_html_()


def parsed(document):
    """Step, listed steps (visible, parts of the text), and the texts of the picture."""
    items = re.findall(r'<li data-step="(\d+)"([^>]*)>(.*?)</li>', document, re.DOTALL)
    listed = [
        ("hidden" not in rest, dict((c.split()[0], html.unescape(t)) for c, t in re.findall(r'<span class="([^"]*)">(.*?)</span>', text, re.DOTALL)))
        for _, rest, text in items
    ]  # fmt: skip
    texts = {}
    for target, body in re.findall(r'<g data-id="([^"]*)"[^>]*>(.*?)</g>', document, re.DOTALL):
        texts[target] = [
            html.unescape(t) for t in re.findall(r"<text[^>]*>(.*?)</text>", body, re.DOTALL) if t
        ]
    return int(re.search(r'data-step="(\d+)"', document.split("<body", 1)[1])[1]), listed, texts


@needs_browser
@pytest.mark.parametrize("which", ["2-2-1", "64-64-10", "graph"])
def test_every_number_of_the_page(which, tmp_path):
    if which == "graph":
        x, w = Tensor(-1.5, requires_grad=True), Tensor(0.25, requires_grad=True)
        page = autograd.draw(autograd.tanh(x * w) - x**2 / 3 + 1, {"x": x, "w": w}).to_html()
    else:
        seen = lecture_net().explain([1.0, 2.0], [1.0]) if which == "2-2-1" else wide_explanation()
        page = seen.to_html()
    data = page_data(page)
    steps, slots = data["steps"], data["slots"]
    at, listed, texts = parsed(browse(tmp_path, page, f"#step={len(steps)}"))
    assert at == len(listed) == len(steps)
    for step, (visible, text) in zip(steps, listed, strict=True):
        assert visible
        assert text["symbol"] == step["symbol"]
        assert text["result"] == shown(step["value"])
        if "numbers" in text:
            value, exact = evaluate(text["numbers"]), step["value"]
            sizes = [abs(v) for v in step["numbers"]]
            # five digits of each number: an error of half a unit of the fifth in each term
            assert value == pytest.approx(exact, rel=1e-3, abs=1e-4 * max(1, *sizes))
            assert re.findall(r"[\d.]+(?:e−?\d+)?", text["numbers"])
        latest = {s["slot"]: s for s in steps if s["target"] == step["target"]}
        if latest[step["slot"]] is step and step["slot"] != "back":
            assert slots[step["slot"]]["prefix"] + shown(step["value"]) in texts[step["target"]]
    if which != "2-2-1":
        return
    shared = {step["target"] for step in steps if step["slot"] == "update"}
    for target, slot, value in data["given"]:
        if target not in shared:
            assert slots[slot]["prefix"] + shown(value) in texts[target]
    at, listed, texts = parsed(browse(tmp_path, page, "#step=3"))
    assert at == sum(visible for visible, _ in listed) == 3
    assert (
        slots[steps[3]["slot"]]["prefix"] + shown(steps[3]["value"])
        not in texts[steps[3]["target"]]
    )
    for target, slot, value in data["given"]:
        assert slots[slot]["prefix"] + shown(value) in texts[target]


PRESSES = """
const seen = [];
const note = () => seen.push(Number(document.body.dataset.step));
const keys = names => names.forEach(key => { document.dispatchEvent(new KeyboardEvent("keydown", {key})); note(); });
const click = name => { document.querySelector(`[data-go=${name}]`).click(); note(); };
keys(["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "PageDown", "PageDown", "PageDown", "PageDown", "PageDown", "End", "PageUp", "Home", "ArrowLeft"]);
click("next"); click("last"); click("back");
document.querySelector("input").value = 12; document.querySelector("input").dispatchEvent(new Event("input")); note();
document.body.setAttribute("data-seen", JSON.stringify(seen));
"""


@needs_browser
def test_keys_buttons_and_hostile_names(tmp_path):
    seen = lecture_net().explain([1.0, 2.0], [1.0], loss="half_mse").to_html()
    document = browse(tmp_path, seen, "", PRESSES)
    forward, loss, backward, gradient, last = 6, 7, 16, 25, 34
    expected = [
        1,
        2,
        3,
        2,
        forward,
        loss,
        backward,
        gradient,
        last,
        last,
        backward + 9,
        0,
        0,
        1,
        last,
        33,
        12,
    ]
    assert json.loads(re.search(r'data-seen="([^"]*)"', document)[1]) == expected
    page = hostile_graph().to_html()
    document = browse(tmp_path, page, "#step=100")
    assert "taken" not in re.search(r"<title>(.*?)</title>", document)[1]
    assert parsed(document)[0] == len(page_data(page)["steps"])


OVERLAPS = """
const boxes = [...document.querySelectorAll("svg rect")].map(r => ["box", r.getBBox()]);
const texts = [...document.querySelectorAll("svg text.label")].filter(t => t.textContent).map(t => [t.textContent, t.getBBox()]);
const found = [];
const all = [...boxes, ...texts];
for (let i = 0; i < all.length; i++) for (let j = i + 1; j < all.length; j++) {
  const [a, b] = [all[i][1], all[j][1]];
  const x = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x), y = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (x > 0.5 && y > 0.5) found.push(all[i][0] + " and " + all[j][0]);
}
for (const group of document.querySelectorAll("svg g")) {
  const box = group.querySelector("rect");
  if (box) for (const text of group.querySelectorAll("text")) if (text.getBBox().width > box.getBBox().width) found.push(text.textContent + " is too wide");
}
const svg = document.querySelector("svg").getBBox();
if (svg.x < 0 || svg.y < 0 || svg.x + svg.width > data.width || svg.y + svg.height > data.height) found.push("outside");
document.body.setAttribute("data-overlaps", all.length + " " + found.join("; "));
"""


@needs_browser
def test_nothing_overlaps_in_the_browser(tmp_path):
    w, x = Tensor(np.ones((3, 4)), requires_grad=True), np.ones((2, 3))
    graph = autograd.draw(
        autograd.cross_entropy(x @ w, np.array([0, 3])) + 0.1 * (w**2).sum(), {"W": w, "X": x}
    )
    for page in [wide_explanation().to_html(), graph.to_html()]:
        last = len(page_data(page)["steps"])
        document = browse(tmp_path, page, f"#step={last}", OVERLAPS)
        count, found = re.search(r'data-overlaps="(\d+) ([^"]*)"', document).groups()
        assert int(count) > 10
        assert not found
