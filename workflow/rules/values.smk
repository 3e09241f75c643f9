# From log-likelihoods to numbers: each sublayer's value, the effect of removing it alone, in every score, and of
# removing runs and pairs.


rule estimate_values:
    input:
        evaluations=value_evaluations,
        documents="<results>/documents/{task}.parquet",
        code=library(
            "values.py",
            "chosen_estimator.py",
            "designs.py",
            "coalitions.py",
            "sublayer_table.py",
            "estimators.py",
            "gaussian_process.py",
            "game_kernel.py",
            "informative.py",
            "orders.py",
            "permutations.py",
            "resampling.py",
            "shares.py",
            "scores.py",
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
        mem_mb=memory_of_scores,
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
            "ablation.py",
            "agreement.py",
            "coalitions.py",
            "collapse.py",
            "sublayer_table.py",
            "interactions.py",
            "joint.py",
            "resampling.py",
            "scores.py",
            "significance.py",
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
        mem_mb=memory_of_scores,
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
