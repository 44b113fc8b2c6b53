"""What a browser would make of a page: its elements, with their attributes and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.words.append(data)


def elements(html: str, tag: str = "", /, **attributes: str) -> list[Element]:
    """Elements of a well-formed page, in order; `cls` stands for `class`, and names one of them."""
    reader = _Reader()
    reader.feed(html)
    assert not reader.open, f"never closed: {[e.name for e in reader.open]}"
    wanted = {key.replace("cls", "class"): value for key, value in attributes.items()}
    return [
        e
        for e in reader.elements
        if (not tag or e.name == tag)
        and all(v in e.attributes.get(k, "").split() for k, v in wanted.items())
    ]


def text(html: str, tag: str = "", /, **attributes: str) -> str:
    """The text of the first such element."""
    return elements(html, tag, **attributes)[0].text
