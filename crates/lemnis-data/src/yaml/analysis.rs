//! What a scalar's characters allow: which quoting styles can carry it (ruamel.yaml's `analyze_scalar`).

/// The outcome of looking at a scalar's characters.
pub(crate) struct Analysis {
    pub(crate) empty: bool,
    pub(crate) multiline: bool,
    pub(crate) plain: bool,
    pub(crate) single_quoted: bool,
}

pub(crate) fn analyse(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { empty: true, multiline: false, plain: true, single_quoted: true };
    }
    let chars: Vec<char> = text.chars().collect();
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special) = (false, false);
    let (mut edge, mut break_space, mut space_break) = (false, false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut after_blank = true;
    for (index, &ch) in chars.iter().enumerate() {
        let before_blank = chars.get(index + 1).is_none_or(|next| is_blank(*next));
        let last = index + 1 == chars.len();
        indicators |= if index == 0 {
            matches!(
                ch,
                '#' | ','
                    | '['
                    | ']'
                    | '{'
                    | '}'
                    | '&'
                    | '*'
                    | '!'
                    | '|'
                    | '>'
                    | '\''
                    | '"'
                    | '%'
                    | '@'
                    | '`'
            ) || (matches!(ch, '?' | ':' | '-') && before_blank)
        } else {
            (ch == ':' && before_blank) || (ch == '#' && after_blank)
        };
        let is_break = matches!(ch, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        line_breaks |= is_break;
        let printable = ch == '\n'
            || matches!(ch, '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
                && ch != '\u{feff}';
        special |= !printable;
        if ch == ' ' {
            edge |= index == 0 || last;
            break_space |= previous_break;
            previous_space = true;
            previous_break = false;
        } else if is_break {
            edge |= index == 0 || last;
            space_break |= previous_space;
            previous_space = false;
            previous_break = true;
        } else {
            previous_space = false;
            previous_break = false;
        }
        after_blank = is_blank(ch);
    }
    Analysis {
        empty: false,
        multiline: line_breaks,
        plain: !(edge || break_space || special || space_break || line_breaks || indicators),
        single_quoted: !(break_space || special || space_break),
    }
}

fn is_blank(ch: char) -> bool {
    matches!(ch, '\0' | ' ' | '\t' | '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
