"""Draw what removing a sublayer is (figure 1): figures/ablation_scheme.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.scheme import draw_scheme

    for path in snakemake.output:
        draw_scheme(Path(path))


run_logged(main, snakemake)
