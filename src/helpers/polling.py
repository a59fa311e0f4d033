"""One cheap question to each source: has it changed since the pin in the manifest?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote, urlsplit

from helpers.manifest import Manifest, Source
from helpers.web import Client, Gone, Missing, Unclear

UNCHANGED, CHANGED, UNKNOWN, PERSON = "unchanged", "changed", "unknown", "person"


@dataclass
class Remote:
    """A file to fetch: where, what to call it, and what the publisher says about it."""

    url: str
    name: str
    etag: str | None = None
    size: int | None = None
    md5: str | None = None


@dataclass
class Finding:
    """What one source answered."""

    source: str
    outcome: str
    reason: str
    via: str = ""
    pin: dict[str, Any] = field(default_factory=dict)
    release: str = ""
    remotes: list[Remote] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    version: str = ""
    known: bool = False  # the answer only repeats the pin, so there is nothing to write down


def lowered(data: Any) -> Any:
    """The same JSON with every key in lower case: the content API is undocumented and its capitals have varied."""
    if isinstance(data, dict):
        return {str(key).lower(): lowered(value) for key, value in data.items()}
    if isinstance(data, list):
        return [lowered(item) for item in data]
    return data


def _object(data: Any, url: str, *needed: str) -> dict[str, Any]:
    """The answer as an object that has what we asked for; anything else is not understood."""
    if not isinstance(data, dict):
        raise Unclear(f"{url} answered with {type(data).__name__}, expected an object")
    absent = [name for name in needed if name not in data]
    if absent:
        raise Unclear(f"{url} answered without {', '.join(absent)}")
    return data


def pages(client: Client, url: str, hosts: set[str], params: dict[str, Any], limit: int = 50) -> list[dict[str, Any]]:
    """Every result of a paged list of the public API."""
    found: list[dict[str, Any]] = []
    for page in range(1, limit + 1):
        answer = _object(client.get(url, hosts, {**params, "page": page}).data, url, "results", "paging")
        results, paging = answer["results"], _object(answer["paging"], url, "totalPages", "totalResults")
        if not isinstance(results, list):
            raise Unclear(f"{url} answered with results that are not a list")
        found += [item for item in results if isinstance(item, dict)]
        if page >= int(paging["totalPages"]):
            if len(found) != int(paging["totalResults"]):
                raise Unclear(f"{url} promised {paging['totalResults']} results and gave {len(found)}")
            return found
    raise Unclear(f"{url} has more than {limit} pages")


def same_moment(first: object, second: object) -> bool:
    """Whether two time stamps name one moment, however each is written; unreadable ones are compared as text."""
    try:
        return datetime.fromisoformat(str(first)) == datetime.fromisoformat(str(second))
    except (TypeError, ValueError):
        return str(first) == str(second)


def unmoved(pin: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether an answer says what its pin says, wherever the pin says anything."""
    return all(pin.get(name) is None or pin[name] == new[name] or same_moment(pin[name], new[name]) for name in new)


def poll(client: Client, manifest: Manifest, source: Source) -> Finding:
    """Ask one source. Whatever goes wrong becomes a finding of `unknown`, never of `unchanged`."""
    asks = {"api": _api, "content": _content, "govuk": _govuk, "file": _file}
    try:
        return asks[source.kind](client, manifest, source)
    except Gone as error:
        return Finding(source.id, PERSON, str(error), source.kind)
    except Unclear as error:
        return Finding(source.id, UNKNOWN, str(error), source.kind)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # An answer of an unforeseen shape must not stop the other sources, nor pass for "nothing new".
        return Finding(source.id, UNKNOWN, f"answer not understood ({type(error).__name__}: {error})", source.kind)


# --- public API -----------------------------------------------------------------------------------------------------


def _api(client: Client, manifest: Manifest, source: Source) -> Finding:
    hosts = manifest.hosts(source)
    base = f"{manifest.settings.base('api')}/data-sets/{quote(source.data_set)}"
    answer = client.get(base, hosts)
    return _api_data_set(client, manifest, source, _object(answer.data, base, "status", "latestVersion"), source.pin)


