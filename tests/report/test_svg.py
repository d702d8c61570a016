"""A figure in a page: its own names, the page's colours, nothing of matplotlib's own."""

import re
import xml.etree.ElementTree as ElementTree

from dianji.report.plots import matrix
from dianji.report.svg import alone, inline


def drawing():
    import numpy as np

    return matrix(np.eye(3), ["a", "b", "c"], "true", "given")


def test_no_two_drawings_share_an_id():
    first, second = (inline(drawing(), "en", prefix, "alt") for prefix in ("f1", "f2"))
    one, two = (set(re.findall(r'\bid="([^"]*)"', text)) for text in (first, second))
    assert one
    assert not one & two


def test_references_follow_the_ids():
    text = inline(drawing(), "en", "f1", "alt")
    ids = set(re.findall(r'\bid="([^"]*)"', text))
    targets = re.findall(r'href="#([^"]*)"', text) + re.findall(r"url\(#([^)]*)\)", text)
    assert targets
    assert set(targets) <= ids


def test_nothing_of_matplotlib_s_own_reaches_the_page():
    text = inline(drawing(), "en", "f1", "alt")
    assert not re.search(r"<style|<metadata|DejaVu|matplotlib\.org|<\?xml|<!DOCTYPE", text)
    assert re.search(r'^<svg [^>]*viewBox="0 0 400 340"', text)
    assert not re.search(r"^<svg [^>]*\bwidth=", text)


def test_alone_it_brings_its_colours():
    root = ElementTree.fromstring(alone(drawing(), "en", 'say "alt"'))
    assert root.get("aria-label") == 'say "alt"'
    assert "prefers-color-scheme:dark" in "".join(root.itertext())
