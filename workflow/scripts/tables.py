"""Write the study's tables: tables/{scores,shares,drops,values,ablation}.{csv,md}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.tables import Titles, write_tables

    write_tables(
        [Path(path) for path in snakemake.input.values],
        [Path(path) for path in snakemake.input.ablation],
        Path(snakemake.output.csv[0]).parent,
        top_k=snakemake.params.top_k,
        titles=Titles(**snakemake.params.titles),
    )


run_logged(main, snakemake)
