"""Session tokens: sealed, self-contained, and of no use to anybody who changes them or finds one."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pileus.security.keyring import Keyring, Sealer, put_keeping_key, put_sealing_key
from pileus.security.principals import Principal, Session, WebIdentity
from pileus.security.tokens import Opener, issue
from pileus.store.sqlite import SQLiteStore

SESSION = Session(
    name="s",
    expires=2e9,
    tags={"team": "blue"},
    policies=("{}",),
    web_identity=WebIdentity("p", "sub", "aud", ("amr",)),
)
PRINCIPAL = Principal("role", "111111111111", "arn:role", issuer="arn:issuer", user_id="AROA:s", session=SESSION)


def new_store(folder: Path) -> SQLiteStore:
    store = SQLiteStore(folder / "store", "relaxed")
    asyncio.run(store.transact(lambda tx: put_sealing_key(tx, 1.0)))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteStore]:
    made = new_store(tmp_path_factory.mktemp("tokens"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def sealer(store: SQLiteStore) -> Sealer:
    return Sealer(store)


def test_a_token_holds_the_whole_principal(sealer: Sealer) -> None:
    made = issue(sealer, PRINCIPAL)
    secret, principal = Opener(sealer).open(made.session_token)
    assert secret == made.secret_access_key and made.access_key_id.startswith("ASIA")
    assert principal.access_key_id == made.access_key_id
    assert principal.session == SESSION and principal.issuer == "arn:issuer"
    assert made.secret_access_key not in base64.b64decode(made.session_token).decode("latin1")
    assert issue(sealer, PRINCIPAL).session_token != made.session_token


@given(st.data())
def test_no_changed_token_opens(sealer: Sealer, data: st.DataObject) -> None:
    raw = bytearray(base64.b64decode(issue(sealer, PRINCIPAL).session_token))
    how = data.draw(st.sampled_from(["flip", "cut", "add", "swap"]))
    if how == "flip":
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif how == "cut":
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    elif how == "add":
        raw += data.draw(st.binary(min_size=1, max_size=20))
    else:
        other = base64.b64decode(issue(sealer, PRINCIPAL).session_token)
        at = data.draw(st.integers(1, len(raw) - 1))
        raw[at:] = other[at:]
        if bytes(raw) == other:
            return
    with pytest.raises(ValueError):
        Opener(sealer).open(base64.b64encode(bytes(raw)).decode())


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_no_text_crashes_the_opener(sealer: Sealer, token: str) -> None:
    with pytest.raises(ValueError):
        Opener(sealer).open(token)


def test_tokens_of_another_cloud_or_for_another_purpose(sealer: Sealer, tmp_path: Path) -> None:
    other = new_store(tmp_path)
    foreign = issue(Sealer(other), PRINCIPAL).session_token
    with pytest.raises(ValueError):
        Opener(sealer).open(foreign)
    other.close()
    with pytest.raises(ValueError):
        Opener(sealer).open(base64.b64encode(sealer.seal(b"x" * 200, b"authorization-message")).decode())


def test_rotation_logs_nobody_out(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    keyring = Keyring(store)
    other_worker = Sealer(store)
    before = issue(keyring.sealer, PRINCIPAL).session_token
    asyncio.run(keyring.rotate(2.0))
    after = issue(keyring.sealer, PRINCIPAL).session_token
    assert before[:5] != after[:5], "sealed by another key"
    for sealer in (keyring.sealer, other_worker):
        for token in (before, after):
            assert Opener(sealer).open(token)[1].arn == "arn:role"
    store.close()


def test_what_is_kept_opens_after_every_rotation(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    keyring = Keyring(store)
    day = 86_400.0
    # A cloud from before there were such keys: what it kept was sealed by the keys of sessions.
    kept = [keyring.sealer.seal(b"old", b"kept")]
    asyncio.run(store.transact(lambda tx: put_keeping_key(tx, 1.5)))
    for now in (2 * day, 4 * day, 6 * day):
        kept.append(keyring.keeper.seal(b"new", b"kept"))
        asyncio.run(keyring.rotate(now))
    assert [keyring.keeper.open(sealed, b"kept") for sealed in kept] == [b"old", b"new", b"new", b"new"]
    assert len({sealed[:4] for sealed in kept}) == 4, "each sealed by another key"
    with pytest.raises(ValueError):
        keyring.sealer.open(kept[0], b"kept")
    store.close()


def test_keys_are_dropped_when_all_that_they_made_has_expired(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    keyring = Keyring(store)
    first = issue(keyring.sealer, PRINCIPAL).session_token
    hour = 3600.0
    signing = [asyncio.run(keyring.signing_key(1.0)).id]
    for now in (10 * hour, 40 * hour):
        asyncio.run(keyring.rotate(now))
        assert Opener(Sealer(store)).open(first)[1].arn == "arn:role"
        signing.append(asyncio.run(keyring.signing_key(now)).id)
    # The first key was followed at hour 10: its sessions are over at hour 46, its OpenID tokens at hour 34.
    assert {key.id for key in keyring.signing_keys()} == set(signing[1:])
    asyncio.run(keyring.rotate(47 * hour))
    with pytest.raises(ValueError):
        Opener(Sealer(store)).open(first)
    store.close()


class TestOverTheWire:
    @pytest.fixture
    def session(self, account: Any) -> Any:
        return account.using(account.client("sts").get_session_token()["Credentials"])

    def code(self, account: Any) -> str:
        with pytest.raises(ClientError) as caught:
            account.client("sts").get_caller_identity()
        return str(caught.value.response["Error"]["Code"])

    def test_without_the_token_the_key_is_unknown(self, session: Any) -> None:
        session.session_token = None
        assert self.code(session) == "InvalidClientTokenId"

    def test_a_token_is_of_use_with_its_own_key_only(self, account: Any, session: Any) -> None:
        other = account.using(account.client("sts").get_session_token()["Credentials"])
        session.session_token, other.session_token = other.session_token, session.session_token
        assert self.code(session) == "InvalidClientTokenId"
        with_root = type(account)(
            account.endpoint, account.id, account.access_key_id, account.secret_access_key, session.session_token
        )  # fmt: skip
        assert self.code(with_root) == "InvalidClientTokenId"

    def test_a_token_is_of_no_use_without_the_secret(self, session: Any) -> None:
        session.secret_access_key = "x" * 40
        assert self.code(session) == "SignatureDoesNotMatch"

    @pytest.mark.parametrize("token", ["x", "AAAA", "é", "A" * 4000])
    def test_nonsense(self, session: Any, token: str) -> None:
        session.session_token = token
        assert self.code(session) in ("InvalidClientTokenId", "SignatureDoesNotMatch")

    def test_expiry(self, cloud: Any, account: Any) -> None:
        """The shortest session lasts 15 minutes, so the token is sealed anew with an earlier end."""
        credentials = account.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
        store = SQLiteStore(cloud.data / "store.db", "relaxed")
        sealer = Sealer(store)
        _, principal = Opener(sealer).open(credentials["SessionToken"])
        assert principal.session is not None
        ended = Session(issued=principal.session.issued, expires=time.time() - 1)
        made = issue(sealer, msgspec.structs.replace(principal, session=ended))
        store.close()
        late = account.using({**credentials, **made.shape})
        assert self.code(late) in ("ExpiredToken", "ExpiredTokenException")
