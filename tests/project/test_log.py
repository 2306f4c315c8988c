from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.project.log import read_log
from detent.project.nodes import read_yaml
from detent.records.log import LogPlan


def plan(folder: Path, text: str) -> LogPlan:
    (folder / "detent.yaml").write_text(text)
    return read_log(read_yaml(folder / "detent.yaml"))


def test_every_key_is_read_and_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    text = "{mode: audit, sample: 25%, sync: 50ms, max_bytes: 3GB, fields: {ssn: hash, name: drop}, keep_days: 30}"
    assert plan(tmp_path, text) == LogPlan(
        mode="audit", sample=0.25, sync=timedelta(milliseconds=50), max_bytes=3_000_000_000,
        fields=(("ssn", "hash"), ("name", "drop")), keep_days=30,
    )  # fmt: skip
    assert plan(tmp_path, "{keep_days: 7}") == LogPlan(keep_days=7)


@pytest.mark.parametrize("word", ["off", "'off'", "OFF"])
def test_off_needs_no_quotes_although_yaml_reads_it_as_false(tmp_path: Path, word: str) -> None:
    assert plan(tmp_path, f"{{mode: {word}}}").mode == "off"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{mode: durabel}", "durable"),
        ("{sync: 2h}", "between 1ms and 1m"),
        ("{max_bytes: 2 gigs}", "500MB or 2GiB"),
        ("{max_bytes: 1MB}", "at least 64 MiB"),
        ("{fields: {ssn: hide}}", "`hide` is not known"),
        ("{fields: [ssn]}", "keys with values"),
        ("{keep_days: 0}", "out of range"),
        ("{keepdays: 3}", "keep_days"),
    ],
)
def test_what_is_wrong_is_named_with_the_right_word(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        plan(tmp_path, text)
