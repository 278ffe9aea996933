"""``fieldguide medical findings``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("table", type=click.Path(path_type=Path), metavar="REPORTS")
@click.option("--text-column", "text_columns", multiple=True, metavar="NAME",
              help="Holds the text; repeat to read several. Else report, report_text, text, or "
              "findings and impression.")  # fmt: skip
@click.option("--id-column", metavar="NAME",
              help="Names the reports, and stays in the output; else their row does.")  # fmt: skip
@click.option("--set", "rules_name", default="ct_rate_18", show_default=True, metavar="NAME",
              help="The findings: a set's name, or a YAML file of your own.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path),
              help="A table to write: .csv .jsonl .json .parquet; else the screen.")  # fmt: skip
@click.option("--explain", type=click.Path(path_type=Path), metavar="FILE",
              help="A second table: where a finding is named, its trigger and rule.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No summary; errors only.")
def findings(  # noqa: PLR0913 - one argument an option
    table: Path,
    text_columns: tuple[str, ...],
    id_column: str | None,
    rules_name: str,
    output: Path | None,
    explain: Path | None,
    quiet: bool,
) -> None:
    """Read from reports which findings are present, absent or uncertain. For research only.

    REPORTS is a CSV, JSON Lines or Parquet table with one report a row. The output has one row a
    report and one column a finding: 1 present, 0 absent, -1 uncertain, empty where the report does
    not mention it. The text itself is never written.

    \b
    fieldguide medical findings reports.csv -o findings.csv
    fieldguide medical findings reports.jsonl --text-column body --explain why.csv -o f.parquet

    Ends with 3 where a row has no text, with 1 where none has.
    """
    from fieldguide.cli import screen
    from fieldguide.plugins import get_catalog
    from fieldguide.writers import writer_for
    from fieldguide_medical.finding_rules import finding_rules
    from fieldguide_medical.report_table import FindingsTable, MentionTable, findings_table

    catalog = get_catalog()
    for path, kind in ((output, FindingsTable.kind), (explain, MentionTable.kind)):
        if path is not None:  # fail before the work, not after it
            writer_for(path, kind, catalog, "medical")
    rules = finding_rules(rules_name)
    found = findings_table(table, rules, text_columns=text_columns, id_column=id_column)
    if output is None:
        screen.print_table(found.records(), (found.id_column, *rules.labels))
    else:
        found.write(output)
    if explain is not None:
        found.explained().write(explain)
    empty = sum(not row.has_text for row in found)
    if not quiet:
        click.echo(
            f"{len(found)} reports, {len(rules.labels)} findings of {rules.name}, {empty} rows "
            "without text. For research, not for diagnosis.",
            err=True,
        )
    raise click.exceptions.Exit(screen.exit_code(len(found), empty, strict=False))
