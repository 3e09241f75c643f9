"""Refuse a model that cannot be loaded, and find the documents that its tokenizer cannot score:
unscorable/{model}/{task}.json of every task."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.scorable import Loading, find_unscorable_documents
    from cornerstone.loading.encoding import find_unscorable
    from cornerstone.loading.load import check_loading

    find_unscorable_documents(
        Path(snakemake.input.manifest),
        dict(zip(map(Path, snakemake.input.documents), map(Path, snakemake.output.found), strict=True)),
        Loading(check_loading, find_unscorable),
        model=snakemake.wildcards.model,
        limits=snakemake.params.limits,
        allow_remote_code=snakemake.params.allow_remote_code,
    )


run_logged(main, snakemake)
