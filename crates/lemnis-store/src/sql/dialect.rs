//! From the SQL that our statements are written in to PostgreSQL's.

const LIST: &str = "IN (SELECT value FROM json_each(";

/// `sql` with `$n` for its placeholders and arrays for its lists. Texts in quotes stay as they are.
pub(super) fn postgres(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    let mut placed = 0;
    while let Some(at) = rest.find(['?', '\'', 'I', 'R']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        rest = found;
        if let Some(tail) = rest.strip_prefix(LIST) {
            // `x IN` becomes `x = ANY`, `x NOT IN` becomes `x <> ALL`.
            match out.strip_suffix("NOT ") {
                Some(kept) => {
                    out.truncate(kept.len());
                    out.push_str("<> ALL(");
                }
                None => out.push_str("= ANY("),
            }
            rest = placeholder(tail, &mut placed, &mut out);
            rest = rest.strip_prefix("))").unwrap_or(rest);
            out.push(')');
        } else if let Some(tail) = rest.strip_prefix("REGEXP ") {
            out.push_str("~ ");
            rest = tail;
        } else if rest.starts_with('?') {
            rest = placeholder(rest, &mut placed, &mut out);
        } else if rest.starts_with('\'') {
            let end = rest[1..].find('\'').map_or(rest.len(), |end| end + 2);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Writes the placeholder that `text` starts with; returns what follows it.
fn placeholder<'t>(text: &'t str, placed: &mut usize, out: &mut String) -> &'t str {
    let rest = text.strip_prefix('?').unwrap_or(text);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    out.push('$');
    if digits == 0 {
        *placed += 1;
        out.push_str(&placed.to_string());
    } else {
        out.push_str(&rest[..digits]);
    }
    &rest[digits..]
}

#[cfg(test)]
mod tests {
    use super::postgres;

    #[test]
    fn placeholders_are_numbered_outside_of_texts() {
        assert_eq!(
            postgres("SELECT 'a?''?' FROM x WHERE I = ? AND b = ?"),
            "SELECT 'a?''?' FROM x WHERE I = $1 AND b = $2"
        );
        assert_eq!(postgres("VALUES (?1, ?2, ?1)"), "VALUES ($1, $2, $1)");
    }

    #[test]
    fn a_regular_expression_is_tilde() {
        assert_eq!(postgres("x REGEXP ? ORDER BY R"), "x ~ $1 ORDER BY R");
    }

    #[test]
    fn a_list_is_an_array() {
        let list =
            "x IN (SELECT value FROM json_each(?)) AND y NOT IN (SELECT value FROM json_each(?2)) LIMIT ?";
        assert_eq!(postgres(list), "x = ANY($1) AND y <> ALL($2) LIMIT $2");
    }
}
