"""Put the audits of all models and tasks together: tables/audit.csv, audit_games.csv, audit_positions.csv."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.scores import SCORES
    from cornerstone.tables.audit import Audits
    from cornerstone.tables.written import audit_tables, write_tables
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    audits = Audits(
        games=read_rows([Path(path) for path in snakemake.input.audits]),
        positions=read_rows([Path(path) for path in snakemake.input.positions]),
        titles=Titles(**snakemake.params.titles),
        score=SCORES[snakemake.params.score],
    )
    write_tables(audit_tables(), audits, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
