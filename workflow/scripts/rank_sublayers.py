"""Rank the sublayers of a model on each half of a task's documents: rankings/{model}/{task}.json."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.removal_orders import read_orders, write_orders
    from cornerstone.values.rankings import RankingSettings, removal_orders
    from cornerstone.values.scored_task import read_choices

    greedy, measures = (snakemake.input.get(name) for name in ("greedy", "measures"))
    orders = removal_orders(
        read_choices([Path(path) for path in snakemake.input.evaluations], Path(snakemake.input.documents)),
        RankingSettings(**snakemake.params.settings),
        measures=Path(measures) if measures else None,
        greedy=read_orders(Path(greedy)) if greedy else None,
    )
    write_orders(orders, Path(snakemake.output.orders))


run_logged(main, snakemake)
