"""What operations are written in: values, formats, containers, graphs, declarations, call paths.

Nothing here knows the engine; an operation is written without it, and gets its derivatives from it.
"""
