# Tables over all models and tasks, as numbers (.csv) and as text (.md), beside the paper's (config/paper.yaml)
# where a model is one of the paper's.

import yaml

PAPER = yaml.safe_load(Path(workflow.source_path("../../config/paper.yaml")).read_text(encoding="utf-8"))


rule tables:
    input:
        values=of_all("<results>/values/{model}/{task}.csv"),
        ablation=of_all("<results>/ablation/{model}/{task}.csv"),
        joint=of_all("<results>/joint/{model}/{task}.csv"),
        agreement=of_all("<results>/agreement/{model}/{task}.csv"),
        interactions=of_all("<results>/interactions/{model}/{task}.csv"),
        evaluations=[
            f"<results>/evaluations/{model}/{task}/{design}.parquet"
            for model, task, design in study.table_evaluations
        ],
        documents=expand("<results>/documents/{task}.parquet", task=study.task_names),
        corrected=["<results>/tables/corrected_values.csv"] if study.corrected else [],
        code=lambda _: code_of(
            "tables", [*TABLES.files, *CLAIMS.files, *SCORES.files, ESTIMATORS.file_of(study.estimator)]
        ),
    output:
        csv=table_files(Part.STUDY, "csv"),
        md=report(
            table_files(Part.STUDY, "md"),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=MEMORY_OF_SCORES,
        # A Gaussian process is fitted anew for each model and task, one after another.
        runtime=lambda wildcards, attempt: attempt * ESTIMATORS[study.estimator].minutes,
    params:
        score=study.score,
        rejected=lambda wildcards: rejected_among(study.table_evaluations),
        max_removed=study.max_removed,
        edges=study.edges,
        estimator=study.estimator,
        top_k=study.top_k,
        margin=study.collapse_margin,
        titles=TITLES,
        # What a model and a task are, whatever they are called in the configuration.
        ids={model.name: model.hub or Path(model.folder).name for model in study.models},
        lm_eval_tasks={task.name: task.task for task in study.tasks},
        paper=PAPER if study.players == SUBLAYERS else {},  # whose numbers are of sublayers
    message:
        "Write the tables"
    script:
        "../scripts/tables.py"
