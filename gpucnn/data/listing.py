"""Tables that name picture files, one a line, with their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpucnn.data.image import read_image, read_size
from gpucnn.data.labels import Labels
from gpucnn.data.pictures import find_pictures, is_picture, read_pictures, sides
from gpucnn.data.table import Table
from gpucnn.errors import DataError

_MOST_COLUMNS = 32  # of a table that names files
_MOST_OF_BARE_NAMES = 4  # of one whose names lack their suffixes


class Listed(NamedTuple):
    """The picture files named by a table, and their labels."""

    files: list[Path]
    labels: Labels


def find(tables: Sequence[Table], pictures: Path | None) -> list[Listed] | None:
    """The pictures that tables name, below the folder `pictures` or each table's own; None if they name none.

    Raises DataError for a name without a file, and if the column of labels is ambiguous.
    """
    folders = [table.path.parent if pictures is None else pictures for table in tables]
    column = _picture_column(tables[0], folders[0])
    if column is None:
        return None
    for table in tables:
        _choose_label(table, column)
    return [_listed(table, column, folder) for table, folder in zip(tables, folders, strict=True)]


def picture_size(listed: Sequence[Listed], size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(H, W) from the option `size`, or of the first picture."""
    return read_size(listed[0].files[0]) if size is None else sides(size)


def read(listed: Sequence[Listed], size: int | tuple[int, int] | None, channels: int) -> list[np.ndarray]:
    """The images (N, C, H, W) of each table, uint8."""
    height, width = picture_size(listed, size)

    def read_one(file: Path) -> np.ndarray:
        return read_image(file, channels, None if size is None else (height, width))

    return [read_pictures(part.files, (channels, height, width), read_one, part.labels.table.path) for part in listed]


def _picture_column(table: Table, folder: Path) -> int | None:
    """The column that names picture files, with their suffixes or, in a table of few columns, without."""
    if not table.sample or table.columns - len(table.more) > _MOST_COLUMNS:
        return None
    columns = [[_name(row[column]) for row in table.sample] for column in range(table.columns)]
    for column, names in enumerate(columns):
        if all(is_picture(Path(name)) for name in names):
            return column
    if table.columns - len(table.more) > _MOST_OF_BARE_NAMES or not folder.is_dir():
        return None
    stems = {file.stem for file in find_pictures(folder).pictures}
    for column, names in enumerate(columns):
        if stems and stems.issuperset(names):
            return column
    return None


def _choose_label(table: Table, pictures: int) -> None:
    """Set the table's label column: the one named by the user or the header, or the only other column."""
    others = [column for column in range(table.columns) if column not in table.removed | {pictures}]
    if table.named and table.label != pictures:
        return
    if len(others) != 1:
        raise DataError(
            f"{table.path}: column {table.name(pictures)} names pictures, and the label may be any of the other "
            f"{len(others)} columns. Give label: its number or name."
        )
    table.label = others[0]
    table.notes[:] = [note for note in table.notes if "taken as the label" not in note]


def _listed(table: Table, column: int, folder: Path) -> Listed:
    files, texts, lines = [], [], []
    by_name: dict[str, list[Path]] = {}
    for line in table.lines():
        fields = table.fields(line)
        name = _name(fields[column])
        file = folder / name
        if not file.is_file():
            by_name = by_name or _by_name(folder)
            found = by_name.get(Path(name).name, [])
            if len(found) != 1:
                what = f"{len(found)} pictures are called so" if found else "there is no such picture"
                raise DataError(
                    f"{table.path}, line {line.number}: column {column} names {name!r}, and below {folder} {what}. "
                    "Give pictures: the folder that the names begin in."
                )
            file = found[0]
        files.append(file)
        texts.append(table.labels_in(fields))
        lines.append(line.number)
    return Listed(files, Labels(table, texts, lines))


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The pictures below a folder by name, with their suffixes and without."""
    by_name: dict[str, list[Path]] = {}
    for file in find_pictures(folder).pictures:
        by_name.setdefault(file.name, []).append(file)
        by_name.setdefault(file.stem, []).append(file)
    return by_name


def _name(field: bytes) -> str:
    """A path with this system's separators."""
    return field.decode("utf-8", "surrogateescape").replace("\\", "/")
