//! `list-url`, also `ls-url`: the files behind a path or URL.

use std::collections::BTreeSet;

use clap::{Args, ValueHint};
use lemnis_data::{ListUrl as Request, ListedUrl, Outside};

use super::import_url::option;
use super::ls::{Shape, natural};
use super::transfer::Bar;
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis ls-url s3://bucket/images\n  lemnis ls-url -R --size remote://storage/raw"
)]
pub struct ListUrl {
    /// A path, or a URL (http, https, s3, gs, azure, remote)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub url: String,
    #[command(flatten)]
    pub shape: Shape,
    /// Options of the store
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = option)]
    pub fs_config: Vec<(String, String)>,
}

pub fn run(context: &Context, arguments: &ListUrl) -> Result<u8, Failure> {
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let outside = Outside { stores: &clouds, progress: &bar, jobs: None, environment: &context.environment };
    let request = Request {
        url: arguments.url.clone(),
        options: arguments.fs_config.clone(),
        recursive: arguments.shape.recursive || arguments.shape.tree,
        max_depth: arguments.shape.level,
    };
    let listed = lemnis_data::list_url(&context.dir, &request, &outside)?;
    drop(bar);
    if context.json {
        output::json_line(&listed)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(0);
    }
    let rows = match arguments.shape.tree {
        true => tree(&arguments.url, &listed),
        false => listed.iter().map(|entry| (entry.path.clone(), entry.size)).collect(),
    };
    if !arguments.shape.size {
        rows.iter().for_each(|(path, _)| output::line(path));
        return Ok(0);
    }
    let cells = |(path, size): (String, Option<u64>)| vec![size.map_or_else(String::new, natural), path];
    let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
    output::line(output::plain_table(&[], &rows, true));
    Ok(0)
}

/// The lines of a tree below `top`.
fn tree(top: &str, listed: &[ListedUrl]) -> Vec<(String, Option<u64>)> {
    // a file that was named itself
    if let [only] = listed
        && !only.isdir
        && only.size.is_none()
    {
        return vec![(top.to_owned(), None)];
    }
    let mut rows = vec![(top.trim_end_matches('/').to_owned(), None)];
    let entries: Vec<(Vec<&str>, Option<u64>)> =
        listed.iter().map(|entry| (entry.path.split('/').collect(), entry.size)).collect();
    branch(&entries, 0, "", &mut rows);
    rows
}

fn branch(
    entries: &[(Vec<&str>, Option<u64>)],
    depth: usize,
    prefix: &str,
    rows: &mut Vec<(String, Option<u64>)>,
) {
    let names: BTreeSet<&str> = entries.iter().filter_map(|(parts, _)| parts.get(depth).copied()).collect();
    let count = names.len();
    for (at, name) in names.into_iter().enumerate() {
        let (part, below) = if at + 1 == count { ("└── ", "    ") } else { ("├── ", "│   ") };
        let inside: Vec<_> =
            entries.iter().filter(|(parts, _)| parts.get(depth) == Some(&name)).cloned().collect();
        let size = inside.iter().find(|(parts, _)| parts.len() == depth + 1).and_then(|(_, size)| *size);
        rows.push((format!("{prefix}{part}{name}"), size));
        branch(&inside, depth + 1, &format!("{prefix}{below}"), rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_as_dvc_draws_it() {
        let file = |path: &str| ListedUrl { path: path.to_owned(), isdir: false, size: Some(2) };
        let lines: Vec<String> =
            tree("d", &[file("e/y"), file("x")]).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, ["d", "├── e", "│   └── y", "└── x"]);
    }
}
