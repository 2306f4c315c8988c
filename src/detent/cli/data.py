"""`detent data`: versions of data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from detent.cli import data_quality

if TYPE_CHECKING:
    from detent.data.versions.archive import Archive
    from detent.loop.workspace import PipelineWorkspace

REFERENCE = """
A version is named NAME (the newest), NAME@TAG, NAME@DIGEST (4 digits or more), NAME~1 (the one before), or by the
path of a pointer file, data/NAME.detent.json."""


class _Duration(click.ParamType):
    """A time such as 6h or 7d, as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from detent.project.durations import parse_duration

        try:
            return value if isinstance(value, float) else parse_duration(str(value)).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group("data", epilog=REFERENCE)
def command() -> None:
    """Immutable versions of files and tables: add, compare, check out, tag, collect.

    Every version is a list of digests in the project's store; equal files are stored once. The tables that runs read
    appear under the names of detent.yaml, cut at each run's moment.
    """


@command.command(short_help="store files as a new version")
@click.argument("place", metavar="PATH_OR_URL")
@click.option("--name", help="Name of the dataset (default: the last part of the path, without a file's ending).")
@click.option("-m", "--message", default="", help="What changed, for `detent data log`.")
@click.option("--move", is_flag=True, help="Give the files up: rename them into the store, so no second copy is made.")
@click.option("--rehash", is_flag=True, help="Read every file, also those that look unchanged.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def add(folder: Path, place: str, name: str | None, message: str, move: bool, rehash: bool, as_json: bool) -> None:
    """Store a folder, a file or what a URL holds as the newest version of a dataset.

    Files that look as they did (size, times, inode; ETag) are not read again. Links that stay inside the folder are
    kept as links; others, sockets and files that are written meanwhile are refused. A pointer to the version is written
    to data/NAME.detent.json, to be committed to git.
    """
    from detent.cli.data_show import added, progress_bar
    from detent.data.versions.archive import Wish, add_version

    archive = _archive(folder)
    wish = Wish(name=name, message=message, move=move, rehash=rehash)
    with progress_bar(quiet=as_json) as progress:
        done = add_version(archive, place, wish, progress=progress)
    added(done, as_json=as_json)


@command.command(short_help="versions, who made them, who used them")
@click.argument("name", required=False)
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, show_default=True, help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per version.")
@click.pass_obj
def log(folder: Path, name: str | None, last: int, as_json: bool) -> None:
    """Show a dataset's versions, newest first: who, when, why, and which runs and models used each.

    Without NAME, list the datasets.
    """
    from detent.cli.data_show import datasets, history
    from detent.data.versions import store
    from detent.data.versions.names import resolve
    from detent.loop.collect.uses import uses_of

    archive = _archive(folder)
    if name is None:
        names = store.datasets(archive.db)
        datasets([(each, store.history(archive.db, each)) for each in names], as_json=as_json)
        return
    resolve(archive.db, archive.blobs, name)  # says what is there when this is not
    versions = store.history(archive.db, name)
    gone = {version.id for version in versions[-last:] if not archive.blobs.has(version.id)}
    history(versions[-last:], tags=store.tags(archive.db, name), uses=uses_of(archive.db), gone=gone, as_json=as_json)


@command.command(short_help="files, rows and columns that changed", epilog=REFERENCE)
@click.argument("old")
@click.argument("new", required=False)
@click.option("--key", multiple=True, help="Column that names a row; several times for several columns.")
@click.option("--files", "files_only", is_flag=True, help="Compare files only, not the rows of tables.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def diff(folder: Path, old: str, new: str | None, key: tuple[str, ...], files_only: bool, as_json: bool) -> None:
    """Show what changed from version OLD to version NEW; with one version, what it changed.

    Tables (Parquet, CSV) are compared by columns, rows and values. Rows are told apart by --key, or by the `key` that
    detent.yaml declares for the dataset; without one, as a whole.
    """
    from detent.cli.data_diff import comparison
    from detent.cli.data_show import waiting
    from detent.data.versions.compare import compare
    from detent.data.versions.names import before, resolve

    ws = _workspace(folder)
    if new is None:
        old, new = before(old), old
    versions = [resolve(ws.db, ws.blobs, text) for text in (old, new)]
    declared = next((source.key for source in ws.project.data if source.name == versions[1].dataset), None)
    keys = key or ((declared,) if declared else ())
    with waiting("comparing", quiet=as_json):
        found = compare(versions[0], versions[1], ws.blobs, key=keys, files_only=files_only)
    comparison(found, as_json=as_json)


@command.command(short_help="files of a version in a folder", epilog=REFERENCE)
@click.argument("version")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--read-only", is_flag=True, help="Files may share the store's bytes (hard links): no second copy.")
@click.option("--force", is_flag=True, help="Give up files in TARGET that no version has.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def checkout(folder: Path, version: str, target: Path, read_only: bool, force: bool, as_json: bool) -> None:
    """Make the folder TARGET hold a version and nothing else.

    Files that are right already stay. A file that would be overwritten or removed must be in the store, or --force be
    given. Files are made by reflink where the file system can, else (with --read-only) by hard link, else by copy.
    """
    from detent.cli.data_show import checked_out, progress_bar
    from detent.data.versions.checkout import Checkout, check_out
    from detent.data.versions.names import resolve
    from detent.data.versions.store import root_of

    archive = _archive(folder)
    found = resolve(archive.db, archive.blobs, version)
    with progress_bar(quiet=as_json) as progress:
        how = Checkout(
            blobs=archive.blobs,
            memos=archive.memos,
            advance=progress("checking out", found.files, found.bytes),
            read_only=read_only,
            force=force,
        )
        done = check_out(root_of(found, archive.blobs), target, how)
    checked_out(found, done, as_json=as_json)


@command.command(short_help="a movable name for a version", epilog=REFERENCE)
@click.argument("version")
@click.argument("tag")
@click.option("--remove", is_flag=True, help="Take the tag away.")
@click.pass_obj
def tag(folder: Path, version: str, tag: str, remove: bool) -> None:
    """Point TAG to a version. A tag can be moved; the version that it points to never changes.

    A tagged version is never collected.
    """
    from detent.data.versions.archive import tag_version, untag
    from detent.data.versions.names import parse, resolve

    archive = _archive(folder)
    if remove:
        name = parse(version).name
        before = untag(archive, name, tag)
        click.echo(f"{name}@{tag} is gone; it pointed to {(before or '')[:12]}")
        return
    found = resolve(archive.db, archive.blobs, version)
    before = tag_version(archive, found, tag)
    moved = f", was {before[:12]}" if before and before != found.id else ""
    click.echo(f"{found.dataset}@{tag} -> {found.id[:12]}{moved}")


@command.command(short_help="what nothing needs, and its removal")
@click.option("--keep-last", type=click.IntRange(min=1), help="Keep the newest N versions of each dataset.")
@click.option("--keep-days", type=click.FloatRange(min=0), help="Keep versions of the last N days.")
@click.option("--run-days", type=click.FloatRange(min=0), default=30.0, show_default=True,
              help="Keep what runs of the last N days used and made, and cached results.")  # fmt: skip
@click.option(
    "--grace", type=_Duration(), default="7d", show_default=True, help="Leave alone what was stored within this time."
)
@click.option(
    "--wait", type=_Duration(), default="1d", show_default=True, help="Delete what was found unneeded this long ago."
)
@click.option("--delete", "really", is_flag=True, help="Do it; without this, only say what would happen.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def gc(
    folder: Path,
    keep_last: int | None,
    keep_days: float | None,
    run_days: float,
    grace: float,
    wait: float,
    really: bool,
    as_json: bool,
) -> None:
    """Say which stored bytes nothing needs, and with --delete remove them.

    What stays: registered models with all they came from, tagged and newest versions, versions by --keep-last and
    --keep-days (all versions when neither is given), recent runs, and what other projects in the same store need.
    Deleting takes two looks: unneeded bytes are noted first and deleted by a later `gc --delete`, after --wait.
    """
    from detent.cli.data_show import collected, waiting
    from detent.data.versions.retention import Retention
    from detent.data.versions.sweep import Patience
    from detent.loop.collect.collect import collect

    ws = _workspace(folder)
    rule = Retention(last=keep_last, days=keep_days, run_days=run_days)
    patience = Patience(grace_seconds=grace, wait_seconds=wait)
    with waiting("looking at every blob", quiet=as_json):
        done = collect(ws, rule, patience, really=really)
    collected(done, patience, really=really, as_json=as_json)


@command.command("import", short_help="versions from DVC")
@click.argument("kind", type=click.Choice(["dvc"]))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the dataset (default: the output's).")
@click.option("--out", help="Only the output with this path.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def import_(folder: Path, kind: str, path: Path, name: str | None, out: str | None, as_json: bool) -> None:
    """Add the outputs of a `.dvc` file or a `dvc.lock` as versions, each output as a dataset.

    Objects come from the repository's cache or remotes, in the layouts of DVC 3 and 2; their md5 is checked. DVC itself
    is not needed.
    """
    del kind  # the only one so far
    from detent.cli.data_show import imported, progress_bar
    from detent.data.dvc.read import import_dvc
    from detent.data.versions.pointer import write_pointer

    archive = _archive(folder)
    with progress_bar(quiet=as_json) as progress:
        done = import_dvc(archive, path, name=name, out=out, progress=progress)
    for version, _ in done:
        write_pointer(archive.pointers(), version)
    imported(done, as_json=as_json)


@command.command(short_help="files of a version elsewhere, or for DVC", epilog=REFERENCE)
@click.argument("version")
@click.argument("target", required=False)
@click.option("--dvc", "dvc_folder", type=click.Path(path_type=Path), help="Folder of a DVC repository.")
@click.option("--remote", help="With --dvc: put the objects into this remote (name or URL), not into the cache.")
@click.option("--force", is_flag=True, help="Write to a place that is not empty.")
@click.pass_obj
def export(
    folder: Path, version: str, target: str | None, dvc_folder: Path | None, remote: str | None, force: bool
) -> None:
    """Write a version's files to TARGET, a folder or URL, or into a DVC repository with --dvc FOLDER.

    With --dvc, FOLDER/NAME.dvc and the objects are written as `dvc add` would: `dvc checkout`, `dvc push` and `dvc
    status` work, and with --remote `dvc pull`.
    """
    from detent.cli.data_show import progress_bar
    from detent.data.versions.archive import is_url
    from detent.data.versions.names import resolve
    from detent.data.versions.store import root_of

    if (target is None) == (dvc_folder is None):
        raise click.UsageError("give a TARGET, or --dvc FOLDER")
    archive = _archive(folder)
    found = resolve(archive.db, archive.blobs, version)
    root = root_of(found, archive.blobs)
    with progress_bar(quiet=False) as progress:
        if dvc_folder is not None:
            from detent.data.dvc.write import export_dvc

            done = export_dvc(root, archive.blobs, dvc_folder, name=found.dataset, remote=remote, progress=progress)
            text = f"wrote {done.pointer} and {done.files:,} objects to {done.objects}"
            if done.empty_folders:
                text += f"; {done.empty_folders} empty folders were left out, DVC keeps none"
        elif is_url(str(target)):
            from detent.data.versions.export import export_url

            count = export_url(root, archive.blobs, str(target), force=force, progress=progress)
            text = f"wrote {count:,} files to {target}"
        else:
            from detent.data.versions.checkout import Checkout, check_out

            advance = progress("writing", found.files, found.bytes)
            how = Checkout(blobs=archive.blobs, memos=archive.memos, advance=advance, force=force)
            count = check_out(root, Path(str(target)), how).written.total()
            text = f"wrote {count:,} files to {target}"
    click.echo(text)


def _workspace(folder: Path) -> PipelineWorkspace:
    from detent.loop.collect.collect import register
    from detent.loop.workspace import begin, open_pipeline

    ws = open_pipeline(folder)
    begin(ws)
    register(ws)
    return ws


def _archive(folder: Path) -> Archive:
    from detent.data.versions.archive import Archive

    ws = _workspace(folder)
    return Archive(db=ws.db, blobs=ws.blobs, clock=ws.clock, actor=ws.actor, folder=ws.folder, state=ws.state)


command.add_command(data_quality.command)
