//! A running server: one port, the flow worker, the rollouts and the monitors, and a clean end.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lemnis_app::project::Project;
use lemnis_app::{App, announce, monitor, release, trigger};
use lemnis_core::{ErrorKind, Principal};
use lemnis_flow::Worker;
use lemnis_server::Access;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::ServerFile;
use crate::context::Context;
use crate::output::{Failure, io_failure};
use crate::place::Place;
use crate::wiring::{self, Identity};

/// How often rollouts are judged.
const ROLLOUT_TICK: Duration = Duration::from_millis(200);
/// How often deliveries to webhooks are looked for.
const WEBHOOK_TICK: Duration = Duration::from_millis(500);
/// How often servers that share a database look who leads, and what the leader did.
const FOLLOW_TICK: Duration = Duration::from_secs(2);
/// How often the newest predictions are looked at.
const MONITOR_TICK: Duration = Duration::from_secs(30);

/// How often the branches that triggers name are looked at: stats of a few files.
const TRIGGER_TICK: Duration = Duration::from_secs(1);

/// What to serve and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address.
    pub host: IpAddr,
    /// The port; 0 takes any free one.
    pub port: u16,
    /// Take any free port when `port` is taken.
    pub any_port: bool,
    /// The token that clients must send.
    pub token: Option<String>,
    /// Check the endpoints' newest predictions now and then.
    pub monitors: bool,
    /// Where flags say that the state lies.
    pub place: Place,
}

impl Default for Options {
    fn default() -> Self {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { host, port: 0, any_port: true, token: None, monitors: false, place: Place::default() }
    }
}

/// A server that runs in this process.
pub struct Running {
    /// Where it answers.
    pub url: String,
    /// Its parts.
    pub app: Arc<App>,
    project: Project,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Whether this server acts for all that share its database.
    leading: Arc<AtomicBool>,
    _lock: File,
}

/// Serves `project` until [`Running::stop`].
pub async fn start(project: Project, context: &Context, options: &Options) -> Result<Running, Failure> {
    let local = options.host.is_loopback();
    if options.token.as_deref().is_some_and(|token| token.trim().is_empty()) {
        return Err(Failure::usage("the token is empty: everyone would know it")
            .with_hint("set LEMNIS_TOKEN to a long random text, or unset it to serve this machine alone"));
    }
    if !local && options.token.is_none() {
        return Err(Failure::usage(format!(
            "{} can be reached by other machines, and no token is set",
            options.host
        ))
        .with_hint("set LEMNIS_TOKEN to a long random text; clients send it as MLFLOW_TRACKING_TOKEN"));
    }
    let lock = lock(&project)?;
    let listener = bind(options).await?;
    let address = listener.local_addr().map_err(io_failure("reading the server's address"))?;
    let shown = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    let url = format!("http://{}", SocketAddr::new(shown, address.port()));

    let place = Place::of(context, options.place.clone(), project.settings_if_any()?.as_ref())?;
    let app =
        wiring::open(project.clone(), &place, context.clock.clone(), context.environment.clone()).await?;
    if !app.leader.is_shared() {
        // The lock says that this is the only server: what an earlier one left running does not run any more.
        app.queue.expire_leases(app.clock.now_ms()).await?;
    }
    let instance = uuid::Uuid::new_v4().simple().to_string();
    let access = Access { token: options.token.clone(), any_host: !local };
    let directory = Some(context.dir.clone());
    let router = wiring::router(app.clone(), Identity { instance: instance.clone(), access, directory });
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    let until = stop.clone();
    tasks.push(tokio::spawn(async move {
        let served =
            lemnis_server::serve(listener, router, connections(), async move { until.cancelled().await })
                .await;
        if let Err(error) = served {
            tracing::error!(%error, "the server ended");
        }
    }));
    tasks.push(worker(&app, &url, options, &stop)?);
    let leading = Arc::new(AtomicBool::new(app.leader.leads().await));
    if app.leader.is_shared() {
        tasks.push(tokio::spawn(follow(stop.clone(), app.clone(), leading.clone())));
    }
    let leads = leading.clone();
    tasks.push(tokio::spawn(every(ROLLOUT_TICK, stop.clone(), app.clone(), move |app| {
        let leads = leads.clone();
        async move {
            if leads.load(Ordering::Relaxed)
                && let Err(error) = release::tick(&app).await
            {
                tracing::warn!(%error, "a rollout cannot go on");
            }
        }
    })));
    let leads = leading.clone();
    tasks.push(tokio::spawn(every(WEBHOOK_TICK, stop.clone(), app.clone(), move |app| {
        let leads = leads.clone();
        async move {
            if leads.load(Ordering::Relaxed)
                && let Err(error) = announce::deliver(&app).await
            {
                tracing::warn!(%error, "webhooks cannot be told");
            }
        }
    })));
    let file = ServerFile { url: url.clone(), pid: std::process::id(), instance };
    let path = project.server_file();
    let text = serde_json::to_string(&file).unwrap_or_default();
    lemnis_core::write_whole(&path, |out| out.write_all(text.as_bytes()))
        .map_err(io_failure(format!("writing {}", path.display())))?;
    let mut running = Running { url, app, project, stop, tasks, leading, _lock: lock };
    if options.monitors {
        running.start_monitors();
        running.start_triggers();
    }
    Ok(running)
}

