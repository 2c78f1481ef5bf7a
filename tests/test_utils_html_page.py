"""The shell of the HTML reports: self-contained, escaped, and the same bytes on every run."""

import re

import jinja2
import pytest

from utils.html_page import CHOSEN, count, percent, render_page, svg_figure, write_page


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(
        '{% extends "html_page.html" %}{% block title %}{{ name }}{% endblock %}'
        "{% block content %}<p>{{ text }}</p>{{ figure }}{% endblock %}",
        "utf-8",
    )
    return path


def figure(name="one"):
    def draw(blank):
        axes = blank.subplots()
        axes.plot([0, 1], [0, 1], "o", color=CHOSEN)
        axes.axvspan(0, 2, alpha=0.1)
        axes.set_xlim(0, 1)
        axes.set_xlabel("a < b")

    return svg_figure(name, 'Rising, "at most" <1>', (3, 2), draw)


def test_values_are_escaped_and_figures_are_not(template):
    page = render_page(template, name="A & B", text="<script>alert(1)</script>", figure=figure())
    assert "<title>A &amp; B</title>" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<svg" in page


def test_page_asks_for_nothing_from_elsewhere(template):
    page = render_page(template, name="", text="", figure=figure())
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not addresses
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_a_value_that_is_missing_is_an_error(template):
    with pytest.raises(jinja2.UndefinedError, match="figure"):
        render_page(template, name="", text="")


def test_figures_are_the_same_bytes_and_carry_no_date():
    assert figure() == figure()
    assert not re.search(r"\d{4}-\d\d-\d\d", figure())


def test_figures_of_one_page_share_no_ids_and_refer_to_their_own():
    ids = [set(re.findall(r'\bid="([^"]*)"', figure(name))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]
    for name, known in zip(("one", "two"), ids, strict=True):
        assert set(re.findall(r'(?:url\(|href=")#([^")]*)', figure(name))) <= known


def test_figures_follow_the_theme_of_the_page():
    svg = figure()
    assert "var(--chosen)" in svg
    assert CHOSEN not in svg
    assert "font-family: var(--font)" in svg
    assert "<title>Rising, &#34;at most&#34; &lt;1&gt;</title>" in svg


def test_numbers_as_people_read_them(template, tmp_path):
    assert (percent(0.973), percent(0.9876, 1), count(12613)) == ("97 %", "98.8 %", "12,613")
    write_page(tmp_path / "out.html", template, {"name": "é", "text": "", "figure": ""})
    assert "<title>é</title>" in (tmp_path / "out.html").read_text("utf-8")
