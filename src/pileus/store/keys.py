"""Typed tuples as bytes that sort as the tuples do.

The encoding follows FoundationDB's tuple layer (https://github.com/apple/foundationdb/blob/main/design/tuple.md):
each element is a type code and a body; strings and bytes end in 00 with 00 inside written 00 FF; integers carry their
length in the type code. None < bytes < str < int.
"""

from __future__ import annotations

Element = None | bytes | str | int
_ZERO = 0x14


def pack(*elements: Element) -> bytes:
    """Raises TypeError for other types and OverflowError for integers over 8 bytes."""
    packed = b""
    for element in elements:
        if isinstance(element, str):
            try:
                body = element.encode()
            except UnicodeEncodeError:
                body = element.encode("utf-8", "surrogatepass")
            if "\0" in element:
                body = body.replace(b"\0", b"\0\xff")
            packed = b"%b\2%b\0" % (packed, body)
        elif isinstance(element, bytes):
            packed += b"\1%b\0" % element.replace(b"\0", b"\0\xff")
        elif element is None:
            packed += b"\0"
        elif isinstance(element, int):
            packed += _pack_int(int(element))
        else:
            raise TypeError(f"a key cannot hold {type(element).__name__}")
    return packed


def _pack_int(number: int) -> bytes:
    if number == 0:
        return bytes((_ZERO,))
    length = (abs(number).bit_length() + 7) // 8
    if length > 8:
        raise OverflowError("integers in keys have at most 8 bytes")
    if number > 0:
        return bytes((_ZERO + length,)) + number.to_bytes(length, "big")
    # One's complement in as many bytes, so that larger magnitudes sort first.
    return bytes((_ZERO - length,)) + (number + (1 << (8 * length)) - 1).to_bytes(length, "big")


def unpack(key: bytes) -> tuple[Element, ...]:
    """The inverse of pack. Raises ValueError for what pack did not make."""
    elements: list[Element] = []
    position = 0
    while position < len(key):
        code = key[position]
        position += 1
        if code == 0:
            elements.append(None)
        elif code in (1, 2):
            end = position
            while True:
                end = key.find(b"\0", end)
                if end < 0:
                    raise ValueError("unterminated element")
                if key[end + 1 : end + 2] != b"\xff":
                    break
                end += 2
            body = key[position:end].replace(b"\0\xff", b"\0")
            elements.append(body if code == 1 else body.decode("utf-8", "surrogatepass"))
            position = end + 1
        elif _ZERO - 8 <= code <= _ZERO + 8:
            length = abs(code - _ZERO)
            number = int.from_bytes(key[position : position + length], "big")
            if code < _ZERO:
                number -= (1 << (8 * length)) - 1
            elements.append(number)
            position += length
        else:
            raise ValueError(f"unknown type code {code}")
    return tuple(elements)


def prefix_range(*elements: Element) -> tuple[bytes, bytes]:
    """Start and end of all keys whose tuples begin with `elements`, the key of exactly these included.

    The end is the prefix and FF: no type code is as high, while a longer string that only begins alike
    goes on with FF after its 00 and stays outside.
    """
    prefix = pack(*elements)
    return prefix, prefix + b"\xff"
