# Cheap measures: how much the hidden state changes in each sublayer and block, from one pass of the full model; and how
# far they may be trusted, by the values and the effects of single removals.

from cornerstone.shapley.players import blocks_together


# One job for all tasks: loading is most of the work, and streamed weights are read once for all of them.
rule measure:
    input:
        manifest="<results>/models/{model}.json",
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        accepted="<results>/unscorable/{model}.json",
    output:
        measures=of_tasks("<results>/measures/{model}/{task}.parquet"),
    log:
        "<logs>/measure/{model}.log",
    benchmark:
        "<benchmarks>/measure/{model}.tsv"
    priority: 2
    conda:
        "../../envs/evaluate.yaml"
    threads: evaluate_threads
    # Not params: where and in how much memory it is computed changes no result.
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
        unscorable=study.unscorable,
        memory_bytes=study.memory_bytes,
        gpu=lambda wildcards: study.model(wildcards.model).resources.gpu,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards, attempt: evaluation_minutes(study, wildcards.model, attempt),
    params:
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        limits=lambda wildcards: {
            task: study.document_limit(wildcards.model, task) for task in study.task_names
        },
        # Text, as Snakemake compares sets of values: a number would be lost among the versions.
        groups=f"{blocks_together(PLAYERS) or 1} blocks",
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        engine_version=ENGINE_VERSION,
        measures_version=MEASURES_VERSION,
        measures=list(MEASURES.names),
        extensions=sorted(os.path.relpath(file) for file in MEASURES.files if is_own(file)),
    message:
        "Measure {wildcards.model} cheaply, in one pass (progress: {log})"
    script:
        "../scripts/measure.py"


rule cheap_measures:
    input:
        measures=of_all("<results>/measures/{model}/{task}.parquet"),
        evaluations=[
            f"<results>/evaluations/{model}/{task}/{design}.parquet"
            for model, task, design in study.table_evaluations
        ],
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        code=lambda _: code_of(
            "cheap_measures",
            [*TABLES.files, *SCORES.files, *MEASURES.files, ESTIMATORS.file_of(study.estimator)],
        ),
    output:
        csv=table_files(Part.MEASURES, "csv"),
        md=report(
            table_files(Part.MEASURES, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/cheap_measures.log",
    benchmark:
        "<benchmarks>/cheap_measures.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        # A Gaussian process is fitted anew for each model and task, one after another.
        runtime=lambda wildcards, attempt: attempt * ESTIMATORS[study.estimator].minutes,
    params:
        score=study.score,
        rejected=lambda wildcards: rejected_among(study.table_evaluations),
        rejected_measures=sum(
            count_rejected(study.measures_path(model, task))
            for model in study.model_names
            for task in study.task_names
        ),
        max_removed=study.max_removed,
        edges=study.edges,
        estimator=study.estimator,
        titles=TITLES,
    message:
        "Compare cheap measures with the values"
    script:
        "../scripts/cheap_measures.py"
