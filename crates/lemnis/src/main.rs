//! The `lemnis` binary: reads the command line and the outside world, wires the parts, and prints what came out.

mod cli;
mod client;
mod commands;
mod context;
mod interrupt;
mod mlflow;
mod output;
mod place;
mod quickstart;
mod serve;
mod terminal;
mod wiring;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::{Cli, Command};
use crate::commands::data::Data;
use crate::context::Context;
use crate::output::{Failure, exit};

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(Context::command_line()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(match error.exit_code() {
                0 => 0,
                code if is_own_command() => u8::try_from(code).unwrap_or(2),
                _ => exit::WRONG_ARGUMENTS,
            });
        }
    };
    let json = cli.json;
    let is_data = matches!(cli.command, Command::Data(_));
    start_logging(cli.verbose);
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::report(&failure, json);
            ExitCode::from(if is_data {
                failure.dvc_code.unwrap_or(exit::OTHER)
            } else {
                failure.kind.exit_code()
            })
        }
    }
}

/// Whether the command line names one of our own commands; wrong usage of all else has DVC's exit code.
fn is_own_command() -> bool {
    let commands = Cli::command();
    let verbs = Data::augment_subcommands(clap::Command::new("data"));
    let named =
        Context::command_line().into_iter().skip(1).find(|word| commands.find_subcommand(word).is_some());
    named.is_some_and(|word| verbs.find_subcommand(word).is_none())
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let mute = match &cli.command {
        Command::Data(verb) => verb.is_silenced(cli.json),
        _ => !cli.json,
    };
    if cli.quiet && mute {
        output::silence();
    }
    let context = Context::read(&cli)?;
    match &cli.command {
        Command::Quickstart(arguments) => quickstart::run(&context, arguments),
        Command::Up(arguments) => commands::up::up(&context, arguments).map(|()| 0),
        Command::Data(verb) => {
            context.interrupt.listen();
            verb.run(&context)
        }
        Command::Validate(arguments) => commands::check::validate(&context, arguments),
        Command::Drift(arguments) => commands::check::drift(&context, arguments),
        Command::Mlflow(command) => commands::mlflow::mlflow(&context, command),
        Command::Runs(arguments) => commands::runs::runs(&context, arguments).map(|()| 0),
        Command::Models(arguments) => commands::models::models(&context, arguments),
        Command::Gate(arguments) => commands::gate::gate(&context, arguments),
        Command::Deploy(arguments) => commands::models::deploy(&context, arguments).map(|()| 0),
        Command::Rollback(arguments) => commands::models::rollback(&context, arguments).map(|()| 0),
        Command::Suggest(arguments) => commands::suggest::suggest(&context, arguments).map(|()| 0),
        Command::Reproduce(arguments) => commands::reproduce::reproduce(&context, arguments),
        Command::Why(arguments) => commands::why::why(&context, arguments).map(|()| 0),
        Command::Prepare(arguments) => commands::stage::prepare(&context, arguments).map(|()| 0),
        Command::Train(arguments) => commands::stage::train(&context, arguments).map(|()| 0),
        Command::Evaluate(arguments) => commands::stage::evaluate(&context, arguments).map(|()| 0),
        Command::Retrain(arguments) => commands::retrain::retrain(&context, arguments).map(|()| 0),
        Command::Trigger(arguments) => commands::trigger::trigger(&context, arguments),
        Command::Openapi => commands::openapi::openapi().map(|()| 0),
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "lemnis", &mut std::io::stdout());
            Ok(0)
        }
    }
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info,sqlx=warn",
        _ => "debug,sqlx=info,hyper=info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LEMNIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}
