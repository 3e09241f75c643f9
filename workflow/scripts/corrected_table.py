"""Hold the estimators in use against corrected values on every model and task: tables/corrected.csv and .md."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    import pandas as pd

    from cornerstone.scores import SCORES
    from cornerstone.tables.corrected import Judged
    from cornerstone.tables.written import corrected_tables, write_tables
    from cornerstone.values.corrected import judged_table
    from cornerstone.values.scored_task import read_scores
    from cornerstone.values.titles import Titles

    params = snakemake.params
    documents = {Path(path).stem: Path(path) for path in snakemake.input.documents}
    designs = {}  # the files of each model × task
    for path in map(Path, snakemake.input.evaluations):
        designs.setdefault(path.parent, []).append(path)
    rows = [
        judged_table(
            read_scores(files, documents[folder.name], params.score),
            params.estimators,
            params.max_removed,
            params.edges,
        )
        for folder, files in designs.items()
    ]
    judged = Judged(pd.concat(rows, ignore_index=True), Titles(**params.titles), SCORES[params.score])
    write_tables(corrected_tables(), judged, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
