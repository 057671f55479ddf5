"""Stacks carried through a journal: what happens when a step fails, and when the process ends between any two steps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.security.principals import root
from pileus.services.cloudformation.journal import LostError
from pileus.services.cloudformation.provisioning import Run
from pileus.services.cloudformation.records import (
    EVENTS,
    LEASES,
    OPERATIONS,
    STACKS,
    Lease,
    Operation,
    Stack,
    Version,
    resources_of,
)
from pileus.services.context import Cloud, Settings
from pileus.store.interface import Transaction
from pileus.store.sqlite import SQLiteStore

_KEY = ("0", "us-east-1", "arn:stack/shop/1")


class Ended(BaseException):
    """The process is gone."""


class Groups:
    """CloudWatch Logs with nothing but log groups. `refused` are calls that fail; `life` is how many calls and commits
    are left before the process ends."""

    def __init__(self) -> None:
        self.groups: dict[str, int | None] = {}
        self.refused: set[tuple[str, Any]] = set()
        self.life = 10**9

    def live(self) -> None:
        self.life -= 1
        if self.life < 0:
            raise Ended

    async def __call__(self, service: str, operation: str, request: dict[str, Any], marks: Any, /) -> dict[str, Any]:
        name = request["logGroupName"]
        if (operation, request.get("retentionInDays", name)) in self.refused:
            raise AWSError("InvalidParameterException", "No.")
        if operation == "CreateLogGroup":
            if name in self.groups:
                raise AWSError("ResourceAlreadyExistsException", "The specified log group already exists")
            self.groups[name] = None
        elif name not in self.groups:
            raise AWSError("ResourceNotFoundException", "The specified log group does not exist.")
        elif operation == "PutRetentionPolicy":
            self.groups[name] = request["retentionInDays"]
        elif operation == "DeleteRetentionPolicy":
            self.groups[name] = None
        elif operation == "DeleteLogGroup":
            del self.groups[name]
        self.live()
        return {}


class MortalStore:
    """A store whose process may end before or after any commit."""

    def __init__(self, store: SQLiteStore, groups: Groups) -> None:
        self._store = store
        self._groups = groups
        self.get, self.range, self.snapshot = store.get, store.range, store.snapshot

    async def transact(self, change: Callable[[Transaction], Any]) -> Any:
        self._groups.live()
        done = await self._store.transact(change)
        self._groups.live()
        return done


class Place:
    def __init__(self, store: SQLiteStore) -> None:
        self.groups = Groups()
        self.store = store
        mortal = MortalStore(store, self.groups)
        self.cloud = cast(Cloud, SimpleNamespace(store=mortal, clock=Clock(), settings=Settings(Path("/nowhere"))))

    @property
    def stack(self) -> Stack:
        found = STACKS.get(self.store, *_KEY)
        assert found is not None
        return found

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(event.logical_id, event.status) for _, event in EVENTS.scan(self.store, *_KEY)]

    @property
    def names(self) -> dict[str, str]:
        return {name: item.physical_id for name, item in resources_of(self.store, self.stack).items()}

    async def begin(self, kind: Any, resources: dict[str, Any], **changes: Any) -> None:
        goal = Version("", json.dumps({"Resources": resources, **changes}))
        stack = STACKS.get(self.store, *_KEY) or Stack(_KEY[2], "shop", *_KEY[:2], created=0.0, status="")
        stack.status = f"{kind}_IN_PROGRESS"
        if kind == "CREATE":
            stack.version = goal
        operation = Operation(_KEY[2], "0", "us-east-1", kind, root("0"), goal, 0.0)

        def change(tx: Transaction) -> None:
            STACKS.put(tx, *_KEY, value=stack)
            OPERATIONS.put(tx, *_KEY, value=operation)
            LEASES.put(tx, *_KEY, value=Lease("me", 0.0))

        await self.store.transact(change)

    async def go_on(self) -> None:
        """What the runner does: the operation in the journal, from the state in the store."""
        operation = OPERATIONS.get(self.store, *_KEY)
        if operation is not None:
            await Run(self.cloud, operation, self.stack, self.groups, "me").execute()

    async def do(self, kind: Any, resources: dict[str, Any], **changes: Any) -> str:
        await self.begin(kind, resources, **changes)
        await self.go_on()
        return self.stack.status


def group(name: str = "", days: int | None = None, **more: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {"LogGroupName": name} if name else {}
    if days is not None:
        properties["RetentionInDays"] = days
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties, **more}


Story = Callable[[Place], Awaitable[None]]


def tell(story: Story, tmp_path: Path) -> None:
    async def run() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        try:
            await story(Place(store))
        finally:
            store.close()

    asyncio.run(run())


def test_a_stack_is_made_in_order_and_told_event_by_event(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        resources = {"B": group("b", DependsOn="A"), "A": group("a", 7)}
        assert await place.do("CREATE", resources) == "CREATE_COMPLETE"
        assert place.groups.groups == {"a": 7, "b": None}
        assert place.events == [
            ("A", "CREATE_IN_PROGRESS"), ("A", "CREATE_IN_PROGRESS"), ("A", "CREATE_COMPLETE"),
            ("B", "CREATE_IN_PROGRESS"), ("B", "CREATE_IN_PROGRESS"), ("B", "CREATE_COMPLETE"),
            ("shop", "CREATE_COMPLETE"),
        ]  # fmt: skip

    tell(story, tmp_path)


def test_a_failed_creation_leaves_nothing_behind_and_says_why(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.groups.refused.add(("CreateLogGroup", "b"))
        resources = {"A": group("a"), "B": group("b", DependsOn="A"), "C": group("c", DependsOn="B")}
        assert await place.do("CREATE", resources) == "ROLLBACK_COMPLETE"
        assert place.groups.groups == {}
        events = [event for _, event in EVENTS.scan(place.store, *_KEY)]
        reasons = {(event.logical_id, event.status): event.reason for event in events}
        assert reasons["B", "CREATE_FAILED"] == "No. (Error Code: InvalidParameterException)"
        assert "[B]" in reasons["shop", "ROLLBACK_IN_PROGRESS"]
        assert ("C", "CREATE_IN_PROGRESS") not in reasons
        assert ("A", "DELETE_COMPLETE") in reasons

    tell(story, tmp_path)


def test_what_is_only_half_made_is_deleted_too(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.groups.refused.add(("PutRetentionPolicy", 8))
        assert await place.do("CREATE", {"A": group("a", 8)}) == "ROLLBACK_COMPLETE"
        assert place.groups.groups == {}

    tell(story, tmp_path)


def test_what_somebody_else_made_is_neither_taken_nor_deleted(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.groups.groups["a"] = 30
        assert await place.do("CREATE", {"A": group("a", 7)}) == "ROLLBACK_COMPLETE"
        assert place.groups.groups == {"a": 30}

    tell(story, tmp_path)


def test_an_update_changes_what_differs_and_nothing_else(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.do("CREATE", {"A": group("a", 7), "B": group(days=7), "C": group("c")})
        made = place.names
        told = len(place.events)
        assert await place.do("UPDATE", {"A": group("a", 7), "B": group(days=14)}) == "UPDATE_COMPLETE"
        assert place.groups.groups == {"a": 7, made["B"]: 14}
        assert place.events[told:] == [
            ("B", "UPDATE_IN_PROGRESS"), ("B", "UPDATE_COMPLETE"),
            ("shop", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
            ("C", "DELETE_IN_PROGRESS"), ("C", "DELETE_COMPLETE"), ("shop", "UPDATE_COMPLETE"),
        ]  # fmt: skip

    tell(story, tmp_path)


def test_a_new_name_replaces_and_the_old_one_goes_last(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.do("CREATE", {"A": group("a")})
        told = len(place.events)
        assert await place.do("UPDATE", {"A": group("other")}) == "UPDATE_COMPLETE"
        assert place.groups.groups == {"other": None}
        kinds = [status for name, status in place.events[told:] if name == "A"]
        assert kinds == [
            "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE",
        ]  # fmt: skip

    tell(story, tmp_path)


def test_a_failed_update_is_taken_back(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        before = {"A": group("a", 7), "B": group("b"), "D": group("d")}
        await place.do("CREATE", before)
        place.groups.refused.add(("CreateLogGroup", "e"))
        after = {"A": group("a", 14), "B": group("b2"), "C": group("c"), "E": group("e", DependsOn=["A", "B", "C"])}
        assert await place.do("UPDATE", after) == "UPDATE_ROLLBACK_COMPLETE"
        assert place.groups.groups == {"a": 7, "b": None, "d": None}
        assert place.names == {"A": "a", "B": "b", "D": "d"}
        version = place.stack.version
        assert version is not None and json.loads(version.processed)["Resources"] == before
        # And it can be updated again as if nothing had been.
        place.groups.refused.clear()
        assert await place.do("UPDATE", after) == "UPDATE_COMPLETE"
        assert place.groups.groups == {"a": 14, "b2": None, "c": None, "e": None}

    tell(story, tmp_path)


@pytest.mark.parametrize("skipped", [False, True], ids=["mended", "skipped"])
def test_a_rollback_that_failed_can_be_continued(skipped: bool, tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.do("CREATE", {"A": group("a", 7), "B": group("b", 1)})
        place.groups.refused |= {("CreateLogGroup", "c"), ("PutRetentionPolicy", 7)}
        after = {"A": group("a", 14), "B": group("b", 3), "C": group("c", DependsOn=["A", "B"])}
        assert await place.do("UPDATE", after) == "UPDATE_ROLLBACK_FAILED"
        assert "[A]" in place.stack.reason and place.groups.groups == {"a": 14, "b": 3}
        operation = OPERATIONS.get(place.store, *_KEY)
        assert operation is not None and LEASES.get(place.store, *_KEY) is None
        if skipped:
            operation.retain = ["A"]
        else:
            place.groups.refused.clear()
        await place.store.transact(lambda tx: OPERATIONS.put(tx, *_KEY, value=operation))
        await place.store.transact(lambda tx: LEASES.put(tx, *_KEY, value=Lease("me", 0.0)))
        await place.go_on()
        assert place.stack.status == "UPDATE_ROLLBACK_COMPLETE"
        assert place.groups.groups == {"a": 14 if skipped else 7, "b": 1}
        assert OPERATIONS.get(place.store, *_KEY) is None
        place.groups.refused.clear()
        assert await place.do("UPDATE", after) == "UPDATE_COMPLETE"

    tell(story, tmp_path)


def test_deletion_policies(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        resources = {
            "A": group("a", DeletionPolicy="Retain", UpdateReplacePolicy="Retain"),
            "B": group("b", DeletionPolicy="RetainExceptOnCreate"), "C": group("c"),
        }  # fmt: skip
        await place.do("CREATE", resources)
        resources["A"] = group("a2", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
        assert await place.do("UPDATE", resources) == "UPDATE_COMPLETE"
        assert sorted(place.groups.groups) == ["a", "a2", "b", "c"]
        assert await place.do("DELETE", resources) == "DELETE_COMPLETE"
        assert sorted(place.groups.groups) == ["a", "a2", "b"]
        assert ("B", "DELETE_SKIPPED") in place.events

    tell(story, tmp_path)


def test_a_rollback_of_the_creation_deletes_what_retain_except_on_create_would_keep(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        place.groups.refused.add(("CreateLogGroup", "z"))
        resources = {
            "A": group("a", DeletionPolicy="RetainExceptOnCreate"), "B": group("b", DeletionPolicy="Retain"),
            "Z": group("z", DependsOn=["A", "B"]),
        }  # fmt: skip
        assert await place.do("CREATE", resources) == "ROLLBACK_COMPLETE"
        assert list(place.groups.groups) == ["b"]

    tell(story, tmp_path)


def test_what_cannot_be_deleted_is_named_and_what_it_requires_stays(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        resources = {"A": group("a"), "B": group("b", DependsOn="A"), "C": group("c")}
        await place.do("CREATE", resources)
        place.groups.refused.add(("DeleteLogGroup", "b"))
        assert await place.do("DELETE", resources) == "DELETE_FAILED"
        assert sorted(place.groups.groups) == ["a", "b"]
        assert "[B, A]" in place.stack.reason
        place.groups.refused.clear()
        assert await place.do("DELETE", resources) == "DELETE_COMPLETE"
        assert place.groups.groups == {}

    tell(story, tmp_path)


def test_a_custom_name_cannot_be_replaced_by_itself(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.do("CREATE", {"A": group("a")})
        other = group("a")
        other["Properties"]["LogGroupClass"] = "INFREQUENT_ACCESS"
        assert await place.do("UPDATE", {"A": other}) == "UPDATE_ROLLBACK_COMPLETE"
        reasons = [event.reason for _, event in EVENTS.scan(place.store, *_KEY)]
        assert any("custom-named resource requires replacing. Rename a" in reason for reason in reasons)
        assert place.groups.groups == {"a": None}

    tell(story, tmp_path)


_BEFORE = {"A": group("a", 7), "B": group("b"), "D": group("d"), "E": group(days=1)}
_AFTER = {"A": group("a", 14), "B": group("b2", 3), "C": group("c", DependsOn="B"), "E": group(days=1)}


@pytest.mark.parametrize("fails", [False, True], ids=["goes through", "fails"])
@pytest.mark.parametrize("kind", ["CREATE", "UPDATE", "DELETE"])
def test_the_process_may_end_at_any_moment(kind: str, fails: bool, tmp_path: Path) -> None:
    """The same story is told again and again, each time with an end one call or commit later, and the journal taken
    up after it. However it was cut, the outcome is that of the story told whole."""

    async def prepare(place: Place) -> dict[str, Any]:
        if kind != "CREATE":
            await place.do("CREATE", _BEFORE)
        if fails:
            place.groups.refused |= {("PutRetentionPolicy", 3), ("DeleteLogGroup", "d")}
        return _BEFORE if kind == "DELETE" else _AFTER

    def outcome(place: Place) -> tuple[Any, ...]:
        names = place.names
        shown = {name: ("E" if name == names.get("E") else name) for name in place.groups.groups}
        days = {shown[name]: kept for name, kept in place.groups.groups.items()}
        return place.stack.status, days, sorted(names), OPERATIONS.get(place.store, *_KEY)

    async def whole(folder: Path) -> tuple[Any, ...]:
        store = SQLiteStore(folder, "relaxed")
        place = Place(store)
        await place.do(kind, await prepare(place))
        store.close()
        found = SQLiteStore(folder, "relaxed")
        place.store = found
        told = outcome(place)
        found.close()
        return told

    async def cut(folder: Path, life: int) -> tuple[bool, tuple[Any, ...]]:
        store = SQLiteStore(folder, "relaxed")
        place = Place(store)
        await place.begin(kind, await prepare(place))
        place.groups.life = life
        ended = False
        try:
            await place.go_on()
        except Ended:
            ended = True
            place.groups.life = 10**9
            await place.go_on()
        told = outcome(place)
        store.close()
        return ended, told

    async def story() -> None:
        expected = await whole(tmp_path / "whole.db")
        for life in range(200):
            ended, told = await cut(tmp_path / f"{life}.db", life)
            assert told == expected, f"cut after {life} steps"
            if not ended:
                assert life > 5
                return
        raise AssertionError("the story never ends")

    asyncio.run(story())


def test_only_the_process_that_has_the_lease_goes_on(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        await place.begin("CREATE", {"A": group("a")})
        await place.store.transact(lambda tx: LEASES.put(tx, *_KEY, value=Lease("another", 0.0)))
        with pytest.raises(LostError):
            await place.go_on()
        assert place.events == [] and place.groups.groups == {}

    tell(story, tmp_path)


def test_secrets_are_not_told_in_events(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        parameters = {"Secret": {"Type": "String", "NoEcho": True, "Default": "x"}}
        resources = {"A": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "g/${Secret}"}}}}
        await place.begin("CREATE", resources, Parameters=parameters)
        operation = OPERATIONS.get(place.store, *_KEY)
        assert operation is not None
        operation.goal.parameters = {"Secret": 'hush"hush'}
        await Run(place.cloud, operation, place.stack, place.groups, "me").execute()
        told = " ".join(event.properties for _, event in EVENTS.scan(place.store, *_KEY))
        assert "g/****" in told and "hush" not in told

    tell(story, tmp_path)
