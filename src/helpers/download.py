"""Fetching one file: resumable, capped, checked for size, type and hash before anybody reads it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import time
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

from helpers import files
from helpers.polling import Remote
from helpers.web import AGAIN, Client, Gone, Missing, Unclear, wait_asked

KEPT = 3  # dated copies of one file
MD5 = re.compile(r'^"?([0-9a-fA-F]{32})"?$')


def sha256(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def md5(path: Path) -> str:
    """The MD5 of a file: the content API names its files by it."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def fetch(client: Client, remote: Remote, hosts: set[str], folder: Path, today: date | None = None) -> Path:
    """Download `remote` into `folder` under today's date and return the finished file.

    A part left by an earlier run is carried on from where it stopped, if the publisher still has the same file.
    Raises Unclear when the file could not be had whole, or is not what its name says.
    """
    import httpx

    folder.mkdir(parents=True, exist_ok=True)
    stamp = (today or date.today()).isoformat()
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", remote.name).lstrip(".") or "file"
    part, notes = folder / f"{safe}.part", folder / f"{safe}.part.json"
    cap = int(client.settings.cap_megabytes * 1_000_000)
    limit = time.monotonic() + client.settings.deadline
    attempt = 0
    while True:
        attempt += 1
        asked = None
        try:
            expected, got = _one(client, remote, hosts, part, notes, cap, limit)
            if isinstance(expected, str):
                reason, asked = expected, wait_asked(got.get("retry-after"))
            elif expected is not None and part.stat().st_size != expected:
                reason = f"{remote.url} stopped at {part.stat().st_size} of {expected} bytes"
            else:
                break
        except (httpx.TransportError, httpx.StreamError) as error:
            reason = f"{remote.url} broke off ({type(error).__name__})"
        client.pause(attempt, reason, asked)
    claimed = remote.md5 or (MD5.match(got.get("etag", "")) or [None, None])[1]
    if claimed and _content_api(remote) and md5(part) != claimed.lower():
        _forget(part, notes)
        raise Unclear(f"{remote.url}: the file's MD5 is not the one its ETag gives")
    if remote.size and part.stat().st_size != remote.size:
        size = part.stat().st_size
        _forget(part, notes)
        raise Unclear(f"{remote.url}: {size} bytes, but the publisher's page says {remote.size}")
    try:
        _expand(part, safe, cap)
        check_type(part, safe)
    except Unclear:
        _forget(part, notes)
        raise
    final = folder / f"{stamp}_{safe}"
    os.replace(part, final)
    notes.unlink(missing_ok=True)
    # A file that waits for a person is fetched again at every run: three of a kind are enough.
    for old in sorted(folder.glob(f"????-??-??_{safe}"))[:-KEPT]:
        old.unlink()
    return final


def _content_api(remote: Remote) -> bool:
    """Only the content API promises that an ETag is an MD5; elsewhere 32 hex digits may be anything."""
    return remote.md5 is not None or bool(re.search(r"/releases/[^/]+/files(/|$)", remote.url))


def _forget(part: Path, notes: Path) -> None:
    part.unlink(missing_ok=True)
    notes.unlink(missing_ok=True)


