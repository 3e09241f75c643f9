# The report: one HTML file with every figure and table, and where the numbers come from.


rule report:
    input:
        figures=all_figures("svg"),
        tables=rules.tables.output.csv,
        audits=of_exact("<results>/audit/{model}/{task}.csv"),
        audit_tables=rules.audit_tables.output.csv if study.exact else [],
        corrected=rules.corrected_table.output.csv if study.corrected else [],
        removals=rules.removals_tables.output.csv if study.compare_removals else [],
        own=rules.interaction_indices.output.csv if study.own_designs else [],
        evaluations=[
            f"<results>/evaluations/{model}/{task}/{design}.parquet"
            for model, task, design in study.evaluations
        ],
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        manifests=expand("<results>/models/{model}.json", model=study.model_names),
        code=lambda _: code_of(
            "report", [*FIGURES.files, *TABLES.files, *CLAIMS.files, *SCORES.files, *ESTIMATORS.files]
        ),
    output:
        report="<results>/report.html",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=asdict(study),
        titles=TITLES,
    message:
        "Write the report"
    script:
        "../scripts/report.py"
