"""The same jobs on a Dask cluster: `assess run --cluster ADDRESS`.

Dask finds a free worker, moves the job there and tells when it ended; each worker runs it with a `runner.Runner` of its
own. Workers see the project's folder under the same path (a shared file system) and have the same project installed.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
from collections.abc import Sequence
from typing import Any

from helpers.errors import AssessError
from helpers.runner import Job, Listen, Outcome, Runner

TOPIC = "assess"
_here: Runner | None = None
_lock = threading.Lock()


class Cluster:
    """Runs jobs on the cluster whose scheduler is at `address`."""

    def __init__(self, address: str, timeout: float = 20) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise AssessError("--cluster needs Dask: pip install 'safety-valve-assessment[cluster]'.") from None
        try:
            self._client: Any = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise AssessError(f"No Dask scheduler answers at {address}: {error}.") from error
        threads = self._client.nthreads()
        if not threads:
            self._client.close()
            raise AssessError(f"The Dask cluster at {address} has no workers.")
        self.workers = sum(threads.values())
        self._modules: list[str] = []
        self._listeners: dict[str, Listen] = {}
        self._client.subscribe_topic(TOPIC, self._heard)

    def prepare(self, modules: Sequence[str]) -> Cluster:
        """Say which libraries the jobs will want."""
        self._modules = list(modules)
        return self

    def _heard(self, message: tuple[float, Any]) -> None:
        event = message[1]
        listen = self._listeners.get(event.get("job", "")) if isinstance(event, dict) else None
        if listen is not None:
            listen(event)

    def run(self, job: Job, listen: Listen = lambda event: None) -> Outcome:
        """Run one job on some worker; never raises for what the notebook did."""
        self._listeners[job.name] = listen
        try:
            future = self._client.submit(_there, dataclasses.asdict(job), self._modules, pure=False, retries=0)
            return Outcome(**future.result())
        except Exception as error:
            # A worker that died takes its job with it, and no other.
            return Outcome(job.name, error=f"{job.name}: the cluster lost it: {type(error).__name__}: {error}.")
        finally:
            self._listeners.pop(job.name, None)

    def close(self) -> None:
        """Let the workers go; what still runs there is cancelled."""
        self._client.close()


def _there(job: dict[str, Any], modules: list[str]) -> dict[str, Any]:
    """On the worker: run the job in this worker's warm process, passing on what it tells."""
    from distributed import get_worker

    global _here
    with _lock:
        if _here is None:
            _here = Runner(modules)
            atexit.register(_here.close)
    worker = get_worker()
    outcome = _here.run(Job(**job), lambda event: worker.log_event(TOPIC, {**event, "job": job["name"]}))
    return dataclasses.asdict(outcome)
