"""Write the pip lists of envs/ anew: what each environment's scripts import, and what that needs, as pinned.

    python tests/write_environments.py

For when a version in requirements.txt or an import has changed; the rest of each file stays as it is.
"""

from __future__ import annotations

from pathlib import Path

from packaging.utils import canonicalize_name

from rule_imports import (
    NOT_IMPORTED,
    ONLY_WITH_CUDA,
    REPOSITORY,
    environments,
    imported_packages,
    with_what_they_need,
)


def pin_lines() -> dict[str, str]:
    """The lines of requirements.txt by package, as they are spelt there."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line for line in lines if "==" in line}


def pip_list(environment: str) -> str:
    """The indented lines below `- pip:`."""
    lines = pin_lines()
    direct = imported_packages(environment) | NOT_IMPORTED.get(environment, set())
    needed = {name for name in with_what_they_need(direct) - direct if not ONLY_WITH_CUDA.match(name)}
    listed = [f"- {lines[name]}" for name in sorted(direct)]
    listed += ["# What these need:", *(f"- {lines[name]}" for name in sorted(needed))]
    return "".join(f"      {line}\n" for line in listed)


def write(path: Path) -> None:
    head, rule, _ = path.read_text().partition("  - pip:\n")
    path.write_text(head + rule + pip_list(path.stem))


if __name__ == "__main__":
    for name in environments():
        write(REPOSITORY / "envs" / f"{name}.yaml")
