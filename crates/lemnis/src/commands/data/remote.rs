//! `remote`: where the data repository pushes to and pulls from.

use clap::{Args, Subcommand};
use lemnis_data::Settings;

use super::config::At;
use crate::context::Context;
use crate::output::{self, Failure, GOOD};

#[derive(Args, Debug)]
pub struct Remote {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Add a remote
    #[command(after_help = "\
Examples:
  lemnis remote add -d storage s3://bucket/path
  lemnis remote add backup ../backup             a directory, relative to the present one")]
    Add {
        #[command(flatten)]
        at: At,
        /// Its name
        name: String,
        /// Where it lies: a URL or a directory
        url: String,
        /// Make it the default one
        #[arg(short, long)]
        default: bool,
        /// Replace a remote of that name
        #[arg(short, long)]
        force: bool,
    },
    /// List all remotes
    List {
        #[command(flatten)]
        at: At,
    },
    /// Set an option of a remote
    #[command(after_help = "\
Examples:
  lemnis remote modify storage endpointurl http://localhost:9000
  lemnis remote modify --local storage secret_access_key KEY     a secret, kept out of Git
  lemnis remote modify --unset storage profile")]
    Modify {
        #[command(flatten)]
        at: At,
        /// The remote
        name: String,
        /// The option
        option: String,
        /// Its value
        #[arg(required_unless_present = "unset", allow_negative_numbers = true)]
        value: Option<String>,
        /// Take the option out
        #[arg(short, long)]
        unset: bool,
    },
    /// Print or choose the default remote
    Default {
        #[command(flatten)]
        at: At,
        /// The remote to choose
        name: Option<String>,
        /// Have no default remote
        #[arg(short, long)]
        unset: bool,
    },
    /// Take a remote out of the configuration; its data stays
    Remove {
        #[command(flatten)]
        at: At,
        /// The remote
        name: String,
    },
    /// Give a remote another name
    Rename {
        #[command(flatten)]
        at: At,
        /// The remote
        name: String,
        /// Its new name
        new: String,
    },
}

pub fn run(context: &Context, arguments: &Remote) -> Result<u8, Failure> {
    let settings = Settings::open(&context.dir, &context.environment)?;
    match &arguments.verb {
        Verb::Add { at, name, url, default, force } => {
            settings.add_remote(at.level(), name, url, *default, *force)?;
            if *default && !context.quiet {
                output::line(format!("Setting '{}' as a default remote.", name.to_lowercase()));
            }
        }
        Verb::List { at } => {
            let remotes = settings.remotes(at.level())?;
            if context.json {
                output::json_line(&remotes)?;
                return Ok(0);
            }
            for remote in remotes {
                let mut text = columns(&remote.name) + &remote.url;
                if remote.default {
                    text = format!("{GOOD}{}(default){GOOD:#}", columns(&text));
                }
                output::line(text);
            }
        }
        Verb::Modify { at, name, option, value, unset } => {
            let value = value.as_deref().filter(|_| !unset);
            settings.modify_remote(at.level(), name, option, value)?;
        }
        Verb::Default { at, name: None, unset: false } => match settings.default_remote(at.level())? {
            Some(name) if context.json => output::json_line(&name)?,
            Some(name) => output::line(name),
            None => {
                output::line("No default remote set");
                return Ok(1);
            }
        },
        Verb::Default { at, name, unset } => {
            settings.set_default_remote(at.level(), name.as_deref().filter(|_| !unset))?;
        }
        Verb::Remove { at, name } => settings.remove_remote(at.level(), name)?,
        Verb::Rename { at, name, new } => settings.rename_remote(at.level(), name, new)?,
    }
    Ok(0)
}

/// `text` up to the next tab stop, as DVC prints it.
fn columns(text: &str) -> String {
    let width = text.chars().count();
    let stop = (width / 8 + 1) * 8;
    format!("{text}{}", " ".repeat(stop - width))
}
