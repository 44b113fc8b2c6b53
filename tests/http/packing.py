"""Archives from recipes: zip, tar and gzip in which any field can be made to lie."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

Recipe = Mapping[str, Any]


def built(recipe: Recipe) -> bytes:
    """The archive of an entry: `zip`, `tar`, `gzip` or `hex`, then `gzipped` (so many times),
    `before` and `after` (hex), `cut` (bytes).
    """
    makers: dict[str, Callable[[Any, Recipe], bytes]] = {
        "zip": _zip,
        "tar": _tar,
        "gzip": _gzip,
        "hex": lambda part, _recipe: bytes.fromhex(part),
    }
    kind = next(name for name in makers if name in recipe)
    data = makers[kind](recipe[kind], recipe)
    for _ in range(recipe.get("gzipped", 0)):
        data = gzip.compress(data, mtime=0)
    data = bytes.fromhex(recipe.get("before", "")) + data + bytes.fromhex(recipe.get("after", ""))
    return data[: len(data) - recipe.get("cut", 0)]


def content(file: Recipe) -> bytes:
    """`text` (or `bytes` in hex, or a whole `archive`), `times` over."""
    if "archive" in file:
        return built(file["archive"])
    once = bytes.fromhex(file["bytes"]) if "bytes" in file else str(file.get("text", "")).encode()
    return once * int(file.get("times", 1))


def name_of(file: Recipe) -> bytes:
    return (
        bytes.fromhex(file["name_hex"])
        if "name_hex" in file
        else str(file["name"]).encode() * int(file.get("name_times", 1))
    )


def every(files: list[Recipe]) -> list[Recipe]:
    """A file with `copies` stands for as many, `{n}` in its name counts them."""
    return [
        {**file, "name": str(file.get("name", "")).replace("{n}", str(n))}
        if "copies" in file
        else file
        for file in files
        for n in range(int(file.get("copies", 1)))
    ]


def _hex(digits: str, _recipe: Recipe) -> bytes:
    return bytes.fromhex(digits)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _zip(files: list[Recipe], recipe: Recipe) -> bytes:
    body, directory, first = b"", b"", 0
    rows = every(files)
    for row in rows:
        plain, name, method = content(row), name_of(row), int(row.get("method", 8))
        packed = (_deflated(plain) if method == 8 else plain) + bytes.fromhex(row.get("inside", ""))
        packed = packed[: len(packed) - int(row.get("short", 0))]
        said = {
            "flags": 0x800,
            "method": method,
            "crc": zlib.crc32(plain),
            "packed": len(packed),
            "size": len(plain),
            "name": name,
        }
        said |= {key: row[key] for key in ("flags", "crc", "size", "packed") if key in row}
        local = said | {key: value for key, value in row.get("local", {}).items() if key != "name"}
        local["name"] = (
            str(row["local"]["name"]).encode() if "name" in row.get("local", {}) else name
        )
        descriptor = (
            bytes.fromhex(row.get("descriptor", ""))
            if row.get("descriptor") != "right"
            else _descriptor(said)
        )
        offset = int(row.get("offset", len(body) if not row.get("shares") else first))
        if not row.get("shares"):
            body += _local(local) + packed + descriptor + bytes.fromhex(row.get("gap", ""))
        directory += _central(said, mode=int(str(row.get("mode", "100644")), 8), offset=offset)
    end = {
        "count": len(rows),
        "here": len(rows),
        "size": len(directory),
        "start": len(body),
        "disk": 0,
    } | dict(recipe.get("end", {}))
    comment = bytes.fromhex(recipe.get("comment", ""))
    tail = struct.pack(
        "<4sHHHHLLH",
        b"PK\x05\x06",
        end["disk"],
        0,
        end["here"],
        end["count"],
        end["size"],
        end["start"],
        len(comment),
    )
    return body + directory + bytes.fromhex(recipe.get("before_end", "")) + tail + comment


def _local(said: Mapping[str, Any]) -> bytes:
    fields = (
        said["flags"],
        said["method"],
        0,
        0,
        said["crc"],
        said["packed"],
        said["size"],
        len(said["name"]),
        0,
    )
    return struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, *fields) + bytes(said["name"])


def _central(said: Mapping[str, Any], *, mode: int, offset: int) -> bytes:
    fields = (
        said["flags"],
        said["method"],
        0,
        0,
        said["crc"],
        said["packed"],
        said["size"],
        len(said["name"]),
        0,
        0,
        0,
        0,
        mode << 16,
        offset,
    )
    return struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\x01\x02", 0x0314, 20, *fields) + bytes(
        said["name"]
    )


def _descriptor(said: Mapping[str, Any]) -> bytes:
    return b"PK\x07\x08" + struct.pack("<LLL", said["crc"], said["packed"], said["size"])


def _gzip(file: Recipe, _recipe: Recipe) -> bytes:
    data = gzip.compress(content(file), mtime=0) * int(file.get("members", 1))
    if "crc" in file:
        data = data[:-8] + struct.pack("<L", int(file["crc"])) + data[-4:]
    return data


def _tar(files: list[Recipe], recipe: Recipe) -> bytes:
    return b"".join(_member(file) for file in every(files)) + b"\0" * int(
        recipe.get("end_zeros", 1024)
    )


def _member(file: Recipe) -> bytes:
    if "pax" in file:
        records = b"".join(
            _record(key, value) for key, value in file["pax"].items()
        ) + bytes.fromhex(file.get("pax_raw", ""))
        return _header(b"pax", records, {"kind": file.get("pax_kind", "x")}) + _member(
            {k: v for k, v in file.items() if k != "pax"}
        )
    if "long" in file:
        name = str(file["long"]).encode() + b"\0"
        return _header(b"././@LongLink", name, {"kind": "L"}) + _member(
            {k: v for k, v in file.items() if k != "long"}
        )
    return _header(name_of(file), content(file), file)


def _record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n".encode()
    length = next(n for n in range(len(rest), len(rest) + 9) if n == len(rest) + len(str(n)))
    return str(length).encode() + rest


def _header(name: bytes, data: bytes, file: Recipe) -> bytes:
    size = (
        bytes.fromhex(file["size_hex"])
        if "size_hex" in file
        else b"%011o\0" % int(file.get("size", len(data)))
    )
    kind, link = str(file.get("kind", "0")).encode(), str(file.get("link", "")).encode()
    magic = bytes.fromhex(file.get("magic", "7573746172003030"))
    parts = [
        name[:100].ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0" * 2,
        size,
        b"00000000000\0",
        b" " * 8,
        kind,
        link.ljust(100, b"\0"),
    ]
    header = b"".join(
        [*parts, magic, b"\0" * 80, str(file.get("prefix", "")).encode().ljust(155, b"\0")]
    ).ljust(512, b"\0")
    total = sum(header) + int(file.get("checksum_off", 0))
    header = header[:148] + b"%06o\0 " % total + header[156:]
    return header + data + b"\0" * (-len(data) % 512)