def _api_data_set(
    client: Client, manifest: Manifest, source: Source, data: dict[str, Any], pin: dict[str, Any]
) -> Finding:
    """Compare one data set of the public API with its pin, and read the publisher's list of changes if it moved."""
    base = f"{manifest.settings.base('api')}/data-sets/{quote(str(data.get('id') or source.data_set))}"
    hosts = manifest.hosts(source) | {urlsplit(manifest.settings.api).netloc}
    title, status = str(data.get("title") or source.title), data["status"]
    if data.get("supersedingDataSetId"):
        reason = f"{title}: superseded by data set {data['supersedingDataSetId']}"
        return Finding(source.id, PERSON, reason, "api")
    if status != "Published":
        return Finding(source.id, PERSON, f"{title}: the data set's status is {status}", "api")
    latest = _object(data["latestVersion"], base, "version", "published")
    version = str(latest["version"])
    held = _object(latest.get("file") or {}, base)
    new = {
        "version": version,
        "published": latest["published"],
        "file": held.get("id"),
        "rows": latest.get("totalResults"),
    }
    if pin.get("version") is not None and unmoved(pin, new):
        return Finding(
            source.id, UNCHANGED, f"{title}: still version {version}", "api", new, version=version, known=True
        )
    remotes = []
    if source.resources:
        name = f"{source.id}-{data.get('id') or source.data_set}-{version}.csv"
        remotes = [Remote(f"{base}/csv?dataSetVersion={quote(version)}", name)]
    before = pin.get("version")
    if before is None:
        reason = f"{title}: version {version}, first time asked"
        outcome = CHANGED if remotes else UNCHANGED
        return Finding(source.id, outcome, reason, "api", new, remotes=remotes, version=version)
    notes: list[str] = []
    major = version.split(".")[0] != str(before).split(".")[0]
    if version != str(before):
        url = f"{base}/versions/{quote(version)}/changes"
        changes = _object(client.get(url, hosts, {"includePatchHistory": "true"}).data, url)
        notes, deleted = _api_notes(changes)
        major = major or deleted
    reason = f"{title}: version {before} to {version}"
    if major:
        return Finding(
            source.id, PERSON, f"{reason}, a major version: something was deleted", "api", new, "", [], notes
        )
    if not source.resources:
        return Finding(source.id, UNCHANGED, f"{reason} (watched only)", "api", new, "", [], notes, version)
    return Finding(source.id, CHANGED, reason, "api", new, "", remotes, notes, version)


def _api_notes(changes: dict[str, Any]) -> tuple[list[str], bool]:
    """The publisher's list of changes as sentences, and whether any of them is a major one."""
    notes = [str(changes["notes"])] if changes.get("notes") else []
    deleted = False
    sets = [changes, *(item for item in changes.get("patchHistory") or [] if isinstance(item, dict))]
    for item in sets:
        for kind in ("majorChanges", "minorChanges"):
            groups = item.get(kind) or {}
            for group, entries in groups.items() if isinstance(groups, dict) else ():
                count = len(entries) if isinstance(entries, list) else 1
                if count:
                    deleted = deleted or kind == "majorChanges"
                    notes.append(f"{kind.removesuffix('Changes')}: {count} change(s) to {group}")
    return notes, deleted


# --- content API ----------------------------------------------------------------------------------------------------


def _lookup(client: Client, manifest: Manifest, source: Source) -> tuple[list[dict[str, Any]], str]:
    """The data sets a publication has in the public API (none yet, when last seen), and what went wrong if anything."""
    base = manifest.settings.base("api")
    hosts = {urlsplit(base).netloc}
    try:
        url = f"{base}/publications"
        found = pages(client, url, hosts, {"search": source.search, "pageSize": 40}, 5)
        match = [item for item in found if item.get("slug") == source.publication]
        if not match:
            return [], ""
        url = f"{base}/publications/{quote(str(match[0]['id']))}/data-sets"
        return pages(client, url, hosts, {"pageSize": 20}), ""
    except (Unclear, Gone, KeyError, TypeError, ValueError) as error:
        return [], f"the public API could not be searched: {error}"


