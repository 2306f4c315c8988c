"""What a step declares to read from outside, as it is now: variables, secrets, files, and how the world is probed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from detent.errors import ProjectError
from detent.pipeline.artifacts import FORMATS
from detent.pipeline.frame import framed_digest
from detent.pipeline.nodes import Node
from detent.pipeline.seal import seal
from detent.project.code import load_callable
from detent.project.environment import read_secret, read_variable

ALWAYS = "always"


def policy_of(node: Node, *, folder: Path, key: bytes, run: str, digest_of: Callable[[Path], str]) -> dict[str, str]:
    """Return what decides the result besides code, arguments and packages; every value is a digest or a version.

    Values of variables and secrets appear only as codes that can't be turned back without the project's key.

    Raises:
        ProjectError: a secret is not set, a file lies outside the project, or a probe fails.
    """
    options = node.options
    policy = {"stored forms": FORMATS}
    for name in options.env:
        value = read_variable(name)
        policy[f"variable {name}"] = "unset" if value is None else seal(name, value, key)
    for name in options.secrets:
        secret = read_secret(name)
        if secret is None:
            raise ProjectError(
                what=f"secret `{name}` is not set",
                why=f"step `{node.name}` asks for it",
                fix=f"set the environment variable {name}",
            )
        policy[f"secret {name}"] = seal(name, secret.reveal(), key)
    for pattern in options.files:
        policy |= {f"file {name}": digest for name, digest in _files(pattern, folder, node, digest_of).items()}
    if options.changes == ALWAYS:
        policy["changes"] = f"always: {run}"
    elif options.changes.startswith("probe "):
        policy["changes"] = _probed(options.changes.removeprefix("probe "), folder, node)
    return policy


def _files(pattern: str, folder: Path, node: Node, digest_of: Callable[[Path], str]) -> dict[str, str]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise ProjectError(
            what=f"`{pattern}` lies outside the project",
            why=f"step `{node.name}` declares it in `files`, and another machine would not have it",
            fix="copy it into the project folder, or declare it as a dataset in detent.yaml",
        )
    found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
    if not found:
        return {pattern: "absent"}
    return {path.relative_to(folder).as_posix(): digest_of(path) for path in found}


def _probed(spec: str, folder: Path, node: Node) -> str:
    probe = load_callable(spec, folder)
    try:
        value = probe()
    except Exception as error:
        raise ProjectError(
            what=f"the probe of step `{node.name}` failed",
            why=f"{spec}: {type(error).__name__}: {error}",
            fix="mend it: it has to return a plain value that changes when the source does",
        ) from error
    return f"probe: {framed_digest(value, name=spec)}"
