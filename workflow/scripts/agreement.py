"""Draw one model's effects in two scores against each other: figures/agreement_{model}.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.agreement import draw_agreement
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.agreement])
    for path in snakemake.output:
        draw_agreement(rows, Path(path), Titles(**snakemake.params.titles))


run_logged(main, snakemake)
