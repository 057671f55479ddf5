"""Throws damaged input at what reads a stranger's bytes, for as long as it is told to.

    python scripts/fuzz.py [--seconds N] [--seed N] [TARGET ...]

Each target is a function that may refuse its input in the ways that it documents, and in no other. Inputs are real ones
with bytes flipped, cut, doubled, spliced and replaced by words that parsers dislike. What gets through is printed with
its seed, and the exit code says so.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import random
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError
from pileus.aws.http import Request
from pileus.gateway.body import Chunked
from pileus.security import signature, tokens
from pileus.security.keyring import Sealer, put_sealing_key
from pileus.security.messages import decode_message
from pileus.security.openid import InvalidTokenError, verify
from pileus.security.policy.document import parse
from pileus.security.policy.evaluate import PolicySet, Question, Source, evaluate
from pileus.security.principals import Principal, Session
from pileus.services.s3 import post_policy
from pileus.services.s3.forms import Form
from pileus.store.sqlite import SQLiteStore

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's example
WORDS = [
    b"", b"\0", b"\xff", b"..", b"/", b"//", b"%2f", b"%00", b"*", b"?", b"${", b"}", b"${aws:username}", b"\r\n",
    b"\n", b"--", b":", b"::", b"arn:", b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 40, b"{", b"}", b"[", b"]",
    b'"', b"\\", b"\\u0000", b"\xf0\x9f\x98\x80", b"a" * 3000, b"aws4_request", b"X-Amz-Signature=", b"&", b"=", b";",
    b",", b" ", b"none", b"HS256", b".", b"==",
]  # fmt: skip


def damage(chance: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A few random changes."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(found) + 1)
        to = min(len(found), at + chance.choice((1, 1, 2, 5, 40)))
        how = chance.randrange(6)
        if how == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif how == 1:
            del found[at:to]
        elif how == 2:
            found[at:at] = chance.choice(WORDS)
        elif how == 3:
            found[at:to] = chance.choice(WORDS)
        elif how == 4:
            found[at:at] = found[at:to] * chance.choice((1, 2, 20))
        else:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            found[at:to] = other[start : start + 30]
    return bytes(found)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class Target:
    """`allowed` are the refusals that the function documents; `unchanged` answers whether the input is a seed, which
    alone may be accepted where acceptance would be a forgery."""

    def __init__(
        self,
        seeds: list[bytes],
        run: Callable[[bytes], Awaitable[Any]],
        allowed: tuple[type[Exception], ...],
        *,
        accepts_seeds_only: bool = False,
    ) -> None:
        self.seeds = seeds
        self.run = run
        self.allowed = allowed
        self.accepts_seeds_only = accepts_seeds_only


def _policies() -> Target:
    allow = {
        "Effect": "Allow",
        "Action": ["s3:*", "iam:Get?ser"],
        "Resource": ["arn:aws:s3:::b/${aws:username}/*", "*"],
    }
    conditions = {
        "StringLike": {"aws:PrincipalTag/x": "a*"}, "NumericLessThan": {"size": "7"}, "Bool": {"flag": "true"},
        "DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
        "ForAllValues:ArnLike": {"arns": ["arn:aws:s3:::x*"]}, "Null": {"y": "false"}, "BinaryEquals": {"z": "YWJj"},
    }  # fmt: skip
    documents = [
        {"Version": "2012-10-17", "Statement": [allow, {**allow, "Effect": "Deny", "Condition": conditions}]},
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::b"},
        },
        {"Version": "2008-10-17", "Statement": [{**allow, "Principal": {"AWS": ["111111111111"], "Service": "x"}}]},
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]},
    ]
    values: dict[str, Any] = {
        "aws:username": "u*", "aws:principaltag/x": "ab", "size": "6", "flag": "true", "aws:sourceip": "10.1.1.1",
        "aws:currenttime": "2026-02-01T00:00:00Z", "arns": ("arn:aws:s3:::xy", "no"), "y": "", "z": "YWJj",
    }  # fmt: skip
    user = Principal("user", "111111111111", "arn:aws:iam::111111111111:user/u", issuer="arn", name="u")

    async def run(data: bytes) -> None:
        for kind in ("identity", "resource", "trust"):
            try:
                policy = parse(text(data), kind)
            except AWSError:
                continue
            policies = PolicySet([Source("identity", "x", policy)])
            for resource in ("arn:aws:s3:::b/u*/k", "*", ""):
                evaluate(
                    Question(
                        user, "s3:GetObject", resource, values, "111111111111", policies, resource_policies=policies
                    )
                )

    return Target([json.dumps(document).encode() for document in documents], run, ())


def _signatures() -> Target:
    seeds = []
    for url in ("http://h/b/a%20b/../c?x=1&x=0&y", "http://h/?Action=X&Version=1"):
        for auth in (SigV4Auth, SigV4QueryAuth):
            body = b"body" if auth is SigV4Auth else b""
            request = AWSRequest("POST", url, data=body, headers={"Content-Type": "a/b", "X-Amz-Meta-A": " a  b "})
            auth(Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, "token"), "sqs", "us-east-1").add_auth(request)
            prepared = request.prepare()
            path = prepared.url.partition("://h")[2]
            headers = [f"{name}: {value}" for name, value in request.headers.items()] + ["host: h"]
            seeds.append("\n".join([f"POST {path}", *headers]).encode())

    def read(data: bytes) -> Request:
        first, *lines = data.decode("latin-1").split("\n")
        method, _, target = first.partition(" ")
        path, _, query = target.partition("?")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Request(method, path or "/", query, headers, Bytes(b""))

    def meaning(request: Request) -> tuple[Any, ...]:
        """What the service would act upon: two requests with the same one may share a signature."""
        claim = signature.parse(request)
        signed = {name: " ".join(request.headers.get(name, "").split()) for name in claim.signed_headers}
        pairs = sorted((k, v) for k, v in request.parameters if k != "X-Amz-Signature")
        return request.method, signature.canonical_path(request.raw_path, "sqs"), pairs, signed

    known = {}
    for seed in seeds:
        known[repr(meaning(read(seed)))] = seed

    async def run(data: bytes) -> None:
        request = read(data)
        claim = signature.parse(request)
        body = b"" if claim.presigned else b"body"
        signature.verify(request, claim, SECRET, hashlib.sha256(body).hexdigest())
        if repr(meaning(request)) not in known:
            raise AssertionError("a changed request verifies")

    return Target(seeds, run, (signature.SignatureError, AWSError))


def _session_tokens(sealer: Sealer) -> Target:
    principal = Principal("role", "1", "arn", issuer="arn", user_id="x:y", session=Session(name="s", expires=2e9))
    seeds = [tokens.issue(sealer, principal).session_token.encode() for _ in range(3)]
    opener = tokens.Opener(sealer)

    async def run(data: bytes) -> None:
        opener.open(text(data))

    return Target(seeds, run, (ValueError,), accepts_seeds_only=True)


def _messages(sealer: Sealer) -> Target:
    sealed = sealer.seal(zlib.compress(b'[["1"],{}]'), b"authorization-message")
    seeds = [base64.urlsafe_b64encode(sealed)]

    async def run(data: bytes) -> None:
        decode_message(sealer, text(data), "1")

    # Characters outside the alphabet are skipped in base64, so other texts may stand for the same sealed bytes.
    return Target(seeds, run, (ValueError,))


def _openid_tokens() -> Target:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"iss": "https://i", "sub": "s", "aud": "a", "iat": 1, "exp": 3e9}
    seeds = [jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k"}).encode()]

    async def run(data: bytes) -> None:
        found = verify(text(data), {"k": key.public_key()}.get, issuer="https://i", now=2.0)
        if found != claims:
            raise AssertionError("a changed token verifies")

    return Target(seeds, run, (InvalidTokenError,))


def _forms() -> Target:
    seed = (
        b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na/b\r\n--x\r\n'
        b'Content-Disposition: form-data; name="file"; filename="f\\"g.txt"\r\nContent-Type: text/plain\r\n\r\n'
        b"hello\r\n--x--\r\n"
    )

    async def run(data: bytes) -> None:
        form = Form(Bytes(data), "multipart/form-data; boundary=x")
        await form.read_fields()
        if form.has_file:
            async for _ in form:
                pass

    return Target([seed], run, (AWSError,))


def _form_policies() -> Target:
    document = {
        "expiration": "2030-01-01T00:00:00Z",
        "conditions": [
            {"bucket": "b"},
            ["starts-with", "$key", "a/"],
            ["content-length-range", 1, 10],
            {"acl": "private"},
        ],
    }
    seeds = [json.dumps(document).encode(), base64.b64encode(json.dumps(document).encode())]

    async def run(data: bytes) -> None:
        for encoded in (text(data), base64.b64encode(data).decode()):
            try:
                post_policy.check(encoded, {"key": "a/b", "acl": "private"}, "b", 0.0)
            except AWSError:
                continue

    return Target(seeds, run, ())


def _chunked_bodies() -> Target:
    seed = b"5;chunk-signature=" + b"a" * 64 + b"\r\nhello\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n"
    seeds = [seed, b"5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"]

    async def run(data: bytes) -> None:
        async for _ in Chunked(Bytes(data), "STREAMING-UNSIGNED-PAYLOAD-TRAILER", None, None):
            pass

    return Target(seeds, run, (AWSError,))


def targets(sealer: Sealer) -> dict[str, Target]:
    return {
        "policies": _policies(),
        "signatures": _signatures(),
        "session-tokens": _session_tokens(sealer),
        "authorization-messages": _messages(sealer),
        "openid-tokens": _openid_tokens(),
        "forms": _forms(),
        "form-policies": _form_policies(),
        "chunked-bodies": _chunked_bodies(),
    }


async def fuzz(name: str, target: Target, seconds: float, seed: int) -> tuple[int, int]:
    """(how many inputs, how many got through)."""
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - chance that can be repeated
    ends = time.monotonic() + seconds
    tried = failed = 0
    while time.monotonic() < ends:
        data = damage(chance, chance.choice(target.seeds), target.seeds)
        tried += 1
        try:
            await target.run(data)
            if target.accepts_seeds_only and data not in target.seeds:
                raise AssertionError("changed input was accepted")
        except target.allowed:
            continue
        except Exception:
            failed += 1
            print(f"{name}: {data!r}\n{traceback.format_exc()}", file=sys.stderr)
            if failed >= 5:
                break
    return tried, failed


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "store", "relaxed")
        await store.transact(lambda tx: put_sealing_key(tx, 1.0))
        await asyncio.sleep(0)  # lets the store end its turn, which a busy loop would not
        for name, target in targets(Sealer(store)).items():
            if options.targets and name not in options.targets:
                continue
            start = time.monotonic()
            tried, failed = await fuzz(name, target, options.seconds, options.seed)
            total += failed
            print(f"{name:24} {tried:9} inputs in {time.monotonic() - start:6.1f} s, {failed} got through", flush=True)
        store.close()
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
