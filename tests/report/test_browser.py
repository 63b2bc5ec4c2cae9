"""The report as a browser shows it: one headless Chromium for all; without one these tests are skipped."""

from __future__ import annotations

import dataclasses
import json

import pytest
from chromium import FOUND, Chromium
from making import point, record, score, training

from genkit.ranking.board import rank
from genkit.report import tabular
from genkit.report.details import details
from genkit.report.leaderboard import Leaderboard

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TEXT = "&lt;script&gt;alert(1)&lt;/script&gt;"
MARKED = "<b>wgan</b>&amp;"
pytestmark = pytest.mark.skipif(FOUND is None, reason="no chromium here: apt-get install chromium")

SHOWN = (
    "[...document.querySelectorAll('#standings tbody tr')].filter((r) => r.checkVisibility())"
    ".map((r) => r.querySelector('.model').textContent)"
)
PLOTS = "document.querySelectorAll('[data-plot]').length"
DRAWN = "document.querySelectorAll('[data-plot] svg.main-svg:first-of-type').length"


@pytest.fixture(scope="module")
def chromium():
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def file(page, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "board.html"
    file.write_text(page)
    return file


@pytest.fixture
def browser(chromium, file):
    """The page freshly opened at a desk; whatever was done, nothing was complained of and nothing asked for."""
    chromium.look()
    chromium.open(file)
    yield chromium
    assert chromium.complaints() == []
    assert chromium.requests() == []


def draw_all(browser):
    places = range(browser.run(PLOTS))
    for place in places:
        browser.run(f"document.querySelectorAll('[data-plot]')[{place}].scrollIntoView({{behavior: 'instant'}})")
        browser.wait(f"document.querySelectorAll('[data-plot]')[{place}].querySelector('svg.main-svg') !== null")


@pytest.mark.parametrize(
    "added",
    [
        "<script>console.error('x')</script>",
        "<script>nowhere()</script>",
        "<img src='missing:x'>",
        "<script>fetch('http://127.0.0.1:9/x').catch(() => 0)</script>",
    ],
)
def test_a_worse_page_would_be_found_out(added, chromium, file, tmp_path):
    worse = tmp_path / "worse.html"
    worse.write_text(file.read_text().replace("</body>", f"{added}</body>"))
    chromium.open(worse)
    assert chromium.complaints() != []


def test_without_its_policy_a_request_would_be_seen(chromium, tmp_path):
    worse = tmp_path / "worse.html"
    worse.write_text("<img src='http://127.0.0.1:9/x.png'>")
    chromium.open(worse)
    assert chromium.requests() == ["http://127.0.0.1:9/x.png"]


def test_plots_are_drawn_when_they_come_near_and_ask_for_nothing(browser):
    assert browser.run(DRAWN) < browser.run(PLOTS)
    draw_all(browser)
    assert browser.run(DRAWN) == browser.run(PLOTS) == 4


def test_a_print_has_all_plots_also_those_that_were_never_seen(browser):
    assert browser.run(DRAWN) < browser.run(PLOTS)
    browser.call("Page.printToPDF")
    assert browser.run(DRAWN) == browser.run(PLOTS)


def test_plots_hold_their_data(browser):
    draw_all(browser)
    kinds = "[...document.querySelectorAll('[data-plot]')].map((f) => [f.dataset.plot, f.data.map((t) => t.x.length)])"
    assert browser.run(kinds) == [["values", [12, 4]], ["cost", [4, 4]], ["milestones", [2, 2]], ["curves", [3] * 6]]
    assert browser.run("document.querySelectorAll('.pair .scatterlayer .point').length") >= 4


def test_a_curve_is_chosen_by_name(browser):
    draw_all(browser)
    title = "document.querySelector('[data-plot=curves] .ytitle').textContent"
    assert browser.run(title) == "loss"
    browser.run(
        "(() => { const s = document.getElementById('curve'); s.selectedIndex = 1; s.dispatchEvent(new Event('change')) })()"
    )
    assert browser.run(title) == HOSTILE


def test_plots_follow_the_reader_into_the_dark(browser):
    draw_all(browser)
    ink = "getComputedStyle(document.querySelector('[data-plot=values] .xtitle')).fill"
    before = browser.run(ink)
    browser.look(dark=True)
    browser.wait(f"{ink} !== {json.dumps(before)}")


def test_what_copies_or_makes_noise_does_not_stretch_the_axis(browser):
    draw_all(browser)
    figure = "document.querySelector('[data-plot=values]')"
    low, high = browser.run(f"{figure}._fullLayout.xaxis.range")
    assert low < 0.5 and 8 < high < 20
    texts = browser.run(f"{figure}.layout.annotations.map((each) => each.text)")
    assert texts == [
        "← copycat (baseline) 0.1000",
        "real test (floor)",
        "blurred (baseline, at n = 360)",
        "noise (ceiling) 90.00 →",
    ]
    assert browser.run(f"{figure}.layout.shapes.length") == 2


def test_names_of_points_that_lie_together_do_not_collide(browser, whole, tmp_path):
    crowd = [record(f"model {n}", score(1 + n / 500), score(1e5 + n, name="parameters", choices={})) for n in range(9)]
    crowd.append(record("model 9", score(900.0), score(1e7, name="parameters", choices={})))
    (tmp_path / "crowd.html").write_text(Leaderboard(rank(crowd, score="fid")).html())
    browser.open(tmp_path / "crowd.html")
    draw_all(browser)
    boxes = browser.run(
        "[...document.querySelectorAll('[data-plot=cost] .textpoint text')].filter((t) => t.textContent)"
        ".map((t) => t.getBoundingClientRect()).map((r) => [r.left, r.top, r.right, r.bottom])"
    )
    assert 3 < len(boxes) < 10
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:place]:
            assert right <= other[0] or left >= other[2] or bottom <= other[1] + 3 or top >= other[3] - 3


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_sweeps_are_drawn_with_their_texts_and_bars_inside_the_axes(width, dark, browser, tmp_path):
    found = []
    for seed, name in enumerate(("gpt", HOSTILE)):
        trained = training(seed=seed)
        for place, guidance in enumerate((1.0, 1.25, 1.5, 2.0, 9.0)):
            one = point(trained, value=0.3 * place**2 + 6 * seed, guidance=guidance)
            found.append(dataclasses.replace(one, subject=dataclasses.replace(one.subject, name=name)))
    (tmp_path / "swept.html").write_text(Leaderboard(rank(found), records=tuple(found)).html())
    browser.look(width, 900, dark=dark, phone=width < 500)
    browser.open(tmp_path / "swept.html")
    draw_all(browser)
    figure = "document.querySelector('[data-plot=sweep]')"
    assert browser.run(f"{figure}.data.map((t) => [t.name, t.x.length])") == [["gpt", 5], [HOSTILE_TEXT, 5]]
    assert browser.run(f"{figure}.data[0].marker.size") == [11, 7, 7, 7, 7]
    assert browser.run(f"{figure}.querySelectorAll('.errorbar').length") == 10
    edges = ", ".join(f"{figure}._fullLayout.{axis}.range" for axis in ("xaxis", "yaxis"))
    (left, right), (bottom, top) = browser.run(f"[{edges}]")
    assert left < -1 and right > 0.3 * 16 + 6 + 1
    assert bottom < 0 and top > 0.3 * 16 + 6 + 2
    texts = "[...document.querySelectorAll('[data-plot=sweep]')[0].querySelectorAll('.textpoint text')].filter((t) => t.textContent)"
    assert {"guidance 1", "9"} <= set(browser.run(f"{texts}.map((t) => t.textContent)"))
    boxes = browser.run(f"{texts}.map((t) => t.getBoundingClientRect()).map((r) => [r.left, r.top, r.right, r.bottom])")
    for place, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:place]:
            assert right <= other[0] + 3 or left >= other[2] - 3 or bottom <= other[1] + 3 or top >= other[3] - 3
    assert browser.run("document.scrollingElement.scrollWidth") <= width


