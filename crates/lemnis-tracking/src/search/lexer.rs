//! Cuts a filter or an order into tokens, as far as MLflow's SQL tokenizer would.

/// One token with the text it was made from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, which may hold dots and quoted parts.
    Word,
    Number,
    /// A text in single quotes.
    Single,
    /// A text in double quotes: a value, or a name.
    Double,
    Operator,
    Open,
    Close,
    Comma,
    Semicolon,
    /// Anything else, an unfinished quote for example.
    Other,
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        let (token, tail) = rest.split_at(length);
        found.push(Token { kind, text: token.to_owned() });
        rest = tail.trim_start();
    }
    found
}

fn next(rest: &str, first: char) -> (Kind, usize) {
    match first {
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        ',' => (Kind::Comma, 1),
        ';' => (Kind::Semicolon, 1),
        '\'' => closed(rest, '\'').map_or((Kind::Other, rest.len()), |length| (Kind::Single, length)),
        '"' => match closed(rest, '"') {
            None => (Kind::Other, rest.len()),
            Some(length) if rest[length..].starts_with('.') => (Kind::Word, word(rest)),
            Some(length) => (Kind::Double, length),
        },
        '=' | '!' | '<' | '>' => {
            (Kind::Operator, rest.find(|c| !matches!(c, '=' | '!' | '<' | '>')).unwrap_or(rest.len()))
        }
        '0'..='9' | '+' | '-' | '.' => number(rest),
        '`' | '_' => (Kind::Word, word(rest)),
        letter if letter.is_alphanumeric() => (Kind::Word, word(rest)),
        other => (Kind::Other, other.len_utf8()),
    }
}

/// The length of a quoted text that starts at `rest`; a doubled quote stands for itself.
fn closed(rest: &str, quote: char) -> Option<usize> {
    let mut from = 1;
    loop {
        let end = from + rest[from..].find(quote)?;
        if !rest[end + 1..].starts_with(quote) {
            return Some(end + 1);
        }
        from = end + 2;
    }
}

fn word(rest: &str) -> usize {
    let mut end = 0;
    while let Some(next) = rest[end..].chars().next() {
        let starts_part = end == 0 || rest[..end].ends_with('.');
        end += match next {
            '`' | '"' if starts_part => match closed(&rest[end..], next) {
                Some(length) => length,
                None => return rest.len(),
            },
            '_' | '.' | '-' | '/' | ':' | '@' => 1,
            letter if letter.is_alphanumeric() => letter.len_utf8(),
            _ => break,
        };
    }
    end
}

fn number(rest: &str) -> (Kind, usize) {
    let end = rest
        .char_indices()
        .find(|(index, c)| {
            let after_exponent = *index > 0 && rest[..*index].ends_with(['e', 'E']);
            let sign = matches!(c, '+' | '-') && (*index == 0 || after_exponent);
            !(sign || c.is_alphanumeric() || matches!(c, '.' | '_'))
        })
        .map_or(rest.len(), |(index, _)| index);
    let text = &rest[..end];
    let digits = text.chars().any(|c| c.is_ascii_digit());
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E'));
    if digits && plain && text.parse::<f64>().is_ok() {
        return (Kind::Number, end);
    }
    match rest.chars().next() {
        Some(first) if first.is_ascii_digit() => (Kind::Word, word(rest)),
        Some(first) => (Kind::Other, first.len_utf8()),
        None => (Kind::Other, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(Kind, String)> {
        tokens(text).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn names_keep_their_quoted_parts() {
        assert_eq!(
            cut("metrics.`a b`>-1.5e3"),
            vec![
                (Kind::Word, "metrics.`a b`".to_owned()),
                (Kind::Operator, ">".to_owned()),
                (Kind::Number, "-1.5e3".to_owned()),
            ]
        );
        assert_eq!(cut("tags.\"x = y\" = 'it''s'")[0].1, "tags.\"x = y\"");
        assert_eq!(cut("tags.\"x = y\" = 'it''s'")[2], (Kind::Single, "'it''s'".to_owned()));
    }

    #[test]
    fn an_unfinished_quote_is_one_strange_token() {
        assert_eq!(cut("name = 'abc")[2].0, Kind::Other);
        assert_eq!(cut("`abc")[0].0, Kind::Word);
    }
}
