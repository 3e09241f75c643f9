"""Work out the interaction indices of every model and task: tables/interaction_indices.csv and .md."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    import pandas as pd

    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.interaction_indices import Indices
    from cornerstone.tables.written import write_tables
    from cornerstone.values.interaction_indices import index_table
    from cornerstone.values.scored_task import by_model_and_task, read_scores
    from cornerstone.values.titles import Titles

    params = snakemake.params
    evaluations, documents = (map(Path, snakemake.input[name]) for name in ("evaluations", "documents"))
    rows = [
        index_table(read_scores(files, asked, params.score))
        for files, asked in by_model_and_task(evaluations, documents)
    ]
    table = pd.concat(rows, ignore_index=True)
    indices = Indices(table, Titles(**params.titles), study_score(params.score, table["score"]))
    write_tables(tables_of(Part.OWN), indices, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
