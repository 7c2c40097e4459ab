//! Which options a configuration may hold, and what their values must be: DVC's schema.

use super::ini::{Document, Value, split_named};
use crate::error::{Error, Result};

/// What a value must be.
#[derive(Clone, Copy)]
enum Rule {
    Text,
    /// `true` or `false`, in any case.
    Bool,
    BoolOrText,
    /// A whole number of at least this.
    AtLeast(i64),
    Whole,
    /// A number that is not negative.
    Float,
    Links,
    OneOf(&'static [&'static str]),
    /// DVC knows the option and accepts no text for it.
    Nothing,
}

use Rule::{AtLeast, Bool, BoolOrText, Float, Links, Nothing, OneOf, Text, Whole};

/// Names of options with what they must be.
type Options = &'static [(&'static str, Rule)];

/// Sections in DVC's order, with their options.
const SECTIONS: [(&str, Options); 11] = [
    (
        "core",
        &[
            ("remote", Text),
            ("checksum_jobs", AtLeast(1)),
            ("interactive", Bool),
            ("analytics", Bool),
            ("hardlink_lock", Bool),
            ("no_scm", Bool),
            ("autostage", Bool),
            ("experiments", Bool),
            ("check_update", Bool),
            ("site_cache_dir", Text),
            ("machine", Text),
        ],
    ),
    (
        "cache",
        &[
            ("local", Text),
            ("s3", Text),
            ("gs", Text),
            ("hdfs", Text),
            ("webhdfs", Text),
            ("ssh", Text),
            ("azure", Text),
            ("dir", Text),
            ("type", Links),
            ("protected", Bool),
            ("shared", OneOf(&["group"])),
            ("slow_link_warning", Bool),
            ("verify", Bool),
        ],
    ),
    ("state", &[("dir", Text), ("row_limit", AtLeast(1)), ("row_cleanup_quota", AtLeast(0))]),
    ("index", &[("dir", Text)]),
    ("feature", &[("machine", Bool)]),
    ("plots", &[("html_template", Text), ("auto_open", Bool), ("out_dir", Text)]),
    (
        "exp",
        &[
            ("code", Text),
            ("data", Text),
            ("models", Text),
            ("metrics", Text),
            ("params", Text),
            ("plots", Text),
            ("live", Text),
            ("auto_push", Bool),
            ("git_remote", Text),
        ],
    ),
    (
        "parsing",
        &[("bool", OneOf(&["store_true", "boolean_optional"])), ("list", OneOf(&["nargs", "append"]))],
    ),
    (
        "hydra",
        &[
            ("enabled", Bool),
            ("config_dir", Text),
            ("config_module", Text),
            ("config_name", Text),
            ("plugins_path", Text),
        ],
    ),
    ("studio", &[("token", Text), ("url", Text), ("repo_url", Text), ("offline", Bool)]),
    ("remote", &[]),
];

const MACHINE: Options = &[
    ("cloud", OneOf(&["aws", "azure"])),
    ("region", OneOf(&["us-west", "us-east", "eu-west", "eu-north"])),
    ("image", Text),
    ("spot", Bool),
    ("spot_price", Float),
    ("instance_hdd_size", Whole),
    ("instance_type", Text),
    ("instance_gpu", Text),
    ("ssh_private", Text),
    ("startup_script", Text),
    ("setup_script", Text),
];

const DB: Options = &[("url", Text), ("username", Text), ("password", Text)];

/// Options of every remote.
const REMOTE: Options = &[
    ("url", Text),
    ("checksum_jobs", AtLeast(1)),
    ("jobs", AtLeast(1)),
    ("worktree", Bool),
    ("no_traverse", Bool),
    ("version_aware", Bool),
];

const LOCAL: Options = &[
    ("type", Links),
    ("protected", Bool),
    ("shared", OneOf(&["group"])),
    ("slow_link_warning", Bool),
    ("verify", Bool),
];

const S3: Options = &[
    ("region", Text),
    ("profile", Text),
    ("credentialpath", Text),
    ("configpath", Text),
    ("endpointurl", Text),
    ("access_key_id", Text),
    ("secret_access_key", Text),
    ("session_token", Text),
    ("listobjects", Bool),
    ("use_ssl", Bool),
    ("allow_anonymous_login", Bool),
    ("ssl_verify", BoolOrText),
    ("sse", Text),
    ("sse_kms_key_id", Text),
    ("sse_customer_algorithm", Text),
    ("sse_customer_key", Text),
    ("acl", Text),
    ("grant_read", Text),
    ("grant_read_acp", Text),
    ("grant_write_acp", Text),
    ("grant_full_control", Text),
    ("cache_regions", Nothing),
    ("read_timeout", Whole),
    ("connect_timeout", Whole),
    ("verify", Bool),
];

