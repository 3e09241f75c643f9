"""Refuse a model that cannot be loaded, and find the documents of a task that its tokenizer cannot score:
unscorable/{model}/{task}.json."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.scorable import Loading, find_unscorable_documents
    from cornerstone.loading.encoding import find_unscorable
    from cornerstone.loading.load import check_loading

    find_unscorable_documents(
        Path(snakemake.input.manifest),
        Path(snakemake.input.documents),
        Path(snakemake.output.found),
        Loading(check_loading, find_unscorable),
        model=snakemake.wildcards.model,
        limit=snakemake.params.limit,
        allow_remote_code=snakemake.params.allow_remote_code,
    )


run_logged(main, snakemake)
