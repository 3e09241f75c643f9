"""Values of sets of sublayers, from evaluations in sublayers, against values worked out from their definition."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from cornerstone.documents.document import (
    Document,
    DocumentSet,
    Request,
    digest_documents,
    read_documents,
    write_documents,
)
from cornerstone.evaluations.evaluation import Evaluation
from cornerstone.evaluations.measures import Measures, write_measures
from cornerstone.measures import MEASURES, MEASURES_VERSION
from cornerstone.models.facts import SublayerWeights
from cornerstone.models.kinds import kinds_of
from cornerstone.shapley.coalitions import removed_text
from cornerstone.shapley.players import players_of
from cornerstone.statistics.resampling import SEED
from cornerstone.system.errors import CornerstoneError
from cornerstone.values.ablation import ablation_effects
from cornerstone.values.estimates import estimate_values
from cornerstone.values.interactions import pair_interactions
from cornerstone.values.joint import joint_effects
from cornerstone.values.pruning import read_pruned
from cornerstone.values.rankings import RankingSettings, removal_orders
from cornerstone.values.scored_task import read_choices
from written_evaluations import write_evaluation

SUBLAYERS = tuple(f"{kind} {block}" for block in range(6) for kind in ("Attn", "FFN"))
N_DOCUMENTS = 9
SETS = {"late": "Block 4-", "early attention": "Attn 0-1", "early FFN": "FFN 0-1"}


def loglikelihoods(removed, document):
    """Of the three choices of a document; without any pattern, but the same whoever asks."""
    return np.random.default_rng((SEED, document, *removed, 99)).normal(size=3) - 3


def log_probability(removed, document):
    """Of the first choice, which is the right one."""
    of_choices = loglikelihoods(removed, document)
    return of_choices[0] - np.log(np.exp(of_choices).sum())


def write_game(folder, setting, design="exact", coalitions=None):
    """The evaluation of a design of some players, and the documents; paths of both."""
    players = players_of(setting, SUBLAYERS)
    if coalitions is None:
        n = len(players)
        coalitions = [tuple(i for i in range(n) if place >> i & 1) for place in range(2**n)]
    spelled = [tuple(sorted(s for i in one for s in players.sets[i])) for one in coalitions]
    rows = [
        (removed_text(removed), document, choice, value, False)
        for removed in spelled
        for document in range(N_DOCUMENTS)
        for choice, value in enumerate(loglikelihoods(removed, document))
    ]
    table = pd.DataFrame(rows, columns=["removed", "document", "choice", "loglikelihood", "greedy"])
    path = folder / f"{design}.parquet"
    write_evaluation(Evaluation("tiny", "boolq", design, SUBLAYERS, table, players=players), path)
    asked = tuple(
        Document(n, tuple(Request(f"{n}", f" {k}") for k in range(3)), (0,), (2,) * 3)
        for n in range(N_DOCUMENTS)
    )
    about = folder / "boolq.parquet"
    write_documents(
        DocumentSet("boolq", "1.0", "validation", ("acc",), digest_documents(asked), asked), about
    )
    return path, about


def brute_force(sets):
    """Shapley values by their definition: the mean of marginal contributions over all orders of the players."""

    def worth(gone):
        removed = tuple(sorted(sublayer for player in gone for sublayer in sets[player]))
        return np.mean([log_probability(removed, document) for document in range(N_DOCUMENTS)])

    known = {}
    total = np.zeros(len(sets))
    orders = list(permutations(range(len(sets))))
    for order in orders:
        for place, player in enumerate(order):
            before, after = frozenset(order[:place]), frozenset(order[: place + 1])
            for gone in (before, after):
                if gone not in known:
                    known[gone] = worth(gone)
            total[player] += known[before] - known[after]
    return total / len(orders)


@pytest.mark.parametrize(
    ("setting", "sets"),
    [
        ("blocks", [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)]),
        ("4 blocks", [(0, 1, 2, 3, 4, 5, 6, 7), (8, 9, 10, 11)]),
        ("5 sublayers", [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (10, 11)]),
        (SETS, [(8, 9, 10, 11), (0, 2), (1, 3)]),
    ],
    ids=str,
)
def test_exact_values_of_a_game_of_sets_are_those_of_the_definition(tmp_path, setting, sets):
    evaluation, documents = write_game(tmp_path, setting)
    output = tmp_path / "values.csv"
    estimate_values([evaluation], documents, output, max_removed=1, estimator="exact", score="logprob")
    values = pd.read_csv(output)
    assert values["label"].tolist() == list(players_of(setting, SUBLAYERS))
    np.testing.assert_allclose(values["value"], brute_force(sets), atol=1e-9)
    full, none = (
        np.mean([log_probability(removed, d) for d in range(N_DOCUMENTS)])
        for removed in ((), tuple(sorted(sum(sets, ()))))
    )
    assert values["value"].sum() == pytest.approx(full - none)


def test_removals_and_pairs_are_of_players(tmp_path):
    both = [(0,), (1,), (2,), (0, 1), (1, 2), ()]
    evaluation, documents = write_game(tmp_path, SETS, "windows", both)
    sets = [(8, 9, 10, 11), (0, 2), (1, 3)]

    def mean(*gone):
        removed = tuple(sorted(s for player in gone for s in sets[player]))
        return np.mean([log_probability(removed, d) for d in range(N_DOCUMENTS)])

    out = tmp_path / "out.csv"
    ablation_effects(evaluation, documents, out, score="logprob")
    effects = pd.read_csv(out)
    np.testing.assert_allclose(effects["effect"], [mean() - mean(player) for player in range(3)], atol=1e-9)
    assert effects["kind"].tolist() == ["named set", "attn", "ffn"]
    joint_effects([evaluation], documents, out, max_removed=2, score="logprob")
    joint = pd.read_csv(out, dtype={"removed": str})
    assert joint["labels"].tolist() == ["late, early attention", "early attention, early FFN"]
    np.testing.assert_allclose(joint["joint"], [mean() - mean(0, 1), mean() - mean(1, 2)], atol=1e-9)
    pair_interactions([evaluation], documents, out, score="logprob")
    pairs = pd.read_csv(out)
    assert pairs[["first_label", "second_label"]].to_numpy().tolist()[1] == ["early attention", "early FFN"]
    expected = mean() - mean(1) - mean(2) + mean(1, 2)
    assert pairs["interaction"].iloc[1] == pytest.approx(expected, abs=1e-9)


def test_evaluations_of_different_players_do_not_go_together(tmp_path):
    (tmp_path / "one").mkdir()
    one, documents = write_game(tmp_path / "one", "blocks")
    other, _ = write_game(tmp_path, "2 blocks", "ablation", [(), (0,), (1,), (2,)])
    with pytest.raises(CornerstoneError, match="evaluations of more than one"):
        read_choices([one, other], documents)


def test_a_model_is_pruned_by_players(tmp_path):
    """All coalitions are there, so every order's are: its curve is the mean score along it."""
    evaluation, documents = write_game(tmp_path, SETS)
    settings = RankingSettings("logprob", ["exact", "leave_one_out"], max_removed=1, most_removed=2)
    asked = read_documents(documents).documents
    orders = removal_orders(read_choices([evaluation], documents), asked, settings)
    assert orders.labels == tuple(SETS)
    weights = SublayerWeights(
        {label: 10 + n for n, label in enumerate(SUBLAYERS)}, dict.fromkeys(SUBLAYERS, 1.0), 500, 20.0
    )
    players = players_of(SETS, SUBLAYERS)
    pruned = read_pruned(evaluation, documents, orders, weights.of_players(players), "logprob", str)
    sets = [(8, 9, 10, 11), (0, 2), (1, 3)]
    sizes = [18 + 19 + 20 + 21, 10 + 12, 11 + 13]
    for name in orders.orders:
        for half, found_on in ((0, 1), (1, 0)):
            order = orders.orders[name][found_on]
            gone = tuple(sorted(sets[order[0]] + sets[order[1]]))
            own = [log_probability(gone, document) for document in orders.halves[half]]
            np.testing.assert_allclose(pruned.scores[name][2, pruned.half == half], own)
            parts = pruned.removed_part(name, "numbers")[half]
            np.testing.assert_allclose(parts, np.cumsum([0, sizes[order[0]], sizes[order[1]]]) / 500)


