"""Pruning curves: areas, what is removed, which ranking is best, and that no document ranks for itself."""

from dataclasses import replace

import numpy as np
import pytest

import synthetic
from cornerstone.documents.document import DocumentSet, digest_documents, write_documents
from cornerstone.evaluations.evaluation import Evaluation, read_evaluation
from cornerstone.shapley.coalitions import ablation
from cornerstone.shapley.removal_orders import HALVES
from cornerstone.system.errors import CornerstoneError
from cornerstone.tables import View
from cornerstone.tables.pruning import areas_sections, pruning_finding
from cornerstone.values.pruning import area_table, area_weights, curve_table, read_pruned
from cornerstone.values.rankings import RankingSettings, ranking_title, removal_orders
from cornerstone.values.score_matrix import rows_of, scores_of
from cornerstone.values.scored_task import read_choices
from cornerstone.values.titles import MEAN, Titles
from pruned_models import N, pruned_model, weights_of
from written_evaluations import write_evaluation


def test_weights_of_steps_are_those_of_the_area_under_the_line():
    rng = np.random.default_rng(0)
    for _ in range(20):
        parts, scores = np.append(0, rng.random(5).cumsum()), rng.random(6)
        end = rng.uniform(parts[1] / 2, parts[-1])
        fine = np.linspace(0, end, 200_001)
        area = np.interp(fine, parts, scores).mean()
        assert area_weights(parts, end) @ scores == pytest.approx(area, abs=1e-5)


def test_removed_parts_are_those_of_what_is_removed():
    pruned = pruned_model()
    for half in HALVES:
        order = pruned.orders.used_on("leave_one_out", half)
        sizes = [0] + [200 if sublayer % 2 else 100 for sublayer in order[:3]]
        assert pruned.removed_part("leave_one_out", "numbers")[half] == pytest.approx(np.cumsum(sizes) / 1800)


def test_a_curve_begins_with_the_whole_model_and_tells_what_goes():
    pruned = pruned_model()
    table = curve_table(pruned).set_index(["ranking", "removed"])
    row = table.loc[("windows", 2)]
    order = pruned.orders.used_on("windows", 0)
    assert row["first"] == pruned.orders.labels[order[1]] and table.loc[("random", 2), "first"] == ""
    assert row["value"] == pruned.scores["windows"][2].mean()
    randoms = [pruned.scores[name][1].mean() for name in pruned.rankings["random"]]
    assert table.loc[("random", 1), "value"] == pytest.approx(np.mean(randoms))
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_the_area_is_the_mean_height_of_the_curve():
    """With one order for both halves the curve of means has the area of the table."""
    pruned = pruned_model(documents=80)
    areas = area_table([pruned]).set_index("ranking")
    parts = pruned.removed_part("windows", "numbers")[0]
    fine = np.linspace(0, pruned.common_part, 100_001)
    means = pruned.scores["windows"].mean(axis=1)
    assert areas.loc["windows", "area"] == pytest.approx(np.interp(fine, parts, means).mean(), abs=1e-4)
    assert areas.loc["windows", "parameters"] == pruned.common_part


def test_the_best_ranking_is_named_where_it_is_significantly_the_best():
    tasks = [pruned_model(task=task, documents=300, seed=seed) for seed, task in enumerate(("piqa", "boolq"))]
    areas = area_table(tasks)
    assert list(areas["task"].unique()) == ["piqa", "boolq", MEAN]
    best = areas[(areas["task"] == MEAN) & (areas["rank_high"] == 1)]
    assert best["ranking"].tolist() == ["windows"]
    assert "Pruning by windows values keeps the most of the score" in pruning_finding(areas)
    equal = [replace(one, scores=dict.fromkeys(one.scores, one.scores["windows"])) for one in tasks]
    assert "is not decided" in pruning_finding(area_table(equal))


def test_the_mean_over_tasks_has_the_standard_error_of_a_mean_over_tasks():
    tasks = [pruned_model(task=f"task{n}", documents=count, seed=n) for n, count in enumerate((40, 400))]
    areas = area_table(tasks).set_index(["task", "ranking"])["area"].unstack()
    assert areas.loc[MEAN].to_numpy() == pytest.approx(areas.loc[["task0", "task1"]].mean().to_numpy())
    table = area_table(tasks).query("ranking == 'leave_one_out'").set_index("task")
    width = (table["high"] - table["low"])[["task0", "task1", MEAN]]
    expected = np.hypot(width["task0"], width["task1"]) / 2
    assert width[MEAN] == pytest.approx(expected, rel=0.15)


