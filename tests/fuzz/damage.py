"""Ways to damage the bytes of a valid file."""

TOKENS = [b"", b"\0", b"\xff", b"\n", b"\r\n", b",", b";", b'"', b"'", b"\t", b"nan", b"inf", b"1e999", b"-", b"\xef\xbb\xbf",
          b"0x10", b"NA", b"1,5", b"a" * 300, b"9" * 400, b"\xc3\x28", b"True", b"[", b"{}", b'""', b'"\n"', b"\r", b"#", b" ", b"\x1a",
          b"\xff\xfe", b"1.5e308", b"2020-01-01", b"\x1f\x8b", b"1_0", b"+1", b"\xe2\x80\xa8", b"|"]  # fmt: skip
COUNTS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def damage(choice, content):
    """One to four small changes; most files get one."""
    content = bytearray(content)
    for _ in range((1, 1, 1, 2, 3, 4)[choice.integers(6)]):
        if not content:
            break
        at, way = int(choice.integers(len(content))), choice.integers(9)
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
        elif way == 5:  # a count or an offset in a binary file
            width = (1, 2, 4, 8)[choice.integers(4)]
            value = COUNTS[choice.integers(len(COUNTS))] & (256**width - 1)
            content[at : at + width] = value.to_bytes(width, "little")
        elif way == 6:  # the same bytes at another place
            to = int(choice.integers(len(content)))
            content[to : to + end - at] = content[at:end]
        elif way == 7:
            content += bytes(content[at:end])
        else:
            del content[at:]
    return bytes(content)
