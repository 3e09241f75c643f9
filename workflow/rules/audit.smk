# The audit: every estimator of the values against the exact ones, of the models that `exact` names. It needs no model,
# only their evaluations of the design exact.

AUDIT_CODE = library(
    "values/audit.py",
    "values/audit_summary.py",
    "values/rows.py",
    "shapley/audited_estimators.py",
    "shapley/games.py",
    "shapley/designs.py",
    "shapley/coalitions.py",
    "shapley/estimators.py",
    "shapley/gaussian_process.py",
    "shapley/game_kernel.py",
    "shapley/informative.py",
    "shapley/orders.py",
    "shapley/permutations.py",
    "statistics/ranks.py",
    "statistics/shares.py",
    "values/scores.py",
)


rule audit_estimators:
    input:
        evaluation="<results>/evaluations/{model}/{task}/exact.parquet",
        documents="<results>/documents/{task}.parquet",
        code=AUDIT_CODE,
    output:
        audit="<results>/audit/{model}/{task}.csv",
        positions="<results>/audit_positions/{model}/{task}.csv",
    log:
        "<logs>/audit_estimators/{model}/{task}.log",
    benchmark:
        "<benchmarks>/audit_estimators/{model}/{task}.tsv"
    wildcard_constraints:
        model=names(study.exact),
    conda:
        "../../envs/audit.yaml"
    resources:
        mem_mb=16000,
        runtime=120,
    params:
        score=study.score,
        rejected=rejected,
        max_removed=study.max_removed,
        top_k=study.top_k,
    message:
        "Hold the estimators against the exact values of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/audit_estimators.py"


rule audit_tables:
    input:
        audits=of_exact("<results>/audit/{model}/{task}.csv"),
        positions=of_exact("<results>/audit_positions/{model}/{task}.csv"),
        code=library("values/audit*.py", "tables/*.py"),
    output:
        csv=table_files(audit_tables(), "csv"),
        md=report(
            table_files(audit_tables(), "md"),
            category="Tables",
            caption="../report/audit.rst",
        ),
    log:
        "<logs>/audit_tables.log",
    benchmark:
        "<benchmarks>/audit_tables.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        score=study.score,
        titles=TITLES,
    message:
        "Write the tables of the audit"
    script:
        "../scripts/audit_tables.py"


rule audit:
    input:
        audits=of_tasks("<results>/audit/{model}/{task}.csv"),
        code=FIGURE_CODE,
    output:
        pdf="<results>/figures/audit_{model}.pdf",
        png="<results>/figures/audit_{model}.png",
        svg=report(
            "<results>/figures/audit_{model}.svg",
            category="Audit",
            labels={"model": "{model}"},
            caption="../report/audit.rst",
        ),
    log:
        "<logs>/audit/{model}.log",
    benchmark:
        "<benchmarks>/audit/{model}.tsv"
    wildcard_constraints:
        model=names(study.exact),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        titles=TITLES,
    message:
        "Draw how near estimators come to the exact values of {wildcards.model}"
    script:
        "../scripts/audit.py"
