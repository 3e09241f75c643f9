"""Say how wide a study's intervals are so far, and how many documents narrower ones take. Prints it."""

from logged import run_logged


def main(snakemake):
    from cornerstone.study.questions import answer

    answer("precision", snakemake.params.study)


run_logged(main, snakemake, shown=True)
