"""A hub on 127.0.0.1 that answers what huggingface_hub, datasets and transformers ask, from a folder.

    with Hub(folder) as hub:
        hub.gate("meta-llama/Meta-Llama-3-8B", "hf_granted")
        hub.misbehave(Fault("cut", "*.safetensors", after=1000))
        ...                                  # clients with HF_ENDPOINT=hub.url, see client.py
        hub.requests                         # every request so far

Repositories are folders (repositories.py). The standard library only.
"""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from fnmatch import fnmatchcase
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

from hub.exchanges import Fault, Request
from hub.handler import Handler


def address_where_nothing_listens() -> str:
    """A hub that is down: connections to it are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class Hub:
    """The server, listening from `with` on. `page`: how many files a listing gives at a time.

    requests:     every request answered so far, in the order of their ends.
    known_tokens: the hub's users'; a request with any other token is refused whatever it asks. None: any.
    private:      ids which are answered as if they were not there.
    """

    def __init__(self, root: Path | str, page: int = 1000, shown: TextIO | None = None) -> None:
        self.root = Path(root)
        self.page = page
        self.requests: list[Request] = []
        self.known_tokens: set[str] | None = None
        self.private: set[str] = set()
        self.stopping = threading.Event()
        self._granted: dict[str, set[str]] = {}
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._shown = shown

    def __enter__(self) -> Hub:
        handler = type("HandlerOfThisHub", (Handler,), {"hub": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def gate(self, repository_id: str, *granted: str) -> None:
        """Give the repository's files only to these tokens (its listings stay open, as on the real hub)."""
        self._granted[repository_id] = set(granted)

    def misbehave(self, *faults: Fault) -> None:
        """Add faults; a request meets the first that fits."""
        with self._lock:
            self._faults.extend(faults)

    def behave(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def asked(self, pattern: str, method: str | None = None) -> list[Request]:
        """The requests whose path fits a pattern such as "*.safetensors"."""
        return [
            request
            for request in list(self.requests)
            if fnmatchcase(request.path, pattern) and method in (None, request.method)
        ]

    def is_gated(self, repository_id: str) -> bool:
        return repository_id in self._granted

    def is_granted(self, repository_id: str, token: str | None) -> bool:
        return token in self._granted[repository_id]

    def note(self, request: Request) -> None:
        self.requests.append(request)
        if self._shown:
            print(request, file=self._shown, flush=True)

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; it is one time less there for the next."""
        with self._lock:
            for fault in self._faults:
                if fault.times != 0 and fault.method == method and fnmatchcase(path, fault.path):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the clients download many files at once

    def __init__(self, *arguments) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that goes away is no error of ours
            super().handle_error(request, client_address)

    def end_connections(self) -> None:
        """A kept-alive connection would be answered even after the server has stopped listening."""
        for connection in list(self._connections):
            with suppress(OSError):  # ended by itself
                connection.shutdown(socket.SHUT_RDWR)
