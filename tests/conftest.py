"""Settings of all tests."""

import os
import sys

from hypothesis import settings

# A busy machine is slow now and then: how long an example takes says nothing.
settings.register_profile("cornerstone", deadline=None)
settings.load_profile("cornerstone")

LONGEST_FIRST = (
    "test_workflow",
    "test_code_inputs",
    "test_extensions",
    "test_one_file_each",
    "test_readme",
    "test_tasks_from_hub",
    "test_download",
    "test_least_work",
    "test_streamed_numbers",
    "test_hub",
    "test_faulty_data_sets",
)
"""A worker takes a file at a time (--dist loadfile): a long one that comes last keeps the others waiting."""


# Tests start hundreds of processes, and each would compile the whole library anew where Python may not keep what it
# compiled; each worker would rewrite all asserts.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config):
    """No SLURM but for its own tests: each start of Snakemake asks the controller, and waits 9 s where none is up."""
    if "slurm" not in config.option.markexpr.replace("not slurm", ""):
        os.environ["SLURM_CONF"] = os.devnull


def pytest_collection_modifyitems(items):
    order = {f"{name}.py": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
