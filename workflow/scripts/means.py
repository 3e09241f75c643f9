"""Work out what each sublayer of a model adds on average over the calibration documents: means/{model}.npz."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.calibration import mean_contributions
    from cornerstone.evaluations.means_job import Calibration, MeansJob, run_means_job
    from cornerstone.loading.encoding import encode_documents, find_unscorable, load_encoder
    from cornerstone.loading.load import load_model

    job = MeansJob(
        manifest=Path(snakemake.input.manifest),
        documents=Path(snakemake.input.documents),
        output=Path(snakemake.output.means),
        model=snakemake.wildcards.model,
        dtype=snakemake.params.dtype,
        device=snakemake.resources.device,
        placement=snakemake.resources.placement,
        allow_remote_code=snakemake.params.allow_remote_code,
        memory_bytes=snakemake.resources.memory_bytes or None,
    )
    run_means_job(
        job, Calibration(load_encoder, find_unscorable, encode_documents, load_model, mean_contributions)
    )


run_logged(main, snakemake)
