"""Say what the study will need, from the hub's metadata alone. Prints it."""

from logged import run_logged


def main(snakemake):
    from cornerstone.study.questions import answer

    answer("estimate", snakemake.params.study)


run_logged(main, snakemake, offline=False, shown=True)
