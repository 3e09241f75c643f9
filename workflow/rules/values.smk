# From log-likelihoods to numbers: each sublayer's value, the effect of removing it alone, in every score, and of
# removing runs and pairs.


rule estimate_values:
    input:
        evaluations=value_evaluations,
        documents="<results>/documents/{task}.parquet",
        code=library(
            "values/estimates.py",
            "shapley/designs.py",
            "shapley/coalitions.py",
            "values/rows.py",
            "shapley/estimators/*.py",
            "shapley/gaussian_process.py",
            "shapley/game_kernel.py",
            "shapley/informative.py",
            "shapley/orders.py",
            "statistics/resampling.py",
            "statistics/shares.py",
            "values/scores.py",
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
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
        max_removed=study.max_removed,
        edges=study.edges,
        estimator=study.estimator,
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
        code=library(
            "values/ablation.py",
            "values/agreement.py",
            "shapley/coalitions.py",
            "statistics/collapse.py",
            "values/rows.py",
            "values/interactions.py",
            "values/joint.py",
            "statistics/resampling.py",
            "values/scores.py",
            "statistics/significance.py",
        ),
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
