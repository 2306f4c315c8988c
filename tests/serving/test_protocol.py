"""The short way and the usual way side by side: the same bytes in, the same bytes out, from real worker processes."""

from __future__ import annotations

import gzip
import json
import random
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from detent.serving.workers.supervisor import Supervisor

from .builders import NAN, OUTSIDE, POISON, ROW, World, body

Serve = Callable[..., Supervisor]
PREDICT = "/v1/models/flights:predict"


@dataclass(frozen=True)
class Pair:
    """Two servers with the same models: one answers predictions inside the protocol, the other through ASGI."""

    fast: Supervisor
    usual: Supervisor


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, bundles: dict[int, Path]) -> Iterator[Pair]:
    servers = []
    for name, fast in (("fast", True), ("usual", False)):
        world = World(tmp_path_factory.mktemp(name) / "state")
        for number, folder in bundles.items():
            world.ship(number, folder)
        world.route((1, 10_000), fallback=2, loaded=(1, 2))
        servers.append(Supervisor(world.settings(workers=1, fast_path=fast)))
        servers[-1].start()
    yield Pair(*servers)
    for server in servers:
        server.stop()


def request(
    content: bytes = b"",
    *,
    method: str = "POST",
    path: str = PREDICT,
    version: str = "1.1",
    headers: tuple[tuple[str, str], ...] = (),
    length: int | None = None,
) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *(f"{name}: {value}" for name, value in headers)]
    if length is None and method == "POST" and not any(name.lower() == "transfer-encoding" for name, _ in headers):
        length = len(content)
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def talk(server: Supervisor, pieces: list[bytes], *, answers: int, patience: float = 20.0) -> bytes:
    """Send the pieces over one connection; return all bytes up to the given number of answers or the end of it."""
    host, port = server.address.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            try:
                line.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break  # refused before all of it was sent
        received = b""
        line.settimeout(patience)
        while count(received) < answers:
            try:
                piece = line.recv(1 << 16)
            except (ConnectionResetError, TimeoutError):
                break
            if not piece:
                break
            received += piece
        return received


def alternately(pair: Pair, pieces: list[bytes], *, patience: float = 20.0) -> None:
    """Assert that both servers answer the same when each piece is sent after the answer to the one before."""

    def received(server: Supervisor) -> list[bytes]:
        host, port = server.address.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=patience) as line:
            return [bare(exchange(line, piece)) for piece in pieces]

    assert received(pair.fast) == received(pair.usual), pieces


def exchange(line: socket.socket, piece: bytes) -> bytes:
    """Send a piece and return its answer; what came of it when the line ends or nothing more comes."""
    answer = b""
    try:
        line.sendall(piece)
        while not count(answer):
            more = line.recv(1 << 16)
            if not more:
                break
            answer += more
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass
    return answer


def count(received: bytes) -> int:
    """Return how many whole answers are in a stream."""
    number = 0
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if not end or (length is not None and len(rest) < int(length[1])):
            return number
        received = rest[int(length[1]) :] if length is not None else b""
        number += not head.startswith(b"HTTP/1.1 100")
    return number


def bare(stream: bytes) -> bytes:
    """Leave out what differs between any two answers: the date, prediction ids, the time that something took."""
    stream = re.sub(rb"date: [^\r]+", b"date: -", stream)
    head, _, packed = stream.partition(b"\r\n\r\n")
    if b"content-encoding: gzip" in head:  # ids that differ take different space
        stream = re.sub(rb"content-length: \d+", b"", head) + gzip.decompress(packed)
    return re.sub(rb'"id":"[0-9a-f]{40}"', b'"id":"-"', stream)


def same(pair: Pair, pieces: list[bytes], *, answers: int = 1, patience: float = 20.0) -> bytes:
    """Assert that both servers answer the same, and return what the quick one sent."""
    fast, usual = (talk(server, pieces, answers=answers, patience=patience) for server in (pair.fast, pair.usual))
    assert bare(fast) == bare(usual), pieces
    return fast


