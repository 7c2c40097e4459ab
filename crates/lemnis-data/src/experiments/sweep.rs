//! Sweeps: `--set-param` with several values at once, as Hydra's basic sweeper takes them apart.
//!
//! `lr=0.1,0.2`, `lr=choice(0.1,0.2)` and `lr=range(1,4)` stand for one experiment a value; several sweeps
//! stand for every combination, the last one changing fastest.

use crate::error::{Error, Result};

const MOST: usize = 10_000;

/// The overrides of each experiment, or `None` when nothing is swept.
pub fn sweeps(overrides: &[String]) -> Result<Option<Vec<Vec<String>>>> {
    let file = |one: &String| {
        one.split('=').next().unwrap_or_default().split_once(':').map(|(file, _)| file.to_owned())
    };
    let mut files: Vec<Option<String>> = Vec::new();
    for one in overrides {
        if !files.contains(&file(one)) {
            files.push(file(one));
        }
    }
    let mut all = vec![Vec::new()];
    let mut swept = false;
    for one in files.iter().flat_map(|name| overrides.iter().filter(move |one| file(one) == *name)) {
        let choices = match one.split_once('=') {
            Some((key, value)) => match values(value)? {
                Some(values) => {
                    swept = true;
                    values.into_iter().map(|value| format!("{key}={value}")).collect()
                }
                None => vec![one.clone()],
            },
            None => vec![one.clone()],
        };
        if all.len().saturating_mul(choices.len()) > MOST {
            return Err(Error::invalid(format!("these sweeps make more than {MOST} experiments")));
        }
        let with = |row: &Vec<String>, choice: &String| row.iter().chain([choice]).cloned().collect();
        all = all.iter().flat_map(|row| choices.iter().map(move |choice| with(row, choice))).collect();
    }
    Ok(swept.then_some(all))
}

/// The values that a sweep goes through.
fn values(text: &str) -> Result<Option<Vec<String>>> {
    let text = text.trim();
    let call = |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = call("choice") {
        return Ok(Some(split(inner)));
    }
    if let Some(inner) = call("range") {
        return range(inner).map(Some);
    }
    for name in ["interval", "glob", "sort", "shuffle"] {
        if call(name).is_some() {
            return Err(Error::hinted(
                format!("'{text}' is no sweep that can be queued"),
                "use choice(…), range(…) or values with commas between them",
            ));
        }
    }
    let parts = split(text);
    Ok((parts.len() > 1).then_some(parts))
}

/// At the commas that stand outside quotes and brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0_usize, None);
    for ch in text.chars() {
        match (quote, ch) {
            (None, '\'' | '"') => quote = Some(ch),
            (Some(open), ch) if ch == open => quote = None,
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(ch);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn range(inner: &str) -> Result<Vec<String>> {
    let wrong = || {
        Error::hinted(
            format!("'range({inner})' is no range"),
            "write range(STOP) or range(START,STOP[,STEP])",
        )
    };
    let (mut start, mut stop, mut step) = (None, None, None);
    let parts = split(inner);
    for (at, part) in parts.iter().enumerate() {
        let (name, number) = match part.split_once('=') {
            Some((name, number)) => (name.trim(), number.trim()),
            None if parts.len() == 1 => ("stop", part.as_str()),
            None => (["start", "stop", "step"].get(at).copied().ok_or_else(wrong)?, part.as_str()),
        };
        let value: f64 = number.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(wrong)?;
        let decimals = number.split_once('.').map_or(0, |(_, digits)| digits.len());
        let whole = number.parse::<i64>().is_ok();
        let place = match name {
            "start" => &mut start,
            "stop" => &mut stop,
            "step" => &mut step,
            _ => return Err(wrong()),
        };
        *place = Some((value, decimals, whole));
    }
    let start = start.unwrap_or((0.0, 0, true));
    let stop = stop.ok_or_else(wrong)?;
    let step = step.unwrap_or((1.0, 0, true));
    if step.0 == 0.0 {
        return Err(wrong());
    }
    let decimals = start.1.max(step.1).max(1);
    let whole = start.2 && stop.2 && step.2;
    let mut out = Vec::new();
    for at in 0_u32.. {
        let value = start.0 + f64::from(at) * step.0;
        let near = format!("{value:.decimals$}").parse().unwrap_or(value);
        if (step.0 > 0.0 && near >= stop.0) || (step.0 < 0.0 && near <= stop.0) {
            break;
        }
        if out.len() >= MOST {
            return Err(Error::invalid(format!("'range({inner})' has more than {MOST} values")));
        }
        out.push(if whole { format!("{near:.0}") } else { format!("{near:?}") });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(overrides: &[&str]) -> Vec<String> {
        let overrides: Vec<String> = overrides.iter().map(|one| (*one).to_owned()).collect();
        let swept = sweeps(&overrides).expect("parses").expect("sweeps");
        swept.into_iter().map(|row| row.join(" ")).collect()
    }

    #[test]
    fn every_combination_is_made_and_the_last_changes_fastest() {
        assert_eq!(of(&["a=1,2", "b=choice(x,y)"]), ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        assert_eq!(
            of(&["p.yaml:a=1,2", "b=3", "p.yaml:c=4"]).first().map(String::as_str),
            Some("p.yaml:a=1 p.yaml:c=4 b=3")
        );
    }

    #[test]
    fn ranges_stop_before_their_end() {
        assert_eq!(of(&["a=range(3)"]), ["a=0", "a=1", "a=2"]);
        assert_eq!(of(&["a=range(1,8,3)"]), ["a=1", "a=4", "a=7"]);
        assert_eq!(of(&["a=range(0.1,0.4,0.1)"]), ["a=0.1", "a=0.2", "a=0.3"]);
        assert_eq!(of(&["a=range(start=3,stop=0,step=-2)"]), ["a=3", "a=1"]);
    }

    #[test]
    fn lists_and_quoted_text_are_single_values() {
        assert_eq!(of(&["a=choice([1,2],[3])", "b='x,y'"]), ["a=[1,2] b='x,y'", "a=[3] b='x,y'"]);
        assert_eq!(sweeps(&["a=[1,2]".into(), "b={c:1,d:2}".into()]).expect("parses"), None);
        assert!(sweeps(&["a=glob(*)".into()]).is_err());
        assert!(sweeps(&["a=range(1,2,0)".into()]).is_err());
    }
}
