"""Draw the interactions of one model's pairs: figures/interactions_{model}.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.interactions import draw_interactions
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.interactions])
    for path in snakemake.output:
        draw_interactions(rows, Path(path), Titles(**snakemake.params.titles))


run_logged(main, snakemake)
