"""Evaluate a model's coalitions on a task: evaluations/{model}/{task}/{design}.parquet."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.evaluation_job import EvaluationJob, run_evaluation_job

    run_evaluation_job(
        EvaluationJob(
            manifest=Path(snakemake.input.manifest),
            documents=Path(snakemake.input.documents),
            output=Path(snakemake.output.evaluation),
            model=snakemake.wildcards.model,
            task=snakemake.wildcards.task,
            design=snakemake.wildcards.design,
            max_removed=snakemake.params.max_removed,
            limit=snakemake.params.limit,
            dtype=snakemake.params.dtype,
            device=snakemake.resources.device,
            allow_remote_code=snakemake.params.allow_remote_code,
            memory_bytes=snakemake.resources.memory_bytes or None,
        )
    )


run_logged(main, snakemake)
