# Datasets: pools of digit images, and the moving digits drawn from them.

from reeltrace.plan import IMAGES_OUTPUTS, MOVING_OUTPUTS


rule images:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", IMAGES_OUTPUTS),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "images"),
    conda:
        "../../environment.yml"
    threads: 1
    shell:
        "reeltrace run data {wildcards.key:q} > {log:q} 2>&1"


rule moving_digits:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        manifests=manifests("data"),
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", MOVING_OUTPUTS),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "moving-digits"),
    conda:
        "../../environment.yml"
    threads: 1
    shell:
        "reeltrace run data {wildcards.key:q} > {log:q} 2>&1"
