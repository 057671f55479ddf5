"""The program that `pileus invoke --debug` runs: one call of a handler, as Lambda's Python runtime makes it.

`python debuggee.py HANDLER ARN ANSWER`, with the event on standard input. It must not need Pileus itself.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

_A_DAY_SECONDS = 86_400


def main(handler: str, arn: str, answer: str) -> int:
    from awslambdaric.lambda_context import LambdaContext

    sys.path[0] = str(Path.cwd())
    deadline = int((time.time() + _A_DAY_SECONDS) * 1000)
    context = LambdaContext(str(uuid.uuid4()), {}, {}, deadline, arn)
    try:
        module, _, name = handler.rpartition(".")
        called = getattr(importlib.import_module(module.replace("/", ".")), name)
        said: Any = called(json.load(sys.stdin), context)
        text, code = json.dumps(said), 0
    except Exception as error:
        traceback.print_exc()
        text, code = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}), 1
    Path(answer).write_text(text)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
