"""A Hugging Face Hub on 127.0.0.1, kept in memory, that breaks on request. Standard library only."""

from __future__ import annotations

import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from segbench.testing.hub_requests import HubHandler
from segbench.testing.hub_state import HubState

__all__ = ["LoopbackHub"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LoopbackHub(HubState):
    """A Hub that serves from ``with`` to its end; what it holds and how it breaks is told by :class:`HubState`."""

    def __init__(self, chunk: int = 0) -> None:
        super().__init__(chunk)
        handler = type("Handler", (HubHandler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, cache: Path, *, token: bool = True) -> dict[str, str]:
        """Variables for a process that is to talk to this Hub and to no other.

        Args:
            cache: Folder for what its client keeps.
            token: Whether it may log in.
        """
        # An empty value counts as unset: these also undo what the process would inherit.
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_TOKEN": self.token if token else "",
            "HUGGING_FACE_HUB_TOKEN": "",
            "HF_HOME": str(cache),
            "HF_HUB_CACHE": str(cache / "hub"),
            "HF_DATASETS_CACHE": str(cache / "datasets"),
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
