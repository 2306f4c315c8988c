"""What the pipeline benchmark takes for the truth, held against plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "pipeline"

# In a process of its own: the benchmark's modules have short names such as `project`.
CODE = '''
import json, subprocess, sys
from pathlib import Path
import shape, tables
from project import Writer, write, calls, imports

def answers(built, folder):
    """Each step's value as plain Python gives it."""
    names = [step.name for step in built.steps]
    code = f"import json\\n{imports(built)}def main():\\n{calls(built)}    return locals()\\nprint(json.dumps(main()))"
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)

root = Path(sys.argv[1])
for kind in ("chain", "layers"):
    built = shape.build(kind, 23, str(root / "log"))
    folder = root / kind
    folder.mkdir()
    writer = Writer(folder)
    write(built, writer, lambda step: "")
    edits, before = {}, answers(built, folder)
    assert before[built.result] == shape.answer(built, edits)
    for edit in ("leaf", "root", "helper", "root", "nothing"):
        edits[edit] = edits.get(edit, 0) + 1
        must = shape.edit(edit, built, writer, edits[edit])
        after = answers(built, folder)
        assert {name for name in after if after[name] != before[name]} == must, (kind, edit)
        assert after[built.result] == shape.answer(built, edits), (kind, edit)
        before = after
assert len((root / "log").read_text().split()) == 2 * 6 * 23
assert tables.p95([3.0, 1.0, 2.0]) == 3.0 and tables.p95(list(range(1, 101))) == 95
'''


def test_the_oracle_names_exactly_the_steps_whose_values_change_and_the_right_answer(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(BENCH), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
