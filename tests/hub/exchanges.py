"""What the hub was asked and answered, and what goes wrong on the way where a test wants it."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = ("cut", "reset", "stall", "status", "short", "flip", "slow", "no_commit")


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
