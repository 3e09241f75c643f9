"""Bring a model to the disk where it is not there yet, and note what it is made of: models/{model}.json."""

from functools import partial
from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.models.chat_template import chosen_template
    from cornerstone.models.manifest import KEPT_DIGESTS, describe_folder, write_manifest
    from cornerstone.system.errors import CornerstoneError

    model, given = snakemake.wildcards.model, snakemake.params
    manifest = Path(snakemake.output.manifest)
    digests = manifest.with_name(KEPT_DIGESTS)
    folder, commit = given.folder, None
    read_template = given.template and partial(chosen_template, **given.template)
    try:
        if folder is None:
            from cornerstone.models.download import download_model, one_at_a_time

            with one_at_a_time(manifest.with_name(".download.lock")):
                snapshot = download_model(
                    given.hub,
                    given.revision,
                    allow_remote_code=given.allow_remote_code,
                    digests=digests,
                    read_template=read_template,
                )
            folder, commit = snapshot.folder, snapshot.commit
        described = describe_folder(
            model,
            folder,
            digests,
            hub=given.hub,
            revision=commit,
            allow_remote_code=given.allow_remote_code,
            chat_template=read_template and read_template(folder),
            chat_template_args=given.template and given.template["given"],
        )
    except CornerstoneError as error:
        raise CornerstoneError(f"models.{model}: {error}") from error
    write_manifest(described, manifest)
    print(
        f"{model}: {sum(file['size'] for file in described['files']) / 1e9:.2f} GB in {described['folder']}"
    )


run_logged(main, snakemake, offline=False)
