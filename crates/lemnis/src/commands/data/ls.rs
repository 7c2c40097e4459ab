//! `list`, also `ls`: the files of a repository, those in Git and those that are tracked data.

use clap::Args;
use lemnis_data::{Error, ListOptions, Listed};

use super::place::Place;
use crate::context::Context;
use crate::output::{self, Failure, exit};
use crate::wiring::Clouds;

/// What a listing looks like.
#[derive(Args, Debug)]
pub struct Shape {
    /// Go into sub-directories
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Show as a tree
    #[arg(short = 'T', long)]
    pub tree: bool,
    /// Go this deep
    #[arg(short = 'L', long, value_name = "DEPTH")]
    pub level: Option<usize>,
    /// Show sizes
    #[arg(long)]
    pub size: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis ls .
  lemnis ls -R --dvc-only https://github.com/iterative/example-get-started
  lemnis ls . data --rev v1.0 --json
  lemnis ls --tree --level 2 .")]
pub struct List {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub shape: Shape,
    /// Tracked data only
    #[arg(long)]
    pub dvc_only: bool,
    /// Show hashes
    #[arg(long)]
    pub show_hash: bool,
}

pub fn run(context: &Context, arguments: &List) -> Result<u8, Failure> {
    if arguments.shape.tree && context.json {
        return Err(Failure::usage("--tree and --json exclude each other"));
    }
    let source = arguments.place.open(context)?;
    let options = ListOptions {
        path: arguments.place.path.clone(),
        rev: arguments.place.rev.clone(),
        recursive: arguments.shape.recursive,
        dvc_only: arguments.dvc_only,
        max_depth: arguments.shape.level,
    };
    let listed = lemnis_data::list(&source, &options, arguments.shape.tree, &Clouds::new());
    let listed = listed.map_err(|error| match error {
        Error::NotInCache { .. } => Failure::from(error).with_dvc_code(exit::OTHER),
        error => error.into(),
    })?;
    if context.json {
        output::json_line(&listed)?;
        return Ok(0);
    }
    let mut rows = Vec::new();
    if arguments.shape.tree {
        branch(&listed, "", 0, &mut rows);
    } else {
        rows.extend(listed.iter().map(|entry| (entry, entry.path.clone())));
    }
    if !arguments.shape.size && !arguments.show_hash {
        rows.iter().for_each(|(_, path)| output::line(path));
        return Ok(0);
    }
    let cells = |(entry, path): &(&Listed, String)| {
        let mut row = Vec::new();
        row.extend(arguments.shape.size.then(|| entry.size.map_or_else(String::new, natural)));
        row.extend(arguments.show_hash.then(|| entry.md5.clone().unwrap_or_else(|| "-".to_owned())));
        row.push(path.clone());
        row
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::line(output::plain_table(&[], &rows, arguments.shape.size));
    Ok(0)
}

fn branch<'l>(entries: &'l [Listed], prefix: &str, depth: usize, rows: &mut Vec<(&'l Listed, String)>) {
    for (at, entry) in entries.iter().enumerate() {
        let last = at + 1 == entries.len();
        let (part, below) = match (depth, last) {
            (0, _) => ("", ""),
            (_, true) => ("└── ", "    "),
            (_, false) => ("├── ", "│   "),
        };
        rows.push((entry, format!("{prefix}{part}{}", entry.path)));
        branch(&entry.contents, &format!("{prefix}{below}"), depth + 1, rows);
    }
}

/// `14`, `4.00k`, `12.3M`: units of 1024.
pub fn natural(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut value = bytes as f64;
    for unit in ["", "k", "M", "G", "T", "P", "E"] {
        if value < 999.5 {
            return match value {
                value if value < 9.995 => format!("{value:.2}{unit}"),
                value if value < 99.95 => format!("{value:.1}{unit}"),
                value => format!("{value:.0}{unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1}Y")
}
