"""Whether the Hugging Face hub can be reached, asked before its libraries are imported.

    hub_answers()    # False within seconds where there is no network

datasets tries a hub that is down for 23 s, for each data set. With HF_HUB_OFFLINE set before its import it
goes to its cache at once.
"""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request

DEFAULT_ENDPOINT = "https://huggingface.co"
TRIES = 3
SECONDS = 5.0


def hub_answers() -> bool:
    """Whether anything answers at HF_ENDPOINT, be it with an error; the proxy variables are respected.

    False also where HF_HUB_OFFLINE forbids to ask.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    return any(_answers(os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT, wait) for wait in range(TRIES))


def _answers(address: str, wait: float) -> bool:
    time.sleep(wait)
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:  # certificates are for the hub's own library to judge
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, ValueError, http.client.HTTPException):  # the last: no address, or another protocol
        return False
