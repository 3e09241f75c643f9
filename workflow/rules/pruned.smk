# Pruned models, asked for by target alone: without their least important blocks, or with zeros for sublayers.

from cornerstone.models.pruned_folder import PRUNED_VERSION
from cornerstone.values.least_important import ranking_of, rankings


wildcard_constraints:
    ranking=names(rankings()),
    number="[0-9]+",


# What is written is as large as a model, so it is made again only where its model or its ranking changed, never because
# a file of the code was edited. It gets its name whole: where the job fails, nothing is there.
rule prune:
    input:
        manifest="<results>/models/{model}.json",
        rows=lambda wildcards: expand(
            "<results>/{folder}/{model}/{task}.{ending}",
            folder=ranking_of(wildcards.ranking).folder,
            ending=ranking_of(wildcards.ranking).ending,
            model=wildcards.model,
            task=study.task_names,
        ),
        evaluation=of_tasks("<results>/evaluations/{model}/{task}/ablation.parquet")[0],
        ablation=of_tasks("<results>/ablation/{model}/{task}.csv"),
        joint=of_tasks("<results>/joint/{model}/{task}.csv"),
    output:
        folder=directory("<results>/pruned/{model}/{ranking}-{number}"),
    log:
        "<logs>/prune/{model}/{ranking}-{number}.log",
    benchmark:
        "<benchmarks>/prune/{model}/{ranking}-{number}.tsv"
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards: study.model(wildcards.model).resources.runtime,
    params:
        players=PLAYERS,
        of_blocks=True,
        removal=study.removal,
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        titles=TITLES,
        lm_eval_tasks={task.name: task.task for task in study.tasks},
        version=PRUNED_VERSION,
    message:
        "Write {wildcards.model} without its least important blocks: {wildcards.ranking}-{wildcards.number} (progress: {log})"
    script:
        "../scripts/prune.py"


use rule prune as prune_sublayers with:
    output:
        folder=directory("<results>/pruned/{model}/{ranking}-{number}-sublayers"),
    log:
        "<logs>/prune/{model}/{ranking}-{number}-sublayers.log",
    benchmark:
        "<benchmarks>/prune/{model}/{ranking}-{number}-sublayers.tsv"
    params:  # the others are those of prune
        of_blocks=False,
    message:
        "Write {wildcards.model} with zeros for its {wildcards.number} least important sublayers by {wildcards.ranking} (progress: {log})"