def _content(client: Client, manifest: Manifest, source: Source) -> Finding:
    base = f"{manifest.settings.base('content')}/publications/{quote(source.publication)}"
    hosts, pin = manifest.hosts(source), source.pin
    offered, trouble = _lookup(client, manifest, source) if source.search else ([], "")
    if offered:
        return _offered(client, manifest, source, offered)
    notes = [trouble] if trouble else []
    summary = _summary(client, base, source.release, hosts)
    release, version = source.release, str(summary["id"])
    if summary.get("islatestrelease") is False:
        release = _latest_release(client, base, hosts)
        if release == source.release:
            raise Unclear(f"{base} says {release} is and is not its latest release")
        summary = _summary(client, base, release, hosts)
        version = str(summary["id"])
    new = {
        "release_version": version,
        "update_count": summary.get("updatecount"),
        "last_updated": summary.get("lastupdated"),
        "published": summary.get("published"),
    }
    same = release == source.release and pin.get("release_version") == version
    known = same and pin.get("update_count") is not None
    if known and unmoved(pin, new):
        reason = f"still release {release}, {new['update_count']} update(s)"
        return Finding(source.id, UNCHANGED, reason, "content", new, release, notes=notes, version=version, known=True)
    if release != source.release or pin.get("update_count") is not None:
        notes += _updates(client, base, release, hosts)
    if not source.resources and release == source.release and pin.get("update_count") is None:
        return Finding(source.id, UNCHANGED, f"release {release}, first time asked", "content", new, release, [], notes)
    if not source.resources:
        reason = f"release {release} is new or re-issued; its files are taken by hand (assess update --from)"
        return Finding(source.id, PERSON, reason, "content", new, release, [], notes)
    url = f"{manifest.settings.base('content')}/releases/{quote(version)}/files"
    remotes = [Remote(url, f"{source.id}-{release}-{version[:8]}.zip")]
    if release != source.release:
        reason = f"release {source.release} is followed by {release}"
    elif known or not same:
        reason = f"release {release} was re-issued (last updated {new['last_updated']})"
    else:
        reason = f"release {release}, first time asked"
    return Finding(source.id, CHANGED, reason, "content", new, release, remotes, notes, version)


def _summary(client: Client, base: str, release: str, hosts: set[str]) -> dict[str, Any]:
    url = f"{base}/releases/{quote(release)}/version-summary"
    return _object(lowered(client.get(url, hosts).data), url, "id", "lastupdated", "updatecount", "islatestrelease")


def _latest_release(client: Client, base: str, hosts: set[str]) -> str:
    """The slug of the newest published release: the first entry that is a release of this publication."""
    url = f"{base}/release-entries"
    data = lowered(client.get(url, hosts, {"page": 1}).data)
    entries = data if isinstance(data, list) else _object(data, url, "results")["results"]
    # Legacy links have no release id; they are older material kept elsewhere.
    found = [item for item in entries if isinstance(item, dict) and item.get("slug")]
    latest = [item for item in found if item.get("islatestrelease")]
    if not latest and not found:
        raise Unclear(f"{url} lists no release")
    return str((latest or found)[0]["slug"])


def _updates(client: Client, base: str, release: str, hosts: set[str]) -> list[str]:
    """The publisher's correction notes; a courtesy to the reader, so their absence is not a failure."""
    url = f"{base}/releases/{quote(release)}/updates"
    try:
        data = lowered(client.get(url, hosts).data)
    except (Unclear, Gone):
        return ["the publisher's notes on this update could not be read"]
    entries = data.get("results") if isinstance(data, dict) else data
    texts = []
    for item in entries if isinstance(entries, list) else []:
        if isinstance(item, dict):
            text = item.get("reason") or item.get("summary") or item.get("title") or ""
            texts.append(f"{str(item.get('on') or item.get('date') or '')[:10]} {text}".strip())
    return [text for text in texts if text][:10]


def _offered(client: Client, manifest: Manifest, source: Source, offered: list[dict[str, Any]]) -> Finding:
    """A publication that has come into the public API: ask about its data sets there, each pinned by its own id."""
    pins = source.pin.get("data_sets") or {}
    found = []
    for data in offered:
        pin = pins.get(str(data.get("id"))) or {}
        found.append((str(data.get("id")), _api_data_set(client, manifest, source, data, pin)))
    ranks = [PERSON, UNKNOWN, CHANGED, UNCHANGED]
    outcome = min((item.outcome for _, item in found), key=ranks.index)
    gone = sorted(set(pins) - {name for name, _ in found})
    reasons = [item.reason for _, item in found if item.outcome == outcome]
    if gone:
        outcome, reasons = PERSON, [f"no longer in the public API: {', '.join(gone)}"]
    return Finding(
        source.id,
        outcome,
        "; ".join(reasons),
        "api",
        {"data_sets": {name: item.pin for name, item in found}},
        "",
        [remote for _, item in found for remote in item.remotes],
        [note for _, item in found for note in item.notes],
        ", ".join(sorted({item.version for _, item in found if item.version})),
        all(item.known for _, item in found),
    )


# --- gov.uk and single files ----------------------------------------------------------------------------------------


