"""A hub on loopback for the tests: the real ids, served to the real client libraries, with faults on request.

folder = make_content(tmp_path, models=["meta-llama/Meta-Llama-3-8B"], data_sets=DATA_SETS)
with Hub(folder) as hub:
    subprocess.run(command, env=client_environment(hub.url, tmp_path / "home"))
    hub.requests                              # what was asked, and what was sent

PYTHONPATH=tests python -m hub FOLDER         # makes all content if FOLDER is new, prints the address
"""

from hub.client import client_environment
from hub.content import DATA_SETS, MODELS, PAPER_MODELS, make_content
from hub.exchanges import Fault, Request
from hub.server import Hub, address_where_nothing_listens

__all__ = [
    "DATA_SETS",
    "MODELS",
    "PAPER_MODELS",
    "Fault",
    "Hub",
    "Request",
    "address_where_nothing_listens",
    "client_environment",
    "make_content",
]
