"""Hand what was accepted to the evaluations: unscorable/{model}/left_out.json."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.documents.unscorable import read_unscorable, write_unscorable

    write_unscorable(read_unscorable(Path(snakemake.input.accepted)), Path(snakemake.output.left_out))


run_logged(main, snakemake)
