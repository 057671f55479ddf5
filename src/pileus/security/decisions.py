"""The decision log: what was denied and why, and what was lately allowed.

Requests only append to bounded memory; `flush` writes it to the store in one transaction, and drops what is over the
log's size. No secrets: condition keys that are shared secrets, request bodies and headers are left out.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from pileus.security import activity
from pileus.security.activity import Activities
from pileus.security.messages import SECRET_KEYS
from pileus.security.policy.evaluate import Decision, Question, Source
from pileus.security.policy.examine import Considered, examine
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal
from pileus.security.request_values import RequestValues
from pileus.store.interface import Reader, Store, Transaction
from pileus.store.keys import pack, prefix_range, unpack
from pileus.store.records import Records

if TYPE_CHECKING:
    from pileus.security.access import Access
    from pileus.services.context import Context

T = TypeVar("T")

DENIED_KEPT = 10_000
ALLOWED_KEPT = 64
"""Batches, of at most `_BATCH` decisions each."""
_BATCH = 256
_WAITING = 512
"""Denials between two writes; of a flood the last ones are kept."""
_TEXT = 1024


class Entry(msgspec.Struct, omit_defaults=True):
    """One decision. `statement` is the one that decided, as JSON, `policy` the name of its policy."""

    time: float
    request_id: str
    principal: str
    issuer: str
    account: str
    service: str
    operation: str
    action: str
    resource: str
    owner: str
    allowed: bool
    layer: str
    policy: str = ""
    statement: str = ""
    keys: dict[str, Value] = {}
    considered: list[Considered] = []


class Asked(NamedTuple):
    """What was decided about."""

    principal: Principal
    action: str
    resource: str
    owner: str


_Asking = tuple[float, str, str, str]
"""When, the request's id, service and operation."""
_Asked = tuple[Principal, str, str, str]
"""The same as `Asked`, which takes longer to make."""

DENIED = Records(Entry, "decision", "denied")
ALLOWED = Records(list[Entry], "decision", "allowed")


def _short(value: Value) -> Value:
    return value[:_TEXT] if isinstance(value, str) else tuple(one[:_TEXT] for one in value[:50])


class _Denial(NamedTuple):
    """What is written down of a denial later, off the request's path."""

    context: Context
    asked: Asked
    decision: Decision
    sources: tuple[Source, ...]
    values: RequestValues

    def entry(self) -> Entry:
        context = self.context
        request_id = context.origin or context.request_id
        entry = _entry(context.received, request_id, context.service, context.operation, self.asked, self.decision)
        entry.keys = {key: _short(value) for key, value in self.values.known() if key not in SECRET_KEYS}
        question = Question(
            self.asked.principal, self.asked.action, self.asked.resource, self.values, self.asked.owner
        )  # fmt: skip
        entry.considered = examine(self.sources, question)
        return entry


class DecisionLog:
    def __init__(self) -> None:
        self._denied: deque[_Denial] = deque(maxlen=_WAITING)
        # No more of a request than is written later: the next one gets the rest of its memory, which the processor has
        # at hand.
        self._allowed: deque[tuple[_Asking, _Asked, Decision]] = deque(maxlen=_BATCH)
        self._activities = Activities()

    def allowed(self, context: Context, access: Access, decision: Decision) -> None:
        request_id = context.origin or context.request_id
        principal = context.principal
        owner = access.owner or principal.account
        asking = (context.received, request_id, context.service, context.operation)
        self._allowed.append((asking, (principal, access.action, access.resource, owner), decision))
        self._activities.add(context, access)

    def denied(
        self, context: Context, asked: Asked, decision: Decision, considered: Iterable[Source], values: RequestValues
    ) -> None:
        self._denied.append(_Denial(context, asked, decision, tuple(considered), values))

    @property
    def waiting(self) -> bool:
        return bool(self._denied or self._allowed or self._activities.waiting)

    async def flush(self, store: Store) -> None:
        """Writes what waits. It is taken once: where the write fails, it is lost rather than kept without bound."""
        if not self.waiting:
            return
        denied, self._denied = self._denied, deque(maxlen=_WAITING)
        allowed, self._allowed = self._allowed, deque(maxlen=_BATCH)
        counted, used = self._activities.take()
        denials = [denial.entry() for denial in denied]
        batch = [_entry(*asking, Asked(*asked), decision) for asking, asked, decision in allowed]

        def write(tx: Transaction) -> None:
            _append(tx, DENIED, "denied", denials, DENIED_KEPT)
            _append(tx, ALLOWED, "allowed", [batch] if batch else [], ALLOWED_KEPT)
            activity.write(tx, counted, used)

        await store.transact(write)


def asked_by(context: Context, access: Access) -> Asked:
    principal = context.principal
    return Asked(principal, access.action, access.resource, access.owner or principal.account)


def _entry(time: float, request_id: str, service: str, operation: str, asked: Asked, decision: Decision) -> Entry:
    principal = asked.principal
    return Entry(
        time=time,
        request_id=request_id,
        principal="anonymous" if principal.kind == "anonymous" else principal.arn,
        issuer=principal.issuer,
        account=principal.account,
        service=service,
        operation=operation,
        action=asked.action,
        resource=asked.resource[:_TEXT],
        owner=asked.owner,
        allowed=decision.allowed,
        layer=decision.layer,
        policy=decision.match.source.name if decision.match else "",
        statement=json.dumps(decision.match.statement.source) if decision.match else "",
    )


def _append(tx: Transaction, records: Records[Any], name: str, entries: list[Any], kept: int) -> None:
    """Numbers the entries on and drops the oldest beyond `kept`."""
    if not entries:
        return
    counter = pack("decision", "next", name)
    first = int.from_bytes(tx.get(counter) or b"\0", "big")
    for number, entry in enumerate(entries, start=first):
        records.put(tx, number, value=entry)
    following = first + len(entries)
    tx.put(counter, following.to_bytes(8, "big"))
    if following > kept:
        tx.delete_range(records.key(0), records.key(following - kept))


def entries_of(reader: Reader, request_id: str) -> list[Entry]:
    """All decisions that were made for a request and are still in the log, in their order."""
    found = [entry for entry in _with(reader, "denied", request_id, DENIED) if entry.request_id == request_id]
    found += [
        entry
        for batch in _with(reader, "allowed", request_id, ALLOWED)
        for entry in batch
        if entry.request_id == request_id
    ]
    return sorted(found, key=lambda entry: (entry.time, not entry.allowed))


def _with(reader: Reader, name: str, text: str, records: Records[T]) -> Iterator[T]:
    """The records that hold `text`. Few do, so the others are not decoded."""
    wanted = text.encode()
    for key, value in reader.range(*prefix_range("decision", name)):
        if wanted in value:
            found = records.get(reader, unpack(key)[-1])
            if found is not None:
                yield found


def last_denied(reader: Reader, account: str) -> Iterator[Entry]:
    """Newest first: those of the account's principals, and those on its resources."""
    for _, entry in DENIED.scan(reader, reverse=True):
        if account in (entry.account, entry.owner):
            yield entry
