# Datasets: pools of digit images, the moving digits drawn from them, sets of videos, and their frames.


rule data:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        manifests=manifests("data"),
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data"),
    priority: priority_of("data")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("data"),
    shell:
        "sh workflow/reeltrace run data {wildcards.key:q} > {log:q} 2>&1"


rule frames:
    input:
        spec=f"{FOLDER}/frames/{{key}}/spec.json",
        manifests=manifests("frames"),
        sources=sources("frames"),
    output:
        manifest=f"{FOLDER}/frames/{{key}}/manifest.json",
    log:
        f"{FOLDER}/logs/frames-{{key}}.log",
    wildcard_constraints:
        key=keys("frames"),
    priority: priority_of("frames")
    conda:
        "../../environment.yml"
    threads: decoding_threads
    resources:
        mem_mb=memory("frames"),
    shell:
        "sh workflow/reeltrace run frames {wildcards.key:q} > {log:q} 2>&1"
