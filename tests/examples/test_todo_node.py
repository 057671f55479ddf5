"""The functions in JavaScript take and refuse what those in Python do."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENTS: list[Any] = [
    None,
    [],
    "ada",
    {},
    *({"username": name} for name in ("ada", " Ada ", "ab", "ada.", ".ada", "a b", "äda", "a" * 32, "a" * 33, 7, None)),
    *(
        {"password": word}
        for word in ("seven77", "eight888", "x" * 128, "x" * 129, "💧" * 8, "cafe\u0301 noir", 12345678)
    ),
]
SCRIPT = """
import { parseUsername, parsePassword, hash, matches, DECOY } from CREDENTIALS;
const attempt = (parse, event) => { try { return parse(event); } catch (error) { return error.answer(); } };
const events = JSON.parse(process.argv[1]);
const answers = events.map((event) => [attempt(parseUsername, event), attempt(parsePassword, event)]);
const kept = await hash("correct horse");
const checks = [await matches(kept, "correct horse"), await matches(kept, "correct horsf"), await matches(DECOY, "x")];
console.log(JSON.stringify({ answers, checks, twice: kept === (await hash("correct horse")) }));
"""


def python_answers() -> list[list[Any]]:
    path = EXAMPLES / "todo" / "functions" / "accounts" / "credentials.py"
    spec = importlib.util.spec_from_file_location("todo_credentials", path)
    assert spec is not None and spec.loader is not None
    credentials = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(credentials)

    def attempt(parse: Any, event: Any) -> Any:
        try:
            return parse(event)
        except credentials.RefusedError as refused:
            return refused.answer()

    return [
        [attempt(credentials.parse_username, event), attempt(credentials.parse_password, event)] for event in EVENTS
    ]


def test_names_and_passwords_are_taken_alike() -> None:
    module = EXAMPLES / "todo-node" / "functions" / "accounts" / "credentials.js"
    script = SCRIPT.replace("CREDENTIALS", json.dumps(str(module)))
    told = subprocess.run(
        ["node", "--input-type=module", "-e", script, json.dumps(EVENTS)], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["answers"] == python_answers()
    assert found["checks"] == [True, False, False]
    assert found["twice"] is False, "two hashes of one password have two salts"
