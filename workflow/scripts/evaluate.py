"""Evaluate a model's coalitions on a task: evaluations/{model}/{task}/{design}.parquet of each design, or one shard."""

from functools import cache
from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.evaluate import evaluate
    from cornerstone.engine.generate import generate
    from cornerstone.evaluations.identity import ENGINE_VERSION
    from cornerstone.evaluations.job import run_evaluation_job
    from cornerstone.evaluations.plan import Engine, EvaluationJob
    from cornerstone.evaluations.removal_orders import read_orders
    from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
    from cornerstone.loading.load import load_model

    asked = snakemake.wildcards
    is_shard = hasattr(asked, "shard")
    folder = Path(snakemake.output[0]).parents[1 if is_shard else 0]
    notes = snakemake.output if is_shard else snakemake.input.get("shards", ())
    designs = snakemake.params.designs
    # A design's file, whatever removal its name tells: "ablation.mean.parquet".
    outputs = {} if is_shard else {Path(path).name.partition(".")[0]: Path(path) for path in snakemake.output}
    means = snakemake.input.get("means")
    # The designs share the model: what is loaded for one stays for the next.
    engine = Engine(
        cache(load_encoder),
        find_unscorable,
        encode_documents,
        cache(load_model),
        evaluate,
        ENGINE_VERSION,
        generate,
    )
    orders = snakemake.input.get("orders")
    listed = read_orders(Path(orders)).of_documents() if orders else None
    for design, settings in designs.items():
        distances = settings["pair_distances"] and tuple(settings["pair_distances"])
        of_design = [Path(note) for note in notes if Path(note).parent.name == f"{design}.shards"]
        job = EvaluationJob(
            manifest=Path(snakemake.input.manifest),
            documents=Path(snakemake.input.documents),
            output=outputs.get(design, folder / f"{design}.parquet"),
            model=asked.model,
            task=asked.task,
            design=design,
            **settings | {"pair_distances": distances},
            listed=listed,
            means=Path(means) if means else None,
            limit=snakemake.params.limit,
            skip_unscorable=snakemake.resources.unscorable == "skip",
            shard=(int(asked.shard), int(asked.shards)) if is_shard else None,
            note=of_design[0] if is_shard else None,
            shard_notes=() if is_shard else tuple(of_design),
            dtype=snakemake.params.dtype,
            device=snakemake.resources.device,
            placement=snakemake.resources.placement,
            allow_remote_code=snakemake.params.allow_remote_code,
            memory_bytes=snakemake.resources.memory_bytes or None,
        )
        run_evaluation_job(job, engine)


run_logged(main, snakemake)
