//! The command line: every command, option and example, and nothing else.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::commands::data::Data;

/// The whole life of a machine-learning model as one closed loop, in one binary.
#[derive(Parser, Debug)]
#[command(
    name = "lemnis",
    version,
    about,
    max_term_width = 100,
    propagate_version = true,
    args_override_self = true
)]
#[command(after_help = "\
Start here:
  lemnis quickstart                                    the whole loop on a built-in sample
  lemnis quickstart customers.csv --target Churn       the same on your own CSV or Parquet file
  lemnis up                                            serve the project in this directory

Exit codes: 0 done, 1 failed (or a check that did not hold), 2 wrong usage. DVC's verbs keep DVC's: 251 configuration,
252 interrupted, 253 no data repository, 254 wrong usage, 255 anything else.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Work in this directory instead of the present one
    #[arg(long = "cd", global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cd: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Talk to this server instead of the project's own
    #[arg(long, global = true, env = "LEMNIS_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Wait for another command on the same data repository instead of failing after three seconds
    #[arg(long, global = true)]
    pub wait_for_lock: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more (-v: what happens, -vv: details)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the whole loop on a CSV or Parquet file: from the data to a monitored endpoint that retrains itself
    Quickstart(Quickstart),
    /// Serve a project: tracking server, endpoints, flow worker and pages on one port
    Up(Up),
    #[command(flatten)]
    Data(Data),
    /// Check data against its expectation suite
    Validate(Validate),
    /// Compare an endpoint's newest predictions, or two files, for drift
    Drift(Drift),
    /// Look at runs
    #[command(subcommand)]
    Runs(Runs),
    /// Move a whole MLflow store in or out, also spelled `import mlflow` and `export mlflow`
    #[command(subcommand)]
    Mlflow(crate::commands::mlflow::Mlflow),
    /// Propose the next hyperparameters to try in an experiment
    Suggest(crate::commands::suggest::Suggest),
    /// Look at registered models, and move their aliases through the gate
    #[command(subcommand)]
    Models(Models),
    /// Ask whether a version may pass its gate: a table, JSON or Markdown, and exit code 0 or 1
    Gate(crate::commands::gate::Gate),
    /// Give a model version an endpoint's traffic, step by step
    Deploy(Deploy),
    /// Give all traffic back to the version that served before, at once
    Rollback(Rollback),
    /// Make a model version again from what is recorded, and say whether the bytes are the same
    Reproduce(crate::commands::reproduce::Reproduce),
    /// Say what serves, made from which data, code and parameters, let through by which evidence
    Why(Why),
    /// Built-in stage: typed cleaning and a split by seed
    Prepare(Prepare),
    /// Built-in stage: train the baseline model and log the run
    Train(Train),
    /// Built-in stage: score a model on held-out rows
    Evaluate(Evaluate),
    /// Retrain an endpoint's model on its newest labelled rows (what a drift verdict starts)
    Retrain(Retrain),
    /// Run what a trigger of lemnis.yaml starts when new data comes
    Trigger(crate::commands::trigger::TriggerArgs),
    /// Print the OpenAPI document of the server: what generators of clients read. Needs no server and no project
    #[command(after_help = "Example:\n  lemnis openapi > openapi.json")]
    Openapi,
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  lemnis completion bash > /etc/bash_completion.d/lemnis")]
    Completion {
        /// bash, zsh, fish, powershell or elvish
        shell: Shell,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis quickstart                                        a built-in, synthetic customer-churn sample
  lemnis quickstart data/telco-churn.csv --target Churn    your own data
  lemnis quickstart --exit                                 end after the summary instead of serving on

Interrupted anywhere and started again with the same --dir, it goes on where it was.")]
pub struct Quickstart {
    /// A CSV or Parquet file; without it a synthetic customer-churn sample is made
    #[arg(value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// The column to predict (default: the last one)
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Where the project is made (default: lemnis-<target>)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// The server's port; 0 takes any free one (default: 8000, or a free one when that is taken)
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// End after the summary instead of serving on
    #[arg(long)]
    pub exit: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis up                              the project in this directory; an empty directory becomes one
  lemnis up --dir churn --port 9000
  lemnis up --database postgres://lemnis@db/lemnis --artifacts s3://models/lemnis
  LEMNIS_TOKEN=... lemnis up --host 0.0.0.0     reachable from other machines, with a token

Python scripts log to it unmodified: export MLFLOW_TRACKING_URI=http://127.0.0.1:8000")]
pub struct Up {
    /// The project's directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// The address to listen on; anything but this machine alone needs a token
    #[arg(long, value_name = "H", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port; 0 takes any free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub port: u16,
    /// Clients must send `Authorization: Bearer TOKEN` (or MLFLOW_TRACKING_TOKEN)
    #[arg(long, env = "LEMNIS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Keep the state in this PostgreSQL database, which other servers may share: postgres://user@host/name. The password
    /// comes from PGPASSWORD, PGPASSFILE or ~/.pgpass; or set LEMNIS_DATABASE_URL
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Keep artifacts there: s3://bucket/path, gs://bucket/path, azure://container/path; or set LEMNIS_ARTIFACTS
    #[arg(long, value_name = "URL")]
    pub artifacts: Option<String>,
    /// Let MLflow's clients move large artifacts to and from that object store by themselves, with URLs that the server
    /// signs; or set LEMNIS_DIRECT_ARTIFACTS=true
    #[arg(long)]
    pub direct_artifacts: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis validate                              every check of lemnis.yaml\n  lemnis validate data/new.csv --suite checks/raw.yaml"
)]
pub struct Validate {
    /// The data (default: every check of lemnis.yaml)
    #[arg(value_hint = ValueHint::FilePath, requires = "suite")]
    pub data: Option<PathBuf>,
    /// The expectation suite, JSON or YAML in Great Expectations' form
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub suite: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis drift churn                           an endpoint's newest predictions against its training rows\n  lemnis drift train.parquet today.csv         two files\n\nExit code 1 says that the data drifted."
)]
pub struct Drift {
    /// An endpoint, or the reference file
    pub reference: String,
    /// The file to compare with the reference
    #[arg(value_hint = ValueHint::FilePath)]
    pub current: Option<PathBuf>,
    /// Look at this many of the newest predictions
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub rows: Option<usize>,
}

