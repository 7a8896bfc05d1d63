# Datasets: pools of digit images, the moving digits drawn from them, sets of videos, and their frames.

from reeltrace.plan import DATA_OUTPUTS, FRAMES_OUTPUTS, LISTED_OUTPUTS


rule images:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", DATA_OUTPUTS["images"]),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "images"),
    priority: priority_of("data")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("data"),
    shell:
        "sh workflow/reeltrace run data {wildcards.key:q} > {log:q} 2>&1"


rule moving_digits:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        manifests=manifests("data"),
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", DATA_OUTPUTS["moving-digits"]),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "moving-digits"),
    priority: priority_of("data")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("data"),
    shell:
        "sh workflow/reeltrace run data {wildcards.key:q} > {log:q} 2>&1"


rule videos:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", DATA_OUTPUTS["videos"]),
        folders=folders("data", DATA_OUTPUTS["videos"]),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "videos", DATA_OUTPUTS["videos"]),
    priority: priority_of("data")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=memory("data"),
    shell:
        "sh workflow/reeltrace run data {wildcards.key:q} > {log:q} 2>&1"


rule listed_videos:
    input:
        spec=f"{FOLDER}/data/{{key}}/spec.json",
        sources=sources("data"),
    output:
        manifest=f"{FOLDER}/data/{{key}}/manifest.json",
        files=files("data", LISTED_OUTPUTS),
    log:
        f"{FOLDER}/logs/data-{{key}}.log",
    wildcard_constraints:
        key=keys("data", "videos", LISTED_OUTPUTS),
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
        files=files("frames", FRAMES_OUTPUTS),
        folders=folders("frames", FRAMES_OUTPUTS),
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
