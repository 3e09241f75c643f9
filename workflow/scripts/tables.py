"""Write the study's tables: tables/{name}.csv and .md, what the data say of the paper's claims among them."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.tables.written import study_tables, write_tables
    from cornerstone.values.published import Published
    from cornerstone.values.results import Results, read_measured
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    def paths(name):
        return [Path(path) for path in snakemake.input[name]]

    params = snakemake.params
    documents = {path.stem: path for path in paths("documents")}
    designs = {}  # the files of each model × task
    for path in paths("evaluations"):
        designs.setdefault(path.parent, []).append(path)
    measured = read_measured(
        list(designs.values()),
        [documents[folder.name] for folder in designs],
        max_removed=params.max_removed,
        edges=params.edges,
        estimator=params.estimator,
        score=params.score,
    )
    results = Results(
        values=read_rows(paths("values")),
        ablation=read_rows(paths("ablation")),
        joint=read_rows(paths("joint")),
        agreement=read_rows(paths("agreement")),
        interactions=read_rows(paths("interactions")),
        measured=measured,
        top_k=params.top_k,
        margin=params.margin,
        published=Published(params.paper, params.ids, params.lm_eval_tasks, params.score),
        titles=Titles(**params.titles),
    )
    write_tables(study_tables(), results, Path(snakemake.output.csv[0]).parent)


run_logged(main, snakemake)
