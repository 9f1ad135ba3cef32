"""The layout of text tables: the separator, the header line, the column of labels.

It is recognised from the first lines. Anything that differs from the basic form (one label, then pixels, separated by
commas) is reported in `Table.notes`.
"""

import csv
import functools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from gpucnn.data.untrusted import check_size, open_data
from gpucnn.errors import DataError

MAX_LINE = 2**22  # bytes: more than 1,000 x 1,000 one-digit pixels
MAX_BLANK = 1000  # empty lines; gzip packs thousands of them into a byte
_BLOCK = 2**16  # bytes read at a time
_SAMPLE = 50  # lines looked at
_SAMPLE_BYTES = 2**22
_SEPARATORS = {b"\t": "tabs", b";": "semicolons", b",": "commas", b"|": "bars", b" ": "blanks"}
_LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "y", "category", "digit", "species")
_INDEX_NAMES = (
    "", "index", "id", "idx", "row", "unnamed: 0", "file", "filename", "image", "imageid", "image_id", "name"
)  # fmt: skip
_LEAST_COUNTED = 10  # columns that count up, to be taken as a header; lines that do, to be taken as an index
_ZIP = b"PK\x03\x04"


Column = int | str | tuple[int | str, ...]  # a column or several, by their numbers from 0 or their names in the header


class Line(NamedTuple):
    """A line of a table, without its end."""

    number: int  # from 1, as editors count
    text: bytes


@dataclass
class Table:
    """The layout of a table, from its first lines. Columns are counted from 0 as in the file.

    columns: fields of a line. label: the label's column. named: whether the user or the header named it.
    removed: columns that are neither label nor pixels (an index, an empty last column), or further columns of labels,
    which `more` lists.
    """

    path: Path
    separator: bytes
    columns: int
    header: list[str] | None
    first: int  # the number of the first line that holds data
    sample: list[list[bytes]]
    label: int = 0
    named: bool = False
    removed: set[int] = field(default_factory=set)
    more: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def values(self) -> int:
        """The number of fields of a line without the label and the removed columns."""
        return self.columns - len(self.removed) - 1

    def name(self, column: int) -> str:
        """A column's number, and its name where it has one."""
        return f"{column} ('{self.header[column]}')" if self.header and self.header[column] else str(column)

    def lines(self) -> Iterator[Line]:
        """The lines that hold data. Raises DataError if the file is not a table."""
        with open_data(self.path) as file:
            yield from (line for line in _lines(file, self.path) if line.number >= self.first)

    def label_of(self, line: Line) -> bytes:
        """The label of a line alone, whose other fields are not looked at where the label is among the first."""
        if self.separator == b" " or b'"' in line.text or self.label >= self._ends[0] or self.more:
            return self.cut(line)[0]
        fields = line.text.split(self.separator, self.label + 1)
        return fields[self.label].strip() if len(fields) > self.label + 1 else self.cut(line)[0]

    def cut(self, line: Line) -> tuple[bytes, bytes]:
        """The label of a line, and its values separated by commas. Raises DataError for another number of fields.

        Of several labels the first are separated by commas too.
        """
        text, separator = line.text, self.separator
        if separator == b" " and b"," not in text:
            text, separator = b",".join(text.split()), b","
        before, after = self._ends
        as_many = text.count(separator) + 1 == self.columns  # so that none stands within quotes
        if not as_many or before + after < len(self.removed) + 1 or self.more:
            return self._cut_fields(line)
        *heads, text = text.replace(b'"', b"").split(separator, before)
        text, *tails = text.rsplit(separator, after)
        label = (heads + tails)[self.label if self.label < before else self.label - self.columns]
        return label.strip(), _with_commas(text, separator)

    def fields(self, line: Line) -> list[bytes]:
        """The fields of a line, without blanks or quotes around them. Raises DataError for another number of them."""
        fields = _fields(line, self.separator, self.path)
        if len(fields) != self.columns:
            raise self._wrong_count(line, len(fields))
        return fields

    def labels_in(self, fields: list[bytes]) -> bytes:
        """The label among a line's fields; several of them separated by commas."""
        if not self.more:
            return fields[self.label]
        return b",".join(_with_commas(fields[column], self.separator) for column in self.label_columns)

    @property
    def label_columns(self) -> list[int]:
        """The columns of labels, in the order in which they were given."""
        return [self.label, *self.more]

    @functools.cached_property
    def _ends(self) -> tuple[int, int]:
        """The numbers of columns before and after the values that are the label or removed."""
        aside = self.removed | {self.label}
        before = next(column for column in range(self.columns + 1) if column not in aside)
        after = next(column for column in range(self.columns + 1) if self.columns - 1 - column not in aside)
        return before, min(after, self.columns - before)

    def _cut_fields(self, line: Line) -> tuple[bytes, bytes]:
        fields = self.fields(line)
        values = [value for column, value in enumerate(fields) if column != self.label and column not in self.removed]
        return self.labels_in(fields), b",".join(_with_commas(value, self.separator) for value in values)

    def _wrong_count(self, line: Line, count: int) -> DataError:
        hint = " Is the last line cut short?" if count < self.columns else ""
        return DataError(
            f"{self.path}, line {line.number}: it has {count} fields, but line {self.first} has {self.columns}.{hint}"
        )


