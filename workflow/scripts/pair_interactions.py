"""Work out how pairs of sublayers interact: interactions/{model}/{task}.csv."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.interactions import pair_interactions

    pair_interactions(
        [Path(path) for path in snakemake.input.evaluations],
        Path(snakemake.input.documents),
        Path(snakemake.output.interactions),
        score=snakemake.params.score,
    )


run_logged(main, snakemake)
