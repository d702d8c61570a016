"""A drawing within a page: words in the reader's language, colours of the page, unique ids."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from dianji.messages import Language
from dianji.report.blocks import Drawing, Text, said
from dianji.report.canvas import ACCENT, FAINT, INK, SECOND

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_COLOURS = {
    INK: "currentColor",
    ACCENT: "var(--accent)",
    SECOND: "var(--second)",
    FAINT: "var(--faint)",
}
_ALONE = (
    ":root{color:#1f2328;--accent:#2f74d0;--second:#8a8f98;--faint:#c3c8d0}"
    "@media (prefers-color-scheme:dark){:root{color:#e6e8eb;--accent:#6ea8ff;--second:#9aa1ab;--faint:#4b525c}}"
    "text{font-family:system-ui,sans-serif}"
)
_WORD = re.compile(r"@(\d+)@")
_FAMILY = re.compile(r"font:\s*([\d.]+)px[^;]*|font-family:[^;]*;?")


def inline(drawing: Drawing, language: Language, prefix: str, alt: Text) -> str:
    """An ``svg`` element for an HTML page.

    Args:
        drawing: by matplotlib.
        language: of its words.
        prefix: put before every id, so that no two drawings of a page share one.
        alt: a description of the drawing.
    """
    return ElementTree.tostring(_element(drawing, language, prefix, alt), encoding="unicode")


def alone(drawing: Drawing, language: Language, alt: Text) -> str:
    """A document of its own, with its colours for light and dark."""
    root = _element(drawing, language, "f", alt)
    style = ElementTree.Element("style")
    style.text = _ALONE
    root.insert(0, style)
    return ElementTree.tostring(root, encoding="unicode")


def _element(drawing: Drawing, language: Language, prefix: str, alt: Text) -> ElementTree.Element:
    root = ElementTree.fromstring(drawing.svg)
    for parent in list(root.iter()):
        for child in list(parent):
            # matplotlib's style would hold for the whole page, and its metadata names a web site.
            if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        element.attrib = _attributes(element, prefix)
        if element.text and (found := _WORD.fullmatch(element.text.strip())):
            element.text = said(drawing.words[int(found[1])], language)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"xmlns": _SVG, "role": "img", "aria-label": said(alt, language)}
    return root


def _attributes(element: ElementTree.Element, prefix: str) -> dict[str, str]:
    found = {}
    for name, value in element.attrib.items():
        name = name.replace(f"{{{_XLINK}}}", "")
        if name == "id":
            value = f"{prefix}-{value}"
        elif name == "href":  # to a part of the drawing, or the data of a picture, which matplotlib breaks into lines
            value = f"#{prefix}-{value[1:]}" if value.startswith("#") else "".join(value.split())
        value = value.replace("url(#", f"url(#{prefix}-")
        for stand_in, colour in _COLOURS.items():
            value = value.replace(stand_in, colour)
        found[name] = _FAMILY.sub(_size, value) if name == "style" else value
    return found


def _size(font: re.Match[str]) -> str:
    return f"font-size: {font[1]}px" if font[1] else ""
