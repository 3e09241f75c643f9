"""Refuse a model that cannot score all documents, or let it leave some out: unscorable/{model}/accepted.json."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.documents.unscorable import accept_unscorable

    accept_unscorable(
        Path(snakemake.input.found), snakemake.params.unscorable, Path(snakemake.output.accepted)
    )


run_logged(main, snakemake)
