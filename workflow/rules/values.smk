# From log-likelihoods to numbers: each sublayer's value, the effect of removing it alone, in every score, and of
# removing runs and pairs.


rule estimate_values:
    input:
        evaluations=value_evaluations,
        documents="<results>/documents/{task}.parquet",
        code=lambda _: code_of(
            "estimate_values", [*score_files(study.score), *estimator_files(study.estimator)]
        ),
    output:
        values="<results>/values/{model}/{task}.csv",
    log:
        "<logs>/estimate_values/{model}/{task}.log",
    benchmark:
        "<benchmarks>/estimate_values/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=lambda wildcards, attempt: attempt * ESTIMATORS[study.estimator].minutes,
    params:
        score=study.score,
        rejected=rejected,
        max_removed=study.max_removed,
        edges=study.edges,
        estimator=study.estimator,
        players=PLAYERS,
        top_k=study.top_k,
    message:
        "Estimate the values of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/estimate_values.py"


# One job for all that single, joint and pairwise removals cost: each is seconds of arithmetic on the same scores.
rule removal_effects:
    input:
        evaluations=pair_evaluations,
        documents="<results>/documents/{task}.parquet",
        code=lambda _: code_of("removal_effects", SCORES.files),
    output:
        ablation="<results>/ablation/{model}/{task}.csv",
        joint="<results>/joint/{model}/{task}.csv",
        interactions="<results>/interactions/{model}/{task}.csv",
        agreement="<results>/agreement/{model}/{task}.csv",
    log:
        "<logs>/removal_effects/{model}/{task}.log",
    benchmark:
        "<benchmarks>/removal_effects/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
        margin=study.collapse_margin,
        max_removed=study.max_removed,
    message:
        "Work out what removals cost {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/removal_effects.py"
