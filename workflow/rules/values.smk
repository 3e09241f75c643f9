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
            "estimators.py",
            "gaussian_process.py",
            "game_kernel.py",
            "informative.py",
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
        mem_mb=4000,
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


rule ablation_effects:
    input:
        evaluations=["<results>/evaluations/{model}/{task}/ablation.parquet"],
        documents="<results>/documents/{task}.parquet",
        code=library("ablation.py", "collapse.py", "significance.py", "resampling.py", "scores.py"),
    output:
        ablation="<results>/ablation/{model}/{task}.csv",
    log:
        "<logs>/ablation_effects/{model}/{task}.log",
    benchmark:
        "<benchmarks>/ablation_effects/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
        margin=study.collapse_margin,
    message:
        "Work out the effects of single removals of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/ablation_effects.py"


rule joint_removals:
    input:
        evaluations=[
            "<results>/evaluations/{model}/{task}/ablation.parquet",
            "<results>/evaluations/{model}/{task}/windows.parquet",
        ],
        documents="<results>/documents/{task}.parquet",
        code=library("joint.py", "ablation.py", "resampling.py", "scores.py"),
    output:
        joint="<results>/joint/{model}/{task}.csv",
    log:
        "<logs>/joint_removals/{model}/{task}.log",
    benchmark:
        "<benchmarks>/joint_removals/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
        max_removed=study.max_removed,
    message:
        "Work out the effects of joint removals of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/joint_removals.py"


rule compare_scores:
    input:
        evaluation="<results>/evaluations/{model}/{task}/ablation.parquet",
        documents="<results>/documents/{task}.parquet",
        code=library("agreement.py", "ablation.py", "resampling.py", "scores.py", "significance.py"),
    output:
        agreement="<results>/agreement/{model}/{task}.csv",
    log:
        "<logs>/compare_scores/{model}/{task}.log",
    benchmark:
        "<benchmarks>/compare_scores/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
    message:
        "Hold the scores of {wildcards.model} on {wildcards.task} side by side"
    script:
        "../scripts/compare_scores.py"


rule pair_interactions:
    input:
        evaluations=pair_evaluations,
        documents="<results>/documents/{task}.parquet",
        code=library("interactions.py", "ablation.py", "resampling.py", "scores.py", "significance.py"),
    output:
        interactions="<results>/interactions/{model}/{task}.csv",
    log:
        "<logs>/pair_interactions/{model}/{task}.log",
    benchmark:
        "<benchmarks>/pair_interactions/{model}/{task}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        score=study.score,
        rejected=rejected,
    message:
        "Work out the interactions of pairs of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/pair_interactions.py"
