# Documents: lm-eval's own prompts, built once a task.


def own_task_files(wildcards):
    """A folder with tasks of the user's own: an edited file of it makes new documents."""
    folder = study.task(wildcards.task).include_path
    files = [path for path in Path(folder).rglob("*") if path.is_file()] if folder else []
    return sorted(str(path) for path in files if path.parent.name != "__pycache__")


def sampling_seed(wildcards):
    """None where nothing is drawn: another seed then changes nothing."""
    task = study.task(wildcards.task)
    return task.seed if task.sample else None


rule build_documents:
    input:
        data=lambda wildcards: study.task(wildcards.task).data or [],
        own_tasks=own_task_files,
    output:
        documents="<results>/documents/{task}.parquet",
    log:
        "<logs>/build_documents/{task}.log",
    conda:
        "../../envs/documents.yaml"
    params:
        task=lambda wildcards: study.task(wildcards.task).task,
        shots=lambda wildcards: study.task(wildcards.task).shots,
        sample=lambda wildcards: study.task(wildcards.task).sample,
        seed=sampling_seed,
        limit=lambda wildcards: study.task(wildcards.task).documents,
        include_path=lambda wildcards: study.task(wildcards.task).include_path,
    message:
        "Build the documents of {wildcards.task}"
    script:
        "../scripts/build_documents.py"
