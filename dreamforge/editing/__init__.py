"""Runs that begin with what exists: a mesh or splats of any origin, or an earlier run.

An edit is a run like any other (`dreamforge.pipeline`). What it adds is where the first stage's scene comes from
(`opening`, `canvas`), what of it may change (`region`, `hold`), and how it goes back (`restoring`).
"""
