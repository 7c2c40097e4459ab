//! `quickstart`: the whole loop on one table, live, in a project that the user keeps.
//!
//! The order of things is here; each step is in a file of its own. A step that was finished by an earlier start is
//! shown and skipped; one that was cut off is done again, and is written so that nothing is doubled by it.

mod build;
mod display;
mod journal;
mod react;
mod serve_step;
mod setup;
mod shift;
mod summary;
mod traffic;
mod watch;

use std::sync::Arc;

use lemnis_app::App;
use lemnis_core::Principal;
use serde_json::Value;

use self::display::{Display, Outcome};
use self::journal::Journal;
use crate::cli::Quickstart;
use crate::commands::up::wait_for_end;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG, io_failure};
use crate::serve::{self, Options, Running};

/// How many steps the loop has.
const STEPS: usize = 9;
/// The port that is tried first.
const PORT: u16 = 8000;

/// What every step works with.
struct Loop<'a> {
    context: &'a Context,
    app: Arc<App>,
    url: String,
    who: Principal,
}

pub fn run(context: &Context, arguments: &Quickstart) -> Result<u8, Failure> {
    let request = setup::resolve(context, arguments)?;
    let mut display = Display::new(STEPS, context.json);
    if !context.json {
        output::line(format!(
            "{STRONG}Lemnis quickstart{STRONG:#}  {FAINT}{}{FAINT:#}",
            request.dir.display()
        ));
    }
    if let Some(port) = arguments.port {
        serve::check_port(port)?;
    }
    let mut journal = setup::begin(&request)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io_failure("starting the runtime"))?;
    runtime.block_on(async {
        step(&mut display, &mut journal, "project", async |_, journal| {
            setup::project(context, &request, journal)
        })
        .await?;
        let options = Options {
            port: arguments.port.unwrap_or(PORT),
            any_port: arguments.port.is_none(),
            ..Options::default()
        };
        let project = lemnis_app::project::Project::at(&request.dir);
        let mut running = serve::start(project, context, &options).await?;
        let outcome = work(context, &mut display, &mut journal, &running).await;
        if outcome.is_err() || arguments.exit {
            running.stop().await;
            outcome?;
            return Ok(0);
        }
        running.start_monitors();
        if !context.json {
            output::line(format!(
                "\n{FAINT}serving on; Ctrl-C ends it, `lemnis up` starts it again{FAINT:#}"
            ));
        }
        wait_for_end().await?;
        running.stop().await;
        Ok(0)
    })
}

async fn work(
    context: &Context,
    display: &mut Display,
    journal: &mut Journal,
    running: &Running,
) -> Result<(), Failure> {
    let it = Loop {
        context,
        app: running.app.clone(),
        url: running.url.clone(),
        who: Principal::local(&context.user),
    };
    let it = &it;
    step(display, journal, "data", async |step, journal| build::data(it, step, journal).await).await?;
    step(display, journal, "pipeline", async |step, journal| build::pipeline(it, step, journal).await)
        .await?;
    step(display, journal, "training", async |_, journal| build::training(it, journal).await).await?;
    step(display, journal, "gate", async |_, journal| build::gate(it, journal).await).await?;
    step(display, journal, "serve", async |_, journal| serve_step::serve(it, journal).await).await?;
    step(display, journal, "monitor", async |step, journal| watch::monitor(it, step, journal).await).await?;
    step(display, journal, "react", async |step, journal| react::react(it, step, journal).await).await?;
    summary::show(it, display, journal).await
}

/// Runs one step unless the journal says that it is done, and records what it said.
async fn step<F>(
    display: &mut Display,
    journal: &mut Journal,
    title: &'static str,
    act: F,
) -> Result<(), Failure>
where
    F: AsyncFnOnce(&display::Step, &mut Journal) -> Result<(Outcome, Value), Failure>,
{
    let shown = display.step(title);
    if let Some(outcome) = journal.done(title) {
        shown.done(&outcome);
        return Ok(());
    }
    match act(&shown, journal).await {
        Ok((outcome, facts)) => {
            journal.finish(title, &outcome, facts)?;
            shown.done(&outcome);
            Ok(())
        }
        Err(failure) => {
            shown.failed();
            Err(failure)
        }
    }
}
