"""Draw the sums of values by kind and by depth of all models: figures/totals_all.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.totals import draw_totals
    from cornerstone.scores import SCORES
    from cornerstone.values.results import Titles, read_rows

    rows, unit = read_rows([Path(snakemake.input.totals)]), SCORES[snakemake.params.score].unit
    for path in snakemake.output:
        draw_totals(rows, Path(path), Titles(**snakemake.params.titles), unit)


run_logged(main, snakemake)
