"""Reads a page as a browser would, and finds what must not be in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}
HEADING = re.compile(r"h[1-6]")


@dataclass
class Found(HTMLParser):
    """``faults`` is empty for a page that is in order."""

    page: str
    faults: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]
        self.faults += [f"id {name} stands twice" for name in {name for name in self.ids if self.ids.count(name) > 1}]
        self.faults += [f"#{name} leads nowhere" for name in self.links if name not in self.ids]
        steps = zip([0, *self.levels], self.levels, strict=False)
        self.faults += [f"h{after} follows h{before}" for before, after in steps if after > before + 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style"}:
            self.text += data

    def _look(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in {"script", "link", "iframe", "object", "embed", "form", "base"}:
            self.faults.append(f"there is a <{tag}>")
        if tag == "th" and attributes.get("scope") not in {"col", "row"}:
            self.faults.append("a <th> without scope")
        if tag == "img" and not attributes.get("alt"):
            self.faults.append("an <img> without alt")
        if tag == "svg" and not (attributes.get("role") == "img" and attributes.get("aria-label")):
            self.faults.append("an <svg> that says nothing")
        if HEADING.fullmatch(tag):
            self.levels.append(int(tag[1]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.links += [attributes[name] for name in ("aria-labelledby",) if name in attributes]
        self.links += re.findall(r"url\(#([^)]*)\)", " ".join(attributes.values()))
        for name in ("href", "xlink:href", "src"):
            self._follow(attributes.get(name, "#"))
        self.faults += [f"{tag} has {name}" for name in attributes if name.startswith("on")]

    def _follow(self, target: str) -> None:
        if target.startswith("#"):
            self.links += [target[1:]] if target != "#" else []
        elif not target.startswith("data:image/"):
            self.faults.append(f"the page reaches out to {target}")
