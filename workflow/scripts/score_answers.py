"""Score generated answers by the task's own filters and metrics: evaluations/{model}/{task}/{design}.parquet of each
design."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.documents.document import read_documents
    from cornerstone.documents.tasks import scorer_of
    from cornerstone.evaluations.scored_answers import score_answers

    documents = read_documents(snakemake.input.documents)
    scorer = scorer_of(snakemake.params.task, documents, snakemake.params.include_path)
    metric = snakemake.params.metric or documents.metrics[0]
    for generation, output in zip(snakemake.input.generations, snakemake.output.evaluations, strict=True):
        score_answers(Path(generation), documents, scorer.score, metric, Path(output))
        print(f"{output}: answers scored by {metric}")


run_logged(main, snakemake, offline=True)
