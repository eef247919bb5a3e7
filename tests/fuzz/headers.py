"""Model files whose JSON is damaged by its structure: values, keys, tokens, offsets; with right lengths and checksums.

A file's JSON is the safetensors header, the specification in its metadata, and the preprocessing in that.
"""

import copy
import hashlib
import json

import numpy as np

from .bases import join, split
from .damage import damage

ODD = [None, True, False, -1, 0, 1, 2, 7, 255, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**400, -(2**63), 1.0, 2.0, -0.5, 1e-320,
       1e308, "", " ", "x", "0", "1", "float16", "float32", "float64", "F16", "I64", "identity", "softmax", "sigmoid", "number", "text", "classes",
       "integer", "\0", "\ud800", "ü" * 200, [], [0], [3, -4, 2], [1.5], ["a"], ["a", "a"], ["b", "a"], [None], {}, {"a": 1}, [[]], [[[[]]]]]  # fmt: skip
# written in place of a string of its name: what json.dumps does not write
RAW = {
    "RAW not a number": "NaN", "RAW infinity": "-Infinity", "RAW beyond": "1e999", "RAW negative zero": "-0", "RAW digits": "9" * 5000,
    "RAW real": "3.0", "RAW exponent": "3e0", "RAW deep": "[" * 3000 + "]" * 3000, "RAW deep object": '{"a":' * 3000 + "1" + "}" * 3000,
    "RAW octal": "012", "RAW nothing": "", "RAW quote": "'x'", "RAW comment": "1/*c*/", "RAW two": "1,2", "RAW half a pair": '"\\ud83d"',
}  # fmt: skip


def damage_header(choice, content):
    """The file with one to three changes of its JSON; whether its checksum was made right again."""
    header, data = split(content)
    metadata = header["__metadata__"]
    specification = json.loads(metadata["nablas"])
    for _ in range((1, 1, 2, 3)[choice.integers(4)]):
        if choice.random() < 0.75:
            _spoil(choice, _part(choice, specification))
        elif choice.random() < 0.6:
            data = _spoil_tensor(choice, header, data)
        else:
            _spoil(choice, header)
    right = choice.random() < 0.7
    if isinstance(header.get("__metadata__"), dict) and "nablas" in header["__metadata__"]:
        text = _text(choice, specification)
        header["__metadata__"]["nablas"] = text
        if right:
            header["__metadata__"]["sha256"] = checksum(text, header, data)
    written = _text(choice, header).encode("utf-8", "surrogatepass")
    if choice.random() < 0.05:
        written = damage(choice, written)
    made = join(written, data)
    if choice.random() < 0.03:
        length = (0, 1, len(written) - 1, len(written) + 1, 2**31, 2**63, 2**64 - 1)
        made = length[choice.integers(7)].to_bytes(8, "little") + made[8:]
    return made, right


def _part(choice, specification):
    """The specification, or the preprocessing in it."""
    extra = specification.get("extra")
    inner = extra.get("preprocessing") if isinstance(extra, dict) else None
    return inner if isinstance(inner, dict) and choice.random() < 0.7 else specification


def _spoil(choice, value):
    """Replace, remove, repeat, exchange or add one entry at any depth of a nested object."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key, other = (keys[choice.integers(len(keys))] for _ in range(2))
        if isinstance(value[key], (dict, list)) and value[key] and choice.random() < 0.7:
            value = value[key]
            continue
        way = choice.integers(8)
        if way == 0:
            del value[key]
        elif way == 1 and isinstance(value, dict):
            value[f"{key}2"] = value[key]
        elif way == 1:
            value.insert(key, copy.deepcopy(value[key]))
        elif way == 2:
            value[key], value[other] = value[other], value[key]
        elif way == 3 and isinstance(value[key], (int, float)) and abs(value[key]) < 2**64:
            value[key] = value[key] + (-1, 1, 1e-9, 0.0)[choice.integers(4)]
        elif way == 4:
            value[key] = list(RAW)[choice.integers(len(RAW))]
        elif way == 5 and isinstance(value, dict):
            value[str(_odd(choice))[:300]] = _odd(choice)
        else:
            value[key] = _odd(choice)
        return


def _odd(choice):
    return copy.deepcopy(ODD[choice.integers(len(ODD))])


def _spoil_tensor(choice, header, data):
    """Another place, shape, type, name or content of a tensor; the tensors' bytes."""
    names = [n for n in header if n != "__metadata__"]
    entries = [header[n] for n in names if isinstance(header[n], dict)]
    if not entries:
        return data
    one, two = (entries[choice.integers(len(entries))] for _ in range(2))
    way = choice.integers(8)
    if way == 0 and "data_offsets" in one and "data_offsets" in two:
        one["data_offsets"], two["data_offsets"] = two["data_offsets"], one["data_offsets"]
    elif way == 1 and "data_offsets" in two:  # overlapping
        one["data_offsets"] = copy.copy(two["data_offsets"])
    elif way == 2:
        ends = [int(choice.integers(-8, len(data) + 9)) for _ in range(2)]
        one["data_offsets"] = sorted(ends) if choice.random() < 0.8 else ends
    elif way == 3 and isinstance(one.get("shape"), list):
        one["shape"] = [*reversed(one["shape"])] if choice.random() < 0.5 else [1, *one["shape"]]
    elif way == 4:
        one["dtype"] = ("F32", "F64", "F16", "BF16", "I32", "U8", "BOOL", "F8_E5M2", "C64")[
            choice.integers(9)
        ]
    elif way == 5:
        old, new = (names[choice.integers(len(names))] for _ in range(2))
        header[old], header[new] = header.get(new), header.get(old)
    elif way == 6:
        size = (2**16, 2**31, 2**62, 2**63, 2**64)[choice.integers(5)]
        one["shape"], one["data_offsets"] = [size, 0], [0, 0]
    elif data:  # other content: huge, tiny, infinite or not numbers
        data = bytearray(data)
        at = int(choice.integers(len(data)))
        data[at : at + 8] = choice.bytes(len(data[at : at + 8]))
        data = bytes(data)
    return data


def _text(choice, value):
    """JSON text of an object, with RAW tokens, and in some cases a key that occurs twice."""
    text = json.dumps(value, ensure_ascii=bool(choice.integers(2)))
    if "RAW" in text:
        for name, token in RAW.items():
            text = text.replace(f'"{name}"', token)
    if choice.random() < 0.08:
        opened = [i for i, letter in enumerate(text) if letter == "{"]
        keys = [part for part in text.split('"')[1::2] if part.isidentifier()]
        if opened and keys:
            at = opened[choice.integers(len(opened))] + 1
            odd = json.dumps(ODD[choice.integers(len(ODD))])
            text = f'{text[:at]}"{keys[choice.integers(len(keys))]}": {odd}, {text[at:]}'
    return text


def checksum(text, header, data):
    """The right checksum of a specification's text and the tensors, if these can be found in the file."""
    dtypes = {"F32": np.float32, "F64": np.float64}
    try:
        digest = hashlib.sha256(text.encode())
        for name in sorted(n for n in header if n != "__metadata__"):
            begin, end = header[name]["data_offsets"]
            np.frombuffer(data[begin:end], dtypes[header[name]["dtype"]])
            digest.update(name.encode() + data[begin:end])
        return digest.hexdigest()
    except Exception:  # damaged beyond that
        return "0" * 64
