"""kill -9 in the middle of writes: what was answered is there afterwards, and what was not is there whole or not at
all."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

CRASHES = 2
WRITERS = 4
ANSWERED = 25
"""After so many answers of all writers together the cloud is killed."""


class Writer(threading.Thread):
    """Adds todos, one after the other, until the cloud is gone."""

    def __init__(self, caller: Any, name: str, answers: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.caller = caller
        self.prefix = name
        self.answers = answers
        self.asked: set[str] = set()
        self.answered: set[str] = set()

    def run(self) -> None:
        for number in range(10_000):
            identifier = f"{self.prefix}-{number}"
            self.asked.add(identifier)
            try:
                self.caller.invoke("AddTodo", {"id": identifier, "title": f"Todo {identifier}"})
            except (BotoCoreError, ClientError, AssertionError):
                return
            self.answered.add(identifier)
            self.answers.release()


def everything(caller: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    after = None
    while True:
        page = caller.invoke("ListTodos", {"after": after} if after else {})
        found.update((todo["id"], todo["title"]) for todo in page["todos"])
        after = page["next"]
        if after is None:
            return found


@pytest.mark.slow
def test_every_todo_that_was_answered_is_there_after_kill_9(fresh_cloud: Any, deployed: Any) -> None:
    todo = deployed(fresh_cloud, "todo")
    username = todo.register()
    caller = todo.log_in(username)
    asked: set[str] = set()
    answered: set[str] = set()
    for crash in range(CRASHES):
        answers = threading.Semaphore(0)
        writers = [Writer(caller, f"{crash}-{number}", answers) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(ANSWERED):
            assert answers.acquire(timeout=30)
        fresh_cloud.kill()
        for writer in writers:
            writer.join(30)
            asked |= writer.asked
            answered |= writer.answered
        fresh_cloud.start()
        found = everything(caller)  # With the credentials of before: sessions outlive the crash too.
        assert answered <= set(found) <= asked
        assert all(title == f"Todo {identifier}" for identifier, title in found.items())
    assert len(answered) >= CRASHES * ANSWERED
    assert everything(todo.log_in(username)) == found
