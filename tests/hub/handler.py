"""How the hub answers a request: listings, files, refusals, and the faults that a test asked for."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from hub.exchanges import Fault, Request
from hub.information import information
from hub.repositories import (
    KINDS,
    File,
    Repository,
    UnknownRepository,
    UnknownRevision,
    read_repository,
    revisions,
)

if TYPE_CHECKING:
    from hub.server import Hub

CHUNK = 1 << 16
STALL_SECONDS = 60.0
OPEN_WHEN_GATED = ("README.md",)
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Refusal(Exception):
    """An answer that is no file and no listing. `code` is what makes the client's exception."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; `hub` is the Hub that it asks."""

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
                self._answer_information(self._repository(kind, repository_id, "main"))
            case ["revision", revision]:
                self._answer_information(self._repository(kind, repository_id, revision))
            case ["tree", revision, *folder]:
                self._answer_tree(self._repository(kind, repository_id, revision), "/".join(folder))
            case ["paths-info", revision]:
                paths = _paths_asked(self.body, self.headers.get("Content-Type") or "")
                self._send_json(self._repository(kind, repository_id, revision).entries(paths))
            case ["refs"]:
                self._answer_refs(kind, repository_id)
            case _:
                raise Refusal(404, "Not found")

    def _answer_information(self, repository: Repository) -> None:
        gated, with_sizes = self.hub.is_gated(repository.id), "blobs" in parse_qs(self.split.query)
        self._send_json(information(repository, gated, with_sizes))

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
