"""The card (README.md) and the lists (pruned.json) of a pruned model: what was removed, by which numbers, at what cost.

(folder / "README.md").write_text(model_card(pruned))
write_json(lists(pruned), folder / "pruned.json")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cornerstone.models.kinds import block_of
from cornerstone.models.pruned_weights import Size
from cornerstone.scores import SCORES
from cornerstone.scores.unit import NO_UNIT
from cornerstone.system.text import counted, data_size
from cornerstone.tables.text import markdown
from cornerstone.values.least_important import Chosen, Ranking, importances
from cornerstone.values.titles import Titles

FORMAT = 1
BY_ZERO = "zero"
"""The removal by which the study's models are those that are written here."""


@dataclass(frozen=True)
class PrunedCheckpoint:
    """A pruned model, as its card tells it.

    manifest:      of the original: its name, its id and commit on the hub.
    rows:          of the ranking's CSV file of every task.
    removal:       of the study: "zero" or "mean". This model has nothing where a sublayer was, so that only numbers of
                   removal by zero are its own.
    cost:          `least_important.measured` of what was removed.
    before, after: the sizes of the weights.
    folder:        where it is written to.
    lm_eval_tasks: lm-eval's name of each task.
    """

    manifest: Mapping[str, Any]
    chosen: Chosen
    ranking: Ranking
    rows: pd.DataFrame
    removal: str
    cost: pd.DataFrame
    before: Size
    after: Size
    folder: Path
    titles: Titles
    lm_eval_tasks: Mapping[str, str]


def model_card(pruned: PrunedCheckpoint) -> str:
    """The card in Markdown, with the front matter that the Hugging Face hub reads."""
    parts = [_front_matter(pruned), _heading(pruned), _opening(pruned), _sizes(pruned)]
    return "\n".join([*parts, *_removed(pruned), *_cost(pruned)])


def lists(pruned: PrunedCheckpoint) -> dict[str, Any]:
    """What was removed, for programs: by index and label, and in the forms that two other tools take.

    llm_drop: keys of the config.json of LLM-Drop's models (CASE-Lab-UMD/LLM-Drop), whose code skips these sublayers;
    None where others are removed than attention, FFN and MoE. llama_cpp: the option of llama-quantize for a GGUF file
    of the original; None unless whole blocks are removed.
    """
    chosen = pruned.chosen
    attention, feed_forward = chosen.blocks_without("Attn"), chosen.blocks_without("FFN", "MoE")
    known = len(attention) + len(feed_forward) == len(chosen.removed)
    whole = all(block_of(label) in chosen.blocks for label in chosen.removed_labels)
    return {
        "format": FORMAT,
        "kind": "pruned model",
        "model": pruned.manifest["name"],
        "hub": pruned.manifest["hub"],
        "revision": pruned.manifest["revision"],
        "weights": pruned.manifest["weights"],
        "ranking": pruned.ranking.name,
        "players": pruned.titles.player,
        "zeroed": not chosen.of_blocks,
        "sublayers": list(chosen.removed),
        "labels": list(chosen.removed_labels),
        "blocks": list(chosen.blocks),
        "llm_drop": {"drop_attn_list": list(attention), "drop_mlp_list": list(feed_forward)}
        if known
        else None,
        "llama_cpp": f"--prune-layers {','.join(map(str, chosen.blocks))}" if whole else None,
        "parameters": {"before": pruned.before.parameters, "after": pruned.after.parameters},
        "bytes": {"before": pruned.before.bytes, "after": pruned.after.bytes},
    }


def _front_matter(pruned: PrunedCheckpoint) -> str:
    base = f"base_model: {pruned.manifest['hub']}\n" if pruned.manifest["hub"] else ""
    return f"---\nlibrary_name: transformers\n{base}tags:\n- pruned\n---\n"


def _title(pruned: PrunedCheckpoint) -> str:
    return pruned.titles.model(pruned.manifest["name"])


def _heading(pruned: PrunedCheckpoint) -> str:
    chosen = pruned.chosen
    if chosen.of_blocks:
        return f"# {_title(pruned)} without {len(chosen.blocks)} of its {chosen.n_blocks} blocks\n"
    return f"# {_title(pruned)} with {len(chosen.removed)} of its {len(chosen.labels)} sublayers zeroed\n"


def _opening(pruned: PrunedCheckpoint) -> str:
    chosen, manifest = pruned.chosen, pruned.manifest
    source = f"{manifest['hub']}, commit {manifest['revision']}" if manifest["hub"] else "a local model"
    digest = f"digest of its weights {manifest['weights'][:12]}"
    if chosen.of_blocks:
        what = (
            f"This is {_title(pruned)} ({source}; {digest}) without its {_blocks(chosen)}. Their tensors are not in "
            "the files, later blocks have moved up, and config.json says so. transformers and lm-eval load it as they "
            "load the original. It is smaller and faster."
        )
    else:
        what = (
            f"This is {_title(pruned)} ({source}; {digest}) with zeros for all weights of "
            f"{', '.join(chosen.removed_labels)}, so that these sublayers add nothing. **It has the same size and the "
            "same speed as the original**: no config.json can say that a single sublayer is missing. `pruned.json` "
            "lists them for tools that leave them out."
        )
    trained = "The other weights are those of the original: nothing was trained after the removal."
    return f"{what} {trained}\n"