def _one(
    client: Client, remote: Remote, hosts: set[str], part: Path, notes: Path, cap: int, limit: float
) -> tuple[int | str | None, dict[str, str]]:
    """One attempt. Returns the whole file's expected size (None if unsaid), or a reason to try again, and headers."""
    held = part.stat().st_size if part.exists() else 0
    known: dict[str, Any] = {}
    if held and notes.exists():
        try:
            known = json.loads(notes.read_text(encoding="utf-8"))
        except ValueError:
            known = {}
    strong = known.get("etag") or known.get("last-modified")
    headers = {}
    if held and known.get("url") == remote.url and strong and not str(strong).startswith("W/"):
        # If-Range: carry on only if it is still the same file; otherwise the server sends all of it again.
        headers = {"Range": f"bytes={held}-", "If-Range": strong}
    with client.open(remote.url, hosts, headers) as response:
        got = {key.lower(): value for key, value in response.headers.items()}
        status = response.status_code
        if status == 404:
            raise Missing(f"{remote.url} answered 404: nothing there")
        if status == 410:
            raise Gone(f"{remote.url} answered 410: withdrawn")
        if status == 416:
            _forget(part, notes)
            return f"{remote.url} would not carry on from {held} bytes", got
        if status in AGAIN:
            return f"{remote.url} answered {status}", got
        if status not in (200, 206):
            raise Unclear(f"{remote.url} answered {status}")
        if "text/html" in got.get("content-type", ""):
            raise Unclear(f"{remote.url} answered with a web page, not a file")
        length = int(got["content-length"]) if got.get("content-length", "").isdigit() else None
        if status == 206:
            match = re.match(r"bytes (\d+)-(\d+)/(\d+|\*)", got.get("content-range", ""))
            if not headers or not match or int(match[1]) != held:
                _forget(part, notes)
                return f"{remote.url} sent a part that was not asked for", got
            total = int(match[3]) if match[3] != "*" else (held + length if length is not None else None)
        else:
            held, total = 0, length
        if total is not None and total > cap:
            raise Unclear(f"{remote.url} is {total:,} bytes, more than the cap of {cap:,}")
        kept = {name: got[name] for name in ("etag", "last-modified") if name in got}
        files.write_text(notes, json.dumps({"url": remote.url, **kept}))
        with part.open("ab" if status == 206 else "wb") as out:
            for piece in response.iter_raw():
                held += len(piece)
                if held > cap:
                    out.close()
                    _forget(part, notes)
                    raise Unclear(f"{remote.url} is larger than the cap of {cap:,} bytes")
                out.write(piece)
                if time.monotonic() > limit:
                    raise Unclear(f"{remote.url} was still arriving after {client.settings.deadline:.0f} seconds")
        return total, got


def _expand(part: Path, name: str, cap: int) -> None:
    """Undo gzip (the public API compresses its CSV files), never beyond the cap."""
    with part.open("rb") as handle:
        if handle.read(2) != b"\x1f\x8b" or name.endswith(".gz"):
            return
    size = 0
    with files.whole(part) as temporary:
        try:
            with gzip.open(part) as packed, temporary.open("wb") as out:
                while piece := packed.read(1 << 20):
                    size += len(piece)
                    if size > cap:
                        raise Unclear(f"{name} unpacks to more than the cap of {cap:,} bytes")
                    out.write(piece)
        except (OSError, EOFError):
            raise Unclear(f"{name} is a damaged gzip file") from None


def check_type(path: Path, name: str) -> None:
    """Refuse a file whose contents are not what its name says: an error page, a truncated archive, an empty file."""
    with path.open("rb") as handle:
        head = handle.read(4096)
        size = path.stat().st_size
        handle.seek(max(0, size - 4))
        tail = handle.read(4)
    if not size:
        raise Unclear(f"{name} is empty")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise Unclear(f"{name} holds a web page, not data")
    ending = name.rsplit(".", 1)[-1].lower()
    if ending in ("zip", "xlsx", "ods"):
        if not head.startswith(b"PK") or not zipfile.is_zipfile(path):
            raise Unclear(f"{name} is not a whole {ending} file")
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(item.file_size for item in archive.infolist())
                if unpacked > 50 * size + 100_000_000:
                    raise Unclear(f"{name} would unpack to {unpacked:,} bytes")
        except zipfile.BadZipFile:
            raise Unclear(f"{name} is a damaged {ending} file") from None
    elif ending == "parquet":
        if not head.startswith(b"PAR1") or tail != b"PAR1":
            raise Unclear(f"{name} is not a whole parquet file")
    elif ending == "csv":
        if b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Unclear(f"{name} is not text")
        if start.startswith((b"{", b"[")):
            raise Unclear(f"{name} holds JSON, not CSV")
