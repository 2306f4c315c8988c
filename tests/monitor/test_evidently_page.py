"""The page of the real Evidently, from its own environment."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.errors import DataError, MissingExtraError
from detent.monitor.evidently_page import TOOL, Compared, draw
from detent.store.environments import install
from phone import CHROMIUM

# What a caller may send as a level: it would run in the browser of whoever opens the page.
HOSTILE = "</script><script>document.title='RUN'</script><img src=x onerror=\"document.title='RUN'\"><!--"


def table(rows: int, shift: float, seed: int) -> pl.DataFrame:
    draws = np.random.default_rng(seed)
    price = pl.Series("price", draws.normal(50 + shift, 10, rows))
    return pl.DataFrame(
        {
            "price": price.set(pl.Series(draws.random(rows) < 0.2), None),
            "items": draws.integers(0, 6, rows).astype(float),
            "channel": draws.choice(["web", "app", HOSTILE], rows),
            "constant": np.ones(rows),
            "always": ["a"] * rows,
            "many": [f"level {number}" for number in draws.integers(0, 3_000, rows)],
            f"column {HOSTILE}": draws.choice(["x", "y"], rows),
            "prediction": draws.random(rows),
        }
    )


def about(current: pl.DataFrame, reference: pl.DataFrame) -> Compared:
    return Compared(
        title=f"shop {HOSTILE}", notes=(("left out", f"{HOSTILE}: the log drops it"),), reference=reference,
        current=current,
    )  # fmt: skip


def test_without_its_environment_it_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="its environment is not there") as caught:
        draw(about(table(9, 0, 1), table(9, 0, 2)), tmp_path / "page.html", environments=tmp_path)
    assert "--install-evidently" in caught.value.fix
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_real_evidently_draws_a_page_that_needs_nothing_and_runs_nothing_of_callers(tmp_path: Path) -> None:
    """It is installed once, into the cache folder of whoever runs the tests."""
    environments = Path.home() / ".cache" / "detent" / "environments"
    install(TOOL, environments)
    page = tmp_path / "pages" / "drift.html"
    found = draw(about(table(400, 30, 1), table(800, 0, 2)), page, environments=environments)
    assert found.version == TOOL.requirements[0].partition("==")[2]
    assert found.columns == 8
    assert 1 <= found.drifted <= 4
    text = page.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "default-src 'none'" in text.partition("<script>")[0]
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=", text.partition("<div id=")[0])
    alone = draw(about(table(1, 0, 3), table(800, 0, 2)), page, environments=environments)  # one row is a window, too
    assert alone.columns == 8
    with pytest.raises(DataError, match="Evidently gave no answer"):
        draw(about(table(0, 0, 3), table(800, 0, 2)), page, environments=environments)
    assert page.read_text(encoding="utf-8") != ""
    if CHROMIUM is not None:
        draw(about(table(400, 30, 1), table(800, 0, 2)), page, environments=environments)
        drawn = laid_out(page, tmp_path)
        assert "Drifted Columns" in drawn
        assert "<title>RUN" not in drawn


def laid_out(page: Path, folder: Path) -> str:
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'chromium'}"]
    words += ["--virtual-time-budget=15000", "--dump-dom", page.as_uri()]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=True).stdout
