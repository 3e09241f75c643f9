"""Write the study's tables: tables/{name}.csv and .md, what the data say of the paper's claims among them."""

from pathlib import Path

from cornerstone.system.logged import run_logged

ROWS = ("values", "ablation", "joint", "agreement", "interactions")
"""The CSV files of each model and task that the tables are made of."""


def main(snakemake):
    from cornerstone.tables import Part, tables_of
    from cornerstone.tables.written import write_tables
    from cornerstone.values.published import Published
    from cornerstone.values.results import Results, read_measured, read_perplexities
    from cornerstone.values.rows import read_rows
    from cornerstone.values.scored_task import by_model_and_task
    from cornerstone.values.side_by_side import TableSettings, shared_rows, unshared_documents
    from cornerstone.values.titles import Titles

    def paths(name):
        return [Path(path) for path in snakemake.input[name]]

    params = snakemake.params
    files, asked = zip(*by_model_and_task(paths("evaluations"), paths("documents")), strict=True)
    unshared = unshared_documents(of_model[0] for of_model in files)
    measured = read_measured(
        files,
        asked,
        max_removed=params.max_removed,
        edges=params.edges,
        estimator=params.estimator,
        score=params.score,
        unshared=unshared,
    )
    rows = {name: read_rows(paths(name)) for name in ROWS}
    settings = {
        name: params[name] for name in ("max_removed", "edges", "estimator", "score", "top_k", "margin")
    }
    results = Results(
        **shared_rows(rows, files, asked, unshared, TableSettings(**settings)),
        measured=measured,
        perplexities=read_perplexities(files, asked, unshared),
        top_k=params.top_k,
        margin=params.margin,
        published=Published(params.paper, params.ids, params.lm_eval_tasks, params.score),
        titles=Titles(**params.titles),
        corrected=read_rows(paths("corrected")) if snakemake.input.corrected else None,
    )
    write_tables(tables_of(Part.STUDY), results, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
