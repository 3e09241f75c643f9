"""Estimate every sublayer's value on a task: values/{model}/{task}.csv."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.evaluation import check_players
    from cornerstone.values.estimates import estimate_values

    evaluations = [Path(path) for path in snakemake.input.evaluations]
    for path in evaluations:
        check_players(path, snakemake.params.players)
    estimate_values(
        evaluations,
        Path(snakemake.input.documents),
        Path(snakemake.output.values),
        max_removed=snakemake.params.max_removed,
        edges=snakemake.params.edges,
        estimator=snakemake.params.estimator,
        score=snakemake.params.score,
        top_k=snakemake.params.top_k,
    )


run_logged(main, snakemake)
