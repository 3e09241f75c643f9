"""Work out what removals cost, alone, together and in every score: ablation/, joint/, interactions/, agreement/."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.values.ablation import ablation_effects
    from cornerstone.values.agreement import compare_scores
    from cornerstone.values.interactions import pair_interactions
    from cornerstone.values.joint import joint_effects

    evaluations = {Path(path).stem: Path(path) for path in snakemake.input.evaluations}
    documents, score = Path(snakemake.input.documents), snakemake.params.score
    output = {name: Path(path) for name, path in snakemake.output.items()}
    single, runs = evaluations["ablation"], evaluations["windows"]
    ablation_effects(single, documents, output["ablation"], score=score, margin=snakemake.params.margin)
    compare_scores(single, documents, output["agreement"], score=score)
    joint_effects(
        [single, runs], documents, output["joint"], max_removed=snakemake.params.max_removed, score=score
    )
    pair_interactions(list(evaluations.values()), documents, output["interactions"], score=score)


run_logged(main, snakemake)
