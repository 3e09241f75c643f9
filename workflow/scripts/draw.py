"""Draw one figure: figures/{figure}.{pdf,png,svg}, the same drawing in each format."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.figures import FIGURES
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    figure = FIGURES[snakemake.params.name]
    rows = read_rows([Path(path) for path in snakemake.input.rows]) if figure.reads else None
    for path in snakemake.output:
        figure.draw(rows, Path(path), Titles(**snakemake.params.titles), **snakemake.params.settings)


run_logged(main, snakemake)