def open_table(path: Path | str, label: Column | None = None, header: bool | None = None) -> Table:
    """Recognise the layout of a table; `label` may be several columns.

    Raises DataError if it is not a table or lacks the label; OSError.
    """
    path = Path(path)
    sample = _sample(path)
    separator = _separator(sample)
    fields = [_fields(line, separator, path) for line in sample]
    if len(fields[0]) < 2:
        raise DataError(
            f"{path}, line {sample[0].number}: expected a label and pixels, separated by "
            f"{', '.join(list(_SEPARATORS.values())[:3])} or blanks; it has one field only."
        )
    named = _is_header(fields) if header is None else header
    rows = fields[1:] if named else fields
    columns = len(rows[0]) if rows else len(fields[0])
    rows = [row for row in rows if len(row) == columns]
    names = _header_names(fields[0], columns, path) if named else None
    first = sample[0].number if not named else sample[1].number if len(sample) > 1 else sample[0].number + 1
    table = Table(path, separator, columns, names, first, rows)
    if separator != b",":
        table.notes.append(f"fields are separated by {_SEPARATORS[separator]}")
    if named and header is None and all(map(is_number, fields[0])):
        table.notes.append(f"line {sample[0].number}, which counts up, is taken as a header (header: false reads it)")
    labels = label if isinstance(label, tuple | list) else (label,)
    _set_aside(table, labels)
    _choose_label(table, labels[0])
    for further in labels[1:]:
        table.more.append(_given_label(table, further))
    if len({*table.label_columns}) < len(labels):
        raise DataError(f"{table.path}: label names a column twice: {list(labels)}.")
    table.removed.update(table.more)
    return table


