"""User metadata outside of ASCII, which S3 takes and gives as RFC 2047 has it
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html)."""

from __future__ import annotations

import base64
import binascii
import quopri
import re

_WORD = re.compile(r"=\?([\w-]+)\?([BbQq])\?([^?]*)\?=")
_PLAIN = re.compile(r"[ -~\t]*")
_SPELLED = frozenset("=_?")


def decode(value: str) -> str:
    """What an encoded word says, and anything else as it is."""
    found = _WORD.fullmatch(value)
    if found is None:
        return value
    charset, encoding, text = found.groups()
    try:
        raw = base64.b64decode(text, validate=True) if encoding in "Bb" else quopri.decodestring(text, header=True)
        return raw.decode(charset)
    except (binascii.Error, UnicodeDecodeError, LookupError):
        return value


def literally(value: str) -> str:
    """So written that decoding gives it back, whatever it looks like."""
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?=" if _WORD.fullmatch(value) else value


def encode(value: str) -> str:
    """In the encoding that S3 chooses: by letters where most of them are readable."""
    if _PLAIN.fullmatch(value):
        return value
    readable = sum(" " <= character <= "~" for character in value)
    if 2 * readable <= len(value):
        return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="
    return f"=?UTF-8?Q?{''.join(map(_letter, value))}?="


def _letter(character: str) -> str:
    if character == " ":
        return "_"
    if " " < character <= "~" and character not in _SPELLED:
        return character
    return "".join(f"={byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
