# At any depth: the estimates in use against unbiased values, from per-document coalitions.
rule corrected_table:
    input:
        evaluations=[
            f"<results>/evaluations/{model}/{task}/{design}.parquet"
            for model, task, design in study.corrected_evaluations
        ],
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        code=lambda _: code_of(
            "corrected_table",
            [*TABLES.files, *SCORES.files, *map(ESTIMATORS.file_of, (*study.judged_estimators, YARDSTICK))],
        ),
    output:
        csv=table_files(Part.CORRECTED, "csv"),
        md=report(
            table_files(Part.CORRECTED, "md"),
            category="Tables",
            caption="../report/audit.rst",
        ),
    log:
        "<logs>/corrected_table.log",
    benchmark:
        "<benchmarks>/corrected_table.tsv"
    priority: 1  # the tables and the report wait for it
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        runtime=lambda wildcards, attempt: attempt
        * sum(ESTIMATORS[name].minutes for name in {*study.judged_estimators, YARDSTICK}),
    params:
        score=study.score,
        rejected=lambda wildcards: rejected_among(study.corrected_evaluations),
        max_removed=study.max_removed,
        edges=study.edges,
        estimators=list(study.judged_estimators),
        titles=TITLES,
    message:
        "Compare the estimates with corrected values"
    script:
        "../scripts/corrected_table.py"
