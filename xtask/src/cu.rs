//! `cu`: what the instructions cost, out of the table that a test writes to docs/CU.md.

use std::fs;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::programs;
use crate::run;
use crate::workspace::Workspace;

/// Where the figures are.
const DOCUMENT: &str = "docs/CU.md";

/// What to print.
#[derive(Args)]
pub struct Options {
    /// Print one JSON object: instruction → CU in its ordinary situation, the first of the table
    #[arg(long)]
    json: bool,
    /// With --json: every situation that was measured, with goal and ceiling
    #[arg(long, requires = "json")]
    situations: bool,
    /// Measure first, and write the document anew
    #[arg(long)]
    write: bool,
}

/// One row of the table.
#[derive(Debug, PartialEq)]
struct Row {
    instruction: String,
    situation: String,
    cu: u64,
    goal: Option<u64>,
    ceiling: Option<u64>,
    bytes: u64,
}

/// Prints the figures.
///
/// # Errors
/// The document cannot be read or is not what the test writes; with `write`, the test fails.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.write {
        measure(workspace)?;
    }
    let path = workspace.root.join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = rows(&text)
        .with_context(|| format!("{DOCUMENT} is not as the test writes it; run `cargo xtask cu --write`"))?;
    if options.json {
        let value = if options.situations { situations(&rows) } else { Value::Object(by_instruction(&rows)) };
        println!("{}", serde_json::to_string_pretty(&value).context("cannot write it as JSON")?);
        return Ok(());
    }
    let width = rows.iter().map(|row| row.instruction.chars().count()).max().unwrap_or_default();
    for row in &rows {
        let ceiling = row.ceiling.map_or_else(|| "–".to_owned(), |ceiling| ceiling.to_string());
        println!("{:width$}  {:>6} CU  ceiling {ceiling:>6}  {}", row.instruction, row.cu, row.situation);
    }
    Ok(())
}

/// Runs the test that measures and writes the document.
fn measure(workspace: &Workspace) -> Result<()> {
    let programs = programs::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--locked", "--workspace", "--test", "svm", "cu::"])
        .env("GRIDLEASE_PROGRAMS_DIR", programs)
        .env("GRIDLEASE_WRITE_CU", "1");
    run::run(&mut cargo)
}

/// The rows of the first table of the document.
fn rows(text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("| instruction |"));
    let head = lines.next().context("it has no table of instructions")?;
    let columns: Vec<_> = cells(head);
    let column =
        |name: &str| columns.iter().position(|cell| *cell == name).with_context(|| format!("no column {name}"));
    let (cu, goal, ceiling, bytes) = (column("CU")?, column("goal")?, column("ceiling")?, column("bytes")?);
    let mut rows = Vec::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells = cells(line);
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let number = |at: usize| -> Result<Option<u64>> {
            let text = cell(at);
            if text == "–" {
                return Ok(None);
            }
            text.replace(',', "").parse().map(Some).with_context(|| format!("no number in: {line}"))
        };
        let must = |at: usize| number(at)?.with_context(|| format!("a figure is missing in: {line}"));
        rows.push(Row {
            instruction: cell(0).to_owned(),
            situation: cell(1).to_owned(),
            cu: must(cu)?,
            goal: number(goal)?,
            ceiling: number(ceiling)?,
            bytes: must(bytes)?,
        });
    }
    ensure!(!rows.is_empty(), "the table has no rows");
    Ok(rows)
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Instruction → CU, in the situation that was measured first. Transactions of several instructions are left out.
fn by_instruction(rows: &[Row]) -> Map<String, Value> {
    let mut map = Map::new();
    for row in rows.iter().filter(|row| !row.instruction.contains(" + ")) {
        map.entry(row.instruction.clone()).or_insert_with(|| row.cu.into());
    }
    map
}

fn situations(rows: &[Row]) -> Value {
    let object = |row: &Row| {
        json!({
            "instruction": row.instruction, "situation": row.situation, "cu": row.cu, "goal": row.goal,
            "ceiling": row.ceiling, "transaction_bytes": row.bytes,
        })
    };
    rows.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n| instruction | situation | CU | goal | | ceiling | bytes |\n|---|---|---:|---:|---|---:|---:|\n\
        | post_job | small | 12,667 | 15,000 | met | 15,000 | 555 |\n| post_job | large | 13,000 | 15,000 | met | 15,000 | 700 |\n\
        | deposit | own | 8,407 | – |  | – | 1,385 |\n| settle + close_job | one | 9,000 | – |  | – | 400 |\n\n| other | |\n";

    #[test]
    fn the_table_is_read_by_the_names_of_its_columns_and_ends_where_it_ends() {
        let rows = rows(TEXT).unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(
            (rows[0].cu, rows[0].goal, rows[0].ceiling, rows[0].bytes),
            (12_667, Some(15_000), Some(15_000), 555)
        );
        assert_eq!((rows[2].goal, rows[2].ceiling, rows[2].bytes), (None, None, 1_385));
    }

    #[test]
    fn an_instruction_has_the_figure_of_its_first_situation() {
        let map = by_instruction(&rows(TEXT).unwrap());
        assert_eq!(Value::Object(map), json!({ "post_job": 12_667, "deposit": 8_407 }));
    }

    #[test]
    fn a_document_without_the_table_is_refused() {
        for text in ["", "# Title\n", "| instruction | situation | CU |\n|---|---|---|\n| a | b | 1 |\n"] {
            assert!(rows(text).is_err());
        }
        assert!(rows(&TEXT.replace("8,407", "much")).is_err());
    }
}
