"""Draw the shares of all models, models × tasks (figure 2): figures/pie_all.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.pie import draw_pies
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.values])
    for path in snakemake.output:
        draw_pies(rows, Path(path), Titles(**snakemake.params.titles), snakemake.params.top_k)


run_logged(main, snakemake)
