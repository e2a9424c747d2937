"""The review page in a browser, as a person uses it. The clip's pictures carry their numbers: what is on screen is read
off it.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from chromium import browser, executable, required
from review_edit import FRAMES, NAME, Made, held
from review_tab import CONTRAST, Tab

from editalk.plan import source_of
from editalk.review import page

RATE = 25
pytestmark = pytest.mark.skipif(
    executable() is None and not required(), reason="no Chromium on this machine (EDITALK_CHROMIUM_REQUIRED=1 insists)"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def _tab(edit: Made, chromium: Any) -> Iterator[Tab]:
    tab = Tab(chromium.new_page(viewport={"width": 1400, "height": 900}))
    tab.open(edit.page.as_uri())
    yield tab
    tab.page.close()


@pytest.fixture
def tab(_tab: Tab) -> Tab:
    """The page at its beginning."""
    _tab.page.evaluate("after.pause(), document.activeElement?.blur(), view('both'), zoom(Infinity), seek(0)")
    _tab.settle()
    return _tab


def shown(edit: Made, frame: int) -> float | None:
    return source_of(edit.plan.timeline, frame + 0.5)


def test_opens_without_complaint_or_network(edit: Made, chromium: Any) -> None:
    tab = Tab(chromium.new_page())
    tab.open(edit.page.as_uri())
    assert tab.wrong == []
    assert [address.split(":")[0] for address in tab.asked] == ["file", "blob", "blob"]
    lasting = tab.page.evaluate("() => [before.duration, after.duration]")
    assert lasting == pytest.approx([FRAMES / RATE, edit.plan.frames / RATE], abs=0.5 / RATE)
    assert tab.page.evaluate("() => document.images.length") == 0
    assert tab.text("h1") == f"{NAME}.mp4 → {NAME}.edited.mp4"
    tab.page.close()


def test_every_frame_stands_beside_its_own(edit: Made, tab: Tab) -> None:
    pieces, identical = edit.plan.timeline, 0
    edges = {f for p in pieces for f in (p.start, p.end - 1)} | set(range(0, edit.plan.frames, 5))
    windows = [w.span for w in edit.plan.windows]
    for frame in sorted(edges):
        tab.page.evaluate("(frame) => seek(frame)", frame)
        tab.settle()
        at, source = tab.frames()[0], shown(edit, frame)
        assert at == frame
        if source is None:
            assert "New here" in tab.text("#note")
            continue
        new, old = tab.numbers()
        assert old == int(source)
        if not any(frame in span for span in windows):
            assert new == old
            identical += 1
    assert identical > 5


def test_plays_in_step_over_the_cuts(edit: Made, tab: Tab) -> None:
    """Within two frames a second after a cut, by the median: other work on the machine may hold one picture up."""
    tab.page.evaluate("seek(40)")
    tab.press("Space")
    seen = tab.page.evaluate("""() => new Promise((done) => {
      const rows = [];
      const look = () => {
        rows.push([after.currentTime * RATE, before.currentTime * RATE, before.paused]);
        if (after.ended) done(rows);
        else requestAnimationFrame(look);
      };
      look();
    })""")
    pieces = edit.plan.timeline
    off: dict[int, list[float]] = {p.start: [] for p in pieces if p.source is not None}
    for at, old, _ in seen:
        source = source_of(pieces, at)
        piece = next((p for p in pieces if p.start <= at < p.end), None)
        if source is not None and piece is not None and at - piece.start > RATE:
            off[piece.start].append(abs(old - source))
    assert len(seen) > 50
    assert sum(bool(apart) for apart in off.values()) == 2  # the others are shorter
    assert {start: apart for start, apart in off.items() if apart and median(apart) > 2} == {}
    new = [paused for at, _, paused in seen if shown(edit, int(at)) is None]
    assert new
    assert new[-1]


def test_the_map_is_the_plans(edit: Made, tab: Tab) -> None:
    places = [k / 4 for k in range(-4, 4 * edit.plan.frames + 8)]
    assert tab.page.evaluate("(places) => places.map(sourceAt)", places) == pytest.approx(
        [source_of(edit.plan.timeline, at) for at in places])  # fmt: skip


def test_keys(edit: Made, tab: Tab) -> None:
    edits = sorted(round(o["timeline"][0] * RATE) for o in edit.report["operations"])
    joins = sorted({j["frame"] for j in edit.report["joins"]})
    tab.press("ArrowRight", "ArrowRight", "ArrowLeft")
    assert tab.frames()[0] == 1
    tab.press("Shift+ArrowRight", "l")
    assert tab.frames()[0] == 51
    tab.press("j", "Shift+ArrowLeft", "ArrowLeft")
    assert tab.frames()[0] == 0
    tab.press("n")
    assert tab.frames()[0] == edits[0]
    tab.press("n", "n")
    assert tab.frames()[0] == edits[2]
    tab.press("p")
    assert tab.frames()[0] == edits[1]
    tab.press("Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "]")
    assert tab.frames()[0] == joins[0]
    assert tab.page.locator("#join-rows [aria-current]").count() == 1
    tab.press("]")
    assert tab.frames()[0] == joins[1]
    tab.press("[")
    assert tab.frames()[0] == joins[0]
    tab.press("k")
    assert not tab.page.evaluate("() => after.paused")
    tab.press("Space")
    assert tab.page.evaluate("() => after.paused")
    tab.press("m")
    assert tab.page.evaluate("() => [before.muted, after.muted]") == [False, True]
    assert tab.text("#sound") == "Sound: before"
    tab.press("m")
    assert tab.page.evaluate("() => [before.muted, after.muted]") == [True, False]


def test_before_and_after_in_one_place(tab: Tab) -> None:
    visible = {name: tab.page.locator(f"#{name}-side") for name in ("before", "after")}
    places = []
    for key, wanted in (("b", [True, False]), ("b", [False, True]), ("v", [True, True])):
        tab.press(key)
        assert [side.is_visible() for side in visible.values()] == wanted
        if key == "b":
            places.append(visible["before" if wanted[0] else "after"].bounding_box())
    assert places[0] == places[1]


def test_keys_do_nothing_in_a_control(tab: Tab) -> None:
    tab.page.locator("#speed").focus()
    tab.press("ArrowRight", "n")
    assert tab.frames()[0] == 0
    tab.page.locator("#speed").select_option("2")
    assert tab.page.evaluate("() => after.playbackRate") == 2
    tab.page.locator("#speed").select_option("1")
    tab.page.locator('[data-do="on"]').focus()
    tab.press("Space")
    assert tab.frames()[0] == 1
    assert tab.page.evaluate("() => after.paused")


def test_the_timeline(edit: Made, tab: Tab) -> None:
    slider = tab.page.get_by_role("slider", name="Timeline")
    box = slider.bounding_box()
    frames = edit.plan.frames
    slider.click(position={"x": box["width"] / 2, "y": 60})
    tab.settle()
    assert abs(tab.frames()[0] - frames / 2) <= 1
    assert int(slider.get_attribute("aria-valuenow")) == tab.frames()[0]
    assert int(slider.get_attribute("aria-valuemax")) == frames - 1
    slider.focus()
    tab.press("End", "ArrowLeft")
    assert tab.frames()[0] == frames - 2
    tab.press("Home")
    assert slider.get_attribute("aria-valuetext").startswith("00:00:00:00")
    join = edit.report["joins"][0]
    tab.page.evaluate("(frame) => seek(frame)", join["frame"])
    tab.settle()
    assert f"join, score {join['score']:.2f}" in slider.get_attribute("aria-valuetext")
    tab.press("+", "+")
    assert tab.page.evaluate("() => shownPart.span") == pytest.approx(frames / RATE / 4)
    tab.press("0")
    assert tab.page.evaluate("() => shownPart.span") == pytest.approx(frames / RATE)


def test_a_click_on_a_word(edit: Made, tab: Tab) -> None:
    for caption in edit.plan.captions[2:11:4]:
        tab.page.locator("#words").get_by_role("button", name=caption.text, exact=True).last.click()
        tab.settle()
        at, old = tab.frames()
        assert abs(at - caption.start * RATE) <= 1
        assert tab.page.locator("#words [aria-current]").inner_text() == caption.text
        source = shown(edit, at)
        assert source is not None
        assert old == int(source)
        assert tab.numbers()[1] == int(source)


def test_a_click_on_a_removed_word(edit: Made, tab: Tab) -> None:
    (cut,) = (o for o in edit.report["operations"] if o["kind"] == "removal")
    tab.page.locator("#words del").get_by_role("button", name="two").click()
    tab.settle()
    at, old = tab.frames()
    assert at == round(cut["timeline"][0] * RATE)
    assert old == int(1.1 * 0.5 * RATE + 1e-3) == tab.numbers()[1]
    assert "Removed" in tab.text("#note")
    button = tab.page.get_by_role("button", name="Play what was cut")
    assert button.is_enabled()
    button.click()
    assert "Playing what was cut" in tab.text("#note")
    assert tab.page.evaluate("() => [before.muted, after.paused]") == [False, True]
    tab.page.wait_for_function(f"() => before.currentTime > {cut['source'][1]}")
    tab.page.wait_for_function("() => before.paused")
    tab.settle()
    assert tab.frames()[1] == int(shown(edit, at) or 0)
    assert tab.page.evaluate("() => before.muted")


def test_a_moved_passage_leads_to_its_other_place(edit: Made, tab: Tab) -> None:
    tab.page.get_by_role("button", name="Go to where this passage is now").click()
    tab.settle()
    (move,) = (o for o in edit.report["operations"] if o["kind"] == "move")
    assert 0 <= tab.frames()[0] - move["timeline"][0] * RATE <= 5
    assert tab.page.evaluate("() => document.activeElement.closest('.moved').tagName") == "SPAN"


def test_loop(edit: Made, tab: Tab) -> None:
    tab.press("n", "r", "k")
    start = edit.report["operations"][0]["timeline"][0]
    tab.page.evaluate("(time) => { after.currentTime = time; }", start + 0.95)
    tab.page.wait_for_function(f"() => after.currentTime < {start + 0.5}")
    tab.press("k", "r")
    assert tab.page.get_by_role("button", name="Loop edit").get_attribute("aria-pressed") == "false"


def test_rows(edit: Made, tab: Tab) -> None:
    report = edit.report
    joins = sum(1 for j in report["joins"]) + sum(not j["ok"] for j in report["sound_joins"])
    rows = tab.page.locator("#join-rows tr")
    assert rows.count() == joins
    assert tab.page.locator("#edit-rows tr").count() == len(report["operations"])
    for join in report["joins"]:
        name = f"go to the join, score {join['score']:.2f}, {'does not show' if join['ok'] else 'may show'}"
        assert tab.page.get_by_role("button", name=name).count() >= 1
    last = report["operations"][-1]
    tab.page.locator("#edit-rows tr").last.click()
    tab.settle()
    assert tab.frames()[0] == round(last["timeline"][0] * RATE)
    assert tab.page.locator("#edit-rows [aria-current]").count() == 1


def test_help(tab: Tab) -> None:
    dialog = tab.page.get_by_role("dialog", name="Keys")
    tab.press("?")
    assert dialog.is_visible()
    tab.press("n")
    assert tab.frames()[0] == 0
    tab.press("Escape")
    assert not dialog.is_visible()
    tab.page.get_by_role("button", name="Keys").click()
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()


def test_everything_has_a_name(tab: Tab) -> None:
    session = tab.page.context.new_cdp_session(tab.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "link", "Video", "video", "meter", "table", "group", "region", "dialog"}
    found = [n for n in nodes if not n["ignored"] and n["role"]["value"] in roles - {"table", "group"}]
    assert len(found) > 40
    assert [n["role"] for n in found if not n.get("name", {}).get("value", "").strip()] == []
    levels = tab.page.evaluate("[...document.querySelectorAll('h1, main h2, main h3')].map((h) => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_the_tab_key_reaches_everything(tab: Tab) -> None:
    wanted = tab.page.evaluate("""() => [...document.querySelectorAll("button, select, [tabindex='0']")]
      .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility()).length""")
    seen = tab.page.evaluate("(window.reached = new Set()).size")
    for _ in range(wanted + 1):
        tab.page.keyboard.press("Tab")
        seen = tab.page.evaluate("reached.add(document.activeElement).size - reached.has(document.body)")
    assert seen == wanted
    words = tab.page.locator("#words button")
    words.first.focus()
    for _ in range(words.count() - 1):
        tab.page.keyboard.press("ArrowRight")
    assert tab.page.evaluate("() => [...document.querySelectorAll('#words button')].pop() === document.activeElement")


@pytest.mark.parametrize("width", [320, 390, 800, 1200])
def test_nothing_sticks_out(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 800})
    tab.settle()
    assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= width
    tab.page.set_viewport_size({"width": 1400, "height": 900})
    tab.settle()


def test_hostile_words_are_words(edit: Made, chromium: Any, tmp_path: Any) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    data, before, after = held(edit.page)
    data["spans"][0]["words"][0][0] = data["operations"][0]["text"] = evil
    data |= {"language": f'"{evil}', "backend": evil, "warnings": [evil]}
    (tmp_path / "evil.html").write_text(page(data, before, after), "utf-8")
    tab = Tab(chromium.new_page())
    tab.open((tmp_path / "evil.html").as_uri())
    assert tab.wrong == []
    assert tab.page.evaluate("() => document.images.length") == 0
    assert tab.page.locator("#words button").first.inner_text() == evil
    assert evil in tab.text("#edit-rows")
    tab.page.close()
    assert len(tab.asked) == 3


def test_an_edit_that_changes_nothing(edit: Made, chromium: Any, tmp_path: Any) -> None:
    data, before, after = held(edit.page)
    data |= {"operations": [], "joins": [], "sound_joins": [], "windows": []}
    (tmp_path / "plain.html").write_text(page(data, before, after), "utf-8")
    tab = Tab(chromium.new_page())
    tab.open((tmp_path / "plain.html").as_uri())
    tab.press(*"np[]rxbvm")
    assert (tab.wrong, tab.frames()[0]) == ([], 0)
    assert "No edits" in tab.text("#edits")
    assert "No joins" in tab.text("#joins")
    tab.page.close()


def test_colours_can_be_read(edit: Made, chromium: Any) -> None:
    """Text against its ground by WCAG AA, light and dark."""
    for scheme in ("light", "dark"):
        tab = Tab(chromium.new_page(color_scheme=scheme))
        tab.open(edit.page.as_uri())
        ratios = tab.page.evaluate(CONTRAST)
        assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}, scheme
        tab.page.close()
