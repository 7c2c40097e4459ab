//! `check-ignore`: whether `.dvcignore` leaves paths out, and by which pattern.

use std::io::BufRead;

use clap::{Args, ValueHint};
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure, io_failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis check-ignore build/x.tmp          exit code 1 when it is not ignored
  lemnis check-ignore -d -n *              the file, line and pattern that decide")]
pub struct CheckIgnore {
    /// Files or directories, which need not exist
    #[arg(value_hint = ValueHint::AnyPath)]
    targets: Vec<String>,
    /// Show the pattern that decides, with its file and line
    #[arg(short, long)]
    details: bool,
    /// Show targets that no pattern matches, too
    #[arg(short, long)]
    non_matching: bool,
    /// Show every pattern that matches, not only the last one
    #[arg(short, long)]
    all: bool,
    /// Read the targets from standard input, one a line
    #[arg(long)]
    stdin: bool,
}

pub fn run(context: &Context, arguments: &CheckIgnore) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let CheckIgnore { details, non_matching, all, stdin, .. } = *arguments;
    let wrong = [
        (!stdin && arguments.targets.is_empty(), "name targets, or use --stdin"),
        (stdin && !arguments.targets.is_empty(), "targets and --stdin exclude each other"),
        (non_matching && !details, "--non-matching only goes with --details"),
        (all && !details, "--all only goes with --details"),
        (details && context.quiet, "--details and --quiet exclude each other"),
    ];
    if let Some((_, message)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        return Err(Failure::usage(message));
    }
    let mut targets = arguments.targets.clone();
    if arguments.stdin {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(io_failure("reading standard input"))?;
            if line.is_empty() {
                break;
            }
            targets.push(line);
        }
    }
    let mut any = false;
    for target in &targets {
        let found = lemnis_data::check_ignore(&repo, target)?;
        any |= if arguments.details { !found.patterns.is_empty() } else { found.ignored };
        if arguments.details {
            let mut patterns = found.patterns;
            if patterns.is_empty() && arguments.non_matching {
                patterns.push("::".to_owned());
            }
            let skip = if arguments.all { 0 } else { patterns.len().saturating_sub(1) };
            for pattern in patterns.iter().skip(skip) {
                output::line(format!("{pattern}\t{target}"));
            }
        } else if found.ignored && !context.quiet {
            output::line(target);
        }
    }
    Ok(u8::from(!any))
}
