# Cornerstone: which sublayers of a language model matter. The table of contents of the workflow.
#
#   snakemake all                                      the study in config/config.yaml (the paper's)
#   snakemake all --configfile config/demo.yaml        the demo
#   snakemake estimate                                 what it will need, before anything is downloaded
#   snakemake watch                                    how far it is, while it runs
#   snakemake stale                                    what no study uses any more
#   snakemake results/figures/pie_llama3_70b.pdf       one figure and what it needs

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")
sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))  # reaches the scripts too, wherever they run


# --configfile takes the place of the paper's configuration: Snakemake would mix the two.
if not workflow.overwrite_configfiles:

    configfile: Path(workflow.basedir) / "config" / "config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=study.results,
    logs=f"{study.results}/logs",
    benchmarks=f"{study.results}/benchmarks",


localrules:
    all,
    download_model,
    build_documents,
    accept_documents,
    estimate,
    overview,
    watch,
    precision,
    stale,


include: "workflow/rules/models.smk"
include: "workflow/rules/documents.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/values.smk"
include: "workflow/rules/tables.smk"


if study.exact:

    include: "workflow/rules/audit.smk"


if study.corrected:

    include: "workflow/rules/corrected.smk"


if study.own_designs:

    include: "workflow/rules/indices.smk"


include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/asking.smk"


rule all:
    default_target: True
    input:
        tables=rules.tables.output.csv,
        figures=all_figures("pdf"),
        report=rules.report.output.report,
    message:
        "Everything is there: open {input.report}"
