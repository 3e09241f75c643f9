"""Refuse a model that cannot be loaded, and find the documents that its tokenizer cannot score:
unscorable/{model}/{task}.json of every task."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.documents.calibration import content_digests, refuse_scored_calibration
    from cornerstone.documents.document import check_documents_file, check_reported, read_documents
    from cornerstone.evaluations.scorable import Loading, find_unscorable_documents
    from cornerstone.loading.encoding import find_unscorable
    from cornerstone.loading.load import check_loading
    from cornerstone.scores import SCORES, study_score

    score = snakemake.resources.score
    told = [check_documents_file(path) for path in snakemake.input.documents]
    metrics = dict(each.split(": ") for each in snakemake.resources.metrics.split("; ") if each)
    for of in told:
        if of["task"] in metrics:
            check_reported(of["task"], of["metrics"], metrics[of["task"]])
    if score in SCORES:  # one of the user's own is tried when it is used
        study_score(
            score, [SCORES[score].metric(of["metrics"], of["output_type"], of["task"]) for of in told]
        )
    if snakemake.input.get("calibration"):
        digests = content_digests(read_documents(snakemake.input.calibration).documents)
        for path, limit in zip(snakemake.input.documents, snakemake.params.limits.values(), strict=True):
            refuse_scored_calibration(digests, read_documents(path), limit)
    find_unscorable_documents(
        Path(snakemake.input.manifest),
        dict(zip(map(Path, snakemake.input.documents), map(Path, snakemake.output.found), strict=True)),
        Loading(check_loading, find_unscorable),
        model=snakemake.wildcards.model,
        limits=snakemake.params.limits,
        allow_remote_code=snakemake.params.allow_remote_code,
    )


run_logged(main, snakemake)
