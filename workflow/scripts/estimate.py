"""Say what the study will need, from the hub's metadata alone. Prints it."""

import os

from logged import run_logged


def main(snakemake):
    from cornerstone.hub_probe import hub_answers

    if not hub_answers():  # then datasets would wait 23 s for each data set
        os.environ["HF_HUB_OFFLINE"] = "1"
    from cornerstone.study_estimate import print_estimate

    print_estimate(snakemake.params.study)


run_logged(main, snakemake, offline=False, shown=True)
