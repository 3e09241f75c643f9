"""Whole studies whose players are blocks, then named sets: from the configuration to the report."""

import json
import re
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from transformers import AutoModelForCausalLM, AutoTokenizer

from cornerstone.documents.document import read_documents
from cornerstone.evaluations.evaluation import read_evaluation
from tiny_study import N_DOCUMENTS, STUDY, configure, make, planned, prepare

pytestmark = pytest.mark.slow

TASKS = {"tasks": {"boolq": STUDY["tasks"]["boolq"]}, "score": "logprob"}
BLOCKS = {
    **{"players": "blocks", "exact": ["tiny"], "corrected": True},
    **{"cheap_measures": True, "pruning": {"random_orders": 1}},
    **TASKS,
}
SETS = {"FFNs": "FFN 0-", "early attention": "Attn 0-1", "the last attention": "Attn 2"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study of sublayers, as far as its values. Not to be changed but in order."""
    folder = prepare(tmp_path_factory.mktemp("players") / "study")
    configure(folder, **TASKS)
    make(folder, "results/values/tiny/boolq.csv")
    return folder


def evaluated(study: Path) -> list[tuple[int, int]]:
    """(evaluated, reused) pairs of each design, by the log of the last job."""
    log = (study / "results/logs/evaluate/tiny/boolq.log").read_text()
    return [tuple(map(int, found)) for found in re.findall(r"evaluated (\d+) pairs, reused (\d+)", log)]


def page(study: Path) -> str:
    """The report's text but for the sections on the method and where it came from."""
    html = (study / "results/report.html").read_text()
    body = html[html.index("<body") : html.index('<section id="method"')]
    return re.sub(r"<svg.*?</svg>|<script.*?</script>", "", body, flags=re.DOTALL)


def test_a_study_of_blocks_evaluates_only_what_no_window_of_sublayers_was(study):
    configure(study, **BLOCKS)
    make(study, "all", timeout=1200)
    folder = study / "results/evaluations/tiny/boolq"
    found = [read_evaluation(folder / f"{name}.parquet") for name in ("ablation", "windows", "kernel_pairs")]
    assert {tuple(one.players) for one in found} == {("Block 0", "Block 1", "Block 2")}
    values = pd.read_csv(study / "results/values/tiny/boolq.csv")
    assert values["label"].tolist() == ["Block 0", "Block 1", "Block 2"]
    assert set(values["kind"]) == {"block"}
    audit = pd.read_csv(study / "results/audit_positions/tiny/boolq.csv")
    assert set(audit["label"]) == {"Block 0", "Block 1", "Block 2"}


def test_what_it_says_is_about_blocks(study):
    text = page(study)
    assert "Which blocks matter" in text and "A row is a block" in text
    assert "sublayer" not in text.lower()
    assert "Not applicable" in text  # the claim on MoE
    assert "On Tiny the cheap measure nearest to the values is" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The players of this study are blocks" in (study / "results/report.html").read_text()
    assert set(pd.read_csv(study / "results/tables/totals.csv")["by"]) == {"depth"}
    assert (study / "results/figures/atlas_tiny.svg").stat().st_size > 1000


def plain_documents(study: Path) -> list[list[tuple[str, str]]]:
    """Context and choice of each request of each document."""
    documents = read_documents(study / "results/documents/boolq.parquet").documents
    return [[(one.context, one.continuation) for one in document.requests] for document in documents]


@torch.no_grad()
def plain_influences(study: Path, groups: list[tuple[int, int]]) -> list[float]:
    """1 − cosine of what enters the first block of each group and what leaves its last, by plain transformers: the mean
    over distinct prefixes of a document, then over documents."""
    network = AutoModelForCausalLM.from_pretrained(study / "models/tiny")
    tokenizer = AutoTokenizer.from_pretrained(study / "models/tiny")
    states: list[torch.Tensor] = []
    for block in network.model.layers:
        block.register_forward_pre_hook(lambda module, arguments: states.append(arguments[0][0].double()))
    network.model.norm.register_forward_pre_hook(
        lambda module, arguments: states.append(arguments[0][0].double())
    )
    of_documents = []
    for requests in plain_documents(study):
        of_prefix = {}
        for context, choice in requests:
            tokens = tokenizer(context + choice).input_ids[:-1]
            states.clear()
            network(torch.tensor([tokens]), use_cache=False)
            pairs = [(states[first], states[last + 1]) for first, last in groups]
            found = torch.stack([1 - torch.cosine_similarity(*pair, dim=-1) for pair in pairs])
            of_prefix |= {tuple(tokens[: end + 1]): found[:, end].tolist() for end in range(len(tokens))}
        of_documents.append(np.mean(list(of_prefix.values()), axis=0))
    return np.mean(of_documents, axis=0).tolist()


@torch.no_grad()
def plain_loglikelihoods(study: Path, folder: str) -> list[float]:
    """Of each choice of each document, in nats, by plain transformers."""
    network = AutoModelForCausalLM.from_pretrained(study / folder)
    tokenizer = AutoTokenizer.from_pretrained(study / folder)
    found = []
    for context, choice in chain.from_iterable(plain_documents(study)):
        tokens, count = tokenizer(context + choice).input_ids, len(tokenizer(choice).input_ids)
        logits = network(torch.tensor([tokens])).logits[0, -count - 1 : -1].log_softmax(dim=-1)
        found.append(logits[range(count), tokens[-count:]].sum().item())
    return found


def test_blocks_have_cheap_measures_and_go_from_a_checkpoint(study):
    configure(study, **BLOCKS)
    make(
        study,
        *(f"results/tables/{name}.csv" for name in ("cheap_measures", "pruning")),
        *(f"results/pruned/tiny/{name}-1" for name in ("values", "block_influence")),
    )
    results = study / "results"
    values, rows = (
        pd.read_csv(results / path) for path in ("values/tiny/boolq.csv", "tables/cheap_measures.csv")
    )
    assert rows["label"].tolist() == ["Block 0", "Block 1", "Block 2"] and set(rows["part"]) == {"block"}
    influences = plain_influences(study, [(0, 0), (1, 1), (2, 2)])
    assert rows["block_influence"].tolist() == pytest.approx(influences, abs=1e-5)
    assert rows["value"].tolist() == pytest.approx(values["value"].tolist(), abs=1e-9)
    agreement = pd.read_csv(results / "tables/cheap_measures_agreement.csv").set_index(["measure", "against"])
    ours = agreement.loc[("block_influence", "value"), "spearman"]
    assert ours == pytest.approx(spearmanr(influences, values["value"]).statistic)
    assert "block_influence" in set(pd.read_csv(results / "pruning/tiny/boolq.csv")["ranking"])
    for name, numbers in (("values-1", values["value"]), ("block_influence-1", influences)):
        least = int(np.argmin(numbers))
        assert json.loads((results / f"pruned/tiny/{name}/pruned.json").read_text())["blocks"] == [least]
        table = read_evaluation(results / "evaluations/tiny/boolq/ablation.parquet").table
        masked = table[table["removed"] == f"{2 * least},{2 * least + 1}"].sort_values(["document", "choice"])
        pruned = plain_loglikelihoods(study, f"results/pruned/tiny/{name}")
        assert pruned == pytest.approx(masked["loglikelihood"].tolist(), abs=1e-4)
        assert "As the study evaluated it" in (results / f"pruned/tiny/{name}/README.md").read_text()


@pytest.mark.slow
def test_groups_of_blocks_are_measured_from_end_to_end_and_dropped_whole(study):
    configure(study, players="2 blocks", max_removed=1, cheap_measures=True, **TASKS)
    make(study, "results/tables/cheap_measures.csv", "results/pruned/tiny/block_influence-1")
    rows = pd.read_csv(study / "results/tables/cheap_measures.csv")
    assert rows["label"].tolist() == ["Blocks 0-1", "Block 2"] and set(rows["part"]) == {"group"}
    influences = plain_influences(study, [(0, 1), (2, 2)])
    assert rows["block_influence"].tolist() == pytest.approx(influences, abs=1e-5)
    dropped = json.loads((study / "results/pruned/tiny/block_influence-1/pruned.json").read_text())["blocks"]
    assert dropped == ([0, 1], [2])[int(np.argmin(influences))]
    said = make(study, "results/pruned/tiny/effects-1-sublayers", succeeds=False)
    assert "zeros are written for single sublayers, of which the players '2 blocks' have no numbers" in said


@pytest.mark.slow
def test_named_sets_and_shards_go_to_the_report_too(study):
    configure(study, players=SETS, shards={"tiny": 2}, pruning={"random_orders": 1}, **TASKS)
    make(study, "all")
    values = pd.read_csv(study / "results/values/tiny/boolq.csv")
    assert values["label"].tolist() == list(SETS)
    assert values["kind"].tolist() == ["ffn", "attn", "attn"]
    pruned = pd.read_csv(study / "results/pruning/tiny/boolq.csv")
    assert set(pruned["first"].dropna()) <= set(SETS) and pruned["removed"].max() == 1
    text = page(study)
    assert "Which named sets matter" in text and "sublayer" not in text.lower()


def test_players_that_were_there_before_evaluate_nothing_again(study):
    configure(study, **TASKS)
    assert planned(study)["evaluate"] == 1  # which only puts together what there is
    make(study, "results/values/tiny/boolq.csv")
    assert evaluated(study) == [(0, 7 * N_DOCUMENTS), (0, 5 * N_DOCUMENTS)]
    assert pd.read_csv(study / "results/values/tiny/boolq.csv")["label"].tolist()[:2] == ["Attn 0", "FFN 0"]


def test_a_division_that_the_model_has_not_is_refused_before_anything_runs(study):
    configure(study, players=SETS | {"experts": "MoE 0-"}, **TASKS)
    said = make(study, "all", succeeds=False)
    assert "Cornerstone: models.tiny: players.experts has MoE 0-, which this model has not" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_an_evaluation_of_other_players_from_elsewhere_is_refused(study):
    configure(study, players="blocks", **TASKS)
    make(study, "results/values/tiny/boolq.csv")
    ours = study / "results/evaluations/tiny/boolq/ablation.parquet"
    foreign = ours.read_bytes()
    configure(study, **TASKS)
    make(study, "results/values/tiny/boolq.csv")
    ours.write_bytes(foreign)
    said = make(study, "results/values/tiny/boolq.csv", succeeds=False)
    assert "is an evaluation of 3 blocks, not of the players that are configured: remove it" in said
