"""Node.js, through a small bootstrap of our own on the Runtime API (bootstrap.mjs).

AWS's client for Node.js (`aws-lambda-ric`) compiles a native module with curl inside when it is installed; ours needs
nothing but the interpreter.
"""

from __future__ import annotations

import functools
from pathlib import Path

from pileus.runtime.interface import Directories, FunctionVersion
from pileus.runtime.languages.language import LAYERS, RUNTIME, TASK, Language, ask, candidates, prefix_of

IDENTIFIERS = ("nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x")


@functools.cache
def find(runtime: str) -> Language | None:
    if runtime not in IDENTIFIERS:
        return None
    major = runtime.removeprefix("nodejs").removesuffix(".x")
    for path in candidates("node", f"~/.nvm/versions/node/v{major}.*/bin/node", f"/opt/node-v{major}*/bin/node"):
        if ask(path, "--version").startswith(f"v{major}."):
            return Language(
                runtime,
                launcher=runtime,
                system=(prefix_of(path),),
                provides=lambda: {"bootstrap.mjs": str(Path(__file__).with_name("bootstrap.mjs"))},
                prestart=(str(Path(path).resolve()), f"{RUNTIME}/bootstrap.mjs", "--wait"),
                program=functools.partial(_program, str(Path(path).resolve())),
                variables=functools.partial(_variables, major),
            )
    return Language(runtime, missing=f"no Node.js {major} on this machine: install it and put `node` on PATH")


def _program(node: str, function: FunctionVersion, directories: Directories) -> list[str]:
    # What V8 keeps beside its heap needs room too.
    heap = max(48, function.memory_mb * 3 // 4)
    return [node, f"--max-old-space-size={heap}", f"{RUNTIME}/bootstrap.mjs"]


def _variables(major: str, function: FunctionVersion) -> dict[str, str]:
    layers = f"{LAYERS}/nodejs/node{major}/node_modules:{LAYERS}/nodejs/node_modules"
    return {"NODE_PATH": f"{layers}:{RUNTIME}/node_modules:{RUNTIME}:{TASK}"}