#[derive(Subcommand, Debug)]
pub enum Runs {
    /// The newest runs with their metrics
    #[command(
        after_help = "Example:\n  lemnis runs list --filter \"metrics.roc_auc > 0.8 and params.seed = '42'\""
    )]
    List {
        /// MLflow's filter language
        #[arg(long, default_value = "")]
        filter: String,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
        limit: usize,
    },
    /// One run: params, metrics, tags, artifacts
    Show {
        /// The run's id, or the start of it
        run: String,
    },
}

#[derive(Subcommand, Debug)]
pub enum Models {
    /// Registered models with their versions and aliases
    List,
    /// Say that a version may pass a gate, or that it may not; each person's latest word counts
    #[command(
        after_help = "Examples:\n  lemnis models approve churn/3 --comment \"segments looked at, calibration fine\"\n  lemnis models approve churn/3 --reject --comment \"worse for new customers\""
    )]
    Approve {
        /// MODEL@ALIAS or MODEL/VERSION
        model: String,
        /// Why; kept with your name as evidence
        #[arg(long, short = 'm', value_name = "TEXT")]
        comment: String,
        /// Say that it may not pass
        #[arg(long)]
        reject: bool,
        /// The environment (default: production)
        #[arg(long, short, value_name = "NAME")]
        environment: Option<String>,
    },
    /// What differs between two versions: data, code, params, metrics, signature, environment
    #[command(
        after_help = "Examples:\n  lemnis models diff churn/3 churn/7\n  lemnis models diff churn@champion churn@challenger"
    )]
    Diff {
        /// MODEL@ALIAS or MODEL/VERSION
        from: String,
        /// The same model's other version
        to: String,
    },
    /// What happened to a model: versions, gates, approvals, moved aliases
    History {
        /// The model
        model: String,
        /// How many events at most
        #[arg(long, default_value_t = 50, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
        limit: usize,
    },
    /// What a version was made of, as an OpenLineage event
    #[command(after_help = "Example:\n  lemnis models lineage churn@champion > event.json")]
    Lineage {
        /// MODEL@ALIAS or MODEL/VERSION
        model: String,
    },
    /// Give an environment's alias back to the version that had it before
    #[command(
        after_help = "Examples:\n  lemnis models rollback churn\n  lemnis models rollback churn --environment staging"
    )]
    Rollback {
        /// The model
        model: String,
        /// The environment (default: production, whose alias is champion)
        #[arg(long, short, value_name = "NAME")]
        environment: Option<String>,
    },
    /// Move an environment's alias to a version that its gate lets through
    #[command(
        after_help = "Examples:\n  lemnis models promote churn@challenger\n  lemnis models promote churn/3\n  lemnis models promote churn/3 --environment staging"
    )]
    Promote {
        /// MODEL@ALIAS or MODEL/VERSION
        model: String,
        /// The environment (default: production, whose alias is champion)
        #[arg(long, short, value_name = "NAME")]
        environment: Option<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis deploy churn                   the champion\n  lemnis deploy churn --version 3       a canary of version 3: 10 %, 50 %, 100 %\n  lemnis deploy churn --version 3 --all-at-once"
)]
pub struct Deploy {
    /// The endpoint
    pub endpoint: String,
    /// The model version (default: what the endpoint's alias points at)
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,
    /// Move all traffic at once instead of step by step
    #[arg(long)]
    pub all_at_once: bool,
    /// Deploy a version that did not pass the gate; `lemnis why` will say so
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Rollback {
    /// The endpoint
    pub endpoint: String,
}

#[derive(Args, Debug)]
pub struct Why {
    /// The endpoint or model
    pub name: String,
}

#[derive(Args, Debug)]
pub struct Prepare {
    /// The raw table
    #[arg(value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// A folder of labelled live rows to add
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub feedback: Option<PathBuf>,
    /// Where train.parquet, holdout.parquet and live.parquet go
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// The file with the section `prepare`
    #[arg(long, default_value = "params.yaml", value_hint = ValueHint::FilePath)]
    pub params: PathBuf,
}

#[derive(Args, Debug)]
pub struct Train {
    /// The training rows
    #[arg(value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Where the model goes
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// The experiment to log the run to
    #[arg(long, default_value = "Default")]
    pub experiment: String,
    /// The file with the section `train`
    #[arg(long, default_value = "params.yaml", value_hint = ValueHint::FilePath)]
    pub params: PathBuf,
    /// Log to this MLflow server (without it the run is not logged)
    #[arg(long, env = "MLFLOW_TRACKING_URI", value_name = "URL")]
    pub tracking_uri: Option<String>,
}

#[derive(Args, Debug)]
pub struct Evaluate {
    /// The model's folder
    #[arg(value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// The rows to score
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Where the metrics go, as JSON
    #[arg(long, value_hint = ValueHint::FilePath)]
    pub metrics: PathBuf,
    /// The file with the section `train`
    #[arg(long, default_value = "params.yaml", value_hint = ValueHint::FilePath)]
    pub params: PathBuf,
    /// Log the metrics to the model's run on this MLflow server
    #[arg(long, env = "MLFLOW_TRACKING_URI", value_name = "URL")]
    pub tracking_uri: Option<String>,
}

#[derive(Args, Debug)]
pub struct Retrain {
    /// The endpoint
    pub endpoint: String,
    /// The verdict that asks for it
    #[arg(long, value_name = "ID")]
    pub verdict: Option<String>,
}
