from __future__ import annotations

import os
import uuid

from pileus.aws import identifiers


def test_request_ids_are_random_uuids_and_never_the_same() -> None:
    found = [identifiers.request_id() for _ in range(2000)]
    assert len(set(found)) == len(found)
    for text in found:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


def test_a_forked_process_gives_other_ids_than_its_parent() -> None:
    identifiers.request_id()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, " ".join(identifiers.request_id() for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    other = set(os.read(ours, 65536).decode().split())
    os.close(ours)
    os.close(theirs)
    assert len(other) == 50
    assert not other & {identifiers.request_id() for _ in range(50)}
