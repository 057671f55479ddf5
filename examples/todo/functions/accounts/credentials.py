"""What people choose and how it is kept: names, passwords, and the passwords' hashes."""

import re
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

# As OWASP's Password Storage Cheat Sheet has it for Argon2id: 19 MiB, two passes, one lane.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

DECOY = "$argon2id$v=19$m=19456,t=2,p=1$QvhKzNq+iFYy+0jJRS+uJQ$NHTkcoyQGs/hpXKIgDZEq1Q5L7LRbOcuijbrhllu1cY"
"""The hash of a password that nobody has. A login with an unknown name is checked against it, so that it takes as long
as one with a wrong password and does not tell which names exist."""

_USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{1,30})[a-z0-9]")
_PASSWORD_LENGTH = range(8, 129)


class RefusedError(Exception):
    """What the caller is told instead of an answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def answer(self) -> dict:
        return {"error": {"code": self.code, "message": str(self)}}


def parse_username(event: object) -> str:
    username = _text(event, "username").strip().lower()
    if not _USERNAME.fullmatch(username):
        raise RefusedError(
            "InvalidUsername", "A name has 3 to 32 letters (a to z), digits, dots, hyphens or underscores."
        )
    return username


def parse_password(event: object) -> str:
    # The same password typed on another keyboard may arrive in other code points.
    password = unicodedata.normalize("NFKC", _text(event, "password"))
    if len(password) not in _PASSWORD_LENGTH:
        raise RefusedError("InvalidPassword", "A password has 8 to 128 characters.")
    return password


def matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except VerifyMismatchError:
        return False


def _text(event: object, name: str) -> str:
    value = event.get(name) if isinstance(event, dict) else None
    return value if isinstance(value, str) else ""
