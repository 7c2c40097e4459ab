//! Search spaces: which values a hyperparameter may take, as people write them and as numbers that a sampler sees.
//!
//! ```text
//! lr=1e-5..1e-1:log      a number between two bounds, both included, spread evenly over its logarithm
//! dropout=0..0.5         a number, spread evenly
//! depth=2..12:int        a whole number; also :int:log
//! opt=adam|sgd           one of several values
//! ```
//!
//! The text of a domain reads back as the same domain.

use std::fmt;

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::{Error, Param, Result};

/// Most params of one space.
pub const MAX_PARAMS: usize = 50;
/// Most values of one choice.
const MAX_CHOICES: usize = 200;
/// From this ratio of its bounds on, a range seen in past runs is taken as logarithmic.
const LOG_RATIO: f64 = 100.0;
/// Most different texts of a param that are taken as a choice.
const INFERRED_CHOICES: usize = 20;

/// The values that one param may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// A number from `low` to `high`, both included.
    Float {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
        /// Whether it is the logarithm that is spread evenly.
        log: bool,
    },
    /// A whole number from `low` to `high`, both included.
    Int {
        /// The least value.
        low: i64,
        /// The greatest value.
        high: i64,
        /// Whether it is the logarithm that is spread evenly.
        log: bool,
    },
    /// One of several texts, numbers or booleans.
    Choice(Vec<Value>),
}

/// The params of a search, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    domains: IndexMap<String, Domain>,
}

impl Space {
    /// The params with their domains.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Domain)> {
        self.domains.iter().map(|(name, domain)| (name.as_str(), domain))
    }

    /// How many params there are.
    pub fn len(&self) -> usize {
        self.domains.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// A space from `{"lr": "1e-5..1e-1:log", "opt": ["adam", "sgd"], "depth": {"low": 2, "high": 12, "int": true}}`.
    pub fn from_json(fields: &Map<String, Value>) -> Result<Self> {
        let mut space = Self::default();
        for (name, value) in fields {
            space.add(name, Domain::from_json(value).map_err(|problem| wrong(name, &problem))?)?;
        }
        space.checked()
    }

    /// A space from lines such as `lr=1e-5..1e-1:log`.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut space = Self::default();
        for text in texts {
            let (name, domain) = text.split_once('=').ok_or_else(|| {
                Error::invalid(format!("{text:?} is no param with its values, such as lr=1e-5..1e-1:log"))
            })?;
            let name = name.trim();
            space.add(name, Domain::parse(domain).map_err(|problem| wrong(name, &problem))?)?;
        }
        space.checked()
    }

    /// The space that past params span: numbers between their least and greatest value, texts as a choice. Params that
    /// never differ, and texts of too many kinds, are left out.
    pub fn inferred<'a>(runs: impl Iterator<Item = &'a [Param]> + Clone) -> Self {
        let mut seen: IndexMap<&str, Vec<&str>> = IndexMap::new();
        for param in runs.flatten() {
            seen.entry(&param.key).or_default().push(&param.value);
        }
        let mut space = Self::default();
        for (name, values) in seen {
            if let Some(domain) = Domain::inferred(&values)
                && space.len() < MAX_PARAMS
            {
                space.domains.insert(name.to_owned(), domain);
            }
        }
        space
    }

    /// The space as JSON of texts and lists, which [`Space::from_json`] reads.
    pub fn to_json(&self) -> Map<String, Value> {
        self.domains.iter().map(|(name, domain)| (name.clone(), domain.to_json())).collect()
    }

    fn add(&mut self, name: &str, domain: Domain) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid("a param of the search space has no name"));
        }
        crate::rules::param(&Param::new(name, ""), "space")?;
        if self.domains.insert(name.to_owned(), domain).is_some() {
            return Err(Error::invalid(format!("{name:?} is twice in the search space")));
        }
        Ok(())
    }

    fn checked(self) -> Result<Self> {
        if self.len() > MAX_PARAMS {
            return Err(Error::invalid(format!("a search space has at most {MAX_PARAMS} params")));
        }
        Ok(self)
    }
}

