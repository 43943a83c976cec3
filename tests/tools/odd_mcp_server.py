"""MCP servers that misbehave, written by hand: `python odd_mcp_server.py BEHAVIOUR [PID_FILE]`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TOOL = {"name": "look", "description": "Look.", "inputSchema": {"type": "object", "properties": {}}}
TOOLS: dict[str, list[Any]] = {
    "same names": [TOOL, TOOL],
    "same names after cleaning": [{**TOOL, "name": "look.up"}, {**TOOL, "name": "look/up"}],
    "remote schema": [TOOL, {**TOOL, "name": "far", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "https://x.example/s"}}}}],
    "array schema": [TOOL, {**TOOL, "name": "far", "inputSchema": {"type": "array"}}],
    "no schema": [{"name": "look"}],
    "catastrophic pattern": [
        {**TOOL, "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}}
    ],
}  # fmt: skip


def answer(id: Any, result: Any = None, **rest: Any) -> None:
    print(
        json.dumps({"jsonrpc": "2.0", "id": id, **({"result": result} if result is not None else {}), **rest}),
        flush=True,
    )


def main(behaviour: str) -> None:
    if behaviour == "ignores everything":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(
            [sys.executable, "-c", "import time, signal; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        )
    if behaviour == "ends at once":
        sys.exit(f"no licence found for key {os.environ.get('STATION_KEY', '')}")
    if behaviour == "never answers":
        time.sleep(600)
    if behaviour == "prints text":
        print("Welcome to the station!\n\n{broken json", flush=True)
    for line in sys.stdin:
        handle(json.loads(line), behaviour)
    if behaviour == "ignores everything":
        time.sleep(600)


def handle(message: Any, behaviour: str) -> None:
    method, id = message.get("method"), message.get("id")
    if id is None:
        return
    if method == "initialize":
        version = message["params"]["protocolVersion"]
        answer(
            id,
            {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}},
        )
    elif method == "tools/list" and behaviour == "never lists":
        time.sleep(600)
    elif method == "tools/list" and behaviour == "dies while listing":
        os._exit(7)
    elif method == "tools/list":
        page = {"nextCursor": "more"} if behaviour == "endless pages" else {}
        answer(id, {"tools": TOOLS.get(behaviour, [TOOL]), **page})
    elif method == "tools/call":
        call(id, behaviour)
    else:
        answer(id, error={"code": -32601, "message": "unknown method"})


def call(id: Any, behaviour: str) -> None:
    text = "looked"
    if behaviour == "hangs in a call":
        if len(sys.argv) > 2:
            Path(f"{sys.argv[2]}.called").touch()
        time.sleep(600)
    if behaviour == "answers 100 MB":
        text = "x" * 100_000_000
    if behaviour == "answers 100 MB, id last":
        content = json.dumps({"content": [{"type": "text", "text": '"id": 1 ' + "x" * 100_000_000}]})
        print(f'{{"result": {content}, "jsonrpc": "2.0", "id": {id}}}', flush=True)
    elif behaviour == "answers nonsense":
        answer(id, {"content": "none"})
    elif behaviour == "answers with an error":
        answer(id, error={"code": -32000 - 5, "message": "out of order"})
    else:
        answer(id, {"content": [{"type": "text", "text": text}]})


if __name__ == "__main__":
    if len(sys.argv) > 2:
        with Path(sys.argv[2]).open("a") as file:
            file.write(f"{os.getpid()}\n")
    main(sys.argv[1])
