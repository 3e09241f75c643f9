"""Compare given answers with generated ones on the same items, for every model and pair of tasks: tables/both_ways*."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.claims.both_ways import claims_of
    from cornerstone.scores import study_score
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.both_ways import both_ways_of
    from cornerstone.tables.written import write_tables
    from cornerstone.values.both_ways import both_ways
    from cornerstone.values.results import cornerstones
    from cornerstone.values.rows import read_rows
    from cornerstone.values.scored_task import by_model_and_task, read_choices
    from cornerstone.values.side_by_side import on_shared, unshared_documents
    from cornerstone.values.titles import Titles

    params = snakemake.params
    evaluations, documents, values = (
        [Path(path) for path in snakemake.input[name]] for name in ("evaluations", "documents", "values")
    )
    unshared = unshared_documents(evaluations)
    read = {
        (files[0].parts[-3], asked.stem): on_shared(read_choices(files, asked), unshared)
        for files, asked in by_model_and_task(evaluations, documents)
    }
    compared = [
        both_ways(read[model, given], read[model, generating], params.score)
        for model in dict.fromkeys(model for model, _ in read)
        for given, generating in params.pairs
    ]
    rows = read_rows(values)
    score = study_score(params.score, rows["score"])
    titles = Titles(**params.titles)
    claims = claims_of(compared, cornerstones(rows, params.top_k), params.margin)
    source = both_ways_of(compared, claims, titles, score)
    write_tables(tables_of(Part.BOTH_WAYS), source, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
