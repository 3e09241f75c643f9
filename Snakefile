# Cornerstone: which sublayers of a language model matter. What people run; the workflow itself is in workflow/Snakefile.
#
#   snakemake all                                      the study in config/config.yaml (the paper's)
#   snakemake all --configfile config/demo.yaml        the demo
#   snakemake estimate                                 what it will need, before anything is downloaded
#   snakemake watch                                    how far it is, while it runs
#   snakemake stale                                    what no study uses any more
#   snakemake results/figures/pie_llama3_70b.pdf       one figure and what it needs


include: "workflow/Snakefile"


if not IS_MODULE:
    workflow.default_target = "all"  # what an included file says of it does not count
