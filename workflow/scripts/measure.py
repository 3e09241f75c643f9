"""Measure a model cheaply on all tasks, in one pass of the full model: measures/{model}/{task}.parquet."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.measure import measure
    from cornerstone.evaluations.identity import ENGINE_VERSION
    from cornerstone.evaluations.measure_job import MeasureJob, run_measure_job
    from cornerstone.evaluations.plan import Engine
    from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
    from cornerstone.loading.load import load_model
    from cornerstone.shapley.players import blocks_together

    params, resources = snakemake.params, snakemake.resources
    files = zip(map(Path, snakemake.input.documents), map(Path, snakemake.output.measures), strict=True)
    job = MeasureJob(
        manifest=Path(snakemake.input.manifest),
        outputs=dict(files),
        model=snakemake.wildcards.model,
        limits=params.limits,
        blocks_together=blocks_together(params.groups),
        skip_unscorable=resources.unscorable == "skip",
        dtype=params.dtype,
        device=resources.device,
        placement=resources.placement,
        allow_remote_code=params.allow_remote_code,
        memory_bytes=resources.memory_bytes or None,
    )
    engine = Engine(load_encoder, find_unscorable, encode_documents, load_model, measure, ENGINE_VERSION)
    run_measure_job(job, engine)


run_logged(main, snakemake)
