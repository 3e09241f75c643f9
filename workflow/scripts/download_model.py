"""Note what a model is made of, file by file: models/{model}.json."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.errors import CornerstoneError
    from cornerstone.manifests import describe_folder, write_manifest

    model, folder = snakemake.wildcards.model, snakemake.params.folder
    if folder is None:
        raise CornerstoneError(
            f"models.{model}: this version cannot download {snakemake.params.hub} from the hub yet; "
            "download it yourself and give its folder in place of hub"
        )
    manifest = Path(snakemake.output.manifest)
    cache = manifest.with_name(".digests.json")  # of large files, so that they are read once
    write_manifest(describe_folder(model, folder, cache), manifest)


run_logged(main, snakemake, offline=False)
