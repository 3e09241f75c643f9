"""The paper's own study, from a fresh clone and the default configuration, against a hub on loopback.

    python tests/study_on_hub.py                          # a temporary folder, which is kept
    python tests/study_on_hub.py --documents 10 FOLDER    # results in FOLDER/cornerstone/results

The hub serves tiny random models of the real depth and kind under the real ids (tests/hub). Everything else is
as for anyone: `git clone`, an empty Hugging Face cache, `snakemake results/figures/pie_llama3_70b.pdf`, then
`snakemake all`. Only the number of documents is limited.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hub import DATA_SETS, PAPER_MODELS, Hub, client_environment, make_content

REPOSITORY = Path(__file__).resolve().parents[1]
TARGETS = ("results/figures/pie_llama3_70b.pdf", "all")
DOCUMENTS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or that of the command that failed."""
    given = parse(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="cornerstone-study-"))
    clone = folder / "cornerstone"
    (copy_working_tree if given.working_tree else clone_head)(clone)
    content = make_content(folder / "hub", models=PAPER_MODELS, data_sets=DATA_SETS)
    with Hub(content) as hub:
        environment = client_environment(hub.url, folder / "huggingface")
        for target in given.target or TARGETS:
            command = ["snakemake", target, "--config", f"documents={given.documents}"]
            status, seconds, cpu_seconds = run(command, clone, environment)
            print(f"{' '.join(command)}: {seconds:.0f} s ({cpu_seconds:.0f} s of CPU)", flush=True)
            if status:
                return status
        sent = sum(request.bytes_sent for request in hub.requests)
    print(f"the hub answered {len(hub.requests)} requests with {sent / 1e6:.1f} MB")
    print(f"results: {clone / 'results'}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    summary, _, details = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="a new folder (default: a temporary one)")
    parser.add_argument(
        "--documents", type=int, default=DOCUMENTS, metavar="N", help="of each task (default: %(default)s)"
    )
    parser.add_argument(
        "--target", action="append", help=f"for snakemake; may be repeated (default: {', '.join(TARGETS)})"
    )
    parser.add_argument(
        "--working-tree", action="store_true", help="the files as they are now, committed or not"
    )
    given = parser.parse_args(arguments)
    if given.folder and given.folder.exists():
        parser.error(f"{given.folder} exists: give a new folder")
    return given


def clone_head(folder: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)


def copy_working_tree(folder: Path) -> None:
    """Every file that git tracks or would track, as it is now."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, names.split("\0")):
        source = REPOSITORY / name
        if os.path.lexists(source):  # one that was removed is still listed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)


def run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, float, float]:
    """Run `snakemake ...` by this Python: exit status, seconds, and CPU seconds of all its processes."""
    started, cpu_before = time.monotonic(), _cpu_seconds()
    finished = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, stdin=subprocess.DEVNULL
    )
    return finished.returncode, time.monotonic() - started, _cpu_seconds() - cpu_before


def _cpu_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
