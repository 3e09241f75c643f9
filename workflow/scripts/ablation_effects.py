"""Work out what removing each sublayer alone costs: ablation/{model}/{task}.csv."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.ablation import ablation_effects

    ablation_effects(
        Path(snakemake.input.evaluations[0]),
        Path(snakemake.input.documents),
        Path(snakemake.output.ablation),
        score=snakemake.params.score,
        margin=snakemake.params.margin,
    )


run_logged(main, snakemake)
