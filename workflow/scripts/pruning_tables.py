"""Compare rankings by the models that they prune: tables/pruning.csv, tables/pruning_areas.csv and .md."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.pruning import Curves
    from cornerstone.tables.written import write_tables
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    curves, areas = (
        read_rows([Path(path) for path in snakemake.input[name]]) for name in ("curves", "areas")
    )
    score = study_score(snakemake.params.score, areas["score"])
    pruned = Curves(curves, areas, Titles(**snakemake.params.titles), score)
    write_tables(tables_of(Part.PRUNING), pruned, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
