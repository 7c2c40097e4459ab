//! `up`: serves a project until Ctrl-C.

use lemnis_app::project::Project;

use crate::cli::Up;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG, io_failure};
use crate::place::Place;
use crate::serve::{self, Options};

pub fn up(context: &Context, arguments: &Up) -> Result<(), Failure> {
    let dir = arguments.dir.as_ref().map_or_else(|| context.dir.clone(), |dir| context.path(dir));
    std::fs::create_dir_all(&dir).map_err(io_failure(format!("creating {}", dir.display())))?;
    let dir = dir.canonicalize().map_err(io_failure(format!("finding {}", dir.display())))?;
    let options = Options {
        host: arguments.host,
        port: arguments.port,
        any_port: false,
        token: arguments.token.clone(),
        monitors: true,
        place: Place {
            database: arguments.database.clone(),
            artifacts: arguments.artifacts.clone(),
            direct_artifacts: arguments.direct_artifacts,
        },
    };
    // A broken lemnis.yaml is better said now than in a log line later.
    Project::at(&dir).settings_if_any()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 16)))
        .enable_all()
        .build()
        .map_err(io_failure("starting the runtime"))?;
    runtime.block_on(async {
        let running = serve::start(Project::at(&dir), context, &options).await?;
        say(context, &running.url)?;
        wait_for_end().await?;
        if !context.json {
            output::line(format!("{FAINT}stopping{FAINT:#}"));
        }
        running.stop().await;
        Ok(())
    })
}

fn say(context: &Context, url: &str) -> Result<(), Failure> {
    if context.json {
        return output::json(&serde_json::json!({ "url": url, "pid": std::process::id() }));
    }
    output::line(format!("Lemnis serves {STRONG}{url}{STRONG:#}  {FAINT}(Ctrl-C ends it){FAINT:#}"));
    output::line(format!("{FAINT}Python scripts log here with  export MLFLOW_TRACKING_URI={url}{FAINT:#}"));
    Ok(())
}

/// Returns at Ctrl-C or SIGTERM.
pub async fn wait_for_end() -> Result<(), Failure> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(io_failure("listening for signals"))?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.map_err(io_failure("listening for signals")),
        _ = terminate.recv() => Ok(()),
    }
}
