"""Write a model without its least important blocks, or with zeros for its least important sublayers: pruned/."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.engine.pruned_checkpoint import Original, prune_blocks, zero_sublayers
    from cornerstone.evaluations.evaluation import players_in, read_evaluation_metadata
    from cornerstone.models.manifest import read_unchanged
    from cornerstone.models.pruned_folder import new_folder
    from cornerstone.models.pruned_weights import size_of
    from cornerstone.report.model_card import PrunedCheckpoint, lists, model_card
    from cornerstone.system.durable_files import write_json
    from cornerstone.values.least_important import (
        check_prunable,
        least_important,
        measured,
        prunable_parts,
        ranked_rows,
        ranking_of,
    )
    from cornerstone.values.rows import read_rows
    from cornerstone.values.titles import Titles

    asked, given = snakemake.wildcards, snakemake.params
    check_prunable(given.players, of_blocks=given.of_blocks)
    manifest = read_unchanged(snakemake.input.manifest)
    target, original = Path(snakemake.output.folder), Path(manifest["folder"])
    ranking = ranking_of(asked.ranking)
    rows = ranked_rows(ranking, [Path(path) for path in snakemake.input.rows])
    players = players_in(read_evaluation_metadata(snakemake.input.evaluation))
    parts = prunable_parts(players, of_blocks=given.of_blocks)
    chosen = least_important(rows, ranking, int(asked.number), parts)
    ablation, joint = (
        read_rows([Path(path) for path in snakemake.input[name]]) for name in ("ablation", "joint")
    )
    with new_folder(target) as folder:
        model = Original(original, asked.model, chosen.labels, given.dtype, given.allow_remote_code)
        if given.of_blocks:
            prune_blocks(model, folder, chosen.blocks)
        else:
            zero_sublayers(model, folder, chosen.removed)
        pruned = PrunedCheckpoint(
            manifest=manifest,
            chosen=chosen,
            ranking=ranking,
            rows=rows,
            removal=given.removal,
            cost=measured(players.removed_from(chosen.removed), ablation, joint),
            before=size_of(original),
            after=size_of(folder),
            folder=target,
            titles=Titles(**given.titles),
            lm_eval_tasks=given.lm_eval_tasks,
        )
        (folder / "README.md").write_text(model_card(pruned), encoding="utf-8")
        write_json(lists(pruned), folder / "pruned.json")
    print(
        f"{target}: {', '.join(chosen.removed_labels)} removed; {pruned.after.parameters:,} parameters are left"
    )


run_logged(main, snakemake)
