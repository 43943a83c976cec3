"""A transport of httpx or httpx2 that copies what passes to a capture, and raises nothing of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any, Self


class CapturingTransport:
    """Forwards each request to the transport `inner`; synchronous and asynchronous."""

    def __init__(self, inner: Any, *, http_package: Any, capture: Any) -> None:
        self.inner = inner
        self.http_package = http_package
        self.capture = capture

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def handle_request(self, request: Any) -> Any:
        """Return the response to a request, whose content is captured while the caller reads it."""
        call = self._begin(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            self._finish(call, error)
            raise
        return self._captured_response(call, response)

    async def handle_async_request(self, request: Any) -> Any:
        """Return the response to a request, whose content is captured while the caller reads it."""
        call = self._begin(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            self._finish(call, error)
            raise
        return self._captured_response(call, response)

    def close(self) -> None:
        """Close the transport below."""
        self.inner.close()

    async def aclose(self) -> None:
        """Close the transport below."""
        await self.inner.aclose()

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.inner.__exit__(*exception)

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.inner.__aexit__(*exception)

    def _begin(self, request: Any) -> Any:
        try:
            return self.capture.begin(request, self.http_package)
        except Exception as error:  # nothing in a capture disturbs the agent
            self.capture.keep_error(error)
            return None

    def _captured_response(self, call: Any, response: Any) -> Any:
        if call is None:
            return response
        try:
            call.status = response.status_code
            call.encoding = response.headers.get("content-encoding", "")
            if hasattr(response, "_content"):  # a response that was made with its content
                call.encoding = ""
                call.add(response.content)
                self._finish(call)
            else:
                response.stream = _captured_stream(self.http_package)(response.stream, call, self)
        except Exception as error:  # nothing in a capture disturbs the agent
            self.capture.keep_error(error)
        return response

    def _add(self, call: Any, chunk: bytes) -> None:
        call.add(chunk)
        self.capture.changed()

    def _finish(self, call: Any, error: BaseException | None = None) -> None:
        if call is None:
            return
        try:
            self.capture.finish(call, error)
        except Exception as capture_error:  # nothing in a capture disturbs the agent
            self.capture.keep_error(capture_error)


@cache
def _captured_stream(http_package: Any) -> Any:
    """Return the class of streams of a package that copy their parts to a call."""

    class CapturedStream(http_package.SyncByteStream, http_package.AsyncByteStream):  # type: ignore[misc]
        """Forwards the parts of a reply."""

        def __init__(self, stream: Any, call: Any, transport: CapturingTransport) -> None:
            self.stream, self.call, self.transport = stream, call, transport

        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self.stream:
                    self.transport._add(self.call, chunk)
                    yield chunk
            except BaseException as error:
                self.transport._finish(self.call, None if isinstance(error, GeneratorExit) else error)
                raise
            self.transport._finish(self.call)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self.stream:
                    self.transport._add(self.call, chunk)
                    yield chunk
            except BaseException as error:
                self.transport._finish(self.call, None if isinstance(error, GeneratorExit) else error)
                raise
            self.transport._finish(self.call)

        def close(self) -> None:
            try:
                self.stream.close()
            finally:
                self.transport._finish(self.call)

        async def aclose(self) -> None:
            try:
                await self.stream.aclose()
            finally:
                self.transport._finish(self.call)

    return CapturedStream
