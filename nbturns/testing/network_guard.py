"""A guard against real network calls: sockets connect to this machine only while it is active."""

from __future__ import annotations

import ipaddress
import socket
from types import TracebackType
from typing import Any, Self

from ..errors import MisuseError

LOCAL_NAMES = ("localhost", "")
GUARDED_METHODS = ("connect", "connect_ex", "sendto")
INTERNET_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class NetworkGuard:
    """A context manager that refuses connections to other machines; `attempts` lists the refused addresses.

    `with NetworkGuard() as guard:` guards every thread of this process, not the programs that it starts. Loopback
    addresses and Unix sockets work. A refused connection raises MisuseError, which a client may catch and hide, so
    check `guard.attempts` afterwards.
    """

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._outer_methods: dict[str, Any] = {}  # those of a guard around this one

    def __enter__(self) -> Self:
        self._outer_methods = {name: vars(socket.socket).get(name) for name in GUARDED_METHODS}
        for name in GUARDED_METHODS:
            setattr(socket.socket, name, self._guarded_method(getattr(socket.socket, name)))
        self._getaddrinfo = socket.getaddrinfo
        socket.getaddrinfo = self._guarded_getaddrinfo
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, outer_method in self._outer_methods.items():
            if outer_method is None:
                delattr(socket.socket, name)  # the method of the C type behind it remains
            else:
                setattr(socket.socket, name, outer_method)
        socket.getaddrinfo = self._getaddrinfo

    def _guarded_method(self, original: Any) -> Any:
        def guarded(connection: socket.socket, *args: Any) -> Any:
            address = args[-1]
            if connection.family in INTERNET_FAMILIES and isinstance(address, tuple):
                self.check(address[0], address[1])
            return original(connection, *args)

        return guarded

    def _guarded_getaddrinfo(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        self.check(host, port)
        return self._getaddrinfo(host, port, *args, **options)

    def check(self, host: Any, port: Any) -> None:
        """Raise MisuseError for the address of another machine, and keep it in `attempts`."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if not is_local(name):
            self.attempts.append(f"{name}:{port}")
            raise MisuseError(
                f"this test must not use the network, and tried to reach {name}:{port}; "
                "use nt.scripted, nt.replay or a cassette, or mark the test with allow_network"
            )


def is_local(host: str) -> bool:
    """Return whether a host name or address is that of this machine."""
    if host in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
