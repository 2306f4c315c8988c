"""OpenLineage facets as plain dicts. Each names the published definition that it follows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from detent import __version__
from detent.records.lineage import CacheUse, Checkout, DatasetUse

Facet = dict[str, Any]

PRODUCER = f"urn:detent:{__version__}"
CACHE_SCHEMA = "urn:detent:openlineage:1-0-0:DetentCacheRunFacet"
NOT_SENT = "[not sent]"  # in place of the value of an environment variable
LONGEST_ERROR = 2_000  # characters; an error's text may quote data
_SPEC = "https://openlineage.io/spec/facets"
_SSH = re.compile(r"^(?:ssh://)?[\w.-]+@([\w.-]+)(?::\d+)?[:/](.+)$")  # git@host:org/repo.git


def job_type(kind: str) -> Facet:
    """Say that the job is a finite one of ours; `kind`: PIPELINE, STEP or GATE."""
    return _facet("2-0-4/JobTypeJobFacet", processingType="BATCH", integration="DETENT", jobType=kind)


def engine() -> Facet:
    """Say which program ran it."""
    return _facet("1-1-1/ProcessingEngineRunFacet", name="detent", version=__version__)


def parent(run_id: str, namespace: str, job: str) -> Facet:
    """Say which run this one belongs to."""
    return _facet("1-2-0/ParentRunFacet", run={"runId": run_id}, job={"namespace": namespace, "name": job})


def cache(use: CacheUse) -> Facet:
    """Say whether the result came out of the cache; our own facet (`schema/DetentCacheRunFacet.json`)."""
    return {"_producer": PRODUCER, "_schemaURL": CACHE_SCHEMA, "key": use.key, "hit": use.hit, "reason": use.reason}


def error_message(text: str) -> Facet:
    """Say what went wrong."""
    shown = text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 3] + "..."
    return _facet("1-0-1/ErrorMessageRunFacet", message=shown, programmingLanguage="Python")


def variables(names: Sequence[str]) -> Facet:
    """Name the environment variables that were read. Values are never sent: they may be secrets."""
    listed = [{"name": name, "value": NOT_SENT} for name in names]
    return _facet("1-0-0/EnvironmentVariablesRunFacet", environmentVariables=listed)


def code_location(checkout: Checkout, file: str) -> Facet:
    """Say where the code stands in git; a version that ends in `-dirty` was not committed as it ran."""
    path = "/".join(part for part in (checkout.path.strip("/"), file) if part)
    version = checkout.commit + ("-dirty" if checkout.dirty else "")
    web = _web(checkout.repository)
    url = f"{web}/blob/{checkout.commit}/{path}".rstrip("/") if web else f"git:{checkout.commit}"
    known = {"repoUrl": without_secrets(checkout.repository), "path": path, "branch": checkout.branch}
    given = {name: value for name, value in known.items() if value}
    return _facet("1-1-0/SourceCodeLocationJobFacet", type="git", url=url, version=version, **given)


def dataset_facets(use: DatasetUse) -> dict[str, Facet]:
    """Return what is true of a dataset whoever uses it: its version, columns and origin."""
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=f"sha256:{use.digest}")}
    if use.columns:
        fields = [{"name": name, "type": kind} for name, kind in use.columns]
        facets["schema"] = _facet("1-2-0/SchemaDatasetFacet", fields=fields)
    if use.source:
        plain = without_secrets(use.source)
        uri = plain if "://" in plain else "file:" + quote(plain, safe="/._-~")
        facets["dataSource"] = _facet("1-0-1/DatasourceDatasetFacet", name=plain, uri=uri)
        place = physical(plain)
        if place is not None:
            named = {"namespace": place[0], "name": place[1], "type": "LOCATION"}
            facets["symlinks"] = _facet("1-0-1/SymlinksDatasetFacet", identifiers=[named])
    return facets


def input_facets(use: DatasetUse) -> dict[str, Facet]:
    """Return what was read of a dataset, and which tests it passed."""
    facets = {}
    counts = _counts(use)
    if counts:
        facets["inputStatistics"] = _facet("1-0-0/InputStatisticsInputDatasetFacet", **counts)
    if use.assertions:
        listed = [{"assertion": text, "success": held} for text, held in use.assertions]
        facets["dataQualityAssertions"] = _facet("1-1-0/DataQualityAssertionsDatasetFacet", assertions=listed)
    return facets


def output_facets(use: DatasetUse) -> dict[str, Facet]:
    """Return what was written of a dataset."""
    counts = _counts(use)
    return {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", **counts)} if counts else {}


def physical(source: str) -> tuple[str, str] | None:
    """Return (namespace, name) of a URL by OpenLineage's naming rules, so that it joins what other tools say of it.

    A path on this machine gives None: it would mean another file on another machine.
    """
    parts = urlsplit(without_secrets(source))
    if not parts.scheme or not parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/"


def without_secrets(url: str) -> str:
    """Return a URL without user, password, query and fragment; anything else is returned as it is."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _web(repository: str) -> str:
    """Return the web address of a git remote, or "" when it has none."""
    ssh = _SSH.match(repository) if "://" not in repository or repository.startswith("ssh://") else None
    if ssh:
        return f"https://{ssh[1]}/{ssh[2]}".removesuffix(".git")
    plain = without_secrets(repository)
    return plain.removesuffix(".git").rstrip("/") if plain.startswith(("http://", "https://")) else ""


def _counts(use: DatasetUse) -> Mapping[str, int]:
    known = {"rowCount": use.rows, "size": use.bytes, "fileCount": use.files}
    return {name: value for name, value in known.items() if value is not None}


def _facet(definition: str, **fields: Any) -> Facet:
    name = definition.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/{definition}.json#/$defs/{name}", **fields}
