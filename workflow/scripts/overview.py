"""Say how far the study is, from the files on the disk. Prints it."""

from logged import run_logged


def main(snakemake):
    from cornerstone.study.questions import answer

    answer("overview", snakemake.params.study)


run_logged(main, snakemake, shown=True)