def test_the_curve_of_one_model_alone_is_named(browser, tmp_path):
    run = training()
    found = [point(run, guidance=value) for value in (1.0, 2.0)]
    (tmp_path / "swept.html").write_text(Leaderboard(rank(found), records=tuple(found)).html())
    browser.open(tmp_path / "swept.html")
    draw_all(browser)
    legends = "[...document.querySelectorAll('[data-plot=sweep] .legendtext')].map((t) => t.textContent)"
    assert browser.run(legends) == ["gpt", "gpt"]


def test_sorting_begins_as_the_page_came_and_returns_to_it(browser):
    rank_ = "document.querySelector('#standings th.rank').getAttribute('aria-sort')"
    before = browser.run(SHOWN)
    assert browser.run(rank_) == "ascending"
    browser.click("#standings th.model button")
    assert browser.run(rank_) is None
    assert browser.run(SHOWN) != before
    browser.click("#standings th.rank button")
    assert browser.run(SHOWN) == before
    browser.click("#standings th.rank button")
    assert browser.run(SHOWN) == [*reversed(before[:4]), *before[4:]]


def test_where_higher_is_better_the_first_click_sorts_the_best_to_the_top(browser):
    browser.click("#standings th.c0 button")
    assert browser.run("document.querySelector('#standings th.c0').getAttribute('aria-sort')") == "descending"
    assert browser.run(SHOWN)[:4] == ["vae", "dcgan", HOSTILE, MARKED]
    browser.click("#standings th.c0 button")
    assert browser.run(SHOWN)[:4] == [MARKED, HOSTILE, "dcgan", "vae"]


