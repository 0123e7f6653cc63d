"""A reader with a browser: reads, searches, filters, uses keys, changes the theme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright import sync_api

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


def current(page: Any) -> str:
    marked = page.locator('[data-story][aria-current="true"]')
    return str(marked.locator("h2 a, h3 a, a").first.inner_text()) if marked.count() else ""


def test_reads_from_the_front_page_to_a_paper_and_back(open_page: Open) -> None:
    page = open_page("/")
    headline = page.locator(".lead .first h2 a")
    title = headline.inner_text()
    headline.click()
    page.wait_for_url("**/p/*")
    assert page.locator("h1").inner_text() == title
    page.get_by_role("link", name="Cite", exact=True).click()
    assert "@misc" in page.locator("pre").first.inner_text()
    page.get_by_role("button", name="Copy").first.wait_for()
    page.go_back()
    page.go_back()
    assert page.locator(".nameplate").is_visible()


def test_results_appear_while_typing_and_the_address_follows(open_page: Open) -> None:
    page = open_page("/search?q=video")
    before = page.locator("#count").inner_text()
    box = page.locator("#find")
    box.fill("")
    box.press_sequentially("topic segm", delay=20)
    sync_api.expect(page).to_have_title(re.compile("^Search: topic segm "))
    assert page.locator("#count").inner_text() != before
    assert page.locator("#news").inner_text() == page.locator("#count").inner_text()
    assert page.url.endswith("q=topic+segm")
    assert page.locator("#completions option").first.get_attribute("value").startswith("topic segm")
    assert page.evaluate("document.activeElement.id") == "find"
    page.reload()
    assert page.locator("#find").input_value() == "topic segm"


def test_filters_narrow_and_widen(open_page: Open) -> None:
    page = open_page("/search?q=models")
    count = page.locator("#count").inner_text()
    page.get_by_role("link", name="code").first.click()
    page.wait_for_url("**has%3Acode*")
    assert page.locator("#count").inner_text() != count
    page.locator(".facets a[aria-current]", has_text="code").click()
    page.wait_for_url(lambda url: "has%3Acode" not in url)
    assert page.locator("#count").inner_text() == count


def test_a_query_that_is_not_understood_is_explained_in_place(open_page: Open) -> None:
    page = open_page("/search?q=models", strict=False)
    page.locator("#find").fill("colour:red")
    page.get_by_text("Received:").wait_for()
    assert page.locator("#find").input_value() == "colour:red"


def test_why_a_paper_stands_where_it_does(open_page: Open) -> None:
    page = open_page("/search?q=topic+segmentation")
    first = page.locator("[data-story]").first
    first.get_by_text("Why here").click()
    table = first.locator(".why table").inner_text()
    assert "segment" in table
    assert "the sum" in table


def test_keys_walk_open_and_go(open_page: Open) -> None:
    page = open_page("/d/2025-08-27")
    titles = page.locator("[data-story]").locator("h2 a, h3 a").all_inner_texts()
    page.keyboard.press("j")
    assert current(page) == titles[0]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert current(page) == titles[2]
    page.keyboard.press("k")
    assert current(page) == titles[1]
    page.keyboard.press("e")
    assert page.locator('[data-story][aria-current="true"] details').get_attribute("open") == ""
    page.keyboard.press("o")
    page.wait_for_url("**/p/*")
    assert page.locator("h1").inner_text() == titles[1]
    page.go_back()
    page.keyboard.press("h")
    page.wait_for_url("**/d/2025-08-26")
    page.keyboard.press("l")
    page.wait_for_url("**/d/2025-08-27")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/trending")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("jk?")
    assert page.locator("#find").input_value() == "jk?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()


def test_keys_can_be_switched_off_and_on(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Keys and help").click()
    page.get_by_label("Single keys are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    assert current(page) == ""
    page.goto("/help")
    page.get_by_label("single keys are on").first.check()
    page.goto("/")
    page.keyboard.press("j")
    assert current(page) != ""


def test_theme_follows_the_system_until_chosen(open_page: Open) -> None:
    def paper(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = open_page("/", color_scheme="light")
    dark = open_page("/", color_scheme="dark")
    lit, dim = paper(light), paper(dark)
    assert lit != dim
    light.keyboard.press("t")
    assert paper(light) == lit
    light.keyboard.press("t")
    assert paper(light) == dim
    light.goto("/search")
    assert paper(light) == dim
    light.get_by_role("button", name="Theme: dark").click()
    assert paper(light) == lit
    assert light.evaluate("localStorage.length") == 0


def test_tab_reaches_the_skip_link_first_and_focus_is_seen(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the papers"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_everything_works_without_javascript(open_page: Open) -> None:
    page = open_page("/", java_script_enabled=False)
    assert page.locator("[data-tools]").is_hidden()
    page.locator("#find").fill("topic segmentation")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/search?q=topic+segmentation")
    assert "papers" in page.locator("#count").inner_text()
    page.locator(".facets a").first.click()
    page.locator(".list h2 a").first.click()
    page.get_by_role("link", name="Records").click()
    page.get_by_text("The record, verbatim").first.click()
    assert page.locator("pre.raw").first.is_visible()
    page.get_by_role("link", name="Trending").click()
    page.locator("select[name=rank]").select_option("votes")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**rank=votes**")
    page.get_by_role("link", name="Calendar").click()
    page.locator(".calendar a").first.click()
    assert page.locator(".lead").is_visible()


def test_hostile_papers_do_nothing(open_page: Open, served: Any) -> None:
    work = served.library.find("arXiv:2508.20002")
    page = open_page("/", strict=True)
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    for path in ("/d/2025-09-02", f"/p/{work.id}", f"/p/{work.id}/records", "/search?q=hostile"):
        page.goto(path)
        page.wait_for_load_state()
    assert alarms == []
    assert page.locator("main script, main img, main svg").count() == 0
