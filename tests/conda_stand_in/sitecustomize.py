"""In each environment that the stand-in makes: a job that ends notes where it ran and what it had imported.

    IMPORTS_NOTED_IN=notes snakemake all --software-deployment-method conda     # notes/{process}.json

Python imports this by itself when it starts.
"""

import atexit
import json
import os
import sys


def note(folder):
    modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    told = {
        "script": sys.argv[0],
        "prefix": sys.prefix,
        "modules": {name: file for name, file in modules.items() if file},
    }
    with open(os.path.join(folder, f"{os.getpid()}.json"), "w") as file:
        json.dump(told, file)


if "IMPORTS_NOTED_IN" in os.environ:
    atexit.register(note, os.environ["IMPORTS_NOTED_IN"])