GOOD = body(ROW)
CASES: dict[str, bytes] = {
    "a row": request(GOOD),
    "many rows": request(body(*[ROW] * 40)),
    "a row that the model fails on": request(body(POISON)),
    "a row whose score is no number": request(body(ROW, NAN, OUTSIDE)),
    "no JSON": request(b"{"),
    "NaN": request(GOOD.replace(b"7", b"NaN")),
    "Infinity": request(GOOD.replace(b"7", b"-Infinity")),
    "a key twice": request(GOOD.replace(b'"hour": 7', b'"hour": 7, "hour": 8')),
    "an unknown field": request(body({**ROW, "moon": 1})),
    "thousands of unknown fields": request(body({**ROW, **{f"c{number}": 1 for number in range(5000)}})),
    "deep nesting": request(b'{"inputs": ' + b"[" * 100_000),
    "no UTF-8": request(GOOD.replace(b"JFK", b"\xff\xfe")),
    "UTF-16": request(GOOD.decode().encode("utf-16")),
    "an empty body": request(b""),
    "a wrong endpoint": request(GOOD, path="/v1/models/ships:predict"),
    "a query": request(GOOD, path=f"{PREDICT}?x=1"),
    "an escaped path": request(GOOD, path="/v1/models/%66lights:predict"),
    "another method": request(method="GET"),
    "HTTP/1.0": request(GOOD, version="1.0"),
    "HTTP/1.0 that wants to stay": request(GOOD, version="1.0", headers=(("Connection", "keep-alive"),)),
    "HTTP/1.1 that goes": request(GOOD, headers=(("Connection", "close"),)),
    "chunks": request(b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD), headers=(("Transfer-Encoding", "chunked"),)),
    "gzip": request(gzip.compress(GOOD, mtime=0), headers=(("Content-Encoding", "gzip"),)),
    "an unknown encoding": request(GOOD, headers=(("Content-Encoding", "br"),)),
    "a request id": request(GOOD, headers=(("X-Request-Id", "order-7"),)),
    "a request id that is none": request(GOOD, headers=(("X-Request-Id", "é" * 3),)),
    "a deadline that has passed": request(GOOD, headers=(("X-Request-Timeout-Ms", "0"),)),
    "a deadline that is none": request(GOOD, headers=(("X-Request-Timeout-Ms", "soon"),)),
    "an answer to compress": request(body(*[ROW] * 300), headers=(("Accept-Encoding", "gzip"),)),
    "an upgrade": request(GOOD, headers=(("Connection", "Upgrade"), ("Upgrade", "websocket"))),
    "a length twice": request(GOOD, headers=(("Content-Length", "3"),)),
    "a length and chunks": request(GOOD, headers=(("Transfer-Encoding", "chunked"),), length=5),
    "a negative length": request(GOOD, length=-1),
    "a length that is none": request(GOOD, headers=(("Content-Length", "ten"),)),
    "a header without a name": request(GOOD, headers=(("", "x"),)),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a line of nothing": b"\r\n\r\n" + request(GOOD),
}


@pytest.mark.parametrize("name", CASES)
def test_both_ways_give_the_same_bytes(pair: Pair, name: str) -> None:
    answer = same(pair, [CASES[name]])
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert not answer.startswith(b"HTTP/1.1 500")


def test_a_request_in_any_number_of_pieces_is_the_same_request(pair: Pair) -> None:
    chance = random.Random(7)
    for name, whole in CASES.items():
        # Behind an upgrade that is not made, uvicorn takes what follows for the next request or for nothing, by chance.
        if len(whole) > 20_000 or name in ("no HTTP", "an upgrade"):
            continue
        cuts = sorted(chance.sample(range(1, len(whole)), min(5, len(whole) - 1)))
        pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        same(pair, pieces)


def test_a_request_that_comes_again_is_answered_again_and_alike(pair: Pair) -> None:
    """Its head is known by then, and not parsed."""
    for whole in CASES.values():
        if len(whole) < 20_000:
            alternately(pair, [whole, whole, CASES["a row"], whole])


