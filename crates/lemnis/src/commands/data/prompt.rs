//! Questions before something is lost or recorded: asked on a terminal, answered with no anywhere else.

use std::io::{BufRead, IsTerminal, Write};

/// Whether the user agrees. Without a terminal nobody does.
pub fn confirm(question: &str) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    let mut stderr = anstream::stderr();
    loop {
        if write!(stderr, "{question} [y/n]: ").and_then(|()| stderr.flush()).is_err() {
            return false;
        }
        let mut answer = String::new();
        match stdin.lock().read_line(&mut answer) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return true,
            "n" | "no" => return false,
            _ => {}
        }
    }
}
