"""Build a task's documents from lm-eval's own prompts: documents/{task}.parquet."""

from cornerstone.system.hub_probe import hub_answers
from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.documents.document import check_same_items, read_documents, write_documents
    from cornerstone.documents.tasks import build_documents

    document_set = build_documents(
        snakemake.params.task,
        name=snakemake.wildcards.get("task", "calibration"),
        data=snakemake.input.data or None,
        shots=snakemake.params.shots,
        sample=snakemake.params.sample,
        seed=snakemake.params.seed,
        limit=snakemake.params.limit,
        include_path=snakemake.params.include_path,
        generate=snakemake.params.get("generate", False),
        **(snakemake.params.prompting or {}),
    )
    for others in snakemake.input.same_items:
        of_one_file = bool(snakemake.input.data)
        check_same_items(document_set, read_documents(others), of_one_file)
    write_documents(document_set, snakemake.output.documents)
    print(
        f"{document_set.task}: {len(document_set.documents)} documents of {document_set.source}, split "
        f"{document_set.split}; task version {document_set.version}, lm-eval {document_set.lm_eval_version}, "
        f"digest {document_set.digest[:12]}"
    )


run_logged(main, snakemake, offline=bool(snakemake.input.data) or not hub_answers())
