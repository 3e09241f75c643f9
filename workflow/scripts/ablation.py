"""Draw one model's scores after single removals (figures 3-5): figures/ablation_{model}.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.ablation import draw_ablation
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.ablation])
    for path in snakemake.output:
        draw_ablation(rows, Path(path), Titles(**snakemake.params.titles))


run_logged(main, snakemake)
