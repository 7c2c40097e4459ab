//! The rules of ARCHITECTURE.md that a machine can check; each finding is one line that says where and what.
//!
//! A check is one file here and one line in [`findings`].

mod files;
mod homes;
mod layers;
mod links;

use crate::workspace::Workspace;

/// Checks everything and prints what it found; false where there is something.
pub fn run(workspace: &Workspace) -> anyhow::Result<bool> {
    let found = findings(workspace)?;
    for finding in &found {
        eprintln!("{finding}");
    }
    match found.len() {
        0 => println!("tidy: {} packages, nothing found", workspace.packages.len()),
        1 => eprintln!("tidy: 1 finding"),
        many => eprintln!("tidy: {many} findings"),
    }
    Ok(found.is_empty())
}

fn findings(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let mut found = layers::check(&workspace.packages);
    found.extend(homes::check(&workspace.packages));
    found.extend(files::check(&workspace.root)?);
    found.extend(links::check(&workspace.root)?);
    Ok(found)
}
