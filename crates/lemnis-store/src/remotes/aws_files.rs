//! AWS's own files: `~/.aws/credentials` and `~/.aws/config`, for the profile that is asked for.

use std::path::PathBuf;

use object_store::aws::AmazonS3ConfigKey;

use super::{CloudEnvironment, Options};

/// What the profile says, when it is named or no credentials are given otherwise. Files that are not there, and
/// profiles that log in by other means, say nothing.
pub(super) fn profile(options: &Options, environment: &CloudEnvironment) -> Vec<(AmazonS3ConfigKey, String)> {
    let variable = |name: &str| environment.variables.get(name).cloned();
    let named = options.get("profile").cloned();
    let given = options.contains_key("access_key_id") || variable("AWS_ACCESS_KEY_ID").is_some();
    if named.is_none() && given {
        return Vec::new();
    }
    let profile = named.or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".into());
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let file = |option: &str, name: &str, default: &str| {
        let path = options.get(option).cloned().or_else(|| variable(name)).map(PathBuf::from);
        std::fs::read_to_string(path.unwrap_or_else(|| home.join(default))).unwrap_or_default()
    };
    let credentials = file("credentialpath", "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    let config = file("configpath", "AWS_CONFIG_FILE", ".aws/config");
    let mut found = section(&config, &[&profile, &format!("profile {profile}")]);
    found.extend(section(&credentials, &[&profile]));
    let known = |(key, value): (String, String)| {
        let key = match key.as_str() {
            "aws_access_key_id" => AmazonS3ConfigKey::AccessKeyId,
            "aws_secret_access_key" => AmazonS3ConfigKey::SecretAccessKey,
            "aws_session_token" => AmazonS3ConfigKey::Token,
            "region" => AmazonS3ConfigKey::Region,
            "endpoint_url" => AmazonS3ConfigKey::Endpoint,
            _ => return None,
        };
        Some((key, value))
    };
    found.into_iter().filter_map(known).collect()
}

fn section(text: &str, names: &[&str]) -> Vec<(String, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = names.contains(&name.trim());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            found.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_asked_for_profile_counts() {
        let text = "[default]\nregion = a\n# [x]\n[profile work]\nregion=b\naws_access_key_id = K=\n";
        assert_eq!(section(text, &["default"]), [("region".to_owned(), "a".to_owned())]);
        assert_eq!(section(text, &["work", "profile work"])[1].1, "K=");
    }
}
