"""A server on this machine that plays a model with the APIs of OpenAI and Anthropic: it calls a tool, then answers.

A request with tools and without a result of a tool gets a call of the first tool, for Paris; any other gets the answer.
A stream waits in its middle while `gate` is not set.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "It is sunny in Paris."
FINAL = "final_answer"  # the tool with which smolagents ends
USAGE = (11, 4)  # tokens


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing about clients that were interrupted."""


class ModelServer:
    """A server in a thread. `requests` has the path and the body of each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._server = _QuietServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serve_model() -> Iterator[ModelServer]:
    """Run a server while the body runs."""
    server = ModelServer()
    try:
        yield server
    finally:
        server.close()


def _handler_of(model_server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            model_server.requests.append((self.path, body))
            api = next(api for ending, api in APIS.items() if self.path.endswith(ending))
            if body.get("stream"):
                self.send_stream(api.events(body))
            else:
                self.send_json(api.reply(body))

        def send_json(self, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def send_stream(self, events: list[str]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for number, event in enumerate(events):
                if number == len(events) // 2:
                    model_server.gate.wait(60)
                self.wfile.write(f"{len(event.encode()):x}\r\n{event}\r\n".encode())
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def tool_call(tools: list[str], has_result: bool) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the arguments of the call that the model makes; None when it answers."""
    names = [name for name in tools if name != FINAL]
    if names and not has_result:
        return names[0], {"city": "Paris"}
    return (FINAL, {"answer": ANSWER}) if FINAL in tools else None


class Chat:
    @staticmethod
    def call(body: Any) -> Any:
        tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
        has_result = any(message["role"] == "tool" for message in body["messages"])
        return tool_call(tools, has_result or "Observation:" in json.dumps(body["messages"][1:]))  # of smolagents

    @classmethod
    def reply(cls, body: Any) -> Any:
        call, message = cls.call(body), {"role": "assistant", "content": ANSWER}
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{call[0]}", "type": "function", "function": function}]}  # type: ignore[dict-item]  # fmt: skip
        choice = {"index": 0, "finish_reason": "tool_calls" if call else "stop", "message": message}
        usage = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1], "total_tokens": sum(USAGE)}
        return {"id": f"chatcmpl-{id(body)}", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage}  # fmt: skip

    @classmethod
    def events(cls, body: Any) -> list[str]:
        reply = cls.reply(body)
        message, finish = reply["choices"][0]["message"], reply["choices"][0]["finish_reason"]
        calls = [{"index": index, **call} for index, call in enumerate(message.get("tool_calls", ()))]
        words = [{"content": f"{word} "} for word in (message["content"] or "").split()]
        deltas = [{"role": "assistant", "content": ""}, *([{"tool_calls": calls}] if calls else words)]
        chunk = {**reply, "object": "chat.completion.chunk"}
        del chunk["usage"]
        chunks = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        chunks.append({**chunk, "choices": [], "usage": reply["usage"]})
        return [*(f"data: {json.dumps(item)}\n\n" for item in chunks), "data: [DONE]\n\n"]


class Messages:
    @staticmethod
    def reply(body: Any) -> Any:
        parts = [part for message in body["messages"] if isinstance(message["content"], list) for part in message["content"]]  # fmt: skip
        call = tool_call([tool["name"] for tool in body.get("tools") or ()], any(part["type"] == "tool_result" for part in parts))  # fmt: skip
        text = {"type": "text", "text": ANSWER}
        content = [{"type": "tool_use", "id": "toolu_1", "name": call[0], "input": call[1]} if call else text]
        usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
        return {"id": f"msg_{id(body)}", "type": "message", "role": "assistant", "model": body["model"], "content": content, "stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip

    @classmethod
    def events(cls, body: Any) -> list[str]:
        reply = cls.reply(body)
        [block] = reply["content"]
        is_text = block["type"] == "text"
        start: dict[str, Any] = {**block, "text": ""} if is_text else {**block, "input": {}}
        deltas: list[dict[str, Any]] = (
            [{"type": "text_delta", "text": f"{word} "} for word in ANSWER.split()]
            if is_text
            else [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        )
        ending = {"stop_reason": reply["stop_reason"], "stop_sequence": None}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": dict(reply, content=[], stop_reason=None)},
            {"type": "content_block_start", "index": 0, "content_block": start},
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ending, "usage": {"output_tokens": USAGE[1]}},
            {"type": "message_stop"},
        ]
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


class Responses:
    @staticmethod
    def reply(body: Any) -> Any:
        items = body["input"] if isinstance(body["input"], list) else []
        has_result = any(item.get("type") == "function_call_output" for item in items)
        call = tool_call([tool["name"] for tool in body.get("tools") or ()], has_result)
        text = {"type": "output_text", "text": ANSWER, "annotations": []}
        item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
        if call:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": call[0], "arguments": json.dumps(call[1]), "status": "completed"}  # fmt: skip
        usage = {"input_tokens": USAGE[0], "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": USAGE[1], "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": sum(USAGE)}  # fmt: skip
        return {"id": f"resp_{id(body)}", "object": "response", "created_at": 1, "status": "completed", "model": body["model"], "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage}  # fmt: skip

    @classmethod
    def events(cls, body: Any) -> list[str]:
        event = {"type": "response.completed", "sequence_number": 0, "response": cls.reply(body)}
        return [f"event: response.completed\ndata: {json.dumps(event)}\n\n"]


APIS: dict[str, Any] = {"/chat/completions": Chat, "/messages": Messages, "/responses": Responses}
