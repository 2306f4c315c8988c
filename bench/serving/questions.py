"""What a server is asked, and whether its answers are right."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from contestants import Contestant

TOLERANCE = 1e-5
VERSION = re.compile(r'"version":(\d+)')
NUMBER = r"[\s\[]*([-+\d.eE]+)"


class Questions:
    """200 bodies for one contestant, and the offline scores of the model's versions (of the first row of each body)."""

    def __init__(self, contestant: Contestant, model: Path, rows: int = 1) -> None:
        self.contestant = contestant
        known: list[list[float | str]] = json.loads((model / "rows.json").read_text())
        self.scores: list[list[float]] = json.loads((model / "scores.json").read_text())  # of each version
        self.bodies = [contestant.payload((known[at:] + known)[:rows]) for at in range(len(known))]
        self.pattern = re.compile(re.escape(contestant.before) + NUMBER)

    def is_right(self, at: int, answer: bytes) -> bool:
        """True when the answer to body `at` is the offline score of the version that it names, or of any."""
        if self.contestant.before == "echo":
            return answer == self.bodies[at]
        text = answer.decode(errors="replace")
        found, version = self.pattern.search(text), version_in(text)
        scores = self.scores if version == 0 else [self.scores[(version - 1) % len(self.scores)]]
        return found is not None and any(abs(float(found[1]) - one[at]) <= TOLERANCE for one in scores)

    def request(self, at: int, **more: str) -> bytes:
        """Return a whole HTTP request, with more headers if need be."""
        body = self.bodies[at]
        headers = {"host": "127.0.0.1", "content-type": "application/json", **dict(self.contestant.headers), **more}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.contestant.path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def first(self, port: int) -> bool:
        """True once the server answers the first question with 200, and rightly."""
        return self._ask(port, [0]) == [True]

    def all_right(self, port: int, connections: int) -> str:
        """Ask everything over some connections at once; return what was wrong, or ""."""
        found: list[bool] = []
        parts = [range(first, len(self.bodies), connections) for first in range(connections)]
        threads = [threading.Thread(target=lambda part=part: found.extend(self._ask(port, part))) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wrong = len(self.bodies) - sum(found)
        return f"{wrong} of {len(self.bodies)} answers are wrong or missing" if wrong else ""

    def _ask(self, port: int, numbers: Sequence[int]) -> list[bool]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"content-type": "application/json", **dict(self.contestant.headers)}
        found: list[bool] = []
        try:
            for at in numbers:
                connection.request("POST", self.contestant.path, self.bodies[at], headers)
                answer = connection.getresponse()
                found.append(self.is_right(at, answer.read()) and answer.status == 200)
        except (OSError, http.client.HTTPException):
            return found
        finally:
            connection.close()
        return found

    def lua(self, path: Path, *, checked: bool) -> Path:
        """Write the wrk script: bodies in turn. `checked`: every answer's score must be one of the offline ones."""
        headers = {"content-type": "application/json", **dict(self.contestant.headers)}
        told = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in headers.items())
        bodies = ",\n".join(f"[==[{body.decode()}]==]" for body in self.bodies)
        known = {} if self.contestant.before == "echo" else {f"{s:.5f}": s for one in self.scores for s in one}
        scores = ", ".join(f'["{key}"] = {score!r}' for key, score in known.items())
        text = LUA.replace("HEADERS", told).replace("BODIES", bodies).replace("PATH", self.contestant.path)
        if checked and known:
            text += LUA_CHECK.replace("SCORES", scores).replace("BEFORE", _lua_literal(self.contestant.before))
        path.write_text(text)
        return path


def version_in(answer: str) -> int:
    """Return the version that detent says answered; 0 when it is not said."""
    found = VERSION.search(answer)
    return int(found[1]) if found else 0


def _lua_literal(text: str) -> str:
    return re.sub(r"([^\w])", r"%\1", text)


LUA = """wrk.method = "POST"
HEADERSlocal bodies = {
BODIES}
local requests, at = {}, 0
wrong = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args)
  for number, body in ipairs(bodies) do requests[number] = wrk.format("POST", "PATH", wrk.headers, body) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, _)
  local failed, wrongs = summary.errors, 0
  for _, thread in ipairs(threads) do wrongs = wrongs + thread:get("wrong") end
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"p50":%d,"p99":%d,"p999":%d,"status":%d,"sockets":%d,"wrong":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), failed.status, failed.connect + failed.read + failed.write + failed.timeout, wrongs))
end
"""
LUA_CHECK = """
local scores = {SCORES}
function response(status, headers, body)
  local text = string.match(body, 'BEFORE[%s%[]*([-+%d.eE]+)')
  local score = text and tonumber(text)
  if score then
    for step = -1, 1 do
      local known = scores[string.format("%.5f", score + step * 1e-5)]
      if known and math.abs(known - score) <= 1e-5 then return end
    end
  end
  wrong = wrong + 1
end
"""
