"""A server in front of the studio, as far as its address goes: what comes through it comes from SOURCE."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

SOURCE = "127.0.0.2"


@dataclass
class Forwarder:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def forward(port: int) -> Iterator[Forwarder]:
    """Pass on connections to a port of this machine, from another of its addresses."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    client, _ = door.accept()
                    server = socket.create_connection(("127.0.0.1", port), source_address=(SOURCE, 0))
                except OSError:
                    return
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=(a, b), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield Forwarder(door.getsockname()[1])


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
