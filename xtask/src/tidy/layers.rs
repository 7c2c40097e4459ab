//! Who may depend on whom: the layer table, and every edge between our crates held against it.

use crate::workspace::Package;

/// The table as ARCHITECTURE.md prints it; a finding shows it.
const TABLE: &str = "\
L5  lemnis                    wires everything
L4  lemnis-server             app; domain types to translate
L3  lemnis-app  lemnis-store  app: core and domains.  store: core and the domains' ports.  They never meet below L5
L2  data flow quality features tracking serving deploy     core, table, model — never one another
L1  table  model              core
L0  core                      nothing of ours";

/// The crates of L2.
const DOMAINS: [&str; 7] = [
    "lemnis-data",
    "lemnis-deploy",
    "lemnis-features",
    "lemnis-flow",
    "lemnis-quality",
    "lemnis-serving",
    "lemnis-tracking",
];

/// Where a crate stands. A crate that stands nowhere is a finding too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Core,
    Base,
    Domain,
    Store,
    App,
    Server,
    Binary,
    Testkit,
    Task,
}

fn place(name: &str) -> Option<Place> {
    Some(match name {
        "lemnis-core" => Place::Core,
        "lemnis-table" | "lemnis-model" => Place::Base,
        "lemnis-store" => Place::Store,
        "lemnis-app" => Place::App,
        "lemnis-server" => Place::Server,
        "lemnis" => Place::Binary,
        "lemnis-testkit" => Place::Testkit,
        "xtask" => Place::Task,
        name if DOMAINS.contains(&name) => Place::Domain,
        _ => return None,
    })
}

/// Whether the table holds an edge. Tables and models are words of the domains, so who sees domains sees them.
fn allowed(from: Place, to: Place, dev: bool) -> bool {
    use Place::{App, Base, Binary, Core, Domain, Server, Store, Task, Testkit};
    // Tests follow the same table, and the testkit is the one place below L5 where app and store meet.
    if dev && to == Testkit {
        return matches!(from, Store | App | Server | Binary);
    }
    match from {
        Core => false,
        Base => to == Core,
        Domain => matches!(to, Core | Base),
        Store => matches!(to, Core | Domain),
        App => matches!(to, Core | Base | Domain),
        Server => matches!(to, Core | Base | Domain | App),
        Binary => !matches!(to, Testkit | Task),
        Testkit => matches!(to, Core | Base | Domain | App | Store),
        Task => matches!(to, Core | Base | Domain),
    }
}

/// Every edge that the table does not hold, and every crate that it does not know.
pub fn check(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some(from) = place(&package.name) else {
            found.push(format!(
                "{}: this crate stands in no layer; add it to the table\n{TABLE}",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(to) = place(&dependency.name) else { continue };
            if !allowed(from, to, dependency.dev) {
                let how = if dependency.dev { "dev-depends on" } else { "depends on" };
                found.push(format!(
                    "{} {how} {}: an edge that is not in this table is a defect\n{TABLE}",
                    package.name, dependency.name
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn edge(from: &str, to: &str, dev: bool) -> Vec<String> {
        let dependency = Dependency { name: to.to_owned(), dev, features: Vec::new() };
        check(&[Package { name: from.to_owned(), dependencies: vec![dependency] }])
    }

    #[test]
    fn domains_never_depend_on_one_another() {
        let found = edge("lemnis-quality", "lemnis-data", false);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("lemnis-quality depends on lemnis-data: an edge that is not in this table")
        );
        assert!(found[0].contains("L2  data flow quality"));
    }

    #[test]
    fn app_and_store_meet_only_in_the_binary_and_the_testkit() {
        assert_eq!(edge("lemnis-app", "lemnis-store", false).len(), 1);
        assert_eq!(edge("lemnis-store", "lemnis-app", false).len(), 1);
        assert_eq!(edge("lemnis-server", "lemnis-store", true).len(), 1);
        assert!(edge("lemnis", "lemnis-store", false).is_empty());
        assert!(edge("lemnis-testkit", "lemnis-store", false).is_empty());
    }

    #[test]
    fn tests_may_use_the_testkit_and_code_may_not() {
        assert!(edge("lemnis-server", "lemnis-testkit", true).is_empty());
        assert_eq!(edge("lemnis-server", "lemnis-testkit", false).len(), 1);
        assert_eq!(edge("lemnis-data", "lemnis-testkit", true).len(), 1);
    }

    #[test]
    fn dependencies_from_outside_are_no_edges() {
        assert!(edge("lemnis-core", "serde", false).is_empty());
    }

    #[test]
    fn a_crate_in_no_layer_is_found() {
        assert_eq!(check(&[Package { name: "lemnis-extra".to_owned(), dependencies: Vec::new() }]).len(), 1);
    }
}