const GS: Options = &[
    ("projectname", Text),
    ("credentialpath", Text),
    ("endpointurl", Text),
    ("verify", Bool),
    ("allow_anonymous_login", Bool),
];

const SSH: Options = &[
    ("type", Links),
    ("port", Whole),
    ("user", Text),
    ("password", Text),
    ("ask_password", Bool),
    ("passphrase", Text),
    ("ask_passphrase", Bool),
    ("keyfile", Text),
    ("timeout", Whole),
    ("gss_auth", Bool),
    ("allow_agent", Bool),
    ("max_sessions", Whole),
    ("verify", Bool),
];

const HDFS: Options = &[("user", Text), ("kerb_ticket", Text), ("replication", Nothing)];

const WEBHDFS: Options = &[
    ("kerberos", Bool),
    ("kerberos_principal", Text),
    ("proxy_to", Text),
    ("ssl_verify", BoolOrText),
    ("token", Text),
    ("use_https", Bool),
    ("user", Text),
    ("password", Text),
    ("data_proxy_target", Text),
    ("verify", Bool),
];

const AZURE: Options = &[
    ("connection_string", Text),
    ("sas_token", Text),
    ("account_name", Text),
    ("account_key", Text),
    ("tenant_id", Text),
    ("client_id", Text),
    ("client_secret", Text),
    ("allow_anonymous_login", Bool),
    ("exclude_environment_credential", Bool),
    ("exclude_visual_studio_code_credential", Bool),
    ("exclude_shared_token_cache_credential", Bool),
    ("exclude_managed_identity_credential", Bool),
    ("verify", Bool),
    ("timeout", Whole),
    ("read_timeout", Whole),
    ("connection_timeout", Whole),
];

const OSS: &[(&str, Rule)] =
    &[("oss_key_id", Text), ("oss_key_secret", Text), ("oss_endpoint", Text), ("verify", Bool)];

const GDRIVE: Options = &[
    ("profile", Text),
    ("gdrive_use_service_account", Bool),
    ("gdrive_client_id", Text),
    ("gdrive_client_secret", Text),
    ("gdrive_user_credentials_file", Text),
    ("gdrive_service_account_user_email", Text),
    ("gdrive_service_account_json_file_path", Text),
    ("gdrive_trash_only", Bool),
    ("gdrive_acknowledge_abuse", Bool),
    ("verify", Bool),
];

const HTTP: Options = &[
    ("auth", OneOf(&["basic", "digest", "custom"])),
    ("custom_auth_header", Text),
    ("user", Text),
    ("password", Text),
    ("ask_password", Bool),
    ("ssl_verify", BoolOrText),
    ("method", Text),
    ("connect_timeout", Float),
    ("read_timeout", Float),
    ("verify", Bool),
];

const WEBDAV: Options = &[
    ("user", Text),
    ("password", Text),
    ("ask_password", Bool),
    ("token", Text),
    ("bearer_token_command", Text),
    ("custom_auth_header", Text),
    ("cert_path", Text),
    ("key_path", Text),
    ("timeout", Whole),
    ("ssl_verify", BoolOrText),
    ("verify", Bool),
];

/// Checks a configuration that all levels were merged into.
pub(crate) fn validate(document: &Document) -> Result<()> {
    for (header, section) in &document.sections {
        let (options, shared): (Options, Options) = match split_named(header) {
            Some(("remote", name)) => {
                let url = section.text("url").ok_or_else(|| {
                    Error::config_hinted(
                        format!("the remote '{name}' has no url"),
                        format!("set it with `lemnis remote modify {name} url URL`"),
                    )
                })?;
                match scheme_options(url, name)? {
                    Some(options) => (options, REMOTE),
                    None => continue,
                }
            }
            Some(("machine", _)) => (MACHINE, &[]),
            Some(_) => (DB, &[]),
            None => {
                let known = SECTIONS.iter().find(|(name, _)| name == header);
                let known = known.ok_or_else(|| Error::config(format!("there is no section '{header}'")))?;
                if header == "feature" {
                    continue;
                }
                (known.1, &[])
            }
        };
        for (option, entry) in &section.entries {
            let rule = options.iter().chain(shared).find(|(name, _)| name == option);
            let rule = rule
                .ok_or_else(|| Error::config(format!("the section '{header}' has no option '{option}'")))?;
            check(rule.1, &entry.value)
                .map_err(|wanted| Error::config(format!("'{header}.{option}' must be {wanted}")))?;
        }
        if header == "hydra"
            && section.text("config_dir").is_some()
            && section.text("config_module").is_some()
        {
            return Err(Error::config("'hydra.config_dir' and 'hydra.config_module' exclude each other"));
        }
    }
    Ok(())
}

