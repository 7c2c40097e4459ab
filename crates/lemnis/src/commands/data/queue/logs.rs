//! `queue logs`: what a task printed, and prints.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure, io_failure};

const POLL: Duration = Duration::from_millis(100);

pub fn print(context: &Context, repo: &Repo, task: &str, follow: bool) -> Result<(), Failure> {
    let mut seen = 0;
    loop {
        // Asked before the file is read, so that nothing which was printed last is missed.
        let (path, running) = lemnis_data::task_output(repo, task)?;
        if seen == 0 && follow && running && !context.quiet {
            output::note(format!(
                "Following logs for experiment '{task}'. Ctrl-C stops following; it goes on."
            ));
        }
        let failed = || io_failure(format!("reading {}", path.display()));
        let mut file = File::open(&path).map_err(failed())?;
        file.seek(SeekFrom::Start(seen)).map_err(failed())?;
        let mut bytes = Vec::new();
        seen += file.take(64 << 20).read_to_end(&mut bytes).map_err(failed())? as u64;
        output::raw(std::io::stdout(), &bytes);
        if bytes.is_empty() && !(follow && running) {
            return Ok(());
        }
        if bytes.is_empty() {
            std::thread::sleep(POLL);
        }
    }
}
