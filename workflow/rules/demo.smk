# The demo's own models and documents, which are shipped: this rule makes them anew and is no part of `all`.
#
#   snakemake train_demo_models
#
# It names no outputs, so that asking for it always runs it, and a failed run deletes nothing that is shipped:
# each model takes its predecessor's place only when it is whole.


rule train_demo_models:
    log:
        "<logs>/train_demo_models.log",
    conda:
        "../../envs/demo.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        folder="resources/demo",
        seed=1,
    message:
        "Train the demo models from scratch into {params.folder} (some 13 minutes on two cores)"
    script:
        "../scripts/train_demo_models.py"
