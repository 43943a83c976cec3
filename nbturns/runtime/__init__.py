"""The tool loop: engines as functions, executions, steps, tools."""
