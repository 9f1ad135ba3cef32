"""Folders of pictures with masks: a picture of class numbers beside each, which has its name."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from gpucnn.data.dataset import ClassNames, Dataset, Source, checked_names, listed
from gpucnn.data.decoded import Pictures, decode
from gpucnn.data.folder import PARTS, keys_of
from gpucnn.data.image import Background, open_picture, read_image, read_size, upright
from gpucnn.data.label_maps import VOID
from gpucnn.data.pictures import counts_as_text, find_pictures, sides, visible_folders
from gpucnn.data.split import hold_out
from gpucnn.data.untrusted import check_size
from gpucnn.errors import DataError

IMAGES, MASKS = "images", "masks"  # the folders
_NUMBERS = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")  # modes whose pixels are class numbers
_LOSSY = (".jpg", ".jpeg", ".jfif", ".jpe")
_LAYOUT = "Expected images/ and masks/, or train/ and test/ (or val/) that hold them"


def load(
    path: Path,
    size: int | tuple[int, int] | None = None,
    channels: Literal[1, 3] = 3,
    test: float = 0.2,
    class_names: ClassNames | None = None,
    background: Background = "white",
    seed: int = 0,
    cache: bool = True,
) -> Source:
    """Read pictures with masks: images/ and masks/, whose pixels are class numbers, with equal names.

    Where `path` holds train/ and test/ or val/, these hold both folders; otherwise `test` of the pictures, drawn by
    `seed` and their names, are held out. size: one side, or (H, W), that pictures and masks are stretched to, masks
    by the nearest pixel; without it all must have one size. A mask is a picture of one channel or a palette, and 255 a
    pixel of no class, unless masks hold 0 and 255 alone: then these are the classes 0 and 1. Without `class_names`
    classes are called by their numbers. Raises DataError; OSError where reading fails.
    """
    layout = _layout(path)
    height, width = _size(layout.parts, size)
    notes = list(layout.notes)

    def read(file: Path) -> np.ndarray:
        return read_image(file, channels, None if size is None else (height, width), False, background)

    images, masks = {}, {}
    for part, pairs in layout.parts.items():
        pictures = Pictures([pair.image for pair in pairs], (channels, height, width), read)
        images[part], more = decode(pictures, f"masks {size is None} {background} {part}", path, cache)
        notes.extend(more)
        masks[part] = _masks(pairs, (height, width), size is not None)
    names = _named(masks, class_names, notes)
    parts = {
        part: Dataset(images[part], masks[part], names, keys_of([pair.image for pair in pairs], layout.folders[part]))
        for part, pairs in layout.parts.items()
    }
    if "test" not in parts:
        parts["train"], parts["test"] = hold_out(parts["train"], test, seed, what="test")
    return Source(**parts, notes=tuple(notes), from_files=True)


def peek(
    path: Path,
    size: int | tuple[int, int] | None = None,
    channels: int = 3,
    class_names: ClassNames | None = None,
    **others: object,
) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W), and the number of classes, from their names or the training masks."""
    parts = _layout(path).parts
    if class_names is not None:
        return (channels, *_size(parts, size)), len(class_names)
    masks = {"train": _masks(parts["train"], _size(parts, size), size is not None)}
    return (channels, *_size(parts, size)), len(_named(masks, None, []))


class Pair(NamedTuple):
    """A picture and its mask."""

    image: Path
    mask: Path


class Layout(NamedTuple):
    """The pairs of each part that exists, the folders of their images, and notes."""

    parts: dict[str, list[Pair]]
    folders: dict[str, Path]
    notes: list[str]


def _layout(path: Path) -> Layout:
    if not path.is_dir():
        hint = " If it is an archive, unpack it." if path.is_file() else ""
        raise DataError(f"{path} is not a folder.{hint} {_LAYOUT}.")
    folders = {
        part: folder
        for part, called in PARTS.items()
        for folder in visible_folders(path)
        if folder.name.lower() in called and (folder / IMAGES).is_dir()
    }
    if not {"train", "test"} <= folders.keys() and not {"train", "validation"} <= folders.keys():
        folders = {"train": path}
    elif "test" not in folders:
        folders["test"] = folders.pop("validation")
    notes: list[str] = []
    parts = {part: _pairs(folder, notes) for part, folder in folders.items()}
    return Layout(parts, {part: folder / IMAGES for part, folder in folders.items()}, notes)


