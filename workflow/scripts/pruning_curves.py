"""Score a model that is pruned by each ranking: pruning/{model}/{task}.csv, pruning_areas/{model}.csv."""

from functools import partial
from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.evaluation import players_in, read_evaluation_metadata
    from cornerstone.evaluations.removal_orders import read_orders
    from cornerstone.models.facts import weights_of_sublayers
    from cornerstone.models.manifest import read_manifest
    from cornerstone.values.pruning import read_pruned, write_pruning
    from cornerstone.values.rankings import ranking_title

    def paths(name):
        return [Path(path) for path in snakemake.input[name]]

    params = snakemake.params
    folder = read_manifest(Path(snakemake.input.manifest))["folder"]
    titles = partial(ranking_title, max_removed=params.max_removed, edges=params.edges)
    of_model = []
    for evaluation, ranking, documents in zip(
        *map(paths, ("evaluations", "orders", "documents")), strict=True
    ):
        orders = read_orders(ranking)
        players = players_in(read_evaluation_metadata(evaluation))
        weights = weights_of_sublayers(folder, players.sublayers).of_players(players)
        of_model.append(read_pruned(evaluation, documents, orders, weights, params.score, titles))
    write_pruning(of_model, [Path(path) for path in snakemake.output.curves], Path(snakemake.output.areas))


run_logged(main, snakemake)
