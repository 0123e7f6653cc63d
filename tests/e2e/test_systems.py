"""Systems and leaderboard in a browser: with keys, without JavaScript, in the dark, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


def test_from_a_paper_to_its_system_and_back_without_javascript(open_page: Open) -> None:
    page = open_page("/p/2508.10001", java_script_enabled=False)
    page.get_by_role("link", name="2 held, 1 not held, 1 underpowered").click()
    page.wait_for_url("**/systems/slow_walk")
    assert page.locator("svg.drawing").count() == 4
    page.get_by_text("The numbers").first.click()
    assert page.locator(".plot table").first.is_visible()
    page.get_by_role("link", name="smoke").click()
    page.wait_for_url("**preset=smoke")
    page.get_by_role("link", name="The paper here").click()
    page.wait_for_url("**/p/*")
    page.get_by_role("link", name="Systems").click()
    page.get_by_role("link", name="leaderboard", exact=True).click()
    page.get_by_role("link", name="Abstract").click()
    page.wait_for_url("**by=cpu")
    assert page.locator(".board tbody th").first.inner_text().startswith("Table")


def test_keys_lead_to_systems_and_walk_them(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("g")
    page.keyboard.press("y")
    page.wait_for_url("**/systems")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/systems/slow_walk")
    page.keyboard.press("g")
    page.keyboard.press("b")
    page.wait_for_url("**/leaderboard")


def test_wide_pictures_can_be_scrolled_by_key(open_page: Open) -> None:
    page = open_page("/systems/slow_walk", viewport={"width": 360, "height": 800})
    frame = page.locator(".plot .scroll").first
    frame.focus()
    for _ in range(20):  # a browser that is still busy with the page may drop a key
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        if frame.evaluate("frame => frame.scrollLeft"):
            break
    assert frame.evaluate("frame => frame.scrollLeft") > 0


@pytest.mark.parametrize("path", ["/systems/slow_walk", "/leaderboard"])
def test_pictures_take_the_colours_of_the_theme(open_page: Open, path: str) -> None:
    seen = []
    for scheme in ("light", "dark"):
        page = open_page(path, color_scheme=scheme)
        seen.append(
            page.evaluate(
                """() => ["svg .name", "svg .value", "svg .axis"].map((name) =>
                     getComputedStyle(document.querySelector(".plot " + name)).fill)"""
            )
        )
    assert all(light != dark for light, dark in zip(*seen, strict=True))


def test_no_text_of_a_picture_leaves_its_frame(open_page: Open) -> None:
    for path in ("/systems/slow_walk", "/leaderboard"):
        page = open_page(path)
        outside = page.evaluate(
            """() => [...document.querySelectorAll("svg.drawing text, svg.strip text")].filter(
                 (item) => {
                   const box = item.getBBox(), frame = item.ownerSVGElement.viewBox.baseVal;
                   return box.x < -1 || box.y < -1 || box.x + box.width > frame.width + 1
                     || box.y + box.height > frame.height + 1;
                 }).map((item) => item.textContent)"""
        )
        assert outside == []


def test_names_in_a_picture_do_not_lie_on_each_other(open_page: Open) -> None:
    for path in ("/systems/slow_walk", "/leaderboard"):
        page = open_page(path)
        clashes = page.evaluate(
            """() => [...document.querySelectorAll("svg.drawing")].flatMap((svg) => {
                 const texts = [...svg.querySelectorAll("text")];
                 const boxes = texts.map((item) => item.getBBox());
                 return texts.flatMap((one, i) => texts.slice(i + 1).filter((other, j) => {
                   const a = boxes[i], b = boxes[i + 1 + j];
                   const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
                   const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
                   return wide > 2 && high > 5;
                 }).map((other) => one.textContent + " / " + other.textContent));
               })"""
        )
        assert clashes == []


def test_a_system_prints_on_white_with_its_pictures(open_page: Open) -> None:
    page = open_page("/systems/slow_walk", color_scheme="dark")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="A4"))) <= 4
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("svg.drawing").first.is_visible()
    assert page.locator("svg.strip").first.is_visible()
    assert not page.locator(".bar").first.is_visible()
    ink = page.evaluate("getComputedStyle(document.querySelector('svg.drawing .axis')).fill")
    assert ink == "rgb(0, 0, 0)"
    for shape in ("curve", "point", "block", "cell"):
        assert page.locator(f"svg.drawing .{shape}").first.is_visible(), shape