def _pairs(folder: Path, notes: list[str]) -> list[Pair]:
    """The pictures below images/ with their masks, whose paths below masks/ differ in the suffix at most."""
    for each in (IMAGES, MASKS):
        if not (folder / each).is_dir():
            raise DataError(f"{folder} holds no folder {each}/. {_LAYOUT}: a mask of the picture's name for each.")
    pictures, masks = find_pictures(folder / IMAGES), find_pictures(folder / MASKS)
    if not pictures.pictures:
        raise DataError(f"{folder / IMAGES} holds no pictures. Put them there, as PNG or JPEG, and masks beside.")
    by_name = {mask.relative_to(folder / MASKS).with_suffix(""): mask for mask in masks.pictures}
    names = [picture.relative_to(folder / IMAGES).with_suffix("") for picture in pictures.pictures]
    twice = [str(name) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{folder / IMAGES}: {listed(twice)} is the name of several pictures. Rename all but one.")
    missing = [str(name) for name in names if name not in by_name]
    if missing:
        raise DataError(
            f"{folder / MASKS} holds no mask for {len(missing):,} of {len(names):,} pictures, such as {missing[0]}; "
            f"expected {Path(missing[0]).name}.png there. Add them, or take the pictures away."
        )
    others = pictures.others + masks.others
    unused = len(by_name) - len(names)
    told = [counts_as_text(others)] if others else []
    told += [f"{unused:,} masks without a picture"] if unused else []
    if told:
        notes.append(f"{folder}: left out are {', '.join(told)}")
    return [Pair(picture, by_name[name]) for picture, name in zip(pictures.pictures, names, strict=True)]


def _size(parts: dict[str, list[Pair]], size: int | tuple[int, int] | None) -> tuple[int, int]:
    return read_size(parts["train"][0].image) if size is None else sides(size)


def _masks(pairs: Sequence[Pair], size: tuple[int, int], stretched: bool) -> np.ndarray:
    """The masks (N, H, W) uint8 as they are in the files."""
    check_size(pairs[0].mask.parent, len(pairs) * size[0] * size[1])
    read: Callable[[Path], np.ndarray] = _reader({pair.mask: pair.image for pair in pairs}, size, stretched)
    return Pictures([pair.mask for pair in pairs], (1, *size), read)(np.arange(len(pairs)))[:, 0]


def _reader(images: dict[Path, Path], size: tuple[int, int], stretched: bool) -> Callable[[Path], np.ndarray]:
    def read(file: Path) -> np.ndarray:
        own, of_image = read_size(file), read_size(images[file])
        if own != of_image:
            raise DataError(
                f"{file}: the mask is {own[0]} x {own[1]} (H x W), and its picture {images[file]} is "
                f"{of_image[0]} x {of_image[1]}; expected one size. Make the mask anew from its picture."
            )
        mask = Image.fromarray(read_mask(file))
        if stretched:
            mask = mask.resize((size[1], size[0]), Image.Resampling.NEAREST)
        return np.asarray(mask)[None]  # (H, W) -> (1, H, W)

    return read


def read_mask(file: Path) -> np.ndarray:
    """The class numbers of a mask (H, W) uint8. Raises DataError for a picture whose pixels are none; OSError."""
    if file.suffix.lower() in _LOSSY:
        raise DataError(f"{file}: JPEG changes pixels, and with them class numbers. Save masks as PNG.")
    picture = open_picture(file)
    mode = picture.mode
    values = np.asarray(upright(picture))
    if values.ndim == 3 and mode in ("RGB", "RGBA") and (values[..., :3] == values[..., :1]).all():
        mode, values = "L", values[..., 0]  # grey that was saved as colours
    if mode not in _NUMBERS:
        raise DataError(
            f"{file}: the mask's pixels are colours ({mode}); expected one number a pixel, that of its class. Save it "
            "grey or with a palette (mode L or P), where pixels are 0, 1, 2, ..."
        )
    if values.min() < 0 or values.max() > VOID:
        raise DataError(f"{file}: a pixel of the mask is {values.max()}; expected class numbers from 0 to {VOID - 1}.")
    return values.astype(np.uint8)


def _named(masks: dict[str, np.ndarray], given: ClassNames | None, notes: list[str]) -> tuple[str, ...]:
    """The names of the classes; masks of 0 and 255 alone become 0 and 1 in place."""
    there = np.unique(np.concatenate([np.unique(each) for each in masks.values()]))
    if there.tolist() == [0, VOID] and (given is None or len(given) == 2):
        notes.append(f"the masks hold 0 and {VOID} alone, which are taken as classes 0 and 1")
        for each in masks.values():
            each[each == VOID] = 1
        there = np.array([0, 1])
    classes = there[there != VOID]
    if len(classes) < 2:
        raise DataError(f"All pixels of the masks are {listed(map(str, there))}: there is nothing to tell apart.")
    if given is None:
        return tuple(map(str, range(int(classes[-1]) + 1)))
    if classes[-1] >= len(given):
        raise DataError(
            f"the masks hold class {classes[-1]}, and class_names are {len(given)}; name the classes 0 to {classes[-1]}"
        )
    return checked_names(given)
