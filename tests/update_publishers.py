"""A local stand-in for the publishers: the documented shapes of the three interfaces, over real HTTP on loopback.

`Publishers` holds what each would say; a test changes that, or puts faults in the way of an address.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Publishers:
    """What the publishers hold, the faults in the way, and a log of what was asked."""

    def __init__(self) -> None:
        self.data_sets: dict[str, dict[str, Any]] = {}  # public API, by data set id
        self.csv: dict[str, bytes] = {}  # public API, by "id@version"
        self.changes: dict[str, dict[str, Any]] = {}  # public API, by "id@version"
        self.publications: list[dict[str, Any]] = []  # public API: id, slug, title, data_sets
        self.releases: dict[str, list[dict[str, Any]]] = {}  # content API, by publication slug, newest first
        self.files: dict[str, bytes] = {}  # content API zips by release version id; other files by path
        self.pages: dict[str, dict[str, Any]] = {}  # gov.uk content API, by path
        self.faults: list[tuple[str, list[Any]]] = []
        self.log: list[tuple[str, dict[str, str]]] = []
        self.release_paging = True
        publishers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Tests read `Publishers.log` instead."""

            def do_GET(self) -> None:
                publishers.answer(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A visitor that hangs up is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def fault(self, pattern: str, *faults: Any) -> None:
        """Put faults in the way of the next requests whose address matches: a status, or a name such as 'truncate'."""
        self.faults.append((pattern, list(faults)))

    def asked(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(bool(re.search(pattern, path)) for path, _ in self.log)

    # --- answering ----------------------------------------------------------------------------------------------

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.log.append((handler.path, {key.lower(): value for key, value in handler.headers.items()}))
        fault: Any = None
        for pattern, faults in self.faults:
            if faults and re.search(pattern, handler.path):
                fault = faults.pop(0)
                break
        if isinstance(fault, int):
            return self.send(handler, fault, b'{"title":"trouble","status":%d}' % fault)
        if isinstance(fault, tuple):
            status, headers, body = fault
            return self.send(handler, status, body, headers)
        if fault == "drop":
            handler.close_connection = True
            handler.connection.close()
            return None
        if fault == "slow":
            time.sleep(3)
        if fault == "html":
            return self.send(
                handler, 200, b"<!DOCTYPE html><html><title>Sorry</title></html>", {"Content-Type": "text/html"}
            )
        if fault == "html as csv":
            return self.send(
                handler, 200, b"<!DOCTYPE html><html><title>Sorry</title></html>", {"Content-Type": "text/csv"}
            )
        if fault == "not json":
            return self.send(handler, 200, b'{"status": "Publ', {"Content-Type": "application/json"})
        if fault == "wrong shape":
            return self.send(handler, 200, b"[1, 2, 3]", {"Content-Type": "application/json"})
        if fault == "empty object":
            return self.send(handler, 200, b"{}", {"Content-Type": "application/json"})
        split = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        found = self.find(unquote(split.path), query)
        if found is None:
            return self.send(handler, 404, b'{"title":"Not Found","status":404}')
        body, headers = found
        etag = headers.get("ETag")
        if etag and handler.headers.get("If-None-Match") == etag:
            return self.send(handler, 304, b"", headers)
        wanted = re.match(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        if wanted and handler.headers.get("If-Range") == etag and fault != "ignores range":
            start = int(wanted[1])
            if start >= len(body):
                return self.send(handler, 416, b"")
            headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            return self.send(handler, 206, body[start:], headers, fault)
        return self.send(handler, 200, body, headers, fault)

    def send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        fault: Any = None,
    ) -> None:
        """Send an answer, cut short or unmeasured if the fault says so."""
        handler.send_response(status)
        sent = {"Content-Type": "application/json", **(headers or {})}
        if fault != "no length":
            sent["Content-Length"] = str(len(body))
        for key, value in sent.items():
            handler.send_header(key, value)
        handler.end_headers()
        if fault in ("truncate", "no length"):
            handler.wfile.write(body[: len(body) // 2] if fault == "truncate" else body)
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(1)
        elif fault == "drip":
            for start in range(0, len(body), 64):
                handler.wfile.write(body[start : start + 64])
                handler.wfile.flush()
                time.sleep(0.1)
        else:
            handler.wfile.write(body)

    def find(self, path: str, query: dict[str, str]) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers for an address, None when there is nothing."""
        if path.startswith("/api/"):
            return self.public(path.removeprefix("/api"), query)
        if path.startswith("/content/"):
            return self.content(path.removeprefix("/content"), query)
        if path.startswith("/govuk/"):
            page = self.pages.get(path.removeprefix("/govuk/"))
            if page is None:
                return None
            body = json.dumps(page).encode()
            return body, {"ETag": f'W/"{hashlib.md5(body).hexdigest()}"'}
        if path in self.files:
            body = self.files[path]
            return body, {"ETag": f'"{hashlib.md5(body).hexdigest()[:20]}"', "Content-Type": "application/octet-stream"}
        return None

    def paged(self, rows: list[Any], query: dict[str, str], largest: int, usual: int) -> tuple[bytes, dict[str, str]]:
        """One page of a list, in the public API's wrapper."""
        page, size = int(query.get("page", 1)), min(int(query.get("pageSize", usual)), largest)
        paging = {
            "page": page,
            "pageSize": size,
            "totalResults": len(rows),
            "totalPages": max(1, -(-len(rows) // size)),
        }
        return json.dumps({"paging": paging, "results": rows[(page - 1) * size : page * size]}).encode(), {}

    def public(self, path: str, query: dict[str, str]) -> tuple[bytes, dict[str, str]] | None:
        """The public API."""
        if path == "/publications":
            text = query.get("search", "").lower()
            rows = [{key: row[key] for key in ("id", "slug", "title")} for row in self.publications]
            return self.paged(
                [row for row in rows if any(word in row["title"].lower() for word in text.split())], query, 40, 20
            )
        if match := re.fullmatch(r"/publications/([^/]+)/data-sets", path):
            row = next((row for row in self.publications if row["id"] == match[1]), None)
            return self.paged([self.data_sets[name] for name in row["data_sets"]], query, 20, 10) if row else None
        if match := re.fullmatch(r"/data-sets/([^/]+)", path):
            return (json.dumps(self.data_sets[match[1]]).encode(), {}) if match[1] in self.data_sets else None
        if match := re.fullmatch(r"/data-sets/([^/]+)/versions/([^/]+)/changes", path):
            found = self.changes.get(f"{match[1]}@{match[2]}")
            return (json.dumps(found).encode(), {}) if found is not None else None
        if match := re.fullmatch(r"/data-sets/([^/]+)/csv", path):
            body = self.csv.get(f"{match[1]}@{query.get('dataSetVersion')}")
            if body is None:
                return None
            return gzip.compress(body, mtime=0), {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        return None

    def content(self, path: str, query: dict[str, str]) -> tuple[bytes, dict[str, str]] | None:
        """The content API."""
        if match := re.fullmatch(r"/publications/([^/]+)/releases/([^/]+)/(version-summary|updates)", path):
            row = next((row for row in self.releases.get(match[1], []) if row["slug"] == match[2]), None)
            if row is None:
                return None
            if match[3] == "updates":
                return self.paged(row.get("updates", []), query, 20, 20)
            latest = self.releases[match[1]][0]["slug"] == match[2]
            summary = {key: row[key] for key in ("id", "slug", "title", "published", "lastUpdated", "updateCount")}
            return json.dumps({**summary, "isLatestRelease": latest}).encode(), {}
        if match := re.fullmatch(r"/publications/([^/]+)/release-entries", path):
            rows = [
                {"releaseId": row["id"], "slug": row["slug"], "title": row["title"]} for row in self.releases[match[1]]
            ]
            if not self.release_paging:
                return json.dumps(rows).encode(), {}
            return self.paged(rows, query, 20, 20)
        if match := re.fullmatch(r"/releases/([^/]+)/files", path):
            body = self.files.get(match[1])
            if body is None:
                return None
            return body, {"Content-Type": "application/zip", "ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        return None


def data_set(name: str, version: str, rows: int, **more: Any) -> dict[str, Any]:
    """A data set as the public API describes it."""
    latest = {
        "version": version,
        "published": "2026-06-25T09:30:00+01:00",
        "totalResults": rows,
        "file": {"id": f"file-{name}-{version}"},
        "timePeriods": {"start": "2019", "end": "2025"},
        "geographicLevels": ["National", "Local authority"],
        "filters": ["Breakdown"],
        "indicators": ["Requests"],
    }
    return {
        "id": name,
        "title": f"Data set {name}",
        "summary": "",
        "status": "Published",
        "supersedingDataSetId": None,
        "latestVersion": latest,
        **more,
    }


def release(slug: str, version: str, updates: int = 0, **more: Any) -> dict[str, Any]:
    """A release as the content API describes it."""
    return {
        "id": version,
        "slug": slug,
        "title": f"Reporting year {slug}",
        "published": "2026-06-25T09:30:00Z",
        "lastUpdated": f"2026-06-2{5 + updates}T09:30:00Z",
        "updateCount": updates,
        **more,
    }


def page(updated: str, attachments: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A page as gov.uk's content API describes it."""
    return {
        "base_path": "/government/publications/a-page",
        "document_type": "transparency",
        "public_updated_at": updated,
        "withdrawn_notice": {},
        "details": {
            "attachments": attachments or [],
            "change_history": [{"public_timestamp": updated, "note": "Added new figures."}],
        },
        **more,
    }
