"""Compare removal by zero and by mean, sublayer by sublayer: removals/{model}/{task}.csv."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.values.removals import compare_removals

    params = snakemake.params
    compare_removals(
        {name: [Path(path) for path in snakemake.input[name]] for name in ("zero", "mean")},
        Path(snakemake.input.documents),
        Path(snakemake.output.removals),
        max_removed=params.max_removed,
        edges=params.edges,
        estimator=params.estimator,
        score=params.score,
    )


run_logged(main, snakemake)
