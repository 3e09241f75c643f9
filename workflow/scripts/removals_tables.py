"""Say of each cornerstone whether it stays one when its mean is kept: tables/constancy.csv, removals.csv and .md."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.removals import Compared
    from cornerstone.tables.written import write_tables
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    params = snakemake.params
    rows = read_rows([Path(path) for path in snakemake.input.removals])
    compared = Compared(rows, params.top_k, Titles(**params.titles), study_score(params.score, rows["score"]))
    write_tables(tables_of(Part.REMOVALS), compared, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
