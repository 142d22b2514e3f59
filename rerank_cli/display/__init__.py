"""Output for people: messages, progress, tables, charts and pages. It computes nothing.

`messages` writes errors and notes, `progress` and `progress_bar` show a run, the `…_tables` and `dry_run_report` show
results. `runs_table` has a row per ranking, `markdown` makes tables to paste. `page` writes the HTML report, the
`page_…` files make its parts. Text from data is escaped for the terminal (`core.printable`).
"""
