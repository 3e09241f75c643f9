"""Compare cheap measures with the values and effects of every model and task: tables/cheap_measures*.csv and .md."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.cheap_measures import measured_of
    from cornerstone.tables.written import write_tables
    from cornerstone.values.cheap_measures import read_compared
    from cornerstone.values.scored_task import by_model_and_task
    from cornerstone.values.side_by_side import TableSettings, unshared_documents
    from cornerstone.values.titles import Titles

    params = snakemake.params
    evaluations, documents, measures = (
        [Path(path) for path in snakemake.input[name]] for name in ("evaluations", "documents", "measures")
    )
    of_pair = {(path.parent.name, path.stem): path for path in measures}
    pairs = by_model_and_task(evaluations, documents)
    unshared = unshared_documents(files[0] for files, _ in pairs)
    names = ("max_removed", "edges", "estimator", "score")
    settings = TableSettings(**{name: params[name] for name in names})
    compared = [
        read_compared(files, asked, of_pair[files[0].parts[-3], files[0].parts[-2]], settings, unshared)
        for files, asked in pairs
    ]
    score = study_score(params.score, [one.metric for one in compared])
    source = measured_of(compared, Titles(**params.titles), score)
    write_tables(tables_of(Part.MEASURES), source, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
