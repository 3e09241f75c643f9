"""Work out what removing runs of sublayers together costs: joint/{model}/{task}.csv."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.joint import joint_effects

    joint_effects(
        [Path(path) for path in snakemake.input.evaluations],
        Path(snakemake.input.documents),
        Path(snakemake.output.joint),
        max_removed=snakemake.params.max_removed,
        score=snakemake.params.score,
    )


run_logged(main, snakemake)
