"""The floor: asyncio protocol, httptools and uvloop, nothing else. BENCH_MODE is echo (the body) or model (L0)."""

from __future__ import annotations

import asyncio

import httptools
import msgspec
import uvloop
from session import MODE, PORT, Scorer, Value

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class Rows(msgspec.Struct):
    instances: list[list[Value]]


READ = msgspec.json.Decoder(Rows).decode
WRITE = msgspec.json.Encoder().encode
score = Scorer() if MODE == "model" else None


def answer(body: bytes) -> bytes:
    if score is None:
        return body
    return WRITE({"predictions": score(READ(body).instances).tolist()})


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.parser, self.body = transport, httptools.HttpRequestParser(self), b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        said, self.body = answer(self.body), b""
        self.transport.write(HEAD % (len(said), said))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", PORT, backlog=2048)
    await server.serve_forever()


uvloop.run(main())
