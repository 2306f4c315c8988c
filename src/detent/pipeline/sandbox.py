"""What a hermetic step may touch: its arguments, its code, what it declares, and the packages it runs on."""

from __future__ import annotations

from pathlib import Path

from detent.errors import ProjectError
from detent.pipeline.codecs.scratch import make_private
from detent.pipeline.planner import Planned
from detent.pipeline.trace import landlock
from detent.pipeline.workspace import Workspace


def enter_sandbox(planned: Planned, workspace: Workspace, scratch: Path) -> None:
    """Deny this process, for good, every file that the call does not declare, and the network unless it asks for it.

    Arguments are read and outputs are stored afterwards: the blob store stays open for both, and the database is open
    already. It comes before arguments are loaded, for libraries then start threads, which would stay free.

    Raises:
        ProjectError: the kernel can't do this.
    """
    if not landlock.supported():
        raise ProjectError(
            what="steps can't be made hermetic on this machine",
            why="it needs Landlock, which Linux has since 5.13, and this kernel does not offer it",
            fix="run without --hermetic: what a step reads is then recorded and compared, not denied",
        )
    make_private(scratch)  # only what is there can be permitted
    folder, machine = workspace.folder, landlock.presets()
    declared = [path for pattern in planned.node.options.files for path in folder.glob(pattern)]
    code = [folder / name for name in planned.code.files]
    landlock.restrict(
        read=[*machine.read, *code, *declared],
        write=[*machine.write, scratch, workspace.state / "runs", Path(workspace.address.blobs)],
        connect=planned.node.options.network,
        list_only=[folder],  # an import looks for its file in a folder
    )
