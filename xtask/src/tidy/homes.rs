//! Heavy dependencies stay in one home, so that what they are can change without the rest noticing.

use crate::workspace::Package;

/// A family of crates and the packages that may name it in their manifest.
struct Home {
    /// Crate names; a trailing `*` stands for any ending.
    crates: &'static [&'static str],
    /// Who may depend on them.
    homes: &'static [&'static str],
}

/// One line a family.
const HOMES: &[Home] = &[
    Home { crates: &["arrow*", "parquet*", "datafusion*", "ballista*"], homes: &["lemnis-table"] },
    Home { crates: &["prost*"], homes: &["lemnis-model", "lemnis-server"] },
    Home { crates: &["ort", "tract*"], homes: &["lemnis-model"] },
    Home { crates: &["axum*"], homes: &["lemnis-server", "lemnis-serving"] },
    Home { crates: &["askama*", "tonic*"], homes: &["lemnis-server"] },
    Home { crates: &["sqlx*", "sea-query*", "rusqlite", "libsqlite3-sys"], homes: &["lemnis-store"] },
    Home {
        crates: &["object_store"],
        homes: &["lemnis-store", "lemnis-data", "lemnis-app", "lemnis-server", "lemnis-testkit", "lemnis"],
    },
    Home { crates: &["russh*"], homes: &["lemnis-store"] },
    Home { crates: &["clap*", "indicatif", "comfy-table"], homes: &["lemnis"] },
    Home { crates: &["kube*", "k8s-openapi", "oci-*"], homes: &["lemnis-flow", "lemnis-deploy"] },
];

/// The features that bring `object_store`'s clients of cloud stores; as a port it is lighter than that.
const CLOUDS: [&str; 4] = ["aws", "azure", "gcp", "http"];

/// Every heavy dependency away from home.
pub fn check(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            let name = &dependency.name;
            for home in HOMES.iter().filter(|home| home.crates.iter().any(|pattern| matches(pattern, name))) {
                if !home.homes.contains(&package.name.as_str()) {
                    found.push(format!(
                        "{} depends on {name}, whose home is {}",
                        package.name,
                        home.homes.join(", ")
                    ));
                }
            }
            let cloud = dependency.features.iter().find(|feature| CLOUDS.contains(&feature.as_str()));
            if let Some(cloud) = cloud.filter(|_| name == "object_store" && package.name != "lemnis-store") {
                found.push(format!(
                    "{} switches on {name}'s feature {cloud:?}; its backends are at home in lemnis-store",
                    package.name
                ));
            }
        }
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn one(package: &str, dependency: &str, features: &[&str]) -> Vec<String> {
        let features = features.iter().map(|name| (*name).to_owned()).collect();
        let dependency = Dependency { name: dependency.to_owned(), dev: false, features };
        check(&[Package { name: package.to_owned(), dependencies: vec![dependency] }])
    }

    #[test]
    fn a_heavy_dependency_away_from_home_is_found() {
        assert_eq!(
            one("lemnis-quality", "arrow-array", &[]),
            ["lemnis-quality depends on arrow-array, whose home is lemnis-table"]
        );
        assert!(one("lemnis-table", "parquet", &[]).is_empty());
        assert!(one("lemnis-serving", "axum", &[]).is_empty());
        assert!(one("lemnis-data", "serde", &[]).is_empty());
    }

    #[test]
    fn object_store_is_a_port_everywhere_and_a_client_only_in_the_store() {
        assert!(one("lemnis-app", "object_store", &["fs"]).is_empty());
        assert!(one("lemnis-store", "object_store", &["fs", "aws"]).is_empty());
        assert_eq!(one("lemnis-app", "object_store", &["aws"]).len(), 1);
        assert!(one("lemnis-data", "object_store", &["fs"]).is_empty());
        assert_eq!(one("lemnis-data", "object_store", &["aws"]).len(), 1);
        assert_eq!(one("lemnis-quality", "object_store", &["fs"]).len(), 1);
    }
}