def test_the_table_reads_as_people_read():
    areas = area_table([pruned_model(), pruned_model(task="boolq", seed=1)])
    (section,) = areas_sections(areas, View(Titles(), pruned_model().score))
    assert section.title == "Pruning of small" and len(section.table) == len(areas)
    assert "Mean over tasks" in set(section.table["Task"]) and "% of the parameters" in section.note


# -- from evaluations on disk ---------------------------------------------------------------------------


def write_answers(folder, design, coalitions, asked, rng):
    """An evaluation whose answers are chance, whatever is removed."""
    answers = {removed: [rng.normal(-20, 1, 2) for _ in asked] for removed in coalitions}
    table = synthetic.table(answers, [one.index for one in asked])
    path = folder / f"{design}.parquet"
    write_evaluation(Evaluation("small", "piqa", design, synthetic.labels(N), table), path)
    return path


def noisy_orders(folder, seed, documents=120):
    """The documents and scores of a model of whose sublayers none matters, and orders by its single removals."""
    rng, asked = np.random.default_rng(seed), synthetic.documents(documents, 2, seed)
    made = DocumentSet("piqa", "1", "test", ("acc",), digest_documents(asked), asked, "0.4", "piqa.jsonl")
    write_documents(made, folder / "piqa.parquet")
    evaluated = read_choices(
        [write_answers(folder, "ablation", ablation(N), asked, rng)], folder / "piqa.parquet"
    )
    settings = RankingSettings("acc", ["leave_one_out"], max_removed=1, most_removed=3, random_orders=2)
    return asked, scores_of(evaluated.designs[0], "acc"), removal_orders(evaluated, settings), rng


def test_no_document_is_scored_by_an_order_that_it_helped_to_find(tmp_path):
    """On noise the first removal by a ranking of the same documents looks good; by that of the others it does not."""
    crossed, own = [], []
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        _, scores, orders, _ = noisy_orders(folder, seed)
        for half in HALVES:
            places = [scores.documents.index(index) for index in orders.halves[half]]

            def gain(order, places=places, scores=scores):
                full, without = rows_of(scores, [(), order[:1]])[:, places].mean(axis=1)
                return without - full

            crossed.append(gain(orders.used_on("leave_one_out", half)))
            own.append(gain(orders.orders["leave_one_out"][half]))
    error = np.std(crossed) / np.sqrt(len(crossed))
    assert np.mean(own) > 4 * error and abs(np.mean(crossed)) < 3 * error


def test_curves_are_of_the_evaluation_of_each_document(tmp_path):
    asked, _, orders, rng = noisy_orders(tmp_path, seed=3)
    coalitions = sorted({removed for own in orders.of_documents().values() for removed in own})
    path = write_answers(tmp_path, "pruning", coalitions, asked, rng)
    weights = weights_of(synthetic.labels(N))
    pruned = read_pruned(path, tmp_path / "piqa.parquet", orders, weights, "acc", str)
    table = read_evaluation(path).table.set_index(["removed", "document"]).sort_index()
    for name in orders.orders:
        for step, mean in enumerate(pruned.scores[name].mean(axis=1)):
            right = []
            for half in HALVES:
                removed = ",".join(map(str, orders.chain(name, half)[step]))
                for index in orders.halves[half]:
                    of_choices = table.loc[(removed, index)].sort_values("choice")["loglikelihood"]
                    right.append(of_choices.to_numpy().argmax() == asked[index].gold[0])
            assert mean == np.mean(right)


def test_an_evaluation_of_other_documents_is_refused(tmp_path):
    asked, _, orders, rng = noisy_orders(tmp_path, seed=3)
    coalitions = sorted({removed for own in orders.of_documents().values() for removed in own})
    path = write_answers(tmp_path, "pruning", coalitions, asked[:-1], rng)
    with pytest.raises(CornerstoneError, match="is of other documents than its rankings"):
        read_pruned(
            path, tmp_path / "piqa.parquet", orders, weights_of(synthetic.labels(N)), "acc", ranking_title
        )


def test_one_document_is_too_few(tmp_path):
    with pytest.raises(CornerstoneError, match="at least 2 that are drawn apart; there is 1"):
        noisy_orders(tmp_path, seed=0, documents=1)
