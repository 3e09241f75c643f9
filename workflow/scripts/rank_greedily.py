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
    from cornerstone.shapley.removal_orders import deepest_removal
    from cornerstone.values.greedy import greedy_orders
    from cornerstone.values.rankings import RankingSettings, halves
    from cornerstone.values.scored_task import read_choices

    output, documents = Path(snakemake.output.orders), Path(snakemake.input.documents)
    settings = RankingSettings(**snakemake.params.settings)
    evaluated = read_choices([Path(path) for path in snakemake.input.evaluations], documents)
    job = EvaluationJob(
        manifest=Path(snakemake.input.manifest),
        documents=documents,
        output=output,
        model=snakemake.wildcards.model,
        task=snakemake.wildcards.task,
        design="greedy",
        players=snakemake.params.players,
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
    deepest = deepest_removal(settings.most_removed, len(evaluated.labels))
    parts = halves(evaluated, settings.seed)
    write_orders(greedy_orders(job, engine, evaluated.labels, parts, settings.score, deepest), output)


run_logged(main, snakemake)
