"""A stream as it comes from a socket: in pieces of any size. A message as it comes from a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import nbturns as nt
from nbturns.engines.provider import Provider
from nbturns.engines.receiver import Receiver
from nbturns.events import Delta


def read(
    provider: Provider, body: bytes, cuts: Iterable[int] = ()
) -> tuple[tuple[nt.Block, ...], nt.InferenceResult, list[Delta]]:
    """What a stream in these pieces is decoded to, and the deltas that were heard."""
    heard: list[Delta] = []
    reply = provider.reply(heard.append, "inference-1")
    receiver = Receiver(reply)
    start = 0
    for cut in (*sorted(cuts), len(body)):
        receiver.feed(body[start:cut])
        start = cut
    receiver.end()
    return reply.blocks(), reply.result(), heard


def send_from_page(view: Any, message: Any) -> None:
    """Hand a widget a message of its page, as the kernel does: through its comm, in the widgets' protocol."""
    packet = {"content": {"data": {"method": "custom", "content": message}}, "buffers": []}
    if getattr(view.comm, "kernel", packet) is None:  # ipykernel 6.17 (Colab) asks its kernel, and tests run in none
        view.comm._msg_callback(packet)
    else:
        view.comm.handle_msg(packet)
