"""Build a task's documents from lm-eval's own prompts: documents/{task}.parquet."""

from logged import run_logged


def main(snakemake):
    from cornerstone.documents import write_documents
    from cornerstone.tasks import build_documents

    document_set = build_documents(
        snakemake.params.task,
        name=snakemake.wildcards.task,
        data=snakemake.input.data or None,
        shots=snakemake.params.shots,
        limit=snakemake.params.limit,
    )
    write_documents(document_set, snakemake.output.documents)
    print(f"{document_set.task}: {len(document_set.documents)} documents from {document_set.source}")


run_logged(main, snakemake, offline=bool(snakemake.input.data))
