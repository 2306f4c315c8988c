"""How wide a page is on a phone, as a real browser lays it out."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from programs import browser

WIDTH = 360  # pixels
CHROMIUM = browser()
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

_SCRIPT = (
    "onload=()=>{document.title='W '+[...document.querySelectorAll('iframe')]"
    ".map(f=>f.contentDocument.documentElement.scrollWidth).join(' ')}"
)


def widths(pages: Sequence[str], folder: Path) -> list[int]:
    """Return the pixels that each page takes from left to right in a window of `WIDTH`; `folder` is for the browser."""
    style = f"width:{WIDTH}px;height:900px;border:0"
    frames = "".join(f'<iframe style="{style}" srcdoc="{html.escape(page)}"></iframe>' for page in pages)
    outer = folder / "outer.html"
    outer.write_text(f"<body>{frames}<script>{_SCRIPT}</script></body>", encoding="utf-8")
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'chromium'}"]
    done = subprocess.run([*words, "--dump-dom", outer.as_uri()], capture_output=True, text=True, timeout=200)
    found = re.search(r"<title>W ([\d ]+)</title>", done.stdout)
    assert found is not None, done.stderr[-500:]
    return [int(width) for width in found[1].split()]