/// Checks options for the store of one URL.
pub(crate) fn validate_options(url: &str, options: &[(String, String)]) -> Result<()> {
    let Some(known) = scheme_options(url, url)? else { return Ok(()) };
    for (name, value) in options {
        let rule = known.iter().chain(REMOTE).find(|(known, _)| known == name && name != "url");
        let rule = rule.ok_or_else(|| Error::config(format!("'{url}' has no option '{name}'")))?;
        check(rule.1, &Value::One(value.clone()))
            .map_err(|wanted| Error::config(format!("the option '{name}' must be {wanted}")))?;
    }
    Ok(())
}

/// The options of remotes at `url`; `None` when all are allowed.
fn scheme_options(url: &str, name: &str) -> Result<Option<Options>> {
    let Some((scheme, rest)) = url.split_once("://") else { return Ok(Some(LOCAL)) };
    if rest.is_empty() || rest.starts_with('/') {
        return Ok(Some(LOCAL));
    }
    Ok(Some(match scheme.to_ascii_lowercase().as_str() {
        "s3" => S3,
        "gs" => GS,
        "ssh" => SSH,
        "hdfs" => HDFS,
        "webhdfs" => WEBHDFS,
        "azure" => AZURE,
        "oss" => OSS,
        "gdrive" => GDRIVE,
        "http" | "https" => HTTP,
        "webdav" | "webdavs" => WEBDAV,
        "remote" => return Ok(None),
        other => {
            return Err(Error::config(format!("'{name}' has an unknown url type {other}://")));
        }
    }))
}

fn check(rule: Rule, value: &Value) -> std::result::Result<(), String> {
    let fits = |good: bool, wanted: &str| if good { Ok(()) } else { Err(wanted.to_owned()) };
    let whole = |text: &str| text.trim().replace('_', "").parse::<i64>().ok();
    if let (Links, Value::Many(items)) = (rule, value) {
        return links(items.iter().map(String::as_str));
    }
    let Some(text) = value.text() else { return Err("one value, not a list".into()) };
    match rule {
        Text | BoolOrText => Ok(()),
        Bool => fits(truth(text).is_some(), "true or false"),
        AtLeast(least) => fits(
            whole(text).is_some_and(|number| number >= least),
            &format!("a whole number of at least {least}"),
        ),
        Whole => fits(whole(text).is_some(), "a whole number"),
        Float => fits(
            text.trim().parse::<f64>().is_ok_and(|number| number >= 0.0),
            "a number that is not negative",
        ),
        Links => links(text.split(',').map(str::trim)),
        OneOf(allowed) => {
            let lower = text.to_ascii_lowercase();
            fits(allowed.contains(&lower.as_str()), &format!("one of {}", allowed.join(", ")))
        }
        Nothing => Err("left out".into()),
    }
}

fn links<'a>(mut items: impl Iterator<Item = &'a str>) -> std::result::Result<(), String> {
    match items.find(|item| !["reflink", "hardlink", "symlink", "copy"].contains(item)) {
        None => Ok(()),
        Some(wrong) => Err(format!("a list of reflink, hardlink, symlink and copy, not '{wrong}'")),
    }
}

/// DVC's booleans.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> bool {
        validate(&Document::parse(text, "config").expect("reads")).is_ok()
    }

    #[test]
    fn unknown_options_and_bad_values_are_refused() {
        for text in [
            "[core]\nnosuch = 1",
            "[nosuch]\nkey = 1",
            "[core]\nautostage = yes",
            "[core]\nchecksum_jobs = 0",
            "[core]\nremote = a, b",
            "[cache]\ntype = magic",
            "[cache]\nshared = all",
            "['remote \"a\"']\nurl = ftp://host/x",
            "['remote \"a\"']\njobs = 3",
            "['remote \"a\"']\nurl = /x\nregion = eu",
            "['remote \"a\"']\nurl = s3://b\nread_timeout = soon",
        ] {
            assert!(!accepted(text), "{text}");
        }
    }

    #[test]
    fn options_that_dvc_knows_are_accepted() {
        for text in [
            "[core]\nautostage = TRUE\nchecksum_jobs = 4\nremote = R",
            "[cache]\ntype = hardlink, copy\nshared = group\ndir = ../x",
            "[cache]\ntype = \"hardlink,copy\"",
            "['remote \"a\"']\nurl = s3://b/x\nendpointurl = http://h:1\nssl_verify = /ca.pem\njobs = 8",
            "['remote \"a\"']\nurl = /x\nverify = true",
            "['remote \"a\"']\nurl = https://h/x\nread_timeout = 0.5\nauth = basic",
            "['db \"d\"']\nurl = sqlite://",
            "[feature]\nwhatever = 1",
        ] {
            assert!(accepted(text), "{text}");
        }
    }
}
