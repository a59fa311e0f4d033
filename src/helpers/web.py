"""Asking a publisher politely over HTTP: time limits, retries with back-off, and no wandering to other hosts."""

from __future__ import annotations

import email.utils
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from helpers.manifest import Settings

if TYPE_CHECKING:
    import httpx

USER_AGENT = "safety-valve-assessment/0.1 (reproducible research; asks once a week)"
AGAIN = {408, 425, 429, 500, 502, 503, 504}
MOVED = {301, 302, 303, 307, 308}
ANSWER_CAP = 20_000_000  # a JSON answer larger than this is not the answer to our question


class Unclear(Exception):
    """A publisher could not be reached or its answer could not be understood: we cannot tell whether there is news."""


class Missing(Unclear):
    """The address answered that there is nothing there."""


class Gone(Exception):
    """The publisher says that what we used has been withdrawn for good."""


@dataclass
class Answer:
    """What came back: status, parsed JSON (none for 304), headers in lower case."""

    status: int
    data: Any
    headers: dict[str, str]
    url: str


def wait_asked(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds asked for by a Retry-After header, as seconds or as a date; None when absent or unreadable."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


class Client:
    """One polite visitor for a whole run: counts its requests and its retries."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None] = time.sleep):
        import httpx

        self.settings = settings
        self.sleep = sleep
        self.requests = 0
        self.retries = 0
        self._http = httpx.Client(
            timeout=settings.timeout,
            follow_redirects=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def pause(self, attempt: int, reason: str, asked: float | None = None) -> None:
        """Wait before another attempt, or raise Unclear when patience is used up."""
        settings = self.settings
        if attempt >= settings.attempts:
            raise Unclear(f"{reason}; gave up after {attempt} attempts")
        if self.retries >= settings.retries_a_run:
            raise Unclear(f"{reason}; this run has used its {settings.retries_a_run} retries")
        if asked is not None and asked > settings.longest_wait:
            raise Unclear(f"{reason}; it asks us to wait {asked:.0f} seconds, longer than {settings.longest_wait:.0f}")
        self.retries += 1
        # Doubling, with some chance in it so that several copies of this project do not return at once.
        backoff = settings.first_wait * 2 ** (attempt - 1) * (1 + random.random() / 4)
        self.sleep(min(max(asked or 0.0, backoff), settings.longest_wait))

    @contextmanager
    def open(self, url: str, hosts: set[str], headers: dict[str, str], params: Any = None) -> Iterator[httpx.Response]:
        """One GET, following redirects only to the publisher's own hosts. The body is not yet read."""
        current = url
        for _ in range(4):
            self.requests += 1
            request = self._http.build_request("GET", current, headers=headers, params=params)
            response = self._http.send(request, stream=True)
            try:
                if response.status_code not in MOVED:
                    yield response
                    return
                there = urljoin(str(response.url), response.headers.get("location", ""))
            finally:
                response.close()
            before, after = urlsplit(current), urlsplit(there)
            if after.netloc not in hosts:
                raise Unclear(f"{url} redirects to another host, {after.netloc or 'nowhere'}; not followed")
            if before.scheme == "https" and after.scheme != "https":
                raise Unclear(f"{url} redirects to an unencrypted address; not followed")
            current, params = there, None
        raise Unclear(f"{url} redirects round in circles")

    def get(self, url: str, hosts: set[str], params: Any = None, etag: str | None = None) -> Answer:
        """A JSON answer, after as many attempts as settings allow. Raises Unclear, Missing or Gone."""
        import httpx

        headers = {"Accept": "application/json"}
        if etag:
            headers["If-None-Match"] = etag
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.open(url, hosts, headers, params) as response:
                    status = response.status_code
                    got = {key.lower(): value for key, value in response.headers.items()}
                    if status in AGAIN:
                        reason, asked = f"{url} answered {status}", wait_asked(got.get("retry-after"))
                    elif status == 304:
                        return Answer(304, None, got, url)
                    elif status == 404:
                        raise Missing(f"{url} answered 404: nothing there")
                    elif status == 410:
                        raise Gone(f"{url} answered 410: withdrawn")
                    elif status != 200:
                        raise Unclear(f"{url} answered {status}")
                    else:
                        return Answer(200, self._json(response, url), got, url)
            except (httpx.TransportError, httpx.StreamError) as error:
                reason, asked = f"{url} could not be reached ({type(error).__name__})", None
            except httpx.InvalidURL as error:
                raise Unclear(f"{url} is not an address ({error})") from None
            self.pause(attempt, reason, asked)

    def _json(self, response: httpx.Response, url: str) -> Any:
        kind = response.headers.get("content-type", "")
        limit = time.monotonic() + self.settings.deadline
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > ANSWER_CAP:
                raise Unclear(f"{url} answered with more than {ANSWER_CAP // 1_000_000} MB")
            if time.monotonic() > limit:
                raise Unclear(f"{url} was still answering after {self.settings.deadline:.0f} seconds")
        if "json" not in kind:
            raise Unclear(f"{url} answered with {kind.split(';')[0] or 'an unnamed type'}, not JSON")
        try:
            return json.loads(body)
        except ValueError:
            raise Unclear(f"{url} answered with JSON that does not parse") from None
