"""Refuses requests whose body is too large while it comes in.

Streamlit looks at the Content-Length, and otherwise reads all of a body, to disk, before it measures it: a request that
names no length could fill the disk.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OVERHEAD_BYTES = 65_536  # of the form around a file


class TooLargeError(Exception):
    """More came than may come."""


class BoundedBodies:
    """ASGI middleware: 413 as soon as a request has sent more than `most` bytes, which are then dropped."""

    def __init__(self, app: "ASGIApp", most: int) -> None:
        self._app, self._most = app, most + OVERHEAD_BYTES

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, began = 0, False

        async def counted() -> "Message":
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise TooLargeError
            return message

        async def sent(message: "Message") -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, counted, sent)
        except TooLargeError:
            if began:  # a reply is on its way: the connection ends with it
                raise
            head = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": head})
            await send({"type": "http.response.body", "body": b"The file is too large."})
