# The audit: every estimator of the values against the exact ones, of the models that `exact` names. It needs no model,
# only their evaluations of the design exact.


rule audit_estimators:
    input:
        evaluation="<results>/evaluations/{model}/{task}/exact.parquet",
        documents="<results>/documents/{task}.parquet",
        code=lambda _: code_of("audit_estimators", [*SCORES.files, *ESTIMATORS.files]),
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
        runtime=lambda wildcards, attempt: attempt * 120,
    params:
        score=study.score,
        rejected=rejected,
        max_removed=study.max_removed,
        players=PLAYERS,
        top_k=study.top_k,
    message:
        "Compare the estimators with the exact values of {wildcards.model} on {wildcards.task}"
    script:
        "../scripts/audit_estimators.py"


rule audit_tables:
    input:
        audits=of_exact("<results>/audit/{model}/{task}.csv"),
        positions=of_exact("<results>/audit_positions/{model}/{task}.csv"),
        code=lambda _: code_of("audit_tables", [*TABLES.files, *SCORES.files, *ESTIMATORS.files]),
    output:
        csv=table_files(Part.AUDIT, "csv"),
        md=report(
            table_files(Part.AUDIT, "md"),
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
