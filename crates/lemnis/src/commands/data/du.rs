//! `du`: how much room the files of a repository take, tracked data included.

use clap::Args;
use lemnis_data::{ListOptions, Listed};

use super::ls::natural;
use super::place::Place;
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis du .\n  lemnis du https://github.com/iterative/example-get-started data --rev main"
)]
pub struct Du {
    #[command(flatten)]
    pub place: Place,
    /// Only the total
    #[arg(short, long)]
    pub summarize: bool,
}

pub fn run(context: &Context, arguments: &Du) -> Result<u8, Failure> {
    let source = arguments.place.open(context)?;
    let options = ListOptions { path: arguments.place.path.clone(), ..ListOptions::default() };
    let path = arguments.place.path.clone().unwrap_or_default();
    let mut rows = Vec::new();
    for top in lemnis_data::list(&source, &options, true, &Clouds::new())? {
        if !arguments.summarize {
            for entry in top.contents.iter().filter(|entry| !is_definition(entry)) {
                let name =
                    if path.is_empty() { entry.path.clone() } else { format!("{path}/{}", entry.path) };
                rows.push((total(entry), name));
            }
        }
        let all = if arguments.summarize { total(&top) } else { inside(&top) };
        rows.push((all, path.clone()));
    }
    if context.json {
        let rows: Vec<_> =
            rows.iter().map(|(size, path)| serde_json::json!({"size": size, "path": path})).collect();
        output::json_line(&rows)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(size, path)| vec![natural(size), path]).collect();
    output::line(output::plain_table(&[], &rows, false));
    Ok(0)
}

/// What is recorded of a directory that is not here says how large it is; of its files nobody knows.
fn total(entry: &Listed) -> u64 {
    match entry.size {
        Some(size) if entry.recorded_only => size,
        _ => inside(entry),
    }
}

fn inside(entry: &Listed) -> u64 {
    match entry.isdir {
        true => entry.contents.iter().filter(|entry| !is_definition(entry)).map(total).sum(),
        false => entry.size.unwrap_or_default(),
    }
}

/// Files that say where data is are not data.
fn is_definition(entry: &Listed) -> bool {
    !entry.isdir && (entry.path.ends_with(".dvc") || entry.path == "dvc.yaml" || entry.path == ".dvcignore")
}
