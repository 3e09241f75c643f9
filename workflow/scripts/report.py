"""Write the report, one file that opens offline: report.html."""

from pathlib import Path

from cornerstone.system.logged import run_logged


def main(snakemake):
    from cornerstone.report.build import build_report
    from cornerstone.values.titles import Titles

    def paths(name):
        return [Path(path) for path in snakemake.input[name]]

    build_report(
        Path(snakemake.output.report),
        config=snakemake.params.config,
        titles=Titles(**snakemake.params.titles),
        figures=paths("figures"),
        tables=[
            *paths("tables"),
            *paths("audit_tables"),
            *paths("corrected"),
            *paths("removals"),
            *paths("own"),
        ],
        audits=paths("audits"),
        evaluations=paths("evaluations"),
        documents=paths("documents"),
        manifests=paths("manifests"),
    )


run_logged(main, snakemake)
