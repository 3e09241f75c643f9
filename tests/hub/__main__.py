"""Serve a folder until interrupted; a folder that does not exist yet gets every model and data set first."""

import signal
import sys
import threading
from pathlib import Path

from hub import DATA_SETS, MODELS, Hub, make_content


def main(folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if not folder.exists():
        make_content(folder, models=MODELS, data_sets=DATA_SETS)
    with Hub(folder, shown=sys.stderr) as hub:
        print(f"export HF_ENDPOINT={hub.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: PYTHONPATH=tests python -m hub FOLDER")
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