fn wrong(name: &str, problem: &str) -> Error {
    Error::invalid(format!("the search space of {name:?}: {problem}"))
}

impl Domain {
    /// A domain from its text.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let text = text.trim();
        if !text.contains("..") {
            return Self::choice(text.split('|').map(|part| scalar(part.trim())).collect());
        }
        let mut parts = text.split(':');
        let bounds = parts.next().unwrap_or_default();
        let (mut log, mut int) = (false, false);
        for part in parts {
            match part.trim() {
                "log" => log = true,
                "int" => int = true,
                other => return Err(format!("{other:?} is neither log nor int")),
            }
        }
        let (low, high) = bounds.split_once("..").ok_or_else(|| format!("{bounds:?} is no range"))?;
        let number =
            |text: &str| text.trim().parse::<f64>().map_err(|_| format!("{:?} is not a number", text.trim()));
        Self::range(number(low)?, number(high)?, log, int)
    }

    fn from_json(value: &Value) -> std::result::Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Array(values) => Self::choice(values.clone()),
            Value::Object(fields) => {
                if let Some(key) =
                    fields.keys().find(|key| !["low", "high", "log", "int"].contains(&key.as_str()))
                {
                    return Err(format!("{key:?} is none of low, high, log and int"));
                }
                let number = |key: &str| {
                    fields.get(key).and_then(Value::as_f64).ok_or_else(|| format!("{key} must be a number"))
                };
                let flag = |key: &str| match fields.get(key) {
                    None => Ok(false),
                    Some(Value::Bool(flag)) => Ok(*flag),
                    Some(_) => Err(format!("{key} must be true or false")),
                };
                Self::range(number("low")?, number("high")?, flag("log")?, flag("int")?)
            }
            _ => Err("a text, a list of values or an object with low and high is wanted".to_owned()),
        }
    }

    fn choice(values: Vec<Value>) -> std::result::Result<Self, String> {
        if values.is_empty() || values.len() > MAX_CHOICES {
            return Err(format!("a choice has 1 to {MAX_CHOICES} values"));
        }
        for (place, value) in values.iter().enumerate() {
            match value {
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!("{value} is no text, number or boolean"));
                }
                Value::String(text) if text.is_empty() => return Err("a value is empty".to_owned()),
                _ if values[..place].contains(value) => return Err(format!("{value} stands twice")),
                _ => {}
            }
        }
        Ok(Domain::Choice(values))
    }

    fn range(low: f64, high: f64, log: bool, int: bool) -> std::result::Result<Self, String> {
        // A sampler works on the width, which must be a number, too.
        if !low.is_finite() || !high.is_finite() || !(high - low).is_finite() || low >= high {
            return Err(format!("{low}..{high} is no range: the first bound must be below the second"));
        }
        if log && low <= 0.0 {
            return Err("a logarithmic range must begin above 0".to_owned());
        }
        if !int {
            return Ok(Domain::Float { low, high, log });
        }
        const EXACT: f64 = (1_u64 << 52) as f64;
        if low.fract() != 0.0 || high.fract() != 0.0 || low.abs() > EXACT || high.abs() > EXACT {
            return Err("the bounds of whole numbers must be whole numbers".to_owned());
        }
        Ok(Domain::Int { low: low as i64, high: high as i64, log })
    }

    fn inferred(values: &[&str]) -> Option<Self> {
        let mut different: Vec<&str> = values.to_vec();
        different.sort_unstable();
        different.dedup();
        if different.len() < 2 {
            return None;
        }
        let numbers: Option<Vec<f64>> =
            different.iter().map(|text| text.parse().ok().filter(|value: &f64| value.is_finite())).collect();
        if let Some(numbers) = numbers {
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let int = different.iter().all(|text| text.parse::<i64>().is_ok());
            let log = low > 0.0 && high / low >= LOG_RATIO;
            return Self::range(low, high, log, int).ok();
        }
        if different.len() > INFERRED_CHOICES || different.iter().any(|text| text.is_empty()) {
            return None;
        }
        Self::choice(different.into_iter().map(Value::from).collect()).ok()
    }

    fn to_json(&self) -> Value {
        match self {
            Domain::Choice(values) => Value::Array(values.clone()),
            range => Value::String(range.to_string()),
        }
    }

    /// The bounds between which [`Domain::place`] lies: the first included, the second not.
    pub(super) fn bounds(&self) -> (f64, f64) {
        match *self {
            Domain::Float { low, high, log: false } => (low, high.next_up()),
            Domain::Float { low, high, log: true } => (low.ln(), high.ln().next_up()),
            Domain::Int { low, high, log: false } => (low as f64 - 0.5, high as f64 + 0.5),
            Domain::Int { low, high, log: true } => ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln()),
            Domain::Choice(ref values) => (0.0, values.len() as f64),
        }
    }

    /// Where the logged text stands between the bounds; `None` for a text outside the domain.
    pub(super) fn place(&self, text: &str) -> Option<f64> {
        let number = || text.trim().parse::<f64>().ok();
        match self {
            Domain::Float { low, high, log } => {
                // What was rounded on its way may miss a bound by a hair.
                let slack = 1e-9 * (high - low).max(low.abs());
                let value = number().filter(|value| *value >= low - slack && *value <= high + slack)?;
                let value = value.clamp(*low, *high);
                Some(if *log { value.ln() } else { value })
            }
            Domain::Int { low, high, log } => {
                let value = number().filter(|value| value.fract() == 0.0)?;
                if value < *low as f64 || value > *high as f64 {
                    return None;
                }
                Some(if *log { value.ln() } else { value })
            }
            Domain::Choice(values) => {
                values.iter().position(|value| is_said(value, text)).map(|place| place as f64)
            }
        }
    }

    /// The value at a place between the bounds.
    pub(super) fn value(&self, place: f64) -> Value {
        match self {
            Domain::Float { low, high, log } => {
                let value = if *log { place.exp() } else { place };
                // Six digits are enough to search with, and can be read.
                let value = rounded(value).clamp(*low, *high);
                Number::from_f64(value).map_or(Value::Null, Value::Number)
            }
            Domain::Int { low, high, log } => {
                let value = if *log { place.exp() } else { place };
                Value::from((value.round() as i64).clamp(*low, *high))
            }
            Domain::Choice(values) => {
                let place = (place.max(0.0) as usize).min(values.len().saturating_sub(1));
                values.get(place).cloned().unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (int, log) = match self {
            Domain::Float { low, high, log } => {
                write!(out, "{}..{}", short(*low), short(*high))?;
                (false, *log)
            }
            Domain::Int { low, high, log } => {
                write!(out, "{low}..{high}")?;
                (true, *log)
            }
            Domain::Choice(values) => {
                let texts: Vec<String> = values.iter().map(text_of).collect();
                return write!(out, "{}", texts.join("|"));
            }
        };
        if int {
            write!(out, ":int")?;
        }
        if log {
            write!(out, ":log")?;
        }
        Ok(())
    }
}

/// The value as Python's `str` writes it, which is how MLflow's client logs it.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// Whether `text`, as any client logs it, says `value`.
fn is_said(value: &Value, text: &str) -> bool {
    match value {
        Value::Number(number) => {
            text.trim().parse::<f64>().is_ok_and(|said| Some(said) == number.as_f64())
                || text == number.to_string()
        }
        Value::Bool(_) | Value::Null => text_of(value).eq_ignore_ascii_case(text),
        _ => text_of(value) == text,
    }
}

/// A number or a boolean where the text is one.
fn scalar(text: &str) -> Value {
    match text {
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Value::from(whole);
    }
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| Value::from(text), Value::Number)
}

fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// A number in the shorter of its two forms.
fn short(value: f64) -> String {
    let (plain, scientific) = (value.to_string(), format!("{value:e}"));
    if scientific.len() < plain.len() { scientific } else { plain }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json_of(space: &Space) -> Value {
        Value::Object(space.to_json())
    }

    #[test]
    fn a_space_reads_back_as_it_is_shown() {
        let space = Space::from_texts([
            "lr=1e-5..1e-1:log",
            "depth=2..12:int",
            "opt=adam|sgd",
            "batch=16|32",
            "drop=0..0.5",
            "n=1..1000:int:log",
        ])
        .unwrap();
        let shown = json_of(&space);
        assert_eq!(
            shown,
            json!({"lr": "1e-5..0.1:log", "depth": "2..12:int", "opt": ["adam", "sgd"], "batch": [16, 32],
                   "drop": "0..0.5", "n": "1..1000:int:log"})
        );
        assert_eq!(Space::from_json(shown.as_object().unwrap()).unwrap(), space);
        let object = json!({"depth": {"low": 2, "high": 12, "int": true}});
        assert_eq!(
            json_of(&Space::from_json(object.as_object().unwrap()).unwrap()),
            json!({"depth": "2..12:int"})
        );
    }

    #[test]
    fn what_is_no_space_is_told_with_its_param() {
        for (text, says) in [
            ("lr", "\"lr\" is no param with its values"),
            ("lr=0..1:log", "\"lr\": a logarithmic range must begin above 0"),
            ("lr=2..1", "the first bound must be below"),
            ("lr=a..1", "\"a\" is not a number"),
            ("lr=0..1:cubic", "neither log nor int"),
            ("n=0.5..3:int", "must be whole numbers"),
            ("n=-1e308..1e308", "is no range"),
            ("opt=a|a", "stands twice"),
            ("opt=", "a value is empty"),
            ("=1..2", "has no name"),
            ("a?b=1..2", "Names may only contain"),
        ] {
            let error = Space::from_texts([text]).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(Space::from_texts(["a=1..2", "a=1..3"]).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn values_of_past_runs_span_a_space() {
        let run = |lr: &str, depth: &str, opt: &str| {
            vec![
                Param::new("lr", lr),
                Param::new("depth", depth),
                Param::new("opt", opt),
                Param::new("seed", "1"),
            ]
        };
        let runs = [run("0.0001", "3", "adam"), run("0.5", "9", "sgd"), run("0.01", "5", "adam")];
        let space = Space::inferred(runs.iter().map(Vec::as_slice));
        assert_eq!(
            json_of(&space),
            json!({"lr": "1e-4..0.5:log", "depth": "3..9:int", "opt": ["adam", "sgd"]})
        );
    }

    #[test]
    fn values_stay_in_their_domain_and_are_found_again() {
        let space = Space::from_texts(["lr=1e-5..1e-1:log", "d=2..12:int", "n=1..9:int:log", "o=a|True|3|x"])
            .unwrap();
        for (name, domain) in space.iter() {
            let (low, high) = domain.bounds();
            for step in 0..=50 {
                let place = (low + (high - low) * f64::from(step) / 50.0).min(high.next_down());
                let value = domain.value(place);
                let found = domain.place(&text_of(&value));
                assert!(
                    found.is_some_and(|found| found >= low && found < high),
                    "{name}: {value} at {place}"
                );
                assert_eq!(domain.value(found.unwrap()), value, "{name}");
            }
        }
        let mut domains = space.iter().map(|(_, domain)| domain);
        assert_eq!(domains.next().unwrap().place("0.2"), None);
        assert_eq!(domains.next().unwrap().place("2.5"), None);
        assert_eq!(domains.next().unwrap().place("10"), None);
        let choice = domains.next().unwrap();
        assert_eq!(
            (choice.place("true"), choice.place("3.0"), choice.place("b")),
            (Some(1.0), Some(2.0), None)
        );
    }
}
