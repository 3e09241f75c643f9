"""Answer a question about the study on the terminal: what it will need, how far it is, how precise, …"""

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.study.driver import answer

    asked = snakemake.params
    answer(asked.question, asked.study, asked.get("files", ()))


# Only what the study will need is asked of the hub.
run_logged(main, snakemake, offline=snakemake.params.question != "estimate", shown=True)
