"""From the registry to artifacts: the graph of tasks, the code behind each, the leaf that runs one, both engines."""
