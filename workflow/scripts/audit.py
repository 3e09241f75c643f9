"""Draw how near estimators come to one model's exact values: figures/audit_{model}.{pdf,png,svg}."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.figures.audit import draw_audit
    from cornerstone.values.results import Titles, read_rows

    rows = read_rows([Path(path) for path in snakemake.input.audits])
    for path in snakemake.output:
        draw_audit(rows, Path(path), Titles(**snakemake.params.titles))


run_logged(main, snakemake)
