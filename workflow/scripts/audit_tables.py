"""Put the audits of all models and tasks together: tables/audit.csv, audit_games.csv, audit_positions.csv."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.scores import study_score, yardstick
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.audit import Audits
    from cornerstone.tables.written import write_tables
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    games = read_rows([Path(path) for path in snakemake.input.audits])
    own = games["score"][games["score"] != yardstick().name]
    audits = Audits(
        games=games,
        positions=read_rows([Path(path) for path in snakemake.input.positions]),
        titles=Titles(**snakemake.params.titles),
        score=study_score(snakemake.params.score, own if len(own) else games["score"]),
    )
    write_tables(tables_of(Part.AUDIT), audits, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
