//! Where a filter of runs goes wrong, so that a page can point at it.
//!
//! The messages are MLflow's and say what is wrong, not where. The parser itself is asked: a name is at fault if it fits
//! no comparison at all, an operator if no value would do, and the value otherwise.

use std::ops::Range;

use super::lexer::{Token, tokens};
use super::runs;

/// The bytes of `filter` that keep it from being read; `None` where it can be read.
pub fn run_fault(filter: &str) -> Option<Range<usize>> {
    runs(filter).err()?;
    let mut placed = Vec::new();
    let mut at = 0;
    for token in tokens(filter) {
        at += filter[at..].find(&token.text)?;
        placed.push((at, token));
        at += placed.last().map_or(0, |(_, token)| token.text.len());
    }
    let is_and = |token: &Token| token.text.eq_ignore_ascii_case("AND");
    for clause in placed.split(|(_, token)| is_and(token)) {
        if !reads(filter, clause) {
            // Nothing beside an AND: the AND is what stands alone.
            let range = if clause.is_empty() { span(last_and(&placed)?) } else { guilty(filter, clause) };
            return Some(range);
        }
    }
    Some(span(&placed))
}

type Placed = (usize, Token);

fn span(tokens: &[Placed]) -> Range<usize> {
    match tokens {
        [] => 0..0,
        [first, ..] => first.0..tokens.last().map_or(first.0, |(at, token)| at + token.text.len()),
    }
}

fn last_and(placed: &[Placed]) -> Option<&[Placed]> {
    let place = placed.iter().rposition(|(_, token)| token.text.eq_ignore_ascii_case("AND"))?;
    placed.get(place..=place)
}

fn reads(filter: &str, clause: &[Placed]) -> bool {
    !clause.is_empty() && runs(&filter[span(clause)]).is_ok()
}

fn guilty(filter: &str, clause: &[Placed]) -> Range<usize> {
    let text = |upto: usize| &filter[span(&clause[..upto])];
    let any = |start: &str, ends: &[&str]| ends.iter().any(|end| runs(&format!("{start} {end}")).is_ok());
    if !any(text(1), &["= 'x'", "= 1"]) {
        return span(&clause[..1]);
    }
    let word = |place: usize, word: &str| {
        clause.get(place).is_some_and(|(_, token)| token.text.eq_ignore_ascii_case(word))
    };
    let operator = if word(1, "NOT") || (word(1, "IS") && word(2, "NOT")) { 3 } else { 2 };
    if clause.len() < operator {
        return span(clause);
    }
    if !any(text(operator), &["'x'", "1", "('x')", "NULL"]) {
        return span(&clause[1..operator]);
    }
    if clause.len() == operator {
        return span(&clause[1..]);
    }
    let whole = (operator + 1..clause.len()).rev().find(|upto| runs(text(*upto)).is_ok());
    span(&clause[whole.unwrap_or(operator)..])
}

#[cfg(test)]
mod tests {
    use super::run_fault;

    #[test]
    fn the_token_at_fault_is_found() {
        for (filter, wanted) in [
            ("metrics.auc > 0.8 and params.lr = 0.1", "0.1"),
            ("metrics.auc > 'x'", "'x'"),
            ("metric.auc >> 1", ">>"),
            ("metrics.auc LIKE 'x'", "LIKE"),
            ("colour = 'red'", "colour"),
            ("metrics.auc > 0.8 and things.x = '1' and params.a = '1'", "things.x"),
            ("metrics.auc >", ">"),
            ("metrics.auc", "metrics.auc"),
            ("metrics.auc > 1 AND", "AND"),
            ("metrics.auc > 1 or params.lr = '1'", "or params.lr = '1'"),
            ("params.\u{e9} = 'a' and status IS NULL", "IS"),
        ] {
            let range = run_fault(filter).unwrap_or_else(|| panic!("{filter} is read"));
            assert_eq!(&filter[range], wanted, "{filter}");
        }
    }

    #[test]
    fn a_filter_that_is_read_has_no_fault() {
        assert_eq!(run_fault("metrics.auc > 0.8 and tags.`a b` IS NOT NULL"), None);
        assert_eq!(run_fault(""), None);
    }
}
