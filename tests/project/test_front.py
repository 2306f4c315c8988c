from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project.front import KEYS, read_fallback, read_front
from detent.project.nodes import read_yaml
from detent.records.front import FallbackScore, Front


def front_of(folder: Path, text: str) -> Front:
    (folder / "detent.yaml").write_text(text)
    return read_front(read_yaml(folder / "detent.yaml").section((*KEYS, "fallback", "port")))


def test_everything_has_a_default(tmp_path: Path) -> None:
    assert front_of(tmp_path, "port: 1") == Front()
    assert Front().manage_host == "127.0.0.1"


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
fast_path: off
timeout: 250ms
most_open: 10
fallback: [previous, {score: 0.5, field: origin, scores: {JFK: 0.3}}]
manage: {host: 0.0.0.0, port: 9000}
metrics: public
tls: {certificate: a.pem, key: b.pem}
origins: [https://app.example, "http://localhost:3000"]
"""
    assert front_of(tmp_path, text) == Front(
        fast_path=False,
        timeout=timedelta(milliseconds=250),
        most_open=10,
        score=FallbackScore(score=0.5, field="origin", scores=(("JFK", 0.3),)),
        manage_host="0.0.0.0",
        manage_port=9000,
        public_metrics=True,
        certificate="a.pem",
        private_key="b.pem",
        origins=("https://app.example", "http://localhost:3000"),
    )


@pytest.mark.parametrize(
    ("text", "version", "score"),
    [
        ("previous", "previous", None),
        ("none", "none", None),
        ("[previous]", "previous", None),
        ("[{score: 1}]", "none", 1.0),
        ("[none, {score: 0}]", "none", 0.0),
    ],
)
def test_who_answers_is_a_word_or_a_list(tmp_path: Path, text: str, version: str, score: float | None) -> None:
    (tmp_path / "detent.yaml").write_text(f"fallback: {text}")
    value = read_yaml(tmp_path / "detent.yaml").section().need("fallback", "")
    said = read_fallback(value)
    assert (said[0], said[1] and said[1].score) == (version, score)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fallback: next", "`next` is not known here"),
        ("fallback: [{score: 0.5}, previous]", "nothing can come after it"),
        ("fallback: [previous, previous]", "nothing can come after it"),
        ("fallback: [{score: 0.5, field: a}]", "belong together"),
        ("fallback: [{}]", "`score` is missing"),
        ("timeout: fast", "no duration"),
        ("most_open: 0", "out of range"),
        ("metrics: yes please", "not known here"),
        ("tls: {certificate: a}", "`key` is missing"),
        ("origins: ['*']", "no origin"),
        ("origins: [https://app.example/path]", "no origin"),
        ("manage: {port: 70000}", "out of range"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProjectError) as refused:
        front_of(tmp_path, text)
    assert words in str(refused.value)
    assert refused.value.where is not None
    assert refused.value.where.line == 1