def test_what_is_like_a_known_head_and_is_another_is_read_anew(pair: Pair) -> None:
    known = request(GOOD, headers=(("Accept", "*/*"),))
    head, _, content = known.partition(b"\r\n\r\n")
    for other in (
        b"\r\n" + known,
        b"\r\n\r\n" + known,
        known + b"\r\n",
        known[:-3],
        head + b"\r\n\r\n" + content[:-1] + b" ",
        head + b"\r\n\r\n" + content[:-1] + b"{",
        head.replace(b"flights", b"flightz") + b"\r\n\r\n" + content,
        head.replace(b"Host", b"Hose") + b"\r\n\r\n" + content,
        head.replace(b"\r\n", b"\n") + b"\n\n" + content,
        head + b"\r\nExpect: 100-continue\r\n\r\n" + content,
    ):
        alternately(pair, [known, known, other], patience=0.5)
    same(pair, [known, known + known], answers=3)
    chance, start = random.Random(5), known.index(b"Content-Length")
    # Without its length a request ends with its head, and what follows is refused: before its answer or after it.
    places = [*range(start), *range(known.index(b"\r\n", start), len(known))]
    for _ in range(60):
        damaged = bytearray(known)
        damaged[chance.choice(places)] = chance.choice(b' \r\n:/"{}[],0aZ\x00\xff')
        alternately(pair, [known, known, bytes(damaged)], patience=0.5)


def test_pipelined_requests_are_answered_in_order_whichever_way_they_take(pair: Pair) -> None:
    chance = random.Random(11)
    usual = [request(method="GET", path="/healthz"), CASES["chunks"], CASES["a wrong endpoint"], CASES["gzip"]]
    quick = [CASES[name] for name in ("a row", "many rows", "no JSON", "a row that the model fails on", "a request id")]
    for _ in range(25):
        several = [chance.choice(chance.choice((usual, quick))) for _ in range(chance.randrange(2, 9))]
        stream = b"".join(several)
        cuts = sorted(chance.sample(range(1, len(stream)), 3))
        pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert count(same(pair, pieces, answers=len(several))) == len(several)


def test_random_damage_is_answered_alike(pair: Pair) -> None:
    chance = random.Random(3)
    for _ in range(150):
        damaged = bytearray(request(GOOD, headers=(("Connection", "close"),)))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(damaged))
            damaged[at] = chance.choice(b' \r\n:/"{}[],0aZ\x00\xff')
        # Of a length that grew the rest never comes: then both say nothing yet.
        same(pair, [bytes(damaged)], patience=0.5)


def test_headers_without_end_are_refused(pair: Pair) -> None:
    endless = b"POST /v1/models/flights:predict HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(20_000))
    for server in (pair.fast, pair.usual):
        answer = talk(server, [endless], answers=1)
        assert answer.startswith(b"HTTP/1.1 431 "), answer[:200]
        whole = request(GOOD, headers=tuple((f"x-{number}", "y" * 100) for number in range(650)))
        assert talk(server, [whole], answers=1).startswith(b"HTTP/1.1 431 ")


def test_a_refusal_never_overtakes_an_answer_that_is_still_to_come(pair: Pair) -> None:
    endless = b"POST /v1/models/flights:predict HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(9_000))
    for server in (pair.fast, pair.usual):
        answer = talk(server, [CASES["gzip"] + endless], answers=1)
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]


def test_a_caller_that_does_not_read_is_not_read_from(pair: Pair) -> None:
    """Its answers would fill the server's memory; other callers go on."""
    host, port = pair.fast.address.removeprefix("http://").rsplit(":", 1)
    big = request(body(*[ROW] * 1000))
    with socket.create_connection((host, int(port)), timeout=20) as greedy:
        greedy.setblocking(False)
        sent, stuck = 0, 0
        pid = pair.fast.alive()[0]
        while sent < 300 << 20 and stuck < 200:
            try:
                sent += greedy.send(big * 4)
                stuck = 0
            except BlockingIOError:
                stuck += 1
                assert talk(pair.fast, [CASES["a row"]], answers=1).startswith(b"HTTP/1.1 200")
        assert stuck == 200, "everything was read although no answer was"
        assert _resident(pid) < 600 << 20


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_what_the_fast_way_answers_is_logged_and_counted_alike(pair: Pair) -> None:
    import httpx

    for server in (pair.fast, pair.usual):
        before = _requests(httpx.get(f"{server.address}/metrics").text)
        answer = httpx.post(server.address + PREDICT, content=body(ROW, ROW))
        assert answer.status_code == 200
        after = _requests(httpx.get(f"{server.address}/metrics").text)
        assert after - before == 2
        assert json.loads(answer.text)["predictions"][0]["version"] == 1


def _requests(text: str) -> float:
    found = re.search(r'detent_predictions_total\{arm="live",endpoint="flights",version="1"\} (\S+)', text)
    return float(found[1]) if found else 0.0
