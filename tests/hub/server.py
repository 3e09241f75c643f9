"""A hub on 127.0.0.1 that answers what huggingface_hub, datasets and transformers ask, from a folder.

    with Hub(folder) as hub:
        hub.gate("meta-llama/Meta-Llama-3-8B", "hf_granted")
        hub.misbehave(Fault("cut", "*.safetensors", after=1000))
        ...                                  # clients with HF_ENDPOINT=hub.url, see client.py
        hub.requests                         # every request so far

Repositories are folders (repositories.py). The standard library only.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub.repositories import (
    KINDS,
    File,
    Repository,
    UnknownRepository,
    UnknownRevision,
    read_repository,
    revisions,
)

FAULTS = ("cut", "reset", "stall", "status", "short", "flip", "slow", "no_commit")
CHUNK = 1 << 16
STALL_SECONDS = 60.0
OPEN_WHEN_GATED = ("README.md",)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass
class Fault:
    """What goes wrong with the next `times` requests (None: all) whose path fits the pattern `path`.

    cut:       the connection ends after `after` bytes of the body, as if the server had gone.
    reset:     the same, with a TCP reset.
    stall:     nothing more comes after `after` bytes, and the connection stays open.
    status:    `status` is answered, with Retry-After where `retry_after` (seconds) is given.
    short:     the body is whole and well-formed but only `after` bytes long.
    flip:      one bit of the byte at `after` is wrong.
    slow:      `bytes_per_second`.
    no_commit: X-Repo-Commit is missing from the answer.
    """

    kind: str
    path: str = "*"
    times: int | None = 1
    method: str = "GET"
    after: int = 0
    status: int = 503
    retry_after: int | None = None
    bytes_per_second: float = 1e5

    def __post_init__(self) -> None:
        assert self.kind in FAULTS, self.kind


@dataclass(frozen=True)
class Request:
    """What was asked and what was answered. `with_token` says that a token was sent, never which."""

    method: str
    path: str
    query: str
    status: int
    bytes_sent: int
    range: str | None
    with_token: bool


class Refusal(Exception):
    """An answer that is no file and no listing. `code` is what makes the client's exception."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


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
        handler = type("HandlerOfThisHub", (_Handler,), {"hub": self})
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


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"  # connections are kept alive
    timeout = 300

    def log_message(self, *_: object) -> None:
        pass  # Hub.requests has it

    # Which request it is

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def _answer(self) -> None:
        self.split = urlsplit(self.path)
        self.status, self.bytes_sent = 0, 0
        try:
            self._route()
        except Refusal as refusal:
            self._refuse(refusal)
        except UnknownRepository:  # without a token the hub does not even say that there is none
            self._refuse(Refusal(404 if self.token else 401, "Repository not found", "RepoNotFound"))
        except UnknownRevision as error:
            self._refuse(Refusal(404, f"Invalid rev id: {error}", "RevisionNotFound"))
        except ConnectionError:  # the client went away
            self.close_connection = True
        with_token = self.headers.get("Authorization") is not None
        path, range_asked = unquote(self.split.path), self.headers.get("Range")
        self.hub.note(
            Request(
                self.command, path, self.split.query, self.status, self.bytes_sent, range_asked, with_token
            )
        )

    def _route(self) -> None:
        if self.token and self.hub.known_tokens is not None and self.token not in self.hub.known_tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        self.fault = self.hub.fault(self.command, unquote(self.split.path))
        if self.fault and self.fault.kind == "status":
            return self._answer_with_status(self.fault)
        match [unquote(part) for part in self.split.path.strip("/").split("/")]:  # %2F does not part
            case ["api", kind, owner, name, *rest] if kind in KINDS:
                self._answer_api(kind, f"{owner}/{name}", rest)
            case ["datasets", owner, name, "resolve", revision, *path] if path:
                self._answer_file("datasets", f"{owner}/{name}", revision, "/".join(path))
            case [owner, name, "resolve", revision, *path] if path:
                self._answer_file("models", f"{owner}/{name}", revision, "/".join(path))
            case _:
                raise Refusal(404, "Not found")

    @property
    def token(self) -> str | None:
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return token if scheme == "Bearer" else None

    def _repository(self, kind: str, repository_id: str, revision: str) -> Repository:
        if repository_id in self.hub.private:
            raise UnknownRepository(repository_id)
        return read_repository(self.hub.root, kind, repository_id, revision)

    # Listings

    def _answer_api(self, kind: str, repository_id: str, rest: list[str]) -> None:
        match rest:
            case []:
                self._send_json(self._information(self._repository(kind, repository_id, "main")))
            case ["revision", revision]:
                self._send_json(self._information(self._repository(kind, repository_id, revision)))
            case ["tree", revision, *folder]:
                self._answer_tree(self._repository(kind, repository_id, revision), "/".join(folder))
            case ["paths-info", revision]:
                paths = _paths_asked(self.body, self.headers.get("Content-Type") or "")
                self._send_json(self._repository(kind, repository_id, revision).entries(paths))
            case ["refs"]:
                self._answer_refs(kind, repository_id)
            case _:
                raise Refusal(404, "Not found")

    def _information(self, repository: Repository) -> dict:
        with_sizes = "blobs" in parse_qs(self.split.query)
        siblings = [_sibling(file, with_sizes) for file in repository.files.values()]
        information = {
            "_id": repository.commit[:24],
            "id": repository.id,
            "author": repository.id.split("/")[0],
            "sha": repository.commit,
            "private": False,
            "disabled": False,
            "gated": "manual" if self.hub.is_gated(repository.id) else False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "createdAt": "2024-01-01T00:00:00.000Z",
            "lastModified": "2024-01-01T00:00:00.000Z",
            "siblings": siblings,
            "usedStorage": sum(file.size for file in repository.files.values()),
        }
        if repository.kind == "models":
            information |= {"modelId": repository.id, **_of_model(repository)}
        return information

    def _answer_tree(self, repository: Repository, folder: str) -> None:
        if folder and folder not in repository.folders:
            raise Refusal(404, f"{folder} does not exist", "EntryNotFound")
        asked = {name: values[0] for name, values in parse_qs(self.split.query).items()}
        entries = list(repository.tree(folder, recursive=asked.get("recursive", "").lower() in ("true", "1")))
        start = int(asked.get("cursor", 0))
        end = start + int(asked.get("limit", self.hub.page))
        headers = {}
        if end < len(entries):
            more = "&".join(f"{name}={quote(value)}" for name, value in {**asked, "cursor": str(end)}.items())
            headers["Link"] = f'<{self.hub.url}{self.split.path}?{more}>; rel="next"'
        self._send_json(entries[start:end], headers=headers)

    def _answer_refs(self, kind: str, repository_id: str) -> None:
        self._repository(kind, repository_id, "main")
        branches = [
            {
                "name": name,
                "ref": f"refs/heads/{name}",
                "targetCommit": self._repository(kind, repository_id, name).commit,
            }
            for name in revisions(self.hub.root, kind, repository_id)
        ]
        self._send_json({"branches": branches, "tags": [], "converts": [], "pullRequests": []})

    # Files

    def _answer_file(self, kind: str, repository_id: str, revision: str, path: str) -> None:
        repository = self._repository(kind, repository_id, revision)
        self._check_gate(repository_id, path)
        headers = {"X-Repo-Commit": repository.commit}
        if self.fault and self.fault.kind == "no_commit":
            headers = {}
        file = repository.files.get(path)
        if file is None:
            return self._refuse(Refusal(404, "Entry not found", "EntryNotFound"), headers)
        headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.sha256:
            headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        self._send_file(file, headers)

    def _check_gate(self, repository_id: str, path: str) -> None:
        if not self.hub.is_gated(repository_id) or path in OPEN_WHEN_GATED:
            return
        restricted = f"Access to {repository_id} is restricted"
        if self.token is None:
            raise Refusal(401, f"{restricted}. You must be authenticated to access it.", "GatedRepo")
        if not self.hub.is_granted(repository_id, self.token):
            raise Refusal(403, f"{restricted} and you are not in the authorized list.", "GatedRepo")

    def _send_file(self, file: File, headers: dict[str, str]) -> None:
        content = file.location.read_bytes()
        status, start, end = 200, 0, file.size
        if asked := RANGE.fullmatch(self.headers.get("Range") or ""):
            status, (start, end) = 206, _bounds(*asked.groups(), file.size)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
            if start >= file.size:
                return self._send(416, b"", {"Content-Range": f"bytes */{file.size}"})
        self._send(status, content[start:end], {**headers, "Content-Type": "application/octet-stream"})

    # Sending

    def _send_json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        about = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        self._send(status, json.dumps(value).encode(), about)

    def _refuse(self, refusal: Refusal, headers: dict[str, str] | None = None) -> None:
        about = {"X-Error-Message": refusal.message, **(headers or {})}
        if refusal.code:
            about["X-Error-Code"] = refusal.code
        self._send_json({"error": refusal.message}, refusal.status, about)

    def _answer_with_status(self, fault: Fault) -> None:
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        self._send_json({"error": "as asked"}, fault.status, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        fault, self.fault = getattr(self, "fault", None), None
        if fault and fault.kind == "short":
            body = body[: fault.after]
        if fault and fault.kind == "flip":
            body = _flipped(body, fault.after)
        self.status = status
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        breaks_off = fault is not None and fault.kind in ("cut", "reset", "stall")
        for chunk in self._paced(body[: fault.after] if breaks_off else body, fault):
            self.wfile.write(chunk)
            self.bytes_sent += len(chunk)
        if breaks_off:
            self._break_off(fault)

    def _paced(self, body: bytes, fault: Fault | None) -> Iterator[bytes]:
        slow = fault is not None and fault.kind == "slow"
        size = max(1, int(fault.bytes_per_second / 10)) if slow else CHUNK
        for start in range(0, len(body), size):
            yield body[start : start + size]
            if slow:
                time.sleep(0.1)

    def _break_off(self, fault: Fault) -> None:
        if fault.kind == "stall":
            self.hub.stopping.wait(STALL_SECONDS)
        if fault.kind == "reset":  # with nothing to linger for, closing is a reset
            time.sleep(0.1)  # lets what was sent arrive: a reset throws away what the client has not read
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _sibling(file: File, with_sizes: bool) -> dict:
    sibling = {"rfilename": file.path}
    if with_sizes:
        sibling |= {"size": file.size, "blobId": file.blob_id}
        if file.lfs:
            sibling["lfs"] = file.lfs
    return sibling


def _of_model(repository: Repository) -> dict:
    """What the hub reads from a model's own files: its architecture, and its parameters by data type."""
    found = {}
    if "config.json" in repository.files:
        config = json.loads(repository.files["config.json"].location.read_text())
        kept = ("architectures", "model_type", "quantization_config", "auto_map")
        found["config"] = {name: config[name] for name in kept if name in config}
    parameters: dict[str, int] = {}
    for file in repository.files.values():
        if file.path.endswith(".safetensors"):
            for dtype, count in _parameters(file.location):
                parameters[dtype] = parameters.get(dtype, 0) + count
    if parameters:
        found["safetensors"] = {"parameters": parameters, "total": sum(parameters.values())}
    return found


def _parameters(location: Path) -> Iterator[tuple[str, int]]:
    """(data type, number) of each tensor, from a safetensors file's header; of a broken file, nothing."""
    content = location.read_bytes()
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except ValueError:
        return
    for name, tensor in header.items():
        if name != "__metadata__":
            count = 1
            for length in tensor["shape"]:
                count *= length
            yield tensor["dtype"], count


def _paths_asked(body: bytes, content_type: str) -> list[str]:
    if content_type.startswith("application/json"):
        return json.loads(body)["paths"]
    return parse_qs(body.decode()).get("paths", [])


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """A range's first byte and the one behind its last: "5-9", "5-" and "-5" are all asked for."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _flipped(body: bytes, position: int) -> bytes:
    return body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
