"""What a person sees: messages, progress, tables, charts and pages. It computes nothing.

`messages` writes errors and notes, `progress` and `progress_bar` show a run, the `…_tables` and `dry_run_report` show
results. `page` makes the HTML report. No text from data can act on a terminal (`core.printable`).
"""