impl Running {
    /// Checks the endpoints' newest predictions from now on.
    pub fn start_monitors(&mut self) {
        let leads = self.leading.clone();
        let act = move |app: Arc<App>| {
            let leads = leads.clone();
            async move {
                if leads.load(Ordering::Relaxed)
                    && let Err(error) = monitor::check_due(&app, &Principal::lemnis()).await
                {
                    tracing::warn!(%error, "a monitor cannot check");
                }
            }
        };
        self.tasks.push(tokio::spawn(every(MONITOR_TICK, self.stop.clone(), self.app.clone(), act)));
    }

    /// Looks for new data on the branches that triggers name from now on.
    fn start_triggers(&mut self) {
        let watcher = Arc::new(tokio::sync::Mutex::new(trigger::Watcher::default()));
        let act = move |app: Arc<App>| {
            let watcher = watcher.clone();
            async move {
                let mut watcher = watcher.lock().await;
                if let Err(error) = trigger::check_branches(&app, &Principal::lemnis(), &mut watcher).await {
                    tracing::warn!(%error, "the triggers cannot be checked");
                }
            }
        };
        self.tasks.push(tokio::spawn(every(TRIGGER_TICK, self.stop.clone(), self.app.clone(), act)));
    }

    /// Ends the server: open requests finish, the prediction log is written, stages are stopped.
    pub async fn stop(self) {
        std::fs::remove_file(self.project.server_file()).ok();
        self.stop.cancel();
        for task in self.tasks {
            if tokio::time::timeout(Duration::from_secs(10), task).await.is_err() {
                tracing::warn!("a part of the server did not end in time");
            }
        }
        if let Err(error) = self.app.predictions.flush().await {
            tracing::error!(%error, "the last predictions are not written");
        }
    }
}

async fn every<F, W>(period: Duration, stop: CancellationToken, app: Arc<App>, act: F)
where
    F: Fn(Arc<App>) -> W,
    W: Future<Output = ()>,
{
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => act(app.clone()).await,
        }
    }
}

/// Among servers that share a database: notes whether this one leads, and brings its endpoints to what another did.
async fn follow(stop: CancellationToken, app: Arc<App>, leading: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(FOLLOW_TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let leads = app.leader.leads().await;
        let led = leading.load(Ordering::Relaxed);
        let state = async {
            Ok::<_, lemnis_serving::Error>((
                app.rollouts.list_endpoints().await?,
                app.rollouts.list_rollouts(None, 100).await?,
            ))
        };
        match state.await {
            Ok(state) => {
                // The leader's own acts are in its memory already.
                let news = seen.as_ref().is_some_and(|seen| *seen != state) && !led;
                if news && let Err(error) = release::restore(&app).await {
                    tracing::warn!(%error, "the endpoints cannot be brought to what the leader did");
                }
                seen = Some(state);
            }
            Err(error) => tracing::warn!(%error, "the database cannot say what its leader did"),
        }
        leading.store(leads, Ordering::Relaxed);
    }
}

