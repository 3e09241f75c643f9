"""Find the documents that a model's tokenizer cannot score: unscorable/{model}/found.json."""

from pathlib import Path

from logged import run_logged


def main(snakemake):
    from cornerstone.evaluations.scorable import Tokenizing, find_unscorable_documents
    from cornerstone.loading.encoding import find_unscorable, load_encoder

    documents = {Path(path).stem: Path(path) for path in snakemake.input.documents}
    find_unscorable_documents(
        Path(snakemake.input.manifest),
        documents,
        snakemake.params.limits,
        Path(snakemake.output.found),
        Tokenizing(load_encoder, find_unscorable),
        model=snakemake.wildcards.model,
        allow_remote_code=snakemake.params.allow_remote_code,
    )


run_logged(main, snakemake)