def is_number(text: bytes) -> bool:
    """Whether a field holds a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return bool(re.fullmatch(rb"[-+]?\d+,\d+", text))  # a decimal comma, where commas do not separate fields


def square(values: int) -> bool:
    """Whether a number of values is a square number."""
    return values > 0 and math.isqrt(values) ** 2 == values


# --- lines ------------------------------------------------------------------------------------------------------------


def _lines(file: IO[bytes], path: Path) -> Iterator[Line]:
    r"""The lines that are not empty; a line ends with \n, \r\n or \r."""
    number, blank = 0, 0
    for text in _split_lines(file, path):
        number += 1
        text = text.strip(b" \v\f")
        if text.strip(b"\t,;|"):
            yield Line(number, text)
            continue
        blank += 1
        if blank > MAX_BLANK:
            raise DataError(
                f"{path}, line {number}: more than {MAX_BLANK:,} lines are empty; this is no table of images."
            )


def _split_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    rest, total, number = b"", 0, 0
    while block := file.read(_BLOCK):
        if not total:
            _check_text(block, path)
            block = block.removeprefix(b"\xef\xbb\xbf")
        total += len(block)
        check_size(path, total)
        text = rest + block
        held = text[-1:] == b"\r"  # its \n may begin the next block
        *lines, rest = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if held:
            rest += b"\r"
        number += len(lines)
        if len(rest) > MAX_LINE:
            raise DataError(
                f"{path}, line {number + 1}: it is longer than {MAX_LINE:,} bytes; this is no table of images."
            )
        yield from lines
    yield rest.removesuffix(b"\r")


def _check_text(begin: bytes, path: Path) -> None:
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") or begin[1:8:2] == bytes(4) or begin[:8:2] == bytes(4):
        raise DataError(f"{path} is text in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8, comma delimited).")
    if begin.startswith(_ZIP):
        raise DataError(f"{path} is a zip archive, as .xlsx files are; save the table as CSV, or unpack the archive.")
    if b"\0" in begin:
        raise DataError(f"{path} is no text: it holds bytes of zero. Give a table of images as CSV.")


def _sample(path: Path) -> list[Line]:
    """The first lines. Raises DataError where there is none."""
    sample: list[Line] = []
    with open_data(path) as file:
        for line in islice(_lines(file, path), _SAMPLE):
            sample.append(line)
            if sum(len(each.text) for each in sample) > _SAMPLE_BYTES:
                break
    if not sample:
        raise DataError(f"{path}, line 1: expected a label and pixels, separated by commas; the file is empty.")
    return sample


# --- fields -----------------------------------------------------------------------------------------------------------


def _separator(sample: list[Line]) -> bytes:
    """The separator that gives the most fields, equally many in every line; else the most in the last line."""
    counts = {separator: [len(_plain_fields(line.text, separator)) for line in sample] for separator in _SEPARATORS}
    even = {separator: found[0] for separator, found in counts.items() if len(set(found)) == 1 and found[0] > 1}
    return max(even, key=lambda each: even[each]) if even else max(counts, key=lambda each: counts[each][-1])


def _fields(line: Line, separator: bytes, path: Path) -> list[bytes]:
    try:
        return [field.strip() for field in _plain_fields(line.text, separator)]
    except csv.Error as error:
        raise DataError(f"{path}, line {line.number}: its quotes cannot be read ({error}).") from None


def _with_commas(text: bytes, separator: bytes) -> bytes:
    """The text with its separators replaced by commas, and decimal commas by points."""
    if separator == b",":
        return text
    return (text.replace(b",", b".") if b"," in text else text).replace(separator, b",")


def _plain_fields(text: bytes, separator: bytes) -> list[bytes]:
    if b'"' not in text:
        return text.split() if separator == b" " else text.split(separator)
    as_text = text.decode("utf-8", "surrogateescape")
    rows = csv.reader([as_text], delimiter=separator.decode(), skipinitialspace=True)
    return [field.encode("utf-8", "surrogateescape") for row in rows for field in row]


# --- kinds of lines ---------------------------------------------------------------------------------------------------


def _is_header(fields: list[list[bytes]]) -> bool:
    """Whether the first line differs in kind from the second: words over numbers, or numbers that only count up."""
    first = fields[0]
    if len(fields) < 2 or len(first) + 1 == len(fields[1]):
        return sum(map(is_number, first)) <= len(first) // 2
    second = fields[1]
    if any(not is_number(name) and is_number(value) for name, value in zip(first, second, strict=False)):
        return not any(is_number(name) and not is_number(value) for name, value in zip(first, second, strict=False))
    return _counts_up(first) or _all_words(first, second)


def _all_words(first: list[bytes], second: list[bytes]) -> bool:
    """Whether the first line of a table without numbers names its columns, as `file,label` does."""
    known = {*_LABEL_NAMES, *_INDEX_NAMES[1:]}
    return not any(map(is_number, first + second)) and any(_text(name).lower() in known for name in first)


def _counts_up(fields: list[bytes]) -> bool:
    """Whether all fields, or all but a label at one end, are 0, 1, 2, ... or 1, 2, 3, ..."""
    return len(fields) >= _LEAST_COUNTED and any(
        _is_progression(part) and part[0] in (b"0", b"1") for part in (fields, fields[1:], fields[:-1])
    )


def _is_progression(fields: list[bytes]) -> bool:
    if not all(field.isdigit() for field in fields):
        return False
    numbers = [int(field) for field in fields]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _header_names(names: list[bytes], columns: int, path: Path) -> list[str]:
    """The names of the columns; moved where the header lacks the name of an index or of the empty last column."""
    texts = [_text(name) for name in names]
    if len(texts) + 1 == columns:
        return ["", *texts]
    if len(texts) == columns + 1 and not texts[-1]:
        return texts[:-1]
    if len(texts) != columns:
        raise DataError(f"{path}: the header has {len(texts)} fields, but the line below it has {columns}.")
    return texts


def _set_aside(table: Table, labels: Sequence[Any]) -> None:
    """Remove columns without labels or values: empty ones at the end, an index at the beginning."""
    rows, last = table.sample, table.columns - 1
    if rows and last > 1 and all(not row[last] for row in rows):
        table.removed.add(last)
        if table.header and len(table.header) == table.columns and not table.header[0] and table.header[-1]:
            table.header = [*table.header[1:], ""]  # the header has no comma at its end
        table.notes.append(f"the last column, {last}, is empty and left out")
    first = any(
        label in (0, -table.columns) or (table.header is not None and label == table.header[0]) for label in labels
    )
    if first or not rows or table.columns < 3:
        return
    begin = [row[0] for row in rows]
    distinct = len(set(begin)) == len(begin) > 1
    if table.header is not None:
        index = distinct and table.header[0].lower() in _INDEX_NAMES
    else:
        index = len(begin) >= _LEAST_COUNTED and _is_progression(begin) and not square(table.values)
        index = index and square(table.values - 1)
    if index:
        table.removed.add(0)
        table.notes.append(f"column {table.name(0)} numbers the lines and is left out")


def _choose_label(table: Table, label: int | str | None) -> None:
    if label is not None:
        table.label, table.named = _given_label(table, label), True
        return
    columns = [column for column in range(table.columns) if column not in table.removed]
    called = [column for column in columns if table.header and table.header[column].lower() in _LABEL_NAMES]
    words = [column for column in columns if table.sample and not any(is_number(row[column]) for row in table.sample)]
    found = called if len(called) == 1 else words if len(words) == 1 else columns[:1]
    table.label, table.named = found[0], found != columns[:1] or len(called) == 1
    if table.label != columns[0]:
        table.notes.append(f"column {table.name(table.label)} is taken as the label")


def _given_label(table: Table, label: int | str) -> int:
    if isinstance(label, int):
        count = table.columns - (table.columns - 1 in table.removed)  # -1 is the last column that is not empty
        if -count <= label < count:
            return label % count
        raise DataError(f"{table.path}: label is column {label}, but a line has {count} columns, counted from 0.")
    if table.header is None:
        raise DataError(f"{table.path}: label is {label!r}, but the file has no header line. Give the column's number.")
    if label not in table.header:
        begin = ", ".join(table.header[:5])
        raise DataError(f"{table.path}: no column is called {label!r}; the header begins {begin}.")
    return table.header.index(label)


def likely_label(table: Table) -> int | None:
    """A column more likely to be the label than the current one: by its name, or the last if it has few values."""
    columns = [column for column in range(table.columns) if column not in table.removed | {table.label}]
    called = [column for column in columns if table.header and table.header[column].lower() in _LABEL_NAMES]
    if called or not columns:
        return called[0] if called else None
    values = {row[columns[-1]] for row in table.sample}
    few = 1 < len(values) <= _most_classes(table)
    return columns[-1] if few and all(value.isdigit() or not is_number(value) for value in values) else None


def better_label(table: Table) -> int | None:
    """The last column where it counts classes, and the column that is taken as the label holds many values."""
    columns = [column for column in range(table.columns) if column not in table.removed]
    if table.named or len(columns) < 3 or len(table.sample) < 2 * _LEAST_COUNTED:
        return None
    many = len({row[table.label] for row in table.sample}) > _most_classes(table)
    alone = _counts_classes(table, columns[-1]) and not _counts_classes(table, columns[-2])
    return columns[-1] if many and alone else None


def _counts_classes(table: Table, column: int) -> bool:
    """Whether a column holds a few whole numbers, all from 0 or 1 on."""
    values = {row[column] for row in table.sample}
    if not 1 < len(values) <= _most_classes(table) or not all(value.isdigit() for value in values):
        return False
    return {int(value) for value in values} in (set(range(len(values))), set(range(1, len(values) + 1)))


def _most_classes(table: Table) -> int:
    """Of the lines looked at, as many as may differ in a column of labels."""
    return max(2, len(table.sample) // 4)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
