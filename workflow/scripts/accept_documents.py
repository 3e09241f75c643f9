"""Refuse a model that cannot score all documents, or let it leave some out: unscorable/{model}.json."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.documents.unscorable import accept_unscorable

    accept_unscorable(
        [Path(path) for path in snakemake.input.found],
        Path(snakemake.output.accepted),
        skip=snakemake.params.unscorable == "skip",
    )


run_logged(main, snakemake)
