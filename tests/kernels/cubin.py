"""What machine code for NVIDIA's GPUs, an ELF file, says of its kernels' needs."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("<40xQ10xHHH")  # of a 64-bit ELF file: where the section headers are, their size, number, names
SECTION = struct.Struct("<II16xQQIIQQ")  # name, type, offset, size, link, info, alignment, size of entries
SYMBOL = struct.Struct("<I20x")  # name
NO_BITS = 8  # the type of a section that takes room on the device alone
REGISTERS, FRAME = 0x2F, 0x11  # attributes in .nv.info: registers of a thread, bytes of its stack
HOLDS_BYTES = 4  # the format of an attribute whose value follows it


class Needs(NamedTuple):
    """Of a kernel: registers and bytes of stack of a thread, and bytes of shared memory of a block."""

    registers: int
    stack: int
    shared: int


class _Section(NamedTuple):
    size: int
    data: bytes


def needs(code: bytes) -> dict[str, Needs]:
    """What every kernel needs, by name."""
    sections = _sections(code)
    found: dict[int, dict[str, int]] = {REGISTERS: {}, FRAME: {}}
    symbols, names = sections[".symtab"].data, sections[".strtab"].data
    for attribute, value in _attributes(sections[".nv.info"].data):
        if attribute in found:
            symbol, number = struct.unpack("<II", value)
            (name,) = SYMBOL.unpack_from(symbols, symbol * SYMBOL.size)
            found[attribute][_text(names, name)] = number
    kernels = [name.removeprefix(".text.") for name in sections if name.startswith(".text.")]
    nothing = _Section(0, b"")
    return {
        name: Needs(found[REGISTERS][name], found[FRAME][name], sections.get(f".nv.shared.{name}", nothing).size)
        for name in kernels
    }


def _sections(code: bytes) -> dict[str, _Section]:
    start, size, count, names = HEADER.unpack_from(code)
    headers = [SECTION.unpack_from(code, start + number * size) for number in range(count)]
    title = headers[names][2]
    return {
        _text(code, title + name): _Section(length, b"" if kind == NO_BITS else code[offset : offset + length])
        for name, kind, offset, length, *_ in headers
    }


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(attribute, value) of those whose values follow them."""
    place = 0
    while place < len(data):
        kind, attribute, size = struct.unpack_from("<BBH", data, place)
        place += 4
        if kind == HOLDS_BYTES:
            yield attribute, data[place : place + size]
            place += size


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
