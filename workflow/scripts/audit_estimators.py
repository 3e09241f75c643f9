"""Compare every estimator with exact values on one task: audit/{model}/{task}.csv and audit_positions/…."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.evaluation import check_players
    from cornerstone.values.audit import audit

    check_players(snakemake.input.evaluation, snakemake.params.players)
    audit(
        Path(snakemake.input.evaluation),
        Path(snakemake.input.documents),
        Path(snakemake.output.audit),
        Path(snakemake.output.positions),
        max_removed=snakemake.params.max_removed,
        score=snakemake.params.score,
        top_k=snakemake.params.top_k,
    )


run_logged(main, snakemake)
