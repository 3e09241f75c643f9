"""Downloads as a machine of its own makes them: in a process, with a Hugging Face cache of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hub import client_environment

ROOT = Path(__file__).parents[1]
LLAMA = "meta-llama/Meta-Llama-3-8B"
DRIVER = """
import json, shutil, sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
import cornerstone.system.hub
from cornerstone.models.chat_template import chosen_template
from cornerstone.models.download import download_model
from cornerstone.system.errors import CornerstoneError

cornerstone.system.hub.WAITS = (0.05, 0.05, 0.05)
asked = json.loads(sys.argv[1])
if "free" in asked:
    shutil.disk_usage = lambda path: SimpleNamespace(free=asked["free"])
digests = Path(asked["digests"]) if "digests" in asked else None
options = {"allow_remote_code": asked["code"], "digests": digests}
if "template" in asked:
    options["read_template"] = partial(chosen_template, name=asked["template"])
try:
    found = download_model(asked["id"], asked["revision"], **options)
    print(json.dumps({"folder": str(found.folder), "commit": found.commit}))
except CornerstoneError as error:
    print(json.dumps({"error": str(error)}))
"""


@dataclass
class Client:
    """A machine with an empty Hugging Face cache."""

    url: str
    home: Path

    def start(
        self,
        model: str = LLAMA,
        revision: str = "main",
        token=None,
        code=None,
        environment=(),
        before=(),
        **more,
    ):
        """before: a command that runs the one that it is given."""
        asked = json.dumps({"id": model, "revision": revision, "code": code, **more})
        variables = {
            "PYTHONPATH": str(ROOT / "workflow"),
            "HF_HUB_DOWNLOAD_TIMEOUT": "2",
            **dict(environment),
        }
        return subprocess.Popen(
            [*before, sys.executable, "-c", DRIVER, asked],
            env=client_environment(self.url, self.home, token, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def download(self, *arguments, **keywords) -> dict:
        """What came of it: {"folder", "commit"} or {"error"}; `said` has all that was printed."""
        output, errors = self.start(*arguments, **keywords).communicate(timeout=600)
        lines = output.splitlines()
        assert lines, errors
        return {**json.loads(lines[-1]), "said": output + errors}

    def error(self, *arguments, **keywords) -> str:
        message = self.download(*arguments, **keywords)["error"]
        assert "\n" not in message
        return message

    def partial_files(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.name.endswith(".incomplete")]
