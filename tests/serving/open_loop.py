"""Callers who do not wait for each other: requests leave at fixed times, whatever became of the earlier ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter


@dataclass
class Seen:
    """What a run of requests got."""

    seconds: float = 0.0
    good: list[float] = field(default_factory=list)  # seconds until a 200, from when it should have left
    refused: list[float] = field(default_factory=list)  # the same for 503
    other: list[int] = field(default_factory=list)  # other statuses
    retry_after: list[int] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The quantile of the good ones."""
        return sorted(self.good)[min(len(self.good) - 1, int(share * len(self.good)))]


async def offer(address: str, request: bytes, *, rate: float, seconds: float, connections: int = 64) -> Seen:
    """Send `rate` requests per second for some seconds, over connections that are kept."""
    host, port = address.removeprefix("http://").split(":")
    seen = Seen()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection(host, int(port)))
    began = perf_counter()

    async def one(due: float) -> None:
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        free.put_nowait((reader, writer))
        status, took = int(head[9:12]), perf_counter() - due
        if status == 200:
            seen.good.append(took)
        elif status == 503:
            seen.refused.append(took)
            seen.retry_after.append(int(head.lower().partition(b"retry-after: ")[2].partition(b"\r\n")[0]))
        else:
            seen.other.append(status)

    tasks = set[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (pause := due - perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.add(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    seen.seconds = perf_counter() - began
    while not free.empty():
        free.get_nowait()[1].close()
    return seen


def post(path: str, body: bytes, *more: str) -> bytes:
    """The bytes of a request."""
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
