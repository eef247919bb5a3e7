"""Ways to damage the bytes of a valid file."""

import json
import struct

ODD = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    1e400,
    -0.5,
    "",
    "x",
    "float16",
    [],
    [0],
    [3, -4, 2],
    {},
    {"a": 1},
    "\0",
    [[]],
]
TOKENS = [b"", b"\0", b"\xff", b"\n", b"\r\n", b",", b";", b'"', b"'", b"\t", b"nan", b"inf", b"1e999", b"-", b"\xef\xbb\xbf",
          b"0x10", b"NA", b"1,5", b"a" * 300, b"9" * 400, b"\xc3\x28", b"True", b"[", b"{}"]  # fmt: skip


def damage(choice, content):
    """One to four small changes."""
    content = bytearray(content)
    for _ in range(choice.integers(1, 5)):
        if not content:
            break
        at, way = int(choice.integers(len(content))), choice.integers(6)
        end = at + int(choice.integers(1, 40))
        if way == 0:
            content[at] ^= 1 << int(choice.integers(8))
        elif way == 1:
            content[at] = int(choice.integers(256))
        elif way == 2:
            del content[at:end]
        elif way == 3:
            content[at:at] = content[at:end]
        elif way == 4:
            content[at:at] = TOKENS[choice.integers(len(TOKENS))]
        else:
            del content[at:]
    return bytes(content)


def damage_header(choice, content):
    """A safetensors file whose JSON header has one odd value, at any depth, with a right length."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    inside = choice.random() < 0.7
    if inside:
        specification = json.loads(header["__metadata__"]["nablas"])
        _spoil(choice, specification)
        header["__metadata__"]["nablas"] = json.dumps(specification)
    else:
        _spoil(choice, header)
    text = json.dumps(header).encode()
    if choice.random() < 0.1:
        text = damage(choice, text)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _spoil(choice, value):
    """Replace, remove or add one entry of a nested object."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[choice.integers(len(keys))]
        if isinstance(value[key], (dict, list)) and value[key] and choice.random() < 0.6:
            value = value[key]
            continue
        way = choice.integers(3)
        if way == 0:
            del value[key]
        elif way == 1 and isinstance(value, dict):
            value[f"{key}2"] = value[key]
        else:
            value[key] = ODD[choice.integers(len(ODD))]
        return
