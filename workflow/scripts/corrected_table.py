"""Compare the estimators in use with corrected values on every model and task: tables/corrected*.csv and .md."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    import pandas as pd

    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.corrected import Judged
    from cornerstone.tables.written import write_tables
    from cornerstone.values.corrected import corrected_rows
    from cornerstone.values.scored_task import by_model_and_task, read_scores
    from cornerstone.values.titles import Titles

    params = snakemake.params
    evaluations, documents = (map(Path, snakemake.input[name]) for name in ("evaluations", "documents"))
    rows = [
        corrected_rows(
            read_scores(files, asked, params.score), params.estimators, params.max_removed, params.edges
        )
        for files, asked in by_model_and_task(evaluations, documents)
    ]
    table = pd.concat(rows, ignore_index=True)
    judged = Judged(table, Titles(**params.titles), study_score(params.score, table["score"]))
    write_tables(tables_of(Part.CORRECTED), judged, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
