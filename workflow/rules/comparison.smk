# Two removals side by side: what values need is evaluated with the other one too, and compared document by document.


# One job a model and task, whatever shards it has: a kill loses a minute of it, as of any evaluation.
use rule evaluate as evaluate_other_removal with:
    input:
        manifest="<results>/models/{model}.json",
        documents="<results>/documents/{task}.parquet",
        accepted=lambda wildcards: accepted(wildcards, study.value_designs, study.other_removal),
        means=means_for(study.other_removal),
    output:
        evaluations=other_evaluations("{model}", "{task}"),
    log:
        "<logs>/evaluate_other_removal/{model}/{task}.log",
    benchmark:
        "<benchmarks>/evaluate_other_removal/{model}/{task}.tsv"
    wildcard_constraints:
        model=names(study.model_names),
    params:  # the others are those of evaluate
        designs=design_settings(study.value_designs, study.other_removal),
        extensions=own_files(study.value_designs),
    message:
        "Evaluate {wildcards.model} on {wildcards.task}, removing by {study.other_removal} (progress: {log})"


rule compare_removals:
    input:
        **{
            study.removal: value_evaluations,
            study.other_removal: lambda wildcards: other_evaluations(wildcards.model, wildcards.task),
        },
        documents="<results>/documents/{task}.parquet",
        code=lambda _: code_of(
            "compare_removals", [*score_files(study.score), *estimator_files(study.estimator)]
        ),
    output:
        removals="<results>/removals/{model}/{task}.csv",
    log:
        "<logs>/compare_removals/{model}/{task}.log",
    benchmark:
        "<benchmarks>/compare_removals/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=lambda wildcards, attempt: 2 * attempt * ESTIMATORS[study.estimator].minutes,  # zero, mean
    params:
        score=study.score,
        rejected=lambda wildcards: rejected(wildcards)
        + rejected_among(
            (wildcards.model, wildcards.task, design, study.other_removal) for design in study.value_designs
        ),
        max_removed=study.max_removed,
        edges=study.edges,
        estimator=study.estimator,
    message:
        "Compare the removals of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/compare_removals.py"


rule removals_tables:
    input:
        removals=of_all("<results>/removals/{model}/{task}.csv"),
        code=lambda _: code_of("removals_tables", [*TABLES.files, *SCORES.files]),
    output:
        csv=table_files(Part.REMOVALS, "csv"),
        md=report(
            table_files(Part.REMOVALS, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/removals_tables.log",
    benchmark:
        "<benchmarks>/removals_tables.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        top_k=study.top_k,
        titles=TITLES,
    message:
        "Write the tables of the two removals"
    script:
        "../scripts/removals_tables.py"
