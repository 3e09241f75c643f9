"""Hold every score's effects of single removals side by side: agreement/{model}/{task}.csv."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.agreement import compare_scores

    compare_scores(
        Path(snakemake.input.evaluation),
        Path(snakemake.input.documents),
        Path(snakemake.output.agreement),
        score=snakemake.params.score,
    )


run_logged(main, snakemake)
