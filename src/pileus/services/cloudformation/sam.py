"""The serverless transform, AWS::Serverless-2016-10-31, by AWS's own translator.

It runs in a process of its own: its libraries take a quarter of a second to import and tens of megabytes, and a
template is other people's input. `python -m pileus.services.cloudformation.sam` reads {template, parameters} as JSON
and prints {template} or {error}.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.sections import SERVERLESS

SECONDS = 60.0
MEMORY = 1 << 30


async def transform(
    body: dict[str, Any], parameters: dict[str, str], region: str, managed_policies: dict[str, str]
) -> dict[str, Any]:
    """The template with its serverless resources made into plain ones. `managed_policies` are AWS's by name."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"AWS_DEFAULT_REGION": region, "PATH": os.defpath},
    )  # fmt: skip
    request = json.dumps({"template": body, "parameters": parameters, "managed_policies": managed_policies})
    try:
        output, _ = await asyncio.wait_for(process.communicate(request.encode()), SECONDS)
        answer = json.loads(output)
    except (TimeoutError, ValueError):
        raise TemplateError(
            f"Transform {SERVERLESS} failed with: the translator could not read this template"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if "error" in answer:
        raise TemplateError(f"Transform {SERVERLESS} failed with: {answer['error']}")
    translated: dict[str, Any] = answer["template"]
    translated.pop("Globals", None)
    return translated


def _translate(request: dict[str, Any]) -> dict[str, Any]:
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform as translate

    class Policies:
        def load(self) -> dict[str, str]:
            policies: dict[str, str] = request["managed_policies"]
            return policies

    try:
        return {"template": translate(request["template"], request["parameters"], Policies())}
    except InvalidDocumentException as error:
        causes = " ".join(cause.message for cause in error.causes)
        return {"error": f"{error.message} {causes}"}


def main() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))
    answer = _translate(json.load(sys.stdin))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
