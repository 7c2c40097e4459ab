//! `config`: reads and changes options of the data repository, the user or the machine.

use clap::Args;
use lemnis_core::ErrorKind;
use lemnis_data::{Level, OptionName, Settings};
use serde_json::json;

use crate::context::Context;
use crate::output::{self, Failure};

/// Which level of configuration is meant.
#[derive(Args, Debug, Clone, Copy)]
#[group(multiple = false)]
pub struct At {
    /// Use the user's configuration, for all repositories
    #[arg(long)]
    global: bool,
    /// Use the machine's configuration, for all users
    #[arg(long)]
    system: bool,
    /// Use the repository's configuration, .dvc/config
    #[arg(long)]
    project: bool,
    /// Use the configuration that stays on this machine, .dvc/config.local
    #[arg(long)]
    local: bool,
}

impl At {
    pub fn level(self) -> Option<Level> {
        match (self.system, self.global, self.project, self.local) {
            (true, ..) => Some(Level::System),
            (_, true, ..) => Some(Level::Global),
            (_, _, true, _) => Some(Level::Repo),
            (.., true) => Some(Level::Local),
            _ => None,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis config cache.type hardlink,symlink,copy      set
  lemnis config core.remote                           print
  lemnis config --unset core.autostage
  lemnis config --list --show-origin")]
pub struct Config {
    #[command(flatten)]
    at: At,
    /// section.option, remote.NAME.option or db.NAME.option
    #[arg(value_parser = name)]
    name: Option<OptionName>,
    /// The new value
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,
    /// Take the option out
    #[arg(short, long)]
    unset: bool,
    /// Print every option that is set
    #[arg(short, long)]
    list: bool,
    /// Print the file that sets each option
    #[arg(long)]
    show_origin: bool,
}

fn name(text: &str) -> Result<OptionName, String> {
    OptionName::parse(text).ok_or_else(|| "it must look like section.option or remote.NAME.option".to_owned())
}

pub fn run(context: &Context, arguments: &Config) -> Result<u8, Failure> {
    let settings = Settings::open(&context.dir, &context.environment)?;
    let level = arguments.at.level();
    let changes = arguments.value.is_some() || arguments.unset;
    if arguments.show_origin && changes {
        return Err(wrong("--show-origin only goes with options that are printed"));
    }
    let origin = |level: Level| match arguments.show_origin {
        true => settings.origin(level).map(|file| format!("{file}\t")).unwrap_or_default(),
        false => String::new(),
    };
    if arguments.list {
        if arguments.name.is_some() || changes {
            return Err(wrong("--list prints everything: it takes no name, no value and no --unset"));
        }
        let entries = settings.list(level)?;
        if context.json {
            let rows: Vec<_> = entries
                .iter()
                .map(|(level, name, value)| json!({"name": name, "value": value, "file": settings.origin(*level)}))
                .collect();
            output::json_line(&rows)?;
            return Ok(0);
        }
        for (level, name, value) in entries {
            output::line(format!("{}{name}={value}", origin(level)));
        }
        return Ok(0);
    }
    let Some(name) = &arguments.name else { return Err(wrong("the name of an option is missing")) };
    match &arguments.value {
        _ if arguments.unset => settings.unset(level, name)?,
        Some(value) => settings.set(level, name, value)?,
        None => {
            let found = settings.get(level, name)?;
            if context.json {
                output::json_line(&found.map(|(_, value)| value))?;
            } else if let Some((level, value)) = found {
                output::line(format!("{}{value}", origin(level)));
            }
        }
    }
    Ok(0)
}

fn wrong(message: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, message).with_dvc_code(1)
}
