# Models: found once, and noted in a manifest with the digest of every file. The weights stay where they are.


rule download_model:
    input:
        files=model_files,
    output:
        manifest="<results>/models/{model}.json",
    log:
        "<logs>/download_model/{model}.log",
    conda:
        "../../envs/models.yaml"
    params:
        folder=lambda wildcards: study.model(wildcards.model).folder,
        hub=lambda wildcards: study.model(wildcards.model).hub,
        revision=lambda wildcards: study.model(wildcards.model).revision,
    message:
        "Note what {wildcards.model} is made of"
    script:
        "../scripts/download_model.py"