def test_intervals_of_all_columns_are_shown_when_asked_for(browser):
    seen = "document.querySelector('#standings td.c0 .ci').checkVisibility()"
    assert browser.run(seen) is False
    browser.click("#intervals")
    assert browser.run(seen) is True


def test_a_click_on_a_head_sorts_by_number_and_back(browser):
    assert browser.run(SHOWN)[:4] == ["vae", "dcgan", HOSTILE, MARKED]
    browser.click("#standings th.c2 button")
    assert browser.run("document.querySelector('#standings th.c2').getAttribute('aria-sort')") == "ascending"
    assert browser.run(SHOWN)[:4] == [MARKED, HOSTILE, "dcgan", "vae"]
    browser.click("#standings th.c2 button")
    assert browser.run("document.querySelector('#standings th.c2').getAttribute('aria-sort')") == "descending"
    assert browser.run(SHOWN)[:4] == ["vae", "dcgan", HOSTILE, MARKED]
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1


@pytest.mark.parametrize(("key", "text"), [("Enter", "\r"), (" ", " ")])
def test_the_keyboard_sorts_too(key, text, browser):
    browser.run("document.querySelector('#standings th.c2 button').focus()")
    browser.press(key, text)
    assert browser.run(SHOWN)[:4] == [MARKED, HOSTILE, "dcgan", "vae"]


def test_what_has_no_number_comes_last_either_way(browser):
    elbo = "#standings th.c3 button"
    for _ in range(2):
        browser.click(elbo)
        assert browser.run(SHOWN)[0] == "vae"


def test_what_calibrates_and_what_failed_stays_below_whatever_sorts(browser):
    browser.click("#standings th:nth-child(3) button")
    browser.click("#standings th:nth-child(3) button")
    assert browser.run(SHOWN)[0] == MARKED
    assert set(browser.run(SHOWN)[4:8]) == {"copycat", "real test", "blurred", "noise"}
    assert browser.run(SHOWN)[8] == "hvae"


def test_the_filter_filters(browser):
    browser.click("#filter")
    browser.call("Input.insertText", text="GAN")
    assert browser.run(SHOWN) == ["dcgan", MARKED]
    assert browser.run("document.getElementById('count').textContent") == "2 of 4"
    browser.run(
        "(() => { const f = document.getElementById('filter'); f.value = ''; f.dispatchEvent(new Event('input')) })()"
    )
    assert len(browser.run(SHOWN)) == 9


def test_calibration_can_be_hidden(browser):
    browser.click("#calibrate")
    assert browser.run(SHOWN) == ["vae", "dcgan", HOSTILE, MARKED, "hvae"]


def test_a_column_is_chosen(browser):
    seen = "document.querySelector('#standings td.c1').checkVisibility()"
    assert browser.run(seen) is False
    browser.click(".chooser summary")
    browser.click("[data-column='1']")
    assert browser.run(seen) is True
    browser.click("[data-column='1']")
    assert browser.run(seen) is False
    browser.press("Escape")
    assert browser.run("document.querySelector('.chooser').open") is False