def _govuk(client: Client, manifest: Manifest, source: Source) -> Finding:
    url = f"{manifest.settings.base('govuk')}/{quote(source.path)}"
    answer = client.get(url, manifest.hosts(source), etag=source.pin.get("etag"))
    if answer.status == 304:
        return Finding(source.id, UNCHANGED, "page unchanged", "govuk", dict(source.pin))
    data = _object(answer.data, url, "document_type", "public_updated_at")
    if data["document_type"] in ("redirect", "gone", "vanish"):
        return Finding(source.id, PERSON, f"{url}: the page is now of type {data['document_type']}", "govuk")
    if data.get("withdrawn_notice"):
        said = data["withdrawn_notice"].get("explanation", "")
        return Finding(source.id, PERSON, f"{url}: the page has been withdrawn. {said}".strip(), "govuk")
    details = data.get("details") or {}
    attachments = [item for item in details.get("attachments") or [] if isinstance(item, dict) and item.get("url")]
    wanted = [item for item in attachments if any(fnmatch(_name(item), pattern) for pattern in source.files)]
    new = {"public_updated_at": data["public_updated_at"], "etag": answer.headers.get("etag")}
    if source.files:
        new["files"] = {_name(item): item.get("file_size") for item in wanted}
    before = source.pin.get("public_updated_at")
    history = [item for item in details.get("change_history") or [] if isinstance(item, dict)]
    notes = [
        f"{str(item.get('public_timestamp', ''))[:10]} {item.get('note', '')}".strip()
        for item in history
        if not before or str(item.get("public_timestamp", "")) > str(before)
    ][:10]
    if before is None and not wanted:
        return Finding(source.id, UNCHANGED, f"page as of {new['public_updated_at']}, first time asked", "govuk", new)
    if before and same_moment(before, new["public_updated_at"]) and source.pin.get("files") in (None, new.get("files")):
        return Finding(
            source.id, UNCHANGED, f"page still as of {before}", "govuk", new, known=bool(source.pin.get("etag"))
        )
    reason = f"page updated {new['public_updated_at']}" + (f" (was {before})" if before else ", first time asked")
    if source.files and not wanted:
        return Finding(source.id, PERSON, f"{reason}; it has no file like {source.files}", "govuk", new, "", [], notes)
    if not source.files or not source.resources:
        return Finding(
            source.id, PERSON, f"{reason}; read by people, so a person must look", "govuk", new, "", [], notes
        )
    remotes = [Remote(str(item["url"]), _name(item), size=_size(item)) for item in wanted]
    return Finding(source.id, CHANGED, reason, "govuk", new, "", remotes, notes, str(new["public_updated_at"])[:10])


def _name(attachment: dict[str, Any]) -> str:
    return str(attachment.get("filename") or attachment["url"]).split("?")[0].rsplit("/", 1)[-1]


def _size(attachment: dict[str, Any]) -> int | None:
    size = attachment.get("file_size")
    return int(size) if isinstance(size, int) and size > 0 else None


def _file(client: Client, manifest: Manifest, source: Source) -> Finding:
    import httpx

    name = f"{source.id}-{source.url.split('?')[0].rsplit('/', 1)[-1]}"
    headers = {"If-None-Match": str(source.pin["etag"])} if source.pin.get("etag") else {}
    attempt = 0
    while True:
        attempt += 1
        try:
            with client.open(source.url, manifest.hosts(source), headers) as response:
                status, etag = response.status_code, response.headers.get("etag")
                asked = response.headers.get("retry-after")
        except (httpx.TransportError, httpx.StreamError) as error:
            client.pause(attempt, f"{source.url} could not be reached ({type(error).__name__})")
            continue
        if status in (408, 425, 429) or status >= 500:
            from helpers.web import wait_asked

            client.pause(attempt, f"{source.url} answered {status}", wait_asked(asked))
            continue
        break
    if status == 304:
        return Finding(source.id, UNCHANGED, "file unchanged", "file", dict(source.pin))
    if status == 404:
        raise Missing(f"{source.url} answered 404: nothing there")
    if status == 410:
        raise Gone(f"{source.url} answered 410: withdrawn")
    if status != 200:
        raise Unclear(f"{source.url} answered {status}")
    if etag and etag == source.pin.get("etag"):
        return Finding(source.id, UNCHANGED, "file unchanged", "file", dict(source.pin))
    reason = "file has changed" if source.pin.get("etag") else "file, first time asked"
    return Finding(source.id, CHANGED, reason, "file", {"etag": etag}, "", [Remote(source.url, name, etag)], [], "")
