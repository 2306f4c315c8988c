"""Chat completions by OpenAI's API, which many servers speak (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from detent.bundle.predictors.columns import raised
from detent.bundle.predictors.http import Server
from detent.project.environment import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str  # system | user | assistant
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote."""

    text: str
    finish: str  # stop | length | ...; "" when the server does not say
    prompt_tokens: int  # 0 when the server does not count
    completion_tokens: int


class ChatClient:
    """One model of one server. Safe for several threads."""

    def __init__(self, url: str, model: str, *, timeout: float = 60.0, token: Secret | None = None) -> None:
        """`url` is the API's root, such as http://localhost:8000/v1.

        Raises:
            RefusedError: the address is not a plain http(s) URL.
        """
        self._server, self._model = Server(url, timeout=timeout, token=token), model

    def complete(
        self, messages: Sequence[Message], *, temperature: float = 0.0, max_tokens: int | None = None, seed: int = 0
    ) -> Completion:
        """Return the model's next message.

        Raises:
            PredictionError: no answer, another status than 200, or an answer that is no chat completion.
        """
        asked: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "temperature": temperature,
            "seed": seed,
        }
        if max_tokens is not None:
            asked["max_tokens"] = max_tokens
        response = self._server.post(
            "/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        try:
            answer = json.loads(response.content)
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            return Completion(
                text=str(choice["message"]["content"] or ""),
                finish=str(choice.get("finish_reason") or ""),
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise raised(f"the server's answer is no chat completion: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