def test_a_model_named_script_stays_text(browser):
    draw_all(browser)
    assert browser.run("document.scripts.length") == 5  # two of data, two of the page, and plotly once it is needed
    assert browser.run("document.querySelectorAll('#standings .model')[3].textContent") == HOSTILE
    labels = "[...document.querySelectorAll('[data-plot=values] .ytick')].map((t) => t.textContent)"
    assert browser.run(labels) == ["vae", "dcgan", HOSTILE, MARKED]
    assert HOSTILE[:23] in browser.run("document.querySelector('[data-plot=curves] .legend').textContent")


def test_a_name_in_the_table_opens_its_details(browser):
    browser.click("#standings tbody tr:nth-child(2) .model a")
    browser.wait("document.getElementById('entry-2').open")
    assert browser.run("document.getElementById('entry-1').open") is False
    browser.wait("document.getElementById('entry-2').getBoundingClientRect().top < innerHeight")  # it scrolls smoothly
    browser.run("document.getElementById('entry-2').open = false")
    browser.click("#standings tbody tr:nth-child(2) .model a")
    browser.wait("document.getElementById('entry-2').open")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_no_page_sideways(dark, chromium, file):
    chromium.look(390, 844, dark=dark, phone=True)
    chromium.open(file)
    chromium.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    draw_all(chromium)
    assert chromium.run("document.scrollingElement.scrollWidth") <= 390
    assert chromium.complaints() == []


def test_a_phone_shows_intervals_under_values_and_that_there_is_more(chromium, file):
    interval = "document.querySelector('#standings .value .ci').checkVisibility()"
    model = "document.querySelector('#standings tbody .model').getBoundingClientRect()"
    box = "document.getElementById('standings').parentElement"
    chromium.look()
    chromium.open(file)
    assert chromium.run(interval) is False
    chromium.look(390, 844, phone=True)
    chromium.open(file)
    assert chromium.run(interval) is True
    assert chromium.run("document.querySelector('#standings .value .ci').getBoundingClientRect().right") <= 390
    chromium.wait(f"{box}.classList.contains('more')")
    chromium.run(f"{box}.scrollLeft = 1e6")
    chromium.wait(f"!{box}.classList.contains('more')")
    assert chromium.run(f"{model}.left >= {box}.getBoundingClientRect().left") is True


def test_everything_that_is_used_is_reached_by_keyboard(browser):
    boxes = (
        "[...document.querySelectorAll('.box')].every((box) => box.tabIndex === 0 && box.getAttribute('aria-label'))"
    )
    assert browser.run(boxes) is True
    browser.press("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    assert browser.run("document.activeElement.getBoundingClientRect().left >= 0") is True


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast_enough(dark, browser):
    browser.look(dark=dark)
    closed = len(browser.run(CONTRAST))
    browser.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    ratios = browser.run(CONTRAST)
    assert len(ratios) > closed + 100
    assert min(ratios) >= 4.5


CONTRAST = """(() => {
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found[3] === 255) return found.slice(0, 3);
    }
  };
  const texts = [...document.querySelectorAll("body *")].filter(
    (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.tagName !== "SCRIPT" && e.checkVisibility(),
  );
  return texts.map((e) => {
    const style = getComputedStyle(e);
    const [one, two] = [light(rgb(e.ownerSVGElement ? style.fill : style.color).slice(0, 3)), light(ground(e))];
    return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  });
})()"""


def test_downloads_are_the_board(whole, browser, tmp_path):
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.click("a[download='leaderboard.csv']")
    browser.until("Page.downloadProgress", state="completed")
    assert (tmp_path / "leaderboard.csv").read_text() == tabular.comma_separated(whole.board)


def test_the_commands_are_copied_and_the_button_is_itself_again(whole, browser):
    browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    button = "document.querySelector('#entry-1 .copy').textContent"
    browser.run("document.getElementById('entry-1').open = true")
    browser.click("#entry-1 .copy")
    browser.wait(f"{button} === 'copied'")
    assert browser.run("navigator.clipboard.readText()") == details(whole.board)[0].commands
    browser.wait(f"{button} === 'copy'")


def test_where_there_is_no_clipboard_the_commands_are_selected(whole, browser):
    browser.run("navigator.clipboard.writeText = () => Promise.reject(new Error())")
    browser.run("document.getElementById('entry-1').open = true")
    browser.click("#entry-1 .copy")
    browser.wait("document.querySelector('#entry-1 .copy').textContent === 'selected'")
    assert browser.run("getSelection().toString()").strip() == details(whole.board)[0].commands
