//! How two filters of traces go together: normalised pointwise mutual information.
//!
//! −1 where no trace matches both, 0 where they are independent, 1 where they always match together; NaN where one of
//! them matches nothing. G. Bouma, "Normalized (Pointwise) Mutual Information in Collocation Extraction" (2009).

use crate::search::TraceClause;

/// The prior that is added to each cell of the smoothed figure (Jeffreys).
const PRIOR: f64 = 0.5;

/// The filters to compare.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// What all traces match.
    pub base: Vec<TraceClause>,
    /// The first filter.
    pub first: Vec<TraceClause>,
    /// The second filter.
    pub second: Vec<TraceClause>,
}

/// How many traces match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The base.
    pub total: u64,
    /// The first filter, too.
    pub first: u64,
    /// The second filter, too.
    pub second: u64,
    /// Both filters.
    pub joint: u64,
}

impl Counts {
    /// The figure from the counts as they are.
    pub fn npmi(&self) -> f64 {
        match self.cells() {
            Some(_) if self.joint == 0 => -1.0,
            Some(cells) => figure(cells, 0.0),
            None => f64::NAN,
        }
    }

    /// The figure with a little of everything added, for small counts.
    pub fn npmi_smoothed(&self) -> f64 {
        self.cells().map_or(f64::NAN, |cells| figure(cells, PRIOR))
    }

    /// Both, only the first, only the second, neither; `None` where a filter matches nothing or the counts contradict.
    fn cells(&self) -> Option<[f64; 4]> {
        if self.total == 0 || self.first == 0 || self.second == 0 {
            return None;
        }
        let only_first = self.first.checked_sub(self.joint)?;
        let only_second = self.second.checked_sub(self.joint)?;
        let neither = (self.total + self.joint).checked_sub(self.first + self.second)?;
        Some([self.joint as f64, only_first as f64, only_second as f64, neither as f64])
    }
}

fn figure([both, first, second, neither]: [f64; 4], prior: f64) -> f64 {
    if first == 0.0 && second == 0.0 && neither == 0.0 {
        return 1.0;
    }
    let joint = both + prior;
    let with_first = joint + first + prior;
    let with_second = joint + second + prior;
    let total = with_first + second + prior + neither + prior;
    if joint <= 0.0 {
        return f64::NAN;
    }
    let information = joint.ln() + total.ln() - with_first.ln() - with_second.ln();
    (information / (total.ln() - joint.ln())).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_runs_from_never_to_always() {
        let of = |total, first, second, joint| Counts { total, first, second, joint };
        assert_eq!(of(10, 4, 4, 0).npmi(), -1.0);
        assert_eq!(of(10, 10, 10, 10).npmi(), 1.0);
        assert!((of(10, 5, 5, 5).npmi() - 1.0).abs() < 1e-12);
        assert!(of(100, 50, 20, 10).npmi().abs() < 1e-12, "independent");
        assert!(of(10, 0, 5, 0).npmi().is_nan());
        assert!(of(10, 5, 5, 5).npmi_smoothed() < 1.0);
    }
}