def _blocks(chosen: Chosen) -> str:
    noun = "block" if len(chosen.blocks) == 1 else "blocks"
    return f"{noun} {', '.join(map(str, chosen.blocks))} (counted from 0)"


def _sizes(pruned: PrunedCheckpoint) -> str:
    before, after = pruned.before, pruned.after
    rows = [
        ("Parameters, counted from the files", f"{before.parameters:,}", f"{after.parameters:,}"),
        ("Weights on disk", data_size(before.bytes), data_size(after.bytes)),
    ]
    return markdown(pd.DataFrame(rows, columns=["", "Before", "After"]))


def _removed(pruned: PrunedCheckpoint) -> list[str]:
    chosen, ranking = pruned.chosen, pruned.ranking
    tasks = list(pruned.rows["task"].unique())
    how = (
        f"The least important {chosen.parts.noun}s by {ranking.noun}, mean over {counted(len(tasks), 'task')}"
    )
    if chosen.of_blocks:
        is_own = ranking.is_measure or not pruned.titles.are_sublayers
        how += (
            f", of each {chosen.parts.noun} as a whole"
            if is_own
            else ", summed over the sublayers of a block"
        )
    note = f"{how}. In brackets: 95 % intervals over documents."
    if pruned.removal != BY_ZERO and not ranking.is_measure:
        note += f" These numbers are of removal by {pruned.removal}."
    return ["## What was removed\n", note + "\n", markdown(pd.DataFrame(_removed_rows(pruned, tasks)))]


def _removed_rows(pruned: PrunedCheckpoint, tasks: list[str]) -> list[dict[str, str]]:
    """A row per removed sublayer; of other players a row per removed player."""
    chosen, titles, column = pruned.chosen, pruned.titles, pruned.ranking.column
    units = dict.fromkeys(tasks, NO_UNIT)
    if not pruned.ranking.is_measure:
        scores = pruned.rows.groupby("task", sort=False)["score"].first()
        units = {task: SCORES[scores[task]].unit for task in tasks}
    unit, of_parts = units[tasks[0]], importances(pruned.rows, pruned.ranking, chosen.parts)
    rows = []
    for label in chosen.removed_labels if titles.are_sublayers else chosen.chosen_labels:
        of_label = pruned.rows[pruned.rows["label"] == label].set_index("task")
        mean = unit.text(of_label[column].mean())
        row = {titles.of_players("Sublayer"): label, unit.difference_heading("Mean"): mean}
        if chosen.of_blocks and titles.are_sublayers:
            row[unit.difference_heading("Block")] = unit.text(of_parts[f"Block {block_of(label)}"])
        for task in tasks:
            number, low, high = of_label.loc[task, [column, "low", "high"]]
            row[titles.task(task)] = units[task].with_interval(number, low, high)
        rows.append(row)
    return rows


def _not_measured(pruned: PrunedCheckpoint) -> str:
    """Why the study does not know what this costs; nothing where it does."""
    if pruned.removal != BY_ZERO:
        return f"the study removes sublayers by {pruned.removal}, and this model has nothing in their place"
    if pruned.cost.empty:
        return "the study has not evaluated the model without exactly these sublayers"
    return ""


def _cost(pruned: PrunedCheckpoint) -> list[str]:
    head = "## What it costs\n"
    tasks = ",".join(pruned.lm_eval_tasks.values())
    model_args, of_template = f"pretrained={pruned.folder}", pruned.manifest.get("chat_template_args")
    if of_template:
        model_args = f"'{json.dumps({'pretrained': str(pruned.folder), 'chat_template_args': of_template})}'"
    command = f"lm_eval --model hf --model_args {model_args} --tasks {tasks}"
    command += " --apply_chat_template" * ("chat_template" in pruned.manifest)
    if why := _not_measured(pruned):
        how = "This measures it, on all documents of lm-eval's tasks:"
        return [head, f"Not measured: {why}. {how}\n", f"```bash\n{command}\n```\n"]
    rows = []
    for row in pruned.cost.itertuples():
        unit = SCORES[row.score].unit
        rows.append(
            {
                "Task": pruned.titles.task(row.task),
                unit.score_heading("Before"): unit.text(row.before),
                unit.score_heading("After"): unit.text(row.after),
                unit.difference_heading("Drop"): unit.with_interval(row.drop, row.low, row.high),
            }
        )
    note = "As the study evaluated it, on its documents. In brackets: 95 % intervals over documents."
    return [
        head,
        note + "\n",
        markdown(pd.DataFrame(rows)),
        f"To measure it again:\n\n```bash\n{command}\n```\n",
    ]
