"""Reads FIX dictionaries in QuickFIX's XML: which fields there are, which messages and groups they stand in, and which values they take.

A dictionary is the caller's file: tools print names and enum texts by it, sessions that must validate take their rules from it. The
order path needs none; its names are the dialect's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element


class DictionaryError(Exception):
    """A dictionary is wrong: `str()` is `file: where: what is wrong`."""


@dataclass(frozen=True)
class DictionaryField:
    """A field: its data type as the dictionary writes it (STRING, PRICE …) and its values, wire text → description; none = any."""

    tag: int
    name: str
    type: str
    values: dict[str, str]


@dataclass(frozen=True)
class Member:
    """A field in its place: whether it is required there and, where it counts a repeating group, the group's members by tag in order."""

    tag: int
    required: bool
    group: "dict[int, Member] | None"


@dataclass(frozen=True)
class DictionaryMessage:
    """A message type: its members by tag, components resolved; `is_admin` for those of the session."""

    type: str
    name: str
    is_admin: bool
    members: dict[int, Member]

    def tags(self) -> set[int]:
        """Every tag that may stand in it, those of its groups too."""
        return set(_tags(self.members))


@dataclass(frozen=True)
class FixDictionary:
    """A version of FIX: `begin_string` as in tag 8 (FIXT dictionaries have header, trailer and admin messages only)."""

    begin_string: str
    fields: dict[int, DictionaryField]
    messages: dict[str, DictionaryMessage]  # by MsgType
    header: dict[int, Member]
    trailer: dict[int, Member]

    def name(self, tag: int) -> str:
        """The name of a tag; of an unknown one its number."""
        return self.fields[tag].name if tag in self.fields else str(tag)

    def names(self) -> dict[str, int]:
        """Name → tag."""
        return {field.name: tag for tag, field in self.fields.items()}


def load(path: Path) -> FixDictionary:
    """The dictionary in `path`. Raises: DictionaryError."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise DictionaryError(f"{path.name}: cannot be read ({error.strerror})") from error
    except ElementTree.ParseError as error:
        raise DictionaryError(f"{path.name}: is not XML: {error}") from error
    return _Reader(path.name, root).dictionary()


def _tags(members: dict[int, Member]) -> Iterator[int]:
    for member in members.values():
        yield member.tag
        yield from _tags(member.group or {})


class _Reader:
    def __init__(self, file: str, root: Element) -> None:
        self.file = file
        self.root = root
        self.tags: dict[str, int] = {}
        self.components = {self.text(c, "name"): c for c in root.iterfind("components/component")}

    def error(self, where: str, what: str) -> DictionaryError:
        return DictionaryError(f"{self.file}: {where}: {what}")

    def text(self, element: Element, attribute: str) -> str:
        value = element.get(attribute)
        if not value:
            raise self.error(f"<{element.tag}>", f"attribute '{attribute}' is missing")
        return value

    def dictionary(self) -> FixDictionary:
        if self.root.tag != "fix":
            raise self.error(f"<{self.root.tag}>", "a FIX dictionary begins with <fix>")
        fields = dict(self.field(element) for element in self.root.iterfind("fields/field"))
        if not fields:
            raise self.error("<fix>", "has no fields")
        self.tags = {field.name: tag for tag, field in fields.items()}
        messages: dict[str, DictionaryMessage] = {}
        for element in self.root.iterfind("messages/message"):
            name, msg_type = self.text(element, "name"), self.text(element, "msgtype")
            if msg_type in messages:
                raise self.error(f"message {name}", f"type '{msg_type}' is taken by {messages[msg_type].name}")
            members = self.members(element, f"message {name}", ())
            messages[msg_type] = DictionaryMessage(msg_type, name, element.get("msgcat") == "admin", members)
        header, trailer = (self.section(name) for name in ("header", "trailer"))
        begin_string = f"{self.root.get('type', 'FIX')}.{self.text(self.root, 'major')}.{self.text(self.root, 'minor')}"
        return FixDictionary(begin_string, fields, messages, header, trailer)

    def field(self, element: Element) -> tuple[int, DictionaryField]:
        name, number = self.text(element, "name"), self.text(element, "number")
        if not number.isdecimal() or int(number) == 0:
            raise self.error(f"field {name}", f"number '{number}' is no tag")
        values = {self.text(v, "enum"): v.get("description", "") for v in element.iterfind("value")}
        return int(number), DictionaryField(int(number), name, self.text(element, "type"), values)

    def section(self, name: str) -> dict[int, Member]:
        element = self.root.find(name)
        return {} if element is None else self.members(element, name, ())

    def members(self, element: Element, where: str, inside: tuple[str, ...]) -> dict[int, Member]:
        """The members of a message, group or component, components resolved in place; `inside` are the components around it."""
        found: dict[int, Member] = {}
        for child in element:
            name = self.text(child, "name")
            if child.tag == "component":
                if name in inside or name not in self.components:
                    raise self.error(where, f"component '{name}' " + ("contains itself" if name in inside else "is not defined"))
                part = self.members(self.components[name], f"component {name}", (*inside, name))
                required = child.get("required") == "Y"
                found |= {tag: m if required else Member(tag, False, m.group) for tag, m in part.items()}
                continue
            if name not in self.tags:
                raise self.error(where, f"field '{name}' is not defined in <fields>")
            group = self.members(child, f"group {name}", inside) if child.tag == "group" else None
            found[self.tags[name]] = Member(self.tags[name], child.get("required") == "Y", group)
        return found
