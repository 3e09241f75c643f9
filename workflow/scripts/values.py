"""Draw one model's signed values (figure 6): figures/values_{model}.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.values import draw_values
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.values])
    for path in snakemake.output:
        draw_values(rows, Path(path), Titles(**snakemake.params.titles))


run_logged(main, snakemake)
