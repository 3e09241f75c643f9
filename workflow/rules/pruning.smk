# Pruning curves: which ranking keeps the most of the score when the least important sublayers go together. Each ranking
# is found on one half of the documents and scored on the other, crossed. Nothing here runs unless the configuration has
# `pruning`.


rule rank_sublayers:
    input:
        evaluations=lambda wildcards: evaluations_of(wildcards, study.ranking_designs(wildcards.model)),
        documents="<results>/documents/{task}.parquet",
        greedy="<results>/rankings/{model}/{task}.greedy.json" if study.is_greedy else [],
        measures="<results>/measures/{model}/{task}.parquet" if study.cheap_measures else [],
        code=lambda wildcards: code_of(
            "rank_sublayers",
            [*SCORES.files, *map(ESTIMATORS.file_of, study.ranking_estimators(wildcards.model))],
        ),
    output:
        orders="<results>/rankings/{model}/{task}.json",
    log:
        "<logs>/rank_sublayers/{model}/{task}.log",
    benchmark:
        "<benchmarks>/rank_sublayers/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=lambda wildcards, attempt: attempt
        * max(ESTIMATORS[name].minutes for name in study.ranking_estimators(wildcards.model)),
    params:
        settings=lambda wildcards: study.ranking_settings(wildcards.model),
        limit=lambda wildcards: study.document_limit(wildcards.model, wildcards.task),
        rejected=rejected,
        rejected_measures=lambda wildcards: count_rejected(
            study.measures_path(wildcards.model, wildcards.task)
        ),
    message:
        "Rank the sublayers of {wildcards.model} on each half of {wildcards.task}"
    script:
        "../scripts/rank_sublayers.py"


# It evaluates while it ranks: each step needs the scores of the one before.
rule rank_greedily:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, ["ablation"]),
        means=means_for(study.removal),
    output:
        orders="<results>/rankings/{model}/{task}.greedy.json",
    log:
        "<logs>/rank_greedily/{model}/{task}.log",
    benchmark:
        "<benchmarks>/rank_greedily/{model}/{task}.tsv"
    priority: 2
    conda:
        "../../envs/evaluate.yaml"
    threads: evaluate_threads
    resources:
        device=lambda wildcards: study.model(wildcards.model).device,
        placement=lambda wildcards: study.model(wildcards.model).placement,
        unscorable=study.unscorable,
        memory_bytes=study.memory_bytes,
        gpu=lambda wildcards: study.model(wildcards.model).resources.gpu,
        mem_mb=lambda wildcards: study.model(wildcards.model).resources.mem_mb,
        runtime=lambda wildcards, attempt: evaluation_minutes(study, wildcards.model, attempt),
    params:
        settings={
            "score": study.score,
            "most_removed": study.pruning.most_removed,
            "documents_per_draw": study.documents_per_draw,
            "seed": study.seed,
        },
        players=PLAYERS,
        dtype=lambda wildcards: study.model(wildcards.model).dtype,
        limit=lambda wildcards: study.document_limit(wildcards.model, wildcards.task),
        allow_remote_code=lambda wildcards: study.model(wildcards.model).allow_remote_code,
        engine_version=ENGINE_VERSION,
        extensions=list(study.extensions),
    message:
        "Remove greedily from {wildcards.model} on {wildcards.task} (progress: {log})"
    script:
        "../scripts/rank_greedily.py"


use rule evaluate as evaluate_pruning with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        orders="<results>/rankings/{model}/{task}.json",
        accepted=lambda wildcards: accepted(wildcards, ["pruning"]),
        means=means_for(study.removal),
    output:
        evaluations="<results>/evaluations/{model}/{task}/pruning.parquet",
    log:
        "<logs>/evaluate_pruning/{model}/{task}.log",
    benchmark:
        "<benchmarks>/evaluate_pruning/{model}/{task}.tsv"
    wildcard_constraints:
        model=names(study.model_names),
    params:  # the others are those of evaluate
        designs=design_settings(["pruning"]),
        extensions=[],
    message:
        "Evaluate {wildcards.model} on {wildcards.task}, pruned by each ranking (progress: {log})"


rule pruning_curves:
    input:
        evaluations=of_tasks("<results>/evaluations/{model}/{task}/pruning.parquet"),
        orders=of_tasks("<results>/rankings/{model}/{task}.json"),
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        manifest="<results>/models/{model}.json",
        code=lambda _: code_of("pruning_curves", SCORES.files),
    output:
        curves=of_tasks("<results>/pruning/{model}/{task}.csv"),
        areas="<results>/pruning_areas/{model}.csv",
    log:
        "<logs>/pruning_curves/{model}.log",
    benchmark:
        "<benchmarks>/pruning_curves/{model}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=30,
    params:
        score=study.score,
        rejected=lambda wildcards: rejected_among(
            (wildcards.model, task, "pruning") for task in study.task_names
        ),
        max_removed=study.max_removed,
        edges=study.edges,
    message:
        "Score {wildcards.model} as each ranking prunes it"
    script:
        "../scripts/pruning_curves.py"


rule pruning_tables:
    input:
        curves=of_all("<results>/pruning/{model}/{task}.csv"),
        areas=expand("<results>/pruning_areas/{model}.csv", model=study.model_names),
        code=lambda _: code_of("pruning_tables", [*TABLES.files, *SCORES.files]),
    output:
        csv=table_files(Part.PRUNING, "csv"),
        md=report(
            table_files(Part.PRUNING, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/pruning_tables.log",
    benchmark:
        "<benchmarks>/pruning_tables.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        titles=TITLES,
    message:
        "Compare the rankings by what they prune"
    script:
        "../scripts/pruning_tables.py"
