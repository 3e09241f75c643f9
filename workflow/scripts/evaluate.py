"""Evaluate a model's coalitions on a task: evaluations/{model}/{task}/{design}.parquet, or one shard of it."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.evaluate import evaluate
    from cornerstone.evaluations.identity import ENGINE_VERSION
    from cornerstone.evaluations.job import run_evaluation_job
    from cornerstone.evaluations.plan import Engine, EvaluationJob
    from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
    from cornerstone.loading.load import load_model

    asked, output = snakemake.wildcards, snakemake.output
    is_shard = hasattr(asked, "shard")
    distances = snakemake.params.pair_distances
    run_evaluation_job(
        EvaluationJob(
            manifest=Path(snakemake.input.manifest),
            documents=Path(snakemake.input.documents),
            output=Path(output[0]).parents[1] / f"{asked.design}.parquet" if is_shard else Path(output[0]),
            model=asked.model,
            task=asked.task,
            design=asked.design,
            max_removed=snakemake.params.max_removed,
            pair_distances=distances and tuple(distances),
            document_pairs=snakemake.params.document_pairs,
            seed=snakemake.params.seed,
            limit=snakemake.params.limit,
            skip_unscorable=snakemake.resources.unscorable == "skip",
            shard=(int(asked.shard), int(asked.shards)) if is_shard else None,
            note=Path(output[0]) if is_shard else None,
            shard_notes=tuple(map(Path, snakemake.input.get("shards", ()))),
            dtype=snakemake.params.dtype,
            device=snakemake.resources.device,
            placement=snakemake.resources.placement,
            allow_remote_code=snakemake.params.allow_remote_code,
            memory_bytes=snakemake.resources.memory_bytes or None,
        ),
        Engine(load_encoder, find_unscorable, encode_documents, load_model, evaluate, ENGINE_VERSION),
    )


run_logged(main, snakemake)
