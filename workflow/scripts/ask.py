"""Answer a question about the study on the terminal: what it will need, how far it is, or how precise."""

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.study.driver import answer

    answer(snakemake.params.question, snakemake.params.study)


# Only what the study will need is asked of the hub.
run_logged(main, snakemake, offline=snakemake.params.question != "estimate", shown=True)
