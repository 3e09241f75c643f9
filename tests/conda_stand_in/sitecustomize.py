"""A process that ends notes where it ran, what it had imported and, if it is a job's script, which job it was.

    IMPORTS_NOTED_IN=notes snakemake all     # notes/{process}.json

Python imports this by itself when it starts: in each environment that the stand-in makes, and elsewhere with this
folder in PYTHONPATH.
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
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if hasattr(job, "rule"):
        code = job.input.get("code", [])
        told |= {
            "rule": job.rule,
            "output": list(job.output),
            "code": [code] if isinstance(code, str) else list(code),
        }
    with open(os.path.join(folder, f"{os.getpid()}.json"), "w") as file:
        json.dump(told, file)


if "IMPORTS_NOTED_IN" in os.environ:
    atexit.register(note, os.environ["IMPORTS_NOTED_IN"])
