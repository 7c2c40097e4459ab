//! Where a server keeps its state: in the project's folder, or in a database and an object store that many share.
//!
//! A flag comes before the environment, the environment before `lemnis.yaml`. A password in a flag would be seen by
//! everyone on the machine, one in `lemnis.yaml` by everyone with the repository: both are refused.

use lemnis_app::Settings;

use crate::context::Context;
use crate::output::Failure;

/// The variable that names the database; it may hold a password.
pub const DATABASE: &str = "LEMNIS_DATABASE_URL";
/// The variable that names the artifacts' object store.
pub const ARTIFACTS: &str = "LEMNIS_ARTIFACTS";
/// The variable that lets clients reach that object store by themselves.
pub const DIRECT_ARTIFACTS: &str = "LEMNIS_DIRECT_ARTIFACTS";

/// Where the state lies; `None` is the project's own folder.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// `postgres://…`.
    pub database: Option<String>,
    /// `s3://bucket/path`, `gs://…`, `azure://…`.
    pub artifacts: Option<String>,
    /// Whether clients may move artifacts to and from it by themselves.
    pub direct_artifacts: bool,
}

impl Place {
    /// What `flags`, the environment and the project's `settings` say, in this order.
    pub fn of(context: &Context, flags: Place, settings: Option<&Settings>) -> Result<Self, Failure> {
        let state = settings.map(|settings| &settings.state);
        let in_file = Place {
            database: state.and_then(|state| state.database.clone()),
            artifacts: state.and_then(|state| state.artifacts.clone()),
            direct_artifacts: state.is_some_and(|state| state.direct_artifacts),
        };
        refuse_password("--database", flags.database.as_deref())?;
        refuse_password("state.database of lemnis.yaml", in_file.database.as_deref())?;
        let place = Place {
            database: flags.database.or_else(|| context.place.database.clone()).or(in_file.database),
            artifacts: flags.artifacts.or_else(|| context.place.artifacts.clone()).or(in_file.artifacts),
            direct_artifacts: flags.direct_artifacts
                || context.place.direct_artifacts
                || in_file.direct_artifacts,
        };
        if let Some(database) = &place.database
            && !database.starts_with("postgres://")
            && !database.starts_with("postgresql://")
        {
            return Err(Failure::usage("the database is no postgres:// URL")
                .with_hint("leave it out to keep the state in the project's folder"));
        }
        if place.direct_artifacts && place.artifacts.is_none() {
            return Err(Failure::usage("artifacts in a folder cannot be reached past the server")
                .with_hint("name an object store with --artifacts, or leave --direct-artifacts out"));
        }
        Ok(place)
    }
}

fn refuse_password(place: &str, url: Option<&str>) -> Result<(), Failure> {
    let Some(url) = url else { return Ok(()) };
    let parsed =
        url::Url::parse(url).map_err(|error| Failure::usage(format!("{place} is no URL: {error}")))?;
    if parsed.password().is_none() && parsed.query_pairs().all(|(key, _)| key != "password") {
        return Ok(());
    }
    Err(Failure::usage(format!("{place} holds a password")).with_hint(format!(
        "leave it out and set PGPASSWORD, PGPASSFILE or ~/.pgpass, or give the whole URL in {DATABASE}"
    )))
}

#[cfg(test)]
mod tests {
    use super::refuse_password;

    #[test]
    fn a_password_that_others_could_read_is_refused() {
        assert!(refuse_password("--database", Some("postgres://ada:secret@db/x")).is_err());
        assert!(refuse_password("--database", Some("postgres://ada@db/x?password=secret")).is_err());
        assert!(refuse_password("--database", Some("postgres://ada@db/x?sslmode=require")).is_ok());
    }
}
