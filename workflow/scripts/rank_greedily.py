"""Remove the sublayer that costs least, again and again, on each half of a task's documents: the order of it."""

from functools import cache
from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.evaluate import evaluate
    from cornerstone.evaluations.identity import ENGINE_VERSION
    from cornerstone.evaluations.plan import Engine, EvaluationJob
    from cornerstone.evaluations.removal_orders import write_orders
    from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
    from cornerstone.loading.load import load_model
    from cornerstone.values.greedy import greedy_orders

    output, settings = Path(snakemake.output.orders), snakemake.params.settings
    means = snakemake.input.get("means")
    job = EvaluationJob(
        manifest=Path(snakemake.input.manifest),
        documents=Path(snakemake.input.documents),
        output=output,
        model=snakemake.wildcards.model,
        task=snakemake.wildcards.task,
        design="greedy",
        seed=settings["seed"],
        documents_per_draw=settings["documents_per_draw"],
        players=snakemake.params.players,
        removal="mean" if means else "zero",
        means=Path(means) if means else None,
        limit=snakemake.params.limit,
        skip_unscorable=snakemake.resources.unscorable == "skip",
        dtype=snakemake.params.dtype,
        device=snakemake.resources.device,
        placement=snakemake.resources.placement,
        allow_remote_code=snakemake.params.allow_remote_code,
        memory_bytes=snakemake.resources.memory_bytes or None,
    )
    engine = Engine(
        cache(load_encoder), find_unscorable, encode_documents, cache(load_model), evaluate, ENGINE_VERSION
    )
    write_orders(greedy_orders(job, engine, settings["score"], settings["most_removed"]), output)


run_logged(main, snakemake)
