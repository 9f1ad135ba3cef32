"""Reading YAML as plain data, with the place of every value.

Scalars follow YAML 1.2's core schema, which reads what people mean: `1e-3` is a number, `no` is a word, `010`
is ten. What makes YAML dangerous or ambiguous is refused: aliases and merge keys (a few hundred bytes of them
can grow to gigabytes), tags, repeated keys, and texts that are too long or too deep.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from gpucnn.config.faults import Fault, Path, Place, config_error

LONGEST = 128 * 1024  # characters; a config of a thousand layers has half as many
DEEPEST = 24  # nested lists and mappings
LONGEST_NUMBER = 40  # digits

INTEGER = re.compile(r"[-+]?[0-9]+$")
OCTAL_OR_HEX = re.compile(r"0o[0-7]+$|0x[0-9a-fA-F]+$")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class Document(NamedTuple):
    """Plain data (dicts with text keys, lists, numbers, text, booleans, None) and where each value stands."""

    data: Any
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Where the value at `path` is written, or the nearest value around it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def place_of_whole(self, path: Path) -> Place:
        """The place for a fault of the whole value at `path`: that of an override inside it, if there is one."""
        overrides = [place for known, place in self.places.items() if known[: len(path)] == path and not place.line]
        return overrides[-1] if overrides else self.place(path)


def read_yaml(text: str, source: str) -> Document:
    """Read one YAML document; `source` names it in messages.

    Raises ConfigError with every fault that can be found, each as `source:line:column: message`.
    """
    reader = _Reader(text, source)
    data = reader.document()
    if reader.faults:
        raise config_error(reader.faults)
    return Document(data, reader.places)


def read_value(text: str, source: str) -> Any:
    """Read the value of an override. Raises ConfigError naming the override, without lines and columns."""
    reader = _Reader(text, source)
    data = reader.document()
    if reader.faults:
        raise config_error(Fault(Place(source), fault.message) for fault in reader.faults)
    return data


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in WORDS:
        return WORDS[text]
    if len(text) <= LONGEST_NUMBER:
        if INTEGER.match(text):
            return int(text)
        if OCTAL_OR_HEX.match(text):
            return int(text, 0)
        if FLOAT.match(text):
            return float(text)
    return text


class _UnreadableError(Exception):
    """Raised when reading cannot continue."""


class _Reader:
    """Builds data from PyYAML's events, and collects places and faults."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.faults: list[Fault] = []
        self.places: dict[Path, Place] = {(): Place(source, 1, 1)}
        self.events: Iterator[yaml.Event] = iter(())

    def document(self) -> Any:
        """The data of the one document in the text; None where faults stopped the reading."""
        try:
            if len(self.text) > LONGEST:
                self._stop(
                    Place(self.source, 1, 1),
                    f"{len(self.text)} characters are more than the "
                    f"{LONGEST} that a configuration may have; give the name of a configuration file",
                )
            self.events = yaml.parse(self.text, Loader=yaml.SafeLoader)
            next(self.events)  # the stream starts
            if isinstance(next(self.events), yaml.StreamEndEvent):
                return None
            data = self._value(next(self.events), (), depth=0)
            next(self.events)  # the document ends
            following = next(self.events)
            if not isinstance(following, yaml.StreamEndEvent):
                self._fault(
                    following,
                    "a second document begins here; a configuration is one document: "
                    "remove the line '---' and what follows",
                )
            return data
        except yaml.MarkedYAMLError as error:
            self._fault_at_mark(error)
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            self.faults.append(
                Fault(
                    Place(self.source, line, 1),
                    f"the character U+{error.character:04X} may not stand in YAML; remove it",
                )
            )
        except _UnreadableError:
            pass
        return None

    def _value(self, event: yaml.Event, path: Path, depth: int) -> Any:
        if depth > DEEPEST:
            self._stop(self._place(event), f"nested more than {DEEPEST} deep; write it flatter")
        self._refuse_anchor_and_tag(event)
        self.places.setdefault(path, self._place(event))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        alias = getattr(event, "anchor", "")
        self._fault(event, f"the alias '*{alias}' repeats another part; write that part out here")
        return None

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if any("\ud800" <= character <= "\udfff" for character in event.value):
            self._fault(event, "an escape \\uD800 to \\uDFFF is half a character; write the character itself")
        if "\0" in event.value:
            self._fault(event, "an escape \\0 stands for no character that a name or a path may have; remove it")
        return plain_scalar(event.value) if event.implicit[0] else event.value

    def _list(self, path: Path, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*path, len(values)), depth + 1))
        return values

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first_places: dict[str, Place] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path, depth)
            here = self._place(event)
            if key in values:
                self._fault(
                    event,
                    f"the key '{key}' stands here a second time (first at line "
                    f"{first_places[key].line}); keep one of the two",
                )
            elif key == "<<":
                self._fault(event, "the merge key '<<' is not read; write the options out here")
            first_places.setdefault(key, here)
            self.places.setdefault((*path, key), here)
            value = self._value(next(self.events), (*path, key), depth + 1)
            values.setdefault(key, value)
        return values

    def _key(self, event: yaml.Event, path: Path, depth: int) -> str:
        """A mapping's key, which is always text: `1:` is the key "1"."""
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_anchor_and_tag(event)
            self._scalar(event)
            return str(event.value)
        self._fault(event, "a key must be a word; found a list, a mapping or an alias")
        return str(self._value(event, (*path, "?"), depth + 1))

    def _refuse_anchor_and_tag(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent) and event.anchor:
            self._fault(event, f"the anchor '&{event.anchor}' is not read; remove it")
        tag = getattr(event, "tag", None)
        if tag:
            self._fault(
                event,
                f"the tag '{tag}' is not read; remove it (text that looks like a number goes between quotes)",
            )

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.source, mark.line + 1, mark.column + 1) if mark else Place(self.source, 1, 1)

    def _fault(self, event: yaml.Event, message: str) -> None:
        self.faults.append(Fault(self._place(event), message))

    def _fault_at_mark(self, error: yaml.MarkedYAMLError) -> None:
        """Record a fault of the syntax in PyYAML's words; reading cannot continue after it."""
        mark = error.problem_mark or error.context_mark
        place = Place(self.source, mark.line + 1, mark.column + 1) if mark else Place(self.source, 1, 1)
        words = ", ".join(part for part in (error.context, error.problem) if part)
        hint = (
            "indent with spaces, not with tabs"
            if "'\\t'" in words
            else ("look at the brackets, colons and indentation on this line and the one before")
        )
        self.faults.append(Fault(place, f"not YAML: {words}; {hint}"))

    def _stop(self, place: Place, message: str) -> None:
        self.faults.append(Fault(place, message))
        raise _UnreadableError