fn worker(
    app: &Arc<App>,
    url: &str,
    options: &Options,
    stop: &CancellationToken,
) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let (_, path) = Context::path_for_stages()?;
    let mut environment = vec![
        ("PATH".to_owned(), path),
        ("LEMNIS_SERVER".to_owned(), url.to_owned()),
        ("MLFLOW_TRACKING_URI".to_owned(), url.to_owned()),
    ];
    if let Some(token) = &options.token {
        environment.push(("LEMNIS_TOKEN".to_owned(), token.clone()));
        environment.push(("MLFLOW_TRACKING_TOKEN".to_owned(), token.clone()));
    }
    let worker = Worker::new(
        app.queue.clone(),
        app.clock.clone(),
        app.project.root().to_path_buf(),
        app.project.logs_dir(),
        environment,
    );
    let stop = stop.clone();
    Ok(tokio::spawn(async move { worker.run(stop).await }))
}

/// One server a project: two would lease, route and roll out against each other.
pub fn lock(project: &Project) -> Result<File, Failure> {
    let dir = project.state_dir();
    std::fs::create_dir_all(&dir).map_err(io_failure(format!("creating {}", dir.display())))?;
    let path = dir.join("server.lock");
    let file = File::create(&path).map_err(io_failure(format!("creating {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let running = std::fs::read_to_string(project.server_file())
                .ok()
                .and_then(|text| serde_json::from_str::<ServerFile>(&text).ok());
            let place =
                running.map(|file| format!(" at {} (process {})", file.url, file.pid)).unwrap_or_default();
            Err(Failure::new(
                ErrorKind::Conflict,
                format!("{} is served already{place}", project.root().display()),
            )
            .with_hint("use that server, or stop it first"))
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(io_failure(format!("locking {}", path.display()))(error))
        }
    }
}

/// How many connections may be open at once: half of the files that the process may open, after asking for all that it
/// can have.
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let granted = if setrlimit(Resource::Nofile, most).is_ok() { limit.maximum } else { limit.current };
    granted.map_or(8192, |files| (files / 2).clamp(64, 8192) as usize)
}

/// Fails where `port` of this machine is taken, before anything is made for a server there.
pub fn check_port(port: u16) -> Result<(), Failure> {
    match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(port_in_use(port)),
        Err(error) => Err(io_failure(format!("listening on port {port}"))(error)),
    }
}

fn port_in_use(port: u16) -> Failure {
    Failure::new(ErrorKind::Conflict, format!("port {port} is in use"))
        .with_hint("choose another one with --port, or --port 0 for any free one")
}

async fn bind(options: &Options) -> Result<TcpListener, Failure> {
    match TcpListener::bind((options.host, options.port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && options.any_port => {
            TcpListener::bind((options.host, 0)).await.map_err(io_failure("finding a free port"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(port_in_use(options.port)),
        Err(error) => Err(io_failure(format!("listening on {}:{}", options.host, options.port))(error)),
    }
}

/// A server for the length of one command, on a thread and a port of its own.
pub struct Ephemeral {
    url: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Ephemeral {
    /// Serves `project` for stages to log to. No worker, no rollouts, no `server.json`.
    pub fn start(project: Project, context: &Context) -> Result<Self, Failure> {
        let (clock, environment) = (context.clock.clone(), context.environment.clone());
        let place = Place::of(context, Place::default(), project.settings_if_any()?.as_ref())?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, when_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    ready.send(Err(io_failure("starting the runtime")(error))).ok();
                    return;
                }
            };
            runtime.block_on(async {
                let opened = async {
                    let app = wiring::open(project, &place, clock, environment).await?;
                    let listener = bind(&Options::default()).await?;
                    let address =
                        listener.local_addr().map_err(io_failure("reading the server's address"))?;
                    Ok::<_, Failure>((app, listener, address))
                };
                match opened.await {
                    Ok((app, listener, address)) => {
                        ready.send(Ok(format!("http://{address}"))).ok();
                        let router = wiring::router(app, Identity::default());
                        let until = async {
                            stopped.await.ok();
                        };
                        if let Err(error) = lemnis_server::serve(listener, router, connections(), until).await
                        {
                            tracing::error!(%error, "the tracking server ended");
                        }
                    }
                    Err(failure) => {
                        ready.send(Err(failure)).ok();
                    }
                }
            });
        });
        let url = when_ready
            .recv()
            .map_err(|_| Failure::new(ErrorKind::Internal, "the tracking server did not start"))??;
        Ok(Self { url, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
