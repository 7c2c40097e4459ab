//! How somebody's file is indented, so that what is added to it looks like the rest.

use super::read::{Kind, Node};

/// Columns by which things stand deeper than what holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Members of a mapping.
    member: usize,
    /// The dashes of a list below its key.
    dash: usize,
}

impl Style {
    /// As DVC writes.
    pub(crate) const PLAIN: Self = Self { member: 2, dash: 0 };

    /// Of a block of entries of `text`, each a mapping; the first one of each kind decides.
    pub(crate) fn of(text: &str, entries: &Node) -> Self {
        let mut style = Self::PLAIN;
        let bodies: Vec<&Node> = match &entries.kind {
            Kind::Map(map) => {
                let bodies = map.values().map(|(_, body)| body);
                bodies.filter(|body| !body.inline && matches!(body.kind, Kind::Map(_))).collect()
            }
            _ => Vec::new(),
        };
        if let Some(deeper) = bodies.first().and_then(|body| body.column.checked_sub(entries.column)) {
            style.member = deeper.max(1);
        }
        let lists =
            bodies.iter().flat_map(|body| body.as_map().into_iter().flatten().map(move |one| (body, one)));
        for (body, (_, (_, value))) in lists {
            let Kind::Seq(items) = &value.kind else { continue };
            let Some(first) = items.first().filter(|_| !value.inline) else { continue };
            let line = text.lines().nth(first.line.saturating_sub(1)).unwrap_or_default();
            let content = line.trim_start_matches(' ');
            if content.starts_with('-') {
                style.dash = (line.len() - content.len()).saturating_sub(body.column);
                break;
            }
        }
        style
    }

    /// Text of the emitter in this style; it starts at column 0.
    pub(crate) fn apply(self, text: &str) -> String {
        if self == Self::PLAIN {
            return text.to_owned();
        }
        // What holds the present line: its column before and after, and whether it is a list.
        let mut outer: Vec<(usize, usize, bool)> = vec![(0, 0, false)];
        let mut out = String::with_capacity(text.len() * 2);
        for line in text.split_inclusive('\n') {
            let content = line.trim_start_matches(' ');
            let old = line.len() - content.len();
            if content.trim_end().is_empty() {
                out.push_str(content);
                continue;
            }
            let is_dash = content.starts_with("- ") || content.trim_end() == "-";
            while outer.len() > 1
                && outer
                    .last()
                    .is_some_and(|(column, _, list)| *column > old || (*column == old && *list && !is_dash))
            {
                outer.pop();
            }
            let (column, new, list) = outer.last().copied().unwrap_or_default();
            let new = match (is_dash, column == old) {
                (true, true) if !list => new + self.dash,
                (true, false) => new + self.dash.max(2),
                (false, false) => new + self.member,
                _ => new,
            };
            if !(column == old && list == is_dash) {
                outer.push((old, new, is_dash));
            }
            if is_dash {
                outer.push((old + 2, new + 2, false));
            }
            out.push_str(&" ".repeat(new));
            out.push_str(content);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::*;

    #[test]
    fn what_is_added_looks_like_the_rest() {
        let text = "stages:\n    one:\n        cmd: a\n        deps:\n            - in\n";
        let root = parse(text, "").expect("parses");
        let style = Style::of(text, root.get("stages").expect("stages"));
        assert_eq!(style, Style { member: 4, dash: 4 });
        let plain = "stages:\n  one:\n    cmd: a\n    deps:\n    - path: in\n";
        let root = parse(plain, "").expect("parses");
        assert_eq!(Style::of(plain, root.get("stages").expect("stages")), Style::PLAIN);
        let emitted =
            "two:\n  cmd: b\n  deps:\n  - x\n  - y\n  outs:\n  - m:\n      cache: false\n  meta:\n    k: 1\n";
        assert_eq!(
            style.apply(emitted),
            "two:\n    cmd: b\n    deps:\n        - x\n        - y\n    outs:\n        - m:\n              cache: false\n    meta:\n        k: 1\n"
        );
        let flush = Style { member: 4, dash: 0 };
        assert_eq!(flush.apply("two:\n  deps:\n  - x\n"), "two:\n    deps:\n    - x\n");
    }
}
