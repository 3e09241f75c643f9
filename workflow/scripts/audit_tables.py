"""Put the audits of all models and tasks together: tables/audit.csv, audit_games.csv, audit_positions.csv."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.tables.audit import write_audit
    from cornerstone.values.results import Titles, read_rows

    write_audit(
        read_rows([Path(path) for path in snakemake.input.audits]),
        read_rows([Path(path) for path in snakemake.input.positions]),
        Path(snakemake.output.csv[0]).parent,
        Titles(**snakemake.params.titles),
    )


run_logged(main, snakemake)