def test_cheap_measures_of_blocks_rank_blocks(tmp_path):
    evaluation, documents = write_game(tmp_path, "blocks")
    rng = np.random.default_rng(0)
    of_sublayers, of_blocks = (rng.random((N_DOCUMENTS, count)) for count in (12, 6))
    measures = Measures(
        *("tiny", "boolq", SUBLAYERS, tuple(n // 2 for n in range(12)), tuple(range(N_DOCUMENTS))),
        dict.fromkeys(MEASURES.names, of_sublayers),
        dict.fromkeys(MEASURES.names, of_blocks),
        identity={"measures_version": MEASURES_VERSION},
    )
    write_measures(measures, tmp_path / "measures.parquet")
    settings = RankingSettings("logprob", ["exact"], max_removed=1, most_removed=2)
    orders = removal_orders(
        read_choices([evaluation], documents),
        read_documents(documents).documents,
        settings,
        measures=tmp_path / "measures.parquet",
    )
    for half in (0, 1):
        least_first = of_blocks[list(orders.halves[half])].mean(axis=0).argsort()
        assert orders.orders["block_influence"][half] == tuple(least_first)


def test_a_player_of_one_kind_looks_like_it_and_others_like_what_they_are():
    def names(setting):
        return [kind.name for kind in kinds_of(players_of(setting, SUBLAYERS))]

    assert names("sublayers") == ["attn", "ffn"] * 6
    assert names("blocks") == ["block"] * 6
    assert names("11 sublayers") == ["group", "ffn"]
    assert names(SETS) == ["named set", "attn", "ffn"]
