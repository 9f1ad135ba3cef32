"""The course of docs/course: its lessons run, its exercises checked. `python -m gpucnn.course` says how."""
