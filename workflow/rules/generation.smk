# Generation: the answers of every coalition and document as texts, then their scores. The texts are kept: another metric
# or filter generates nothing again. Its progress is in {output}.parts/, as that of an evaluation.


use rule evaluate as generate with:
    output:
        generations=of_designs("<results>/generations/{model}/{task}/{design}.parquet"),
    log:
        "<logs>/generate/{model}/{task}.log",
    benchmark:
        "<benchmarks>/generate/{model}/{task}.tsv"
    wildcard_constraints:
        model=WHOLE_MODELS,
        task=GENERATING_TASKS,
    message:
        "Generate the answers of {wildcards.model} to {wildcards.task} (progress: {log})"


use rule evaluate_shard as generate_shard with:
    output:
        notes=of_designs("<results>/generations/{model}/{task}/{design}.shards/{shard}-of-{shards}.json"),
    log:
        "<logs>/generate/{model}/{task}.{shard}-of-{shards}.log",
    benchmark:
        "<benchmarks>/generate/{model}/{task}.{shard}-of-{shards}.tsv"
    wildcard_constraints:
        model=SHARDED_MODELS,
        task=GENERATING_TASKS,
    message:
        "Generate the answers of {wildcards.model} to {wildcards.task}, shard {wildcards.shard} of {wildcards.shards} (progress: {log})"


use rule join_shards as join_generation_shards with:
    output:
        generations=of_designs("<results>/generations/{model}/{task}/{design}.parquet"),
    log:
        "<logs>/generate/{model}/{task}.log",
    benchmark:
        "<benchmarks>/generate/{model}/{task}.tsv"
    wildcard_constraints:
        model=SHARDED_MODELS,
        task=GENERATING_TASKS,


# lm-eval's own filters and metrics, in its environment, on the rows that the document file keeps.
rule score_answers:
    input:
        generations=of_designs("<results>/generations/{model}/{task}/{design}.parquet"),
        documents="<results>/documents/{task}.parquet",
        own_tasks=lambda wildcards: own_task_files(study.task(wildcards.task)),
    output:
        evaluations=of_designs("<results>/evaluations/{model}/{task}/{design}.parquet"),
    log:
        "<logs>/score_answers/{model}/{task}.log",
    benchmark:
        "<benchmarks>/score_answers/{model}/{task}.tsv"
    wildcard_constraints:
        task=GENERATING_TASKS,
    conda:
        "../../envs/documents.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        task=lambda wildcards: study.task(wildcards.task).task,
        metric=lambda wildcards: study.task(wildcards.task).metric,
        include_path=lambda wildcards: study.task(wildcards.task).include_path,
        rejected=rejected,
    message:
        "Score the answers of {wildcards.model} to {wildcards.task}"
    script:
        "../scripts/score_answers.py"
