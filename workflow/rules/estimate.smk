# What the study will need: disk, memory, operations, hours. Asked of the hub each time; nothing large is fetched.


rule estimate:
    log:
        "<logs>/estimate.log",
    conda:
        "../../envs/documents.yaml"
    params:
        study=study,
    message:
        "Ask the hub what the study will need"
    script:
        "../scripts/estimate.py"
